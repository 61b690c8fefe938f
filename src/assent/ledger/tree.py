"""Grow a Merkle tree and prove things about it (RFC 6962 section 2.1, RFC 9162 section 2.1, SHA-256).

Pure: hashes in, hashes out. A `Frontier` is all that a root needs; a `TreeState` is all that the next
append needs, tiles included, so a writer never reads the tree back. Only complete tiles leave `extend`: 256
hashes and the root they make, which is the hash one tile level up.

Raises ProofInvalid for a proof that does not verify, and ValueError where a caller of ours asks for what
cannot be: an index beyond the size, a state of the wrong shape.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Self

import msgspec

from assent.core.errors import ProofInvalid

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES

HIGHEST_SIZE: Final = (1 << 63) - 1
"""A size is a signed 64-bit number in the database."""

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""

_SIZE_BYTES: Final = 8

_sha256 = hashlib.sha256


class Node(NamedTuple):
    """A perfect subtree: the leaves from place * 2**height to before (place + 1) * 2**height."""

    height: int
    place: int


HashReader = Callable[[Node], bytes]
"""Returns the hash of a perfect subtree that is complete in the tree."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf. The prefix keeps a leaf from being read as a node."""
    return _sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier(msgspec.Struct, frozen=True, kw_only=True):
    """The perfect subtrees a tree consists of, left to right: one for each bit set in its size."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse hashes that are not those of a tree of this size."""
        if not 0 <= self.size <= HIGHEST_SIZE or len(self.hashes) != self.size.bit_count():
            raise ValueError("a frontier holds one hash for each bit set in its size")
        if any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError("a hash is 32 bytes")

    def append(self, leaf_hashes: Iterable[bytes]) -> "Frontier":
        """Return the frontier after these leaf hashes: at most one node hash per leaf, amortised."""
        return _grow(self, list(leaf_hashes))[0]

    def root(self) -> bytes:
        """Return the root of the tree."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """Return the size in 8 bytes, big-endian, and the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError on anything else."""
        size, hashes = _split_stored(stored)
        return cls(size=size, hashes=tuple(_cut(hashes)))


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """A complete C2SP tile: 256 hashes side by side, and the root they make."""

    level: int
    index: int
    hashes: bytes
    root: bytes


class TreeState(msgspec.Struct, frozen=True, kw_only=True):
    """A tree as its writer keeps it: the frontier, and per tile level the hashes of the unfinished tile.

    `pending[0]` are the hashes of the newest size % 256 leaves; `pending[n]` are the roots of the newest
    complete tiles of level n - 1, which no complete tile of level n holds yet. At most 8,160 bytes a level.
    """

    frontier: Frontier = Frontier()
    pending: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self.frontier.size

    def root(self) -> bytes:
        """Return the root of the tree."""
        return self.frontier.root()

    def to_bytes(self) -> bytes:
        """Return the size in 8 bytes, big-endian, and the pending hashes from level 0 up."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.pending)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError on anything else."""
        size, hashes = _split_stored(stored)
        pending, at = [], 0
        for width in pending_widths(size):
            pending.append(hashes[at : at + width * HASH_BYTES])
            at += width * HASH_BYTES
        if at != len(hashes):
            raise ValueError("the hashes of a tree's unfinished tiles follow from its size")
        return cls.resume(size, pending)

    @classmethod
    def resume(cls, size: int, pending: Sequence[bytes]) -> Self:
        """Return the state of a tree of `size` leaves from the hashes of its unfinished tiles, level 0 first.

        Raises ValueError when a level has more or fewer hashes than that size leaves unfinished.
        """
        if tuple(map(len, pending)) != tuple(width * HASH_BYTES for width in pending_widths(size)):
            raise ValueError("the hashes of a tree's unfinished tiles follow from its size")
        perfect = [Frontier().append(_cut(level)).hashes for level in reversed(pending)]
        frontier = Frontier(size=size, hashes=tuple(one for level in perfect for one in level))
        return cls(frontier=frontier, pending=tuple(pending))


