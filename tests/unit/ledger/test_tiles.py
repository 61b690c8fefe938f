"""Tiles and bundles are named and framed as c2sp.org/tlog-tiles says."""

import pytest

from assent.core.errors import ProofInvalid
from assent.ledger.tiles import (
    ENTRIES,
    TileAt,
    TileHashes,
    encode_bundle,
    parse_bundle,
    parse_tile_path,
    tile_path,
    tile_width,
    tiles_of,
)
from assent.ledger.tree import Node


@pytest.mark.parametrize(
    ("at", "path"),
    [
        (TileAt(0, 1_234_067), "tile/0/x001/x234/067"),  # the specification's example
        (TileAt(0, 0), "tile/0/000"),
        (TileAt(0, 999), "tile/0/999"),
        (TileAt(0, 1_000), "tile/0/x001/000"),
        (TileAt(0, 1_234, 5), "tile/0/x001/234.p/5"),
        (TileAt(63, 0, 255), "tile/63/000.p/255"),
        (TileAt(ENTRIES, 273, 112), "tile/entries/273.p/112"),
    ],
)
def test_a_tile_has_the_path_of_the_specification(at: TileAt, path: str) -> None:
    assert tile_path(*at) == path
    assert parse_tile_path(path) == at


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p",
        "tile/0/000.p/5/",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ],
)
def test_no_other_spelling_is_a_path(path: str) -> None:
    with pytest.raises(ProofInvalid):
        parse_tile_path(path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 1 << 63, 1), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_that_cannot_be_has_no_path(level: int, index: int, width: int) -> None:
    with pytest.raises(ValueError, match="expected a level"):
        tile_path(level, index, width)


def test_the_width_of_a_tile_follows_from_the_size_of_the_tree() -> None:
    assert [tile_width(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tile_width(level, 0, 70_000) for level in (1, 2, 3)] == [256, 1, 0]


def test_a_bundle_is_entries_after_their_lengths() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert parse_bundle(b"\x00\x02ab\x00\x00", 2) == (b"ab", b"")


@pytest.mark.parametrize("bundle", [b"", b"\x00", b"\x00\x02a", b"\x00\x01a\x00", b"\x00\x01a\x00\x01b"])
def test_a_bundle_of_anything_but_whole_entries_is_refused(bundle: bytes) -> None:
    with pytest.raises(ProofInvalid):
        parse_bundle(bundle, 1)


@pytest.mark.parametrize("entries", [[], [b""] * 257, [bytes(65_536)]])
def test_a_bundle_too_large_is_refused(entries: list[bytes]) -> None:
    with pytest.raises(ValueError, match="bundle"):
        encode_bundle(entries)


def test_hashes_that_the_tiles_do_not_hold_are_not_made_up() -> None:
    reader = TileHashes({(0, 0): bytes(32 * 3)})
    reader(Node(0, 2))
    for node in (Node(0, 3), Node(1, 1), Node(2, 0), Node(8, 0), Node(0, 256)):
        with pytest.raises(ValueError, match="do not hold"):
            reader(node)


def test_a_proof_asks_for_each_tile_once() -> None:
    assert tiles_of([Node(8, 0), Node(7, 2), Node(0, 256), Node(0, 511)]) == ((0, 1), (1, 0))
