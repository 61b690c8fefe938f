"""The tree grows as the specifications draw it, and refuses states that no tree has."""

import time
from collections.abc import Callable

import pytest

from assent.core.errors import ProofInvalid
from assent.ledger import tree
from assent.ledger.tree import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_BYTES,
    Frontier,
    TreeState,
    consistency_nodes,
    extend,
    inclusion_nodes,
    leaf_hash,
    node_hash,
    pending_widths,
    root_nodes,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(70_000)]


def test_the_empty_tree_has_the_hash_of_nothing_for_root() -> None:
    assert Frontier().root() == TreeState().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_leaf_cannot_pass_for_a_node() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


def test_70_000_entries_make_the_tiles_that_the_specification_counts() -> None:
    # c2sp.org/tlog-tiles, "Partial Tiles": the worked example.
    state, tiles = extend(TreeState(), LEAVES)
    assert [sum(tile.level == level for tile in tiles) for level in (0, 1, 2)] == [273, 1, 0]
    assert pending_widths(70_000) == (112, 17, 1)
    assert [len(level) // HASH_BYTES for level in state.pending] == [112, 17, 1]


def test_256_entries_make_one_tile_whose_root_waits_one_level_up() -> None:
    state, (tile,) = extend(TreeState(), LEAVES[:256])
    assert (tile.level, tile.index, len(tile.hashes)) == (0, 0, TILE_BYTES)
    assert tile.hashes == b"".join(LEAVES[:256])
    assert state.pending == (b"", tile.root)
    assert tile.root == state.root()


def test_an_append_of_nothing_changes_nothing() -> None:
    state, _ = extend(TreeState(), LEAVES[:300])
    assert extend(state, []) == (state, ())


def test_1_024_leaves_are_appended_in_far_less_time_than_a_commit_takes() -> None:
    state, _ = extend(TreeState(), LEAVES)
    began = time.perf_counter()
    extend(state, LEAVES[:1_024])
    assert time.perf_counter() - began < 0.25  # 0.5 ms where nothing else runs


def stored(size: int) -> bytes:
    return extend(TreeState(), LEAVES[:size])[0].to_bytes()


MISSHAPEN = {
    "nothing": b"",
    "a byte too few": stored(5)[:-1],
    "a hash too few": stored(5)[:-HASH_BYTES],
    "a hash too many": stored(5) + bytes(HASH_BYTES),
    "the hashes of another size": (6).to_bytes(8, "big") + stored(5)[8:],
    "a size beyond 63 bits": (1 << 63).to_bytes(8, "big") + b"".join(LEAVES[:128]),
}


@pytest.mark.parametrize("what", MISSHAPEN)
def test_a_stored_state_of_the_wrong_shape_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"expected|follow|one hash"):
        TreeState.from_bytes(MISSHAPEN[what])


def test_a_state_is_not_resumed_from_rows_that_its_size_does_not_leave() -> None:
    with pytest.raises(ValueError, match="follow from its size"):
        TreeState.resume(257, [LEAVES[0]])


IMPOSSIBLE: dict[str, Callable[[], object]] = {
    "a size without hashes": lambda: Frontier(size=1),
    "a negative size": lambda: Frontier(size=-1, hashes=(LEAVES[0],)),
    "a size beyond 63 bits": lambda: Frontier(size=1 << 63, hashes=(LEAVES[0],)),
    "a short hash": lambda: Frontier(size=1, hashes=(b"short",)),
    "a short size": lambda: Frontier.from_bytes(bytes(7)),
    "half a hash": lambda: Frontier.from_bytes((3).to_bytes(8, "big") + bytes(33)),
    "a short leaf hash": lambda: Frontier().append([b"short"]),
    "an index at the size": lambda: inclusion_nodes(5, 5),
    "a negative index": lambda: inclusion_nodes(-1, 5),
    "an empty first tree": lambda: consistency_nodes(0, 5),
    "a first tree larger than the second": lambda: consistency_nodes(6, 5),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_no_tree_can_be_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"expected|frontier|32 bytes"):
        IMPOSSIBLE[what]()


def test_a_tree_of_its_own_size_is_consistent_without_proof_and_with_no_proof_else() -> None:
    root = Frontier().append(LEAVES[:5]).root()
    verify_consistency(5, 5, (), first_root=root, second_root=root)
    with pytest.raises(ProofInvalid):
        verify_consistency(5, 5, (root,), first_root=root, second_root=root)
    with pytest.raises(ProofInvalid):
        verify_consistency(5, 5, (), first_root=root, second_root=LEAVES[0])


def test_sizes_beyond_64_bits_are_refused() -> None:
    with pytest.raises(ProofInvalid):
        verify_inclusion(LEAVES[0], 0, 1 << 63, (LEAVES[1],) * 63, LEAVES[2])
    with pytest.raises(ProofInvalid):
        verify_consistency(1, 1 << 63, (LEAVES[1],) * 63, first_root=LEAVES[0], second_root=LEAVES[2])


def test_an_empty_consistency_proof_is_refused_for_sizes_that_need_one() -> None:
    with pytest.raises(ProofInvalid, match="empty"):
        verify_consistency(3, 5, (), first_root=LEAVES[0], second_root=LEAVES[1])


def test_a_root_is_made_of_one_subtree_for_each_bit_of_the_size() -> None:
    assert root_nodes(0) == ()
    assert root_nodes(70_000) == ((16, 0), (12, 16), (8, 272), (6, 1092), (5, 2186), (4, 4374))


def tail_is_let_through() -> bool:
    """Whether a path that goes on above the root is hashed in, on either side."""
    leaf, tail = LEAVES[:2]
    for root in (node_hash(leaf, tail), node_hash(tail, leaf)):
        try:
            verify_inclusion(leaf, 0, 1, (tail,), root)
        except ProofInvalid:
            continue
        return True
    return False


def test_a_path_ends_at_the_root() -> None:
    assert not tail_is_let_through()


def test_a_climb_without_bounds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_climb", lambda _, __, proof: ((sibling, True) for sibling in proof))
    assert tail_is_let_through()


def test_a_consistency_proof_is_made_of_whole_hashes() -> None:
    with pytest.raises(ProofInvalid, match="32 bytes"):
        verify_consistency(3, 4, (b"short", *LEAVES[:2]), first_root=LEAVES[0], second_root=LEAVES[1])
