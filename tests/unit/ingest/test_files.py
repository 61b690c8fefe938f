"""The same rows are the same records, whatever form and packing their file has."""

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import polars as pl
import pytest

from assent.core.errors import UnreadableBody
from assent.ingest import parquet_lines
from assent.ingest.mapping import ImportMapping
from assent.ingest.records import Record, Records, Rejected
from tests.support.mapping import parse_events

MAPPING = parse_events(
    """
    format = "assent/import@1"
    title = "Orders"
    time_zone = "Europe/London"
    time_format = "%Y-%m-%d %H:%M:%S"
    identifiers = [{ namespace = "customer_id", column = "who" }]
    events = [{ prefix = "", name = "Order Completed" }]

    [columns]
    order = "text"
    who = "identifier"
    at = "time"
    count = "integer"
    price = "decimal"
    note = "text"

    [group]
    by = "order"
    time = "at"
    open = 2

    [properties]
    value = { sum = ["count", "price"] }
    note = { column = "note" }
    """,
    name="orders",
)

ROWS = [
    ("1", "17850.0", "2011-06-01 08:00:00", 2, "2.55", "plain"),
    ("1", "17850.0", "2011-06-01 08:00:00", 1, "0.10", None),
    ("2", "7.0", "2011-12-01 09:00:30", -3, "4.00", "ünï"),
    ("3", None, "2011-12-01 09:00:30", 1, "4.00", None),
    ("4", "8.0", "2011-12-01 09:00:30", 1, "1.00", None),
]
"""The third invoice names nobody."""


def as_csv() -> bytes:
    lines = [",".join(MAPPING.columns), *(",".join("" if c is None else f"{c}" for c in row) for row in ROWS)]
    return "\n".join(lines).encode()


def as_ndjson() -> bytes:
    return b"\n".join(
        b'{"order":%s,"who":%s,"at":%s,"count":%d,"price":%s,"unread":[1],"note":%s}'
        % (
            json.dumps(order).encode(),
            (who or "null").encode(),
            json.dumps(at).encode(),
            count,
            price.encode(),
            json.dumps(note).encode(),
        )
        for order, who, at, count, price, note in ROWS
    )


def parquet(path: Path) -> Path:
    pl.DataFrame(
        {
            "order": [row[0] for row in ROWS],
            "who": [None if row[1] is None else float(row[1]) for row in ROWS],
            "at": [datetime.fromisoformat(row[2]) for row in ROWS],
            "count": [row[3] for row in ROWS],
            "price": [Decimal(row[4]) for row in ROWS],
            "note": [row[5] for row in ROWS],
            "unread": [[1] for _ in ROWS],
        }
    ).write_parquet(path)
    return path


def told(path: Path, mapping: ImportMapping = MAPPING) -> list[object]:
    """Return all a file says, without the numbers of its lines: only one form has a header."""
    found: list[object] = []
    for one in Records(path, mapping):
        if isinstance(one, Rejected):
            found.append((one.lines, one.code))
        else:
            call = one.call
            found.append((one.number, one.lines, call.timestamp, call.properties, call.context))
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    path = tmp_path_factory.mktemp("plain") / "orders.csv"
    path.write_bytes(as_csv())
    found = told(path)
    assert len(found) == 4
    assert found[2] == (1, "malformed_identifier")
    return found


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize("ending", PACKINGS)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_text_files_say_the_same_however_they_are_packed(
    form: str, ending: str, plain: list[object], tmp_path: Path
) -> None:
    text = as_csv() if form == "csv" else as_ndjson()
    named = tmp_path / f"orders.{form}{ending}"
    named.write_bytes(PACKINGS[ending](text))
    assert told(named) == plain
    # Names help nobody: what a file is, its bytes say.
    nameless = named.rename(tmp_path / "orders")
    assert told(nameless) == plain


