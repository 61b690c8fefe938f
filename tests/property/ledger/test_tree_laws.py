"""Laws of the tree, against RFC 6962's own recursive definitions."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.core.errors import ProofInvalid
from assent.ledger import tree
from assent.ledger.tiles import TileHashes, tile_width, tiles_of
from assent.ledger.tree import Frontier, Node, Tile, TreeState, extend
from tests.property.ledger.finding import finds

# Enough for three complete tiles and a part of the fourth.
LEAVES = [tree.leaf_hash(number.to_bytes(2, "big")) for number in range(900)]
SIZES = st.integers(min_value=0, max_value=len(LEAVES))
SOME = settings(max_examples=60, deadline=None)

Hashes = Sequence[bytes]


# RFC 6962 section 2.1, written down as it stands there.


def k(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def mth(leaves: Hashes) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = k(len(leaves))
    return sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


def path(index: int, leaves: Hashes) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = k(len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), mth(leaves[split:])]
    return [*path(index - split, leaves[split:]), mth(leaves[:split])]


def subproof(first: int, leaves: Hashes, *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [mth(leaves)]
    split = k(len(leaves))
    if first <= split:
        return [*subproof(first, leaves[:split], whole=whole), mth(leaves[split:])]
    return [*subproof(first - split, leaves[split:], whole=False), mth(leaves[:split])]


def read(node: Node) -> bytes:
    return mth(LEAVES[node.place << node.height : (node.place + 1) << node.height])


def state_of(size: int) -> TreeState:
    return extend(TreeState(), LEAVES[:size])[0]


# Growing.


def root_follows_the_definition(size: int) -> bool:
    return Frontier().append(LEAVES[:size]).root() == mth(LEAVES[:size]) == state_of(size).root()


@SOME
@given(SIZES)
def test_the_root_is_the_one_of_the_definition(size: int) -> None:
    assert root_follows_the_definition(size)
    assert tree.root_at(size, read) == mth(LEAVES[:size])


def appends_add_up(case: tuple[int, int, int]) -> bool:
    first, second, third = sorted(case)
    once, tiles = extend(TreeState(), LEAVES[:third])
    state = TreeState()
    pieces: list[Tile] = []
    for low, high in ((0, first), (first, second), (second, third)):
        state, completed = extend(state, LEAVES[low:high])
        pieces.extend(completed)
    return state == once and sorted(pieces, key=lambda tile: (tile.level, tile.index)) == list(tiles)


@SOME
@given(st.tuples(SIZES, SIZES, SIZES))
def test_appending_in_pieces_is_appending_at_once(case: tuple[int, int, int]) -> None:
    assert appends_add_up(case)


@SOME
@given(SIZES)
def test_tiles_hold_what_the_specification_says(size: int) -> None:
    # c2sp.org/tlog-tiles: the n-th tile of level l holds MTH(D[(n*256+i) * 256**l : (n*256+i+1) * 256**l]).
    state, tiles = extend(TreeState(), LEAVES[:size])
    assert [(tile.level, tile.index) for tile in tiles] == [(0, index) for index in range(size // 256)]
    for tile in tiles:
        leaves = LEAVES[tile.index * 256 : (tile.index + 1) * 256]
        assert (tile.hashes, tile.root) == (b"".join(leaves), mth(leaves))
    assert b"".join(state.pending[:1]) == b"".join(LEAVES[size - size % 256 : size])
    assert b"".join(state.pending[1:]) == b"".join(tile.root for tile in tiles)


@SOME
@given(SIZES)
def test_a_state_comes_back_from_bytes_and_from_rows(size: int) -> None:
    state, tiles = extend(TreeState(), LEAVES[:size])
    assert TreeState.from_bytes(state.to_bytes()) == state
    assert Frontier.from_bytes(state.frontier.to_bytes()) == state.frontier
    rows = [b"".join(LEAVES[size - size % 256 : size]), b"".join(tile.root for tile in tiles)]
    assert TreeState.resume(size, rows[: len(tree.pending_widths(size))]) == state


# Proving.


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(min_value=1, max_value=len(LEAVES)))
    return draw(st.integers(min_value=0, max_value=size - 1)), size


def inclusion_is_refused(case: tuple[int, int], leaf: bytes, proof: Hashes, root: bytes) -> bool:
    try:
        tree.verify_inclusion(leaf, *case, proof, root)
    except ProofInvalid:
        return True
    return False


@SOME
@given(places())
def test_an_inclusion_proof_is_the_one_of_the_definition_and_verifies(case: tuple[int, int]) -> None:
    index, size = case
    proof = tree.inclusion_proof(index, size, read)
    assert list(proof) == path(index, LEAVES[:size])
    tree.verify_inclusion(LEAVES[index], index, size, proof, mth(LEAVES[:size]))


@SOME
@given(places())
def test_a_consistency_proof_is_the_one_of_the_definition_and_verifies(case: tuple[int, int]) -> None:
    first, second = case[0] + 1, case[1]
    proof = tree.consistency_proof(first, second, read)
    assert list(proof) == subproof(first, LEAVES[:second], whole=True)
    roots = {"first_root": mth(LEAVES[:first]), "second_root": mth(LEAVES[:second])}
    tree.verify_consistency(first, second, proof, **roots)


def tampered_inclusion_is_refused(case: tuple[tuple[int, int], int, int]) -> bool:
    """Change one hash of the proof, drop one, add one, or move the leaf: none of it verifies."""
    (index, size), at, bit = case
    root, proof = mth(LEAVES[:size]), path(index, LEAVES[:size])
    at %= len(proof) + 1
    flipped = [
        one if place != at else (int.from_bytes(one) ^ 1 << bit).to_bytes(32)
        for place, one in enumerate(proof)
    ]
    changed = [
        [*proof[:at], root, *proof[at:]],
        *([proof[:at] + proof[at + 1 :], flipped] if at < len(proof) else []),
    ]
    moved = (index + 1) % size
    return all(inclusion_is_refused((index, size), LEAVES[index], other, root) for other in changed) and (
        moved == index or inclusion_is_refused((moved, size), LEAVES[index], proof, root)
    )


TAMPERING = st.tuples(places(), st.integers(0, 20), st.integers(0, 255))


@SOME
@given(TAMPERING)
def test_a_tampered_inclusion_proof_is_refused(case: tuple[tuple[int, int], int, int]) -> None:
    assert tampered_inclusion_is_refused(case)


@SOME
@given(places(), st.integers(min_value=0, max_value=20))
def test_a_rewritten_leaf_is_found_by_every_older_root(case: tuple[int, int], ago: int) -> None:
    changed, second = case
    first = max(changed + 1, second - ago)
    leaves = [*LEAVES[:changed], tree.leaf_hash(b"rewritten"), *LEAVES[changed + 1 : second]]
    proof = subproof(first, leaves, whole=True)
    with pytest.raises(ProofInvalid):
        tree.verify_consistency(first, second, proof, first_root=mth(LEAVES[:first]), second_root=mth(leaves))


# Proving out of tiles as they stand in the database: complete ones as rows, one unfinished a level.


@SOME
@given(places(), SIZES)
def test_the_tiles_of_a_later_size_prove_every_earlier_one(case: tuple[int, int], more: int) -> None:
    index, size = case
    now = min(size + more, len(LEAVES))
    state, tiles = extend(TreeState(), LEAVES[:now])
    rows = {(tile.level, tile.index): tile.hashes for tile in tiles}
    rows |= {(level, now >> 8 * (level + 1)): hashes for level, hashes in enumerate(state.pending)}
    parts = (
        *tree.inclusion_nodes(index, size),
        *tree.consistency_nodes(index + 1, size),
        tree.root_nodes(size),
    )
    needed = tiles_of(node for part in parts for node in part)
    assert all(len(rows[at]) == 32 * tile_width(*at, now) for at in needed)
    reader = TileHashes({at: rows[at] for at in needed})
    assert tree.inclusion_proof(index, size, reader) == tree.inclusion_proof(index, size, read)
    assert tree.consistency_proof(index + 1, size, reader) == tree.consistency_proof(index + 1, size, read)
    assert tree.root_at(size, reader) == mth(LEAVES[:size])


# Planted faults, each of which a law above must find.


def test_the_laws_find_a_node_hashed_without_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "node_hash", lambda left, right: sha256(left + right).digest())
    assert finds(SIZES, root_follows_the_definition)


def test_the_laws_find_subtrees_folded_from_the_wrong_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def fold(hashes: Hashes) -> bytes:
        root = hashes[0]
        for one in hashes[1:]:
            root = tree.node_hash(root, one)
        return root

    monkeypatch.setattr(tree, "_fold", fold)
    assert finds(SIZES, root_follows_the_definition)


def test_the_laws_find_a_verifier_that_takes_a_proof_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    climb = tree._climb
    monkeypatch.setattr(
        tree, "_climb", lambda place, last, proof: climb(place, last, proof[: last.bit_length()])
    )
    assert finds(TAMPERING, tampered_inclusion_is_refused)


def test_the_laws_find_a_tree_that_forgets_what_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(state: TreeState, hashes: Hashes) -> tuple[TreeState, tuple[Tile, ...]]:
        return tree.extend(TreeState(frontier=state.frontier), hashes)

    monkeypatch.setitem(appends_add_up.__globals__, "extend", forgetful)
    assert finds(st.tuples(SIZES, SIZES, SIZES), appends_add_up)
