"""Files become records: grouped, exact, numbered the same every time, and no line lost."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from assent.core.errors import UnreadableBody
from assent.core.time import format_time
from assent.ingest import rows as rows_module
from assent.ingest.contents import contents
from assent.ingest.identifiers_of import found
from assent.ingest.mapping import ImportMapping
from assent.ingest.records import Record, Records, Rejected, file_digest
from assent.resources import policies_folder
from tests.support.mapping import parse_events, read_events
from tests.unit.ingest.policy_of_tests import SHIPPED

IMPORTS = policies_folder() / "imports"
RETAIL = read_events(IMPORTS / "online-retail.toml")
SAMPLE = IMPORTS / "samples" / "online-retail-2010-12.csv.gz"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"

COLUMNS = {
    "invoice": "InvoiceNo",
    "name": "Description",
    "quantity": "Quantity",
    "at": "InvoiceDate",
    "price": "UnitPrice",
}


def line(
    invoice: str = "536365",
    sku: str = "85123A",
    name: str = "HOLDER",
    quantity: str = "6",
    at: str = "2010-12-01 08:26:00",
    price: str = "2.55",
    customer: str = "17850.0",
    country: str = "United Kingdom",
) -> str:
    return f"{invoice},{sku},{name},{quantity},{at},{price},{customer},{country}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.csv"


def read(path: Path, *lines: str | bytes, mapping: ImportMapping = RETAIL) -> list[Record | Rejected]:
    raw = [one if isinstance(one, bytes) else one.encode() for one in (HEADER, *lines)]
    path.write_bytes(b"\r\n".join(raw) + b"\r\n")
    reading = Records(path, mapping)
    read = list(reading)
    assert reading.lines == sum(one.lines for one in read)
    return read


def happened(record: Record) -> str:
    assert record.call.timestamp is not None
    return format_time(record.call.timestamp)


def only(path: Path, *lines: str) -> Record:
    (record,) = read(path, *lines)
    assert isinstance(record, Record)
    return record


def test_the_lines_of_an_invoice_are_one_call(path: Path) -> None:
    record = only(
        path, line(), line(sku="71053", name="", quantity="-2", price="0.10", at="2010-12-01 08:25:00")
    )
    assert (record.number, record.line, record.lines) == (0, 2, 2)
    assert record.call.name == "Order Completed"
    assert happened(record) == "2010-12-01T08:25:00Z"
    assert record.call.properties == {
        "order_id": "536365",
        "currency": "GBP",
        "revenue": Decimal("15.10"),
        "quantity": 4,
        "line_count": 2,
        "products": [
            {"sku": "85123A", "name": "HOLDER", "quantity": 6, "price": Decimal("2.55")},
            {"sku": "71053", "quantity": -2, "price": Decimal("0.10")},
        ],
    }


def test_the_call_goes_through_the_door_of_every_other_call(path: Path) -> None:
    call = only(path, line()).call
    (customer,) = found(call, SHIPPED)
    assert (SHIPPED.namespaces[customer.namespace].name, customer.value) == ("customer_id", "17850")
    said = {SHIPPED.categories[category].name: body for category, body in contents(call, SHIPPED)}
    assert said["orders"].name == "Order Completed"
    assert said["account"].data == {"country": "United Kingdom"}


def test_lines_without_a_customer_have_an_anonymous_identifier_per_invoice(path: Path) -> None:
    first, second = read(path, line(customer=""), line(invoice="536366", customer=""))
    names = []
    for record in (first, second):
        assert isinstance(record, Record)
        (identifier,) = found(record.call, SHIPPED)
        names.append((SHIPPED.namespaces[identifier.namespace].name, identifier.value))
    assert names == [("anonymous_id", "invoice:536365"), ("anonymous_id", "invoice:536366")]


@pytest.mark.parametrize(
    ("invoice", "event"),
    [("C536379", "Order Refunded"), ("A563185", "Balance Adjusted"), ("581587", "Order Completed")],
)
def test_the_invoice_s_first_letter_names_the_event(path: Path, invoice: str, event: str) -> None:
    assert only(path, line(invoice=invoice)).call.name == event


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
        ("2011-07-01 08:26:00", "2011-07-01T07:26:00Z"),
        # 27 March, 01:30 never was; 30 October, 01:30 was twice, and the first counts.
        ("2011-03-27 01:30:00", "2011-03-27T01:30:00Z"),
        ("2011-10-30 01:30:00", "2011-10-30T00:30:00Z"),
    ],
)
def test_times_are_the_shop_s_clock(path: Path, said: str, instant: str) -> None:
    assert happened(only(path, line(at=said))) == instant


def test_money_is_exact(path: Path) -> None:
    lines = [line(quantity="3", price="0.1")] * 1000
    assert only(path, *lines).call.properties["revenue"] == Decimal("300.0")
    # The canary: floats do not add up to it.
    assert sum([3 * 0.1] * 1000) != 300


def test_the_largest_cells_are_still_exact(path: Path) -> None:
    lines = [line(quantity="9" * 15, price=f"{'9' * 15}.{'9' * 9}")] * 3
    revenue = only(path, *lines).call.properties["revenue"]
    assert str(revenue).replace(".", "") == str(3 * (10**15 - 1) * (10**24 - 1))


def test_a_long_invoice_lists_its_first_lines_and_says_how_many_it_left_out(path: Path) -> None:
    properties = only(path, *[line(sku=f"{number:05d}") for number in range(1_114)]).call.properties
    products = properties["products"]
    assert isinstance(products, list)
    assert len(products) == 200
    assert products[-1]["sku"] == "00199"
    assert (properties["products_left_out"], properties["line_count"]) == (914, 1_114)
    assert "products_left_out" not in only(path, *[line()] * 200).call.properties


def test_an_interrupted_invoice_is_one_record_within_the_window(path: Path) -> None:
    first, second = read(path, line(), line(invoice="536366"), line())
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.number, first.lines, second.number, second.lines) == (0, 2, 1, 1)


def test_beyond_the_window_it_is_a_second_record_and_never_nothing(path: Path) -> None:
    between = [line(invoice=f"5{number:05d}") for number in range(8)]
    records = read(path, line(), *between, line(quantity="1"))
    assert [record.number for record in records if isinstance(record, Record)] == list(range(10))
    last = records[-1]
    assert isinstance(last, Record)
    assert (last.call.properties["order_id"], last.call.properties["quantity"]) == ("536365", 1)


def test_what_every_line_says_alike_is_taken_from_the_first_that_says_it(path: Path) -> None:
    call = only(path, line(customer="", country=""), line(), line(country="France")).call
    assert call.context == {
        "externalIds": [{"id": "17850", "type": "customer_id"}],
        "traits": {"country": "United Kingdom"},
    }
    assert only(path, line(country="")).call.context["traits"] == {}


def test_an_invoice_of_two_people_is_nobody_s(path: Path) -> None:
    good, bad = read(path, line(invoice="1"), line(), line(customer=""), line(customer="17851.0"))
    assert isinstance(good, Record)
    assert bad == Rejected(line=3, lines=3, code="ambiguous_identifier")


def test_an_order_of_nobody_is_rejected(path: Path) -> None:
    text = (IMPORTS / "online-retail.toml").read_text(encoding="utf-8")
    head, _, tail = text.partition('[[identifiers]]\nnamespace = "anonymous_id"')
    mapping = parse_events(head + tail.partition("fallback = true\n")[2], name="without-fallback")
    assert read(path, line(customer=""), mapping=mapping) == [
        Rejected(line=2, lines=1, code="malformed_identifier")
    ]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"quantity": "six"}, "wrong_type"),
        ({"quantity": ""}, "wrong_type"),
        ({"quantity": "1.0"}, "wrong_type"),
        ({"quantity": "1_0"}, "wrong_type"),
        ({"quantity": " 1"}, "wrong_type"),
        ({"quantity": "+1"}, "wrong_type"),
        ({"quantity": "\u0661"}, "wrong_type"),
        ({"quantity": "1" * 16}, "wrong_type"),
        ({"price": "1e3"}, "wrong_type"),
        ({"price": "NaN"}, "wrong_type"),
        ({"price": "1."}, "wrong_type"),
        ({"price": "1.0000000001"}, "wrong_type"),
        ({"at": ""}, "wrong_type"),
        ({"at": "2010-13-01 08:26:00"}, "wrong_type"),
        ({"at": "2010-12-01"}, "wrong_type"),
        ({"at": "\u0662010-12-01 08:26:00"}, "wrong_type"),
        ({"at": "0001-01-01 00:00:00"}, None),
        ({"at": "9999-12-31 23:59:59"}, None),
        ({"invoice": ""}, "wrong_type"),
        ({"name": "x" * 1_001}, "wrong_type"),
        ({"name": "x\0y"}, "wrong_type"),
        ({"name": '"x, y"'}, None),
        ({"name": '"x\r\ny"'}, None),
        ({"name": '"x""y"'}, None),
        ({"name": 'x"y'}, None),
        ({"name": '"x"y'}, "unreadable_body"),
        ({"name": "x,y"}, "unreadable_body"),
        ({"country": "EIRE,"}, "unreadable_body"),
    ],
)
def test_a_malformed_line_is_rejected_alone_with_its_number(
    path: Path, cells: dict[str, str], code: str | None
) -> None:
    found = read(path, line(), line(**cells), line())
    rejected = [one for one in found if isinstance(one, Rejected)]
    # A cell of the wrong type is named by its column, never by what it holds.
    column = COLUMNS[next(iter(cells))] if code == "wrong_type" else ""
    assert rejected == ([] if code is None else [Rejected(line=3, lines=1, code=code, column=column)])
    assert sum(one.lines for one in found if isinstance(one, Record)) == (3 if code is None else 2)


def test_bytes_that_are_no_utf_8_reject_their_line_alone(path: Path) -> None:
    bad = line(name="?").encode().replace(b"?", b"\xa3\xff")
    rejected, record = read(path, line(), bad, line(name="\u00a3 CAF\u00c9"))
    assert rejected == Rejected(line=3, lines=1, code="wrong_type", column="Description")
    assert isinstance(record, Record)
    assert record.lines == 2


def test_a_stray_quote_costs_the_lines_it_swallows_and_each_is_counted(path: Path) -> None:
    swallowed = [line(name='"stray')] + [line()] * 3 + [line(name='also "stray" here')]
    rejected, record = read(path, *swallowed, line())
    assert rejected == Rejected(line=2, lines=5, code="unreadable_body")
    assert isinstance(record, Record)
    assert record.line == 7


def test_an_endless_line_is_rejected_without_being_held(path: Path) -> None:
    found = read(path, line(), "x" * 500_000, line())
    assert [one.code for one in found if isinstance(one, Rejected)] == ["unreadable_body"] * 4
    assert sum(one.lines for one in found if isinstance(one, Record)) == 2


def test_an_order_larger_than_a_call_is_rejected(path: Path) -> None:
    assert read(path, *[line(name="x" * 1_000)] * 40) == [Rejected(line=2, lines=40, code="body_too_large")]


def test_empty_lines_are_no_rows(path: Path) -> None:
    assert only(path, "", line(), "").lines == 1


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"InvoiceNo,StockCode\n", HEADER.encode() + b",Country\n", b'"x"y\n']
)
def test_a_file_without_the_mapping_s_columns_is_unreadable(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    with pytest.raises(UnreadableBody):
        list(Records(path, RETAIL))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "got an empty one"),
        (HEADER.replace(",", ";").encode(), "commas between"),
        (HEADER.encode() + b",Country\n", "got 2 of that name"),
        (HEADER.replace("Country", "Land").encode(), "one column Country in the file, got 0"),
        (HEADER.encode("utf-16"), "got UTF-16"),
    ],
)
def test_what_is_wrong_with_the_columns_is_said_and_none_repeated(path: Path, raw: bytes, says: str) -> None:
    path.write_bytes(raw)
    with pytest.raises(UnreadableBody, match=says) as refused:
        list(Records(path, RETAIL))
    assert "Land" not in str(refused.value)


def test_rows_alike_and_rows_between_are_each_their_group_s(path: Path) -> None:
    # What a row says alike is taken from the row before only where both are of one group that is still open.
    one, other = line(), line(invoice="536366", customer="12.0", country="EIRE")
    found = read(path, one, one, other, one, line(quantity="x"), other, line(country=""), other)
    assert [(each.lines, each.code) for each in found if isinstance(each, Rejected)] == [(1, "wrong_type")]
    records = [each for each in found if isinstance(each, Record)]
    assert [record.call.properties["quantity"] for record in records] == [24, 18]
    assert [record.lines for record in records] == [4, 3]


def test_a_list_repeats_what_each_row_says_alike(path: Path) -> None:
    text = (IMPORTS / "online-retail.toml").read_text().replace('sku = "StockCode"', 'sku = "Country"')
    other = line(invoice="536366", country="EIRE")
    found = read(path, line(), line(), other, other, mapping=parse_events(text, name="countries"))
    said = [one.call.properties["products"] for one in found if isinstance(one, Record)]
    assert [[row["sku"] for row in rows] for rows in said] == [["United Kingdom"] * 2, ["EIRE"] * 2]  # type: ignore[attr-defined]


def test_columns_are_found_by_name_and_others_are_not_read(path: Path) -> None:
    columns = HEADER.split(",")
    rows = [[*columns[::-1], "Extra"], [*line().split(",")[::-1], "\xff"]]
    path.write_text("\ufeff" + "\n".join(",".join(row) for row in rows), encoding="utf-8")
    (record,) = Records(path, RETAIL)
    assert isinstance(record, Record)
    assert record.call.properties["revenue"] == Decimal("15.30")


def test_gzip_is_told_by_its_bytes_and_a_torn_file_is_an_error_not_an_end(path: Path) -> None:
    whole = gzip.compress("\n".join((HEADER, *[line(invoice=f"{n}") for n in range(5_000)])).encode())
    path.write_bytes(whole)
    assert len(list(Records(path, RETAIL))) == 5_000
    for damaged in (
        whole[:-1],
        whole[: len(whole) // 2],
        whole[:100] + b"\0" * 50 + whole[150:],
        whole + b"x",
    ):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableBody):
            list(Records(path, RETAIL))


def test_reading_goes_on_where_it_stopped() -> None:
    def told(record: Record | Rejected) -> object:
        assert isinstance(record, Record)
        return record.number, record.line, json.dumps(record.call.properties, default=str)

    whole = [told(record) for record in Records(SAMPLE, RETAIL)]
    resumed = Records(SAMPLE, RETAIL, start_at=1_000)
    assert [told(record) for record in resumed] == whole[1_000:]
    assert resumed.lines == 42_481
    assert [told(record) for record in Records(SAMPLE, RETAIL, start_at=2_024)] == whole[2_024:]
    assert not list(Records(SAMPLE, RETAIL, start_at=2_025))


def test_what_was_rejected_is_told_again_when_reading_goes_on(path: Path) -> None:
    read(path, line(quantity="x"), line(), line(invoice="536366"))
    rejected, record = Records(path, RETAIL, start_at=1)
    assert rejected == Rejected(line=2, lines=1, code="wrong_type", column="Quantity")
    assert isinstance(record, Record)
    assert record.number == 1


def test_the_shipped_sample_is_all_there() -> None:
    reading = Records(SAMPLE, RETAIL)
    records = [record for record in reading if isinstance(record, Record)]
    external = [record.call.context["externalIds"] for record in records]
    people = [ids[0]["id"] for ids in external if isinstance(ids, list) and ids[0]["type"] == "customer_id"]
    countries = {json.dumps(record.call.context["traits"]) for record in records}
    refunds = sum(record.call.name == "Order Refunded" for record in records)
    assert reading.lines == sum(record.lines for record in records) == 42_481
    assert (len(records), refunds, len(set(people)), len(countries)) == (2_025, 326, 948, 24)
    assert sum(
        (Decimal(str(record.call.properties["revenue"])) for record in records), Decimal(0)
    ) == Decimal("748957.02")
    assert reading.read_share == 1


def test_a_reader_that_loses_groups_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # The canary: forget what is still open when the file ends.
    monkeypatch.setattr(rows_module.Rows, "rest", lambda _: iter(()))
    reading = Records(SAMPLE, RETAIL)
    assert sum(record.lines for record in reading) < reading.lines == 42_481


def test_progress_moves_with_the_file() -> None:
    reading = Records(SAMPLE, RETAIL)
    next(reading)
    begun = reading.read_share
    for _ in range(1_500):
        next(reading)
    assert 0 < begun < reading.read_share <= 1


def test_the_digest_is_sha_256(path: Path) -> None:
    path.write_bytes(b"abc")
    assert file_digest(path).hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_nothing_of_a_record_is_in_its_repr(path: Path) -> None:
    assert repr(only(path, line())) == "<Record>"