def test_a_parquet_file_says_the_same(plain: list[object], tmp_path: Path) -> None:
    path = parquet(tmp_path / "orders[1]*.parquet")
    assert told(path) == plain
    reading = Records(path, MAPPING, start_at=2)
    rest = [one for one in reading if isinstance(one, Record)]
    assert [one.number for one in rest] == [3]
    assert (reading.lines, reading.read_share) == (len(ROWS), 1.0)


def test_moments_with_a_zone_are_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    table = pl.read_parquet(parquet(path)).with_columns(
        pl.col("at").dt.replace_time_zone("Europe/London").dt.convert_time_zone("Asia/Tokyo")
    )
    before = told(path)
    table.write_parquet(path)
    assert told(path) == before


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"7",
        b'{"order": "\xff"}',
        b'{"order": "\\ud800"}',
        b'{"order": "a\\u0000"}',
        b'{"order": "9", "x": "' + b"y" * (1 << 20) + b'"}',
    ],
)
def test_a_line_that_is_no_object_is_rejected_alone(line: bytes, plain: list[object], tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_bytes(b"\n" + line + b"\n" + as_ndjson())
    first, *rest = Records(path, MAPPING)
    assert first == Rejected(line=2, lines=1, code="unreadable_body")
    assert len(rest) == len(plain)


@pytest.mark.parametrize("value", [b"1e200", b"1e-300", b"[1]", b"{}", b"1.5", b"true", b'"1_0"'])
def test_a_value_that_no_cell_could_hold_is_of_the_wrong_type(value: bytes, tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_bytes(b'{"order":"1","who":"2","at":"2011-06-01 08:00:00","price":1,"count":%s}\n' % value)
    assert list(Records(path, MAPPING)) == [Rejected(line=1, lines=1, code="wrong_type", column="count")]


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_a_packed_file_that_ends_early_is_damaged(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"orders.csv{ending}"
    path.write_bytes(PACKINGS[ending](as_csv() + bytes(range(256)) * 99)[:-20])
    with pytest.raises(UnreadableBody, match="damaged"):
        list(Records(path, MAPPING))
    path.write_bytes(PACKINGS[ending](as_csv())[:10] + b"\xff" * 50)
    with pytest.raises(UnreadableBody, match="damaged"):
        list(Records(path, MAPPING))


@pytest.mark.parametrize(
    ("begins", "words"),
    [
        (b"PAR1", "whole Parquet"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"", "first line that names the columns"),
    ],
)
def test_what_cannot_be_read_is_said(begins: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "orders"
    path.write_bytes(begins + b"\x01 secret" * bool(begins))
    with pytest.raises(UnreadableBody, match=words) as caught:
        list(Records(path, MAPPING))
    assert "secret" not in str(caught.value)


def test_a_packed_parquet_file_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet.gz"
    path.write_bytes(gzip.compress(parquet(tmp_path / "orders.parquet").read_bytes()))
    with pytest.raises(UnreadableBody, match="packs its columns"):
        list(Records(path, MAPPING))


def test_a_parquet_file_without_a_column_of_the_mapping_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "orders.parquet")
    pl.read_parquet(path).drop("note").write_parquet(path)
    with pytest.raises(UnreadableBody, match="one column note"):
        list(Records(path, MAPPING))


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "orders.parquet")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UnreadableBody, match="extra `parquet`"):
        list(Records(path, MAPPING))


def test_a_parquet_file_of_several_batches_says_every_row_once(
    tmp_path: Path, plain: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_lines, "_BATCH", 2)
    assert told(parquet(tmp_path / "orders.parquet")) == plain


def test_a_file_that_is_left_in_the_middle_is_closed(tmp_path: Path) -> None:
    mapping = msgspec.structs.replace(MAPPING, group=msgspec.structs.replace(MAPPING.group, open=1))
    for path in (tmp_path / "orders.csv", parquet(tmp_path / "orders.parquet")):
        if path.suffix == ".csv":
            path.write_bytes(as_csv())
        reading = Records(path, mapping)
        next(reading)
        del reading