def pending_widths(size: int) -> tuple[int, ...]:
    """Return how many hashes the unfinished tile of each level holds in a tree of `size` leaves."""
    levels = -(-size.bit_length() // TILE_HEIGHT)
    return tuple(size >> TILE_HEIGHT * level & TILE_WIDTH - 1 for level in range(levels))


def extend(state: TreeState, leaf_hashes: Iterable[bytes]) -> tuple[TreeState, tuple[Tile, ...]]:
    """Append leaf hashes. Returns the state after, and the tiles that this append completed.

    Tiles come lower levels first, each level from left to right.
    """
    frontier, grown = _grow(state.frontier, list(leaf_hashes))
    pending, tiles = list(state.pending), []
    for level, height in enumerate(range(0, len(grown), TILE_HEIGHT)):
        if level == len(pending):
            pending.append(b"")
        hashes = pending[level] + b"".join(grown[height])
        roots = grown[height + TILE_HEIGHT] if height + TILE_HEIGHT < len(grown) else []
        first = state.size >> TILE_HEIGHT * (level + 1)
        for number, root in enumerate(roots):
            start = number * TILE_BYTES
            tiles.append(
                Tile(level=level, index=first + number, hashes=hashes[start : start + TILE_BYTES], root=root)
            )
        pending[level] = hashes[len(roots) * TILE_BYTES :]
    return TreeState(frontier=frontier, pending=tuple(pending)), tuple(tiles)


def _grow(frontier: Frontier, new: list[bytes]) -> tuple[Frontier, list[list[bytes]]]:
    """Return the frontier after `new` leaf hashes, and the nodes that came into being at each height."""
    if any(len(one) != HASH_BYTES for one in new):
        raise ValueError("a hash is 32 bytes")
    heights = [height for height in range(frontier.size.bit_length()) if frontier.size >> height & 1]
    left = dict(zip(reversed(heights), frontier.hashes, strict=True))
    grown, height, nodes = [], 0, new
    while nodes:
        grown.append(nodes)
        row = [left.pop(height), *nodes] if height in left else nodes
        if len(row) % 2:
            left[height] = row[-1]
        nodes = [node_hash(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
        height += 1
    hashes = tuple(left[height] for height in sorted(left, reverse=True))
    return Frontier(size=frontier.size + len(new), hashes=hashes), grown


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees, left to right and each smaller than the one before."""
    root = hashes[-1]
    for one in reversed(hashes[:-1]):
        root = node_hash(one, root)
    return root


def root_nodes(size: int) -> tuple[Node, ...]:
    """Return the perfect subtrees of a tree of `size` leaves, left to right."""
    return tuple(_perfect(0, size))


def root_at(size: int, reader: HashReader) -> bytes:
    """Return the root that the tree had, or has, at `size`."""
    return _fold([reader(node) for node in root_nodes(size)]) if size else EMPTY_ROOT


def inclusion_nodes(index: int, size: int) -> tuple[tuple[Node, ...], ...]:
    """Return, for each hash of an inclusion proof, the perfect subtrees it is made of.

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("expected an index below the size")
    low, high, ranges = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return tuple(tuple(_perfect(*one)) for one in reversed(ranges))


def consistency_nodes(first: int, second: int) -> tuple[tuple[Node, ...], ...]:
    """Return, for each hash of a consistency proof, the perfect subtrees it is made of.

    Raises ValueError unless 0 < first <= second: nothing follows from an empty tree.
    """
    if not 0 < first <= second:
        raise ValueError("expected sizes with 0 < first <= second")
    low, high, ranges = 0, second, []
    while first < high:
        middle = low + _split(high - low)
        if first <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    if low:  # a subtree from leaf 0 is the older tree itself, whose root the verifier holds
        ranges.append((low, high))
    return tuple(tuple(_perfect(*one)) for one in reversed(ranges))


def inclusion_proof(index: int, size: int, reader: HashReader) -> tuple[bytes, ...]:
    """Return the proof that leaf `index` is in the tree of `size` leaves, its sibling first.

    Raises ValueError when the tree has no such leaf.
    """
    return tuple(_fold([reader(node) for node in part]) for part in inclusion_nodes(index, size))


def consistency_proof(first: int, second: int, reader: HashReader) -> tuple[bytes, ...]:
    """Return the proof that the tree of `second` leaves begins with the tree of `first` leaves.

    Raises ValueError unless 0 < first <= second.
    """
    return tuple(_fold([reader(node) for node in part]) for part in consistency_nodes(first, second))


def _split(width: int) -> int:
    """Return the largest power of two below `width` (RFC 6962: k < n <= 2k)."""
    return 1 << (width - 1).bit_length() - 1


def _perfect(low: int, high: int) -> Iterator[Node]:
    """Yield the perfect subtrees of the leaves from `low` to before `high`, left to right."""
    while low < high:
        height = (high - low).bit_length() - 1
        yield Node(height, low >> height)
        low += 1 << height


def verify_inclusion(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with hash `hashed` stands at `index` of the tree (RFC 9162 section 2.1.3.2).

    Raises ProofInvalid.
    """
    if not 0 <= index < size <= HIGHEST_SIZE:
        raise ProofInvalid("expected an index below the size of the tree")
    _check_lengths((hashed, *proof))
    found = hashed
    for sibling, on_left in _climb(index, size - 1, proof):
        found = node_hash(sibling, found) if on_left else node_hash(found, sibling)
    if found != root:
        raise ProofInvalid("the inclusion proof does not lead to the root")


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], *, first_root: bytes, second_root: bytes
) -> None:
    """Check that the tree of `second` leaves begins with the tree of `first` (RFC 9162 section 2.1.4.2).

    An empty first tree proves nothing, so it is refused. Raises ProofInvalid.
    """
    if not 0 < first <= second <= HIGHEST_SIZE:
        raise ProofInvalid("expected sizes with 0 < first <= second")
    if first == second:
        if proof or first_root != second_root:
            raise ProofInvalid("trees of one size have one root and need no proof")
        return
    # A tree of 2**n leaves is a subtree of every larger one: its root begins the path, unsaid.
    path = [first_root, *proof] if first.bit_count() == 1 else proof
    _check_lengths(path)
    if not path:
        raise ProofInvalid("the consistency proof is empty")
    older = newer = path[0]
    shared = (first & -first).bit_length() - 1  # the height of the subtree the proof starts from
    for sibling, on_left in _climb(first - 1 >> shared, second - 1 >> shared, path[1:]):
        newer = node_hash(sibling, newer) if on_left else node_hash(newer, sibling)
        older = node_hash(sibling, older) if on_left else older
    if older != first_root or newer != second_root:
        raise ProofInvalid("the consistency proof does not lead to both roots")


def _climb(place: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each sibling on the way to the root, and whether it stands on the left.

    `last` is the place of the rightmost node at the same height. Raises ProofInvalid when the proof ends
    below the root or goes on above it.
    """
    for sibling in proof:
        if not last:
            raise ProofInvalid("the proof is longer than the tree is high")
        on_left = bool(place & 1) or place == last
        yield sibling, on_left
        # A rightmost node without a sibling is its own parent.
        alone = (place & -place).bit_length() - 1 if on_left else 0
        place, last = place >> alone + 1, last >> alone + 1
    if last:
        raise ProofInvalid("the proof ends below the root")


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise ProofInvalid("a hash of a proof is 32 bytes")


def _split_stored(stored: bytes) -> tuple[int, bytes]:
    size, hashes = stored[:_SIZE_BYTES], stored[_SIZE_BYTES:]
    if len(size) != _SIZE_BYTES or len(hashes) % HASH_BYTES:
        raise ValueError("expected a size in 8 bytes and whole hashes")
    return int.from_bytes(size, "big"), hashes


def _cut(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
