"""Name and read the tiles of a log (c2sp.org/tlog-tiles): paths, entry bundles, and proofs out of tiles.

Pure. A log stores complete tiles alone; the caller of `TileHashes` brings them, and the hashes of the
unfinished tile of each level, as one mapping. `tiles_of` says which a proof will ask for, so that one read
brings them all.

Raises ProofInvalid for paths and bundles that are malformed, ValueError for tiles that cannot be.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from assent.core.errors import ProofInvalid
from assent.ledger.tree import HASH_BYTES, HIGHEST_SIZE, TILE_HEIGHT, TILE_WIDTH, Node, node_hash

ENTRIES: Final = "entries"
HIGHEST_LEVEL: Final = 63
LONGEST_ENTRY: Final = (1 << 16) - 1
"""A bundle counts the bytes of an entry in 16 bits."""

_LENGTH_BYTES: Final = 2
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


class TileAt(NamedTuple):
    """A tile, or with level `entries` a bundle of entries. Narrower than 256, it is partial."""

    level: int | Literal["entries"]
    number: int
    width: int = TILE_WIDTH


def tile_path(level: int | Literal["entries"], index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile below the log's prefix, such as `tile/0/x001/x234/067.p/5`.

    Raises ValueError for a tile that cannot be.
    """
    within = level == ENTRIES or 0 <= level <= HIGHEST_LEVEL
    if not within or not 0 <= index <= HIGHEST_SIZE or not 0 < width <= TILE_WIDTH:
        raise ValueError("expected a level up to 63, an index and a width up to 256")
    *folders, last = [group.zfill(3) for group in f"{index:,}".split(",")]
    name = "".join(f"x{folder}/" for folder in folders) + last
    return f"tile/{level}/{name}" + ("" if width == TILE_WIDTH else f".p/{width}")


def parse_tile_path(path: str) -> TileAt:
    """Read a path as `tile_path` writes it. Raises ProofInvalid on anything else."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise ProofInvalid("expected the path of a tile")
    index = int(re.sub(r"[x/]", "", found["index"]))
    width = int(found["width"] or TILE_WIDTH)
    at = TileAt(ENTRIES if found["level"] == ENTRIES else int(found["level"]), index, width)
    within = at.level == ENTRIES or at.level <= HIGHEST_LEVEL
    if not within or index > HIGHEST_SIZE or width > TILE_WIDTH or tile_path(*at) != path:
        raise ProofInvalid("expected the path of a tile in its one spelling")
    return at


def tile_width(level: int, index: int, size: int) -> int:
    """Return how many hashes a tile has in a tree of `size` leaves: 256, fewer, or 0 for no such tile."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def tiles_of(nodes: Iterable[Node]) -> tuple[tuple[int, int], ...]:
    """Return the (level, index) of the tiles that `nodes` are computed from, each once, in order."""
    return tuple(sorted({_tile_of(node)[:2] for node in nodes}))


class TileHashes:
    """Reads the hashes of perfect subtrees out of tiles, a `tree.HashReader`."""

    def __init__(self, tiles: Mapping[tuple[int, int], bytes]) -> None:
        """Keep tiles by (level, index): the hashes side by side, of unfinished ones as many as there are."""
        self._tiles = tiles

    def __call__(self, node: Node) -> bytes:
        """Return the hash of a perfect subtree. Raises ValueError when the tiles do not hold it."""
        level, index, first = _tile_of(node)
        width = 1 << node.height % TILE_HEIGHT
        hashes = self._tiles.get((level, index), b"")[first * HASH_BYTES : (first + width) * HASH_BYTES]
        if len(hashes) != width * HASH_BYTES:
            raise ValueError("the tiles do not hold the hash asked for")
        row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
        while len(row) > 1:
            row = [node_hash(a, b) for a, b in zip(row[::2], row[1::2], strict=True)]
        return row[0]


def _tile_of(node: Node) -> tuple[int, int, int]:
    """Return the level and index of the tile that holds a subtree, and its first hash there."""
    level, inside = divmod(node.height, TILE_HEIGHT)
    index, first = divmod(node.place << inside, TILE_WIDTH)
    return level, index, first


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return one to 256 entries as a bundle: each after its length in 16 bits, big-endian.

    Raises ValueError when there are more or one is too long.
    """
    if not 0 < len(entries) <= TILE_WIDTH or any(len(entry) > LONGEST_ENTRY for entry in entries):
        raise ValueError("a bundle is one to 256 entries of at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def parse_bundle(bundle: bytes, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
    """Return the `width` entries of a bundle. Raises ProofInvalid when it does not hold exactly those."""
    entries, at = [], 0
    while at < len(bundle):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(bundle[at:start], "big")
        entries.append(bundle[start:at])
    if at != len(bundle) or len(entries) != width:
        raise ProofInvalid("expected a bundle of as many whole entries as its path says")
    return tuple(entries)
