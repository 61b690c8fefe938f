"""Mappings: what they must say before a line is read; an error names file, key and what was expected."""

import pytest

from assent.core.errors import PolicyInvalid
from assent.ingest.mapping import ColumnType, Listing, check_against
from assent.resources import policies_folder
from tests.support.mapping import parse_events, read_events
from tests.unit.ingest.policy_of_tests import SHIPPED as POLICY

SHIPPED = (policies_folder() / "imports" / "online-retail.toml").read_text(encoding="utf-8")

SMALL = """
format = "assent/import@1"
title = "Orders"
time_zone = "UTC"
time_format = "%Y-%m-%dT%H:%M:%S"
identifiers = [{ namespace = "customer_id", column = "who" }]
events = [{ prefix = "", name = "Order Completed" }]

[columns]
order = "text"
who = "identifier"
at = "time"
count = "integer"
price = "decimal"

[group]
by = "order"
time = "at"
open = 2

[traits]
plan = "who"

[properties]
value = { sum = ["count", "price"] }
lines = { list = { count = "count" }, at_most = 3, left_out = "more" }
"""


def refused(text: str) -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as caught:
        parse_events(text, name="orders")
    return caught.value


def test_the_shipped_mapping_is_read() -> None:
    mapping = parse_events(SHIPPED, name="online-retail")
    assert mapping.columns["CustomerID"] is ColumnType.IDENTIFIER
    assert [event.name for event in mapping.events] == [
        "Order Refunded",
        "Balance Adjusted",
        "Order Completed",
    ]
    products = mapping.properties["products"]
    assert isinstance(products, Listing)
    assert products.at_most == 200


def test_a_small_mapping_is_read() -> None:
    assert parse_events(SMALL, name="orders").group.open == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("format", "fromat", "orders.toml: fromat: unknown key"),
        ("assent/import@1", "assent/import@2", "orders.toml: format: expected assent/import@1"),
        ('title = "Orders"', "", "orders.toml: title: missing"),
        ('title = "Orders"', "title = 7", "orders.toml: title: expected text"),
        ('"decimal"', '"money"', "orders.toml: columns.price: expected one of decimal, identifier, integer"),
        ("open = 2", "open = 0", "orders.toml: group.open: expected a whole number"),
        ("open = 2", "", "orders.toml: group.open: missing"),
        ('by = "order"', 'by = "oder"', "orders.toml: group.by: expected one of order, who"),
        ('by = "order"', 'by = "count"', "orders.toml: group.by: expected one of order, who"),
        ('time = "at"', 'time = "order"', "orders.toml: group.time: expected one of at"),
        ('column = "who"', 'column = "at"', "orders.toml: identifiers.0.column: expected one of order, who"),
        ('column = "who" }]', 'column = "who" }, 7]', "orders.toml: identifiers.1: expected a table"),
        ('plan = "who"', 'plan = "nobody"', "orders.toml: traits.plan: expected one of"),
        ('plan = "who"', "plan = 1", "orders.toml: traits.plan: expected the name of a column"),
        (
            '"count", "price"',
            '"count", "who"',
            "orders.toml: properties.value.sum.1: expected one of count, price",
        ),
        (
            '"count", "price"',
            '"count", "price", "price"',
            "orders.toml: properties.value.sum: expected a list of at most two",
        ),
        ("sum =", "product =", "orders.toml: properties.value: expected a table with one of the keys column"),
        (
            '{ count = "count" }',
            '{ count = "at" }',
            "orders.toml: properties.lines.list.count: expected one of",
        ),
        ("at_most = 3", "at_most = 3000", "orders.toml: properties.lines.at_most: expected a whole number"),
        ('"more"', '"value"', "orders.toml: properties.lines.left_out: expected a name that no other"),
        ('prefix = ""', 'prefix = "C"', "orders.toml: events: expected the last to have the prefix"),
        ("%Y-%m-%dT%H:%M:%S", "%Q", "orders.toml: time_format: expected a format"),
        ("[columns]", "[columns", "orders.toml: expected a TOML document"),
    ],
)
def test_an_error_names_file_key_and_what_was_expected(old: str, new: str, says: str) -> None:
    assert old in SMALL
    assert str(refused(SMALL.replace(old, new))).startswith(says)


def test_a_mapping_without_events_or_identifiers_is_refused() -> None:
    assert "events" in str(refused(SMALL.replace('{ prefix = "", name = "Order Completed" }', "")))
    assert "identifiers" in str(refused(SMALL.replace('{ namespace = "customer_id", column = "who" }', "")))


def test_what_is_no_toml_is_refused_without_quoting_it() -> None:
    error = refused("ada@example.com")
    assert "ada" not in str(error)
    assert error.__cause__ is None


def test_a_word_that_the_policy_does_not_declare_is_refused_before_a_line_is_read() -> None:
    text = SHIPPED
    check_against(parse_events(text, name="m"), POLICY)
    unknown = parse_events(text.replace('"customer_id"', '"custmer_id"'), name="m")
    with pytest.raises(PolicyInvalid, match=r"identifiers\.0\.namespace: expected one of .*customer_id"):
        check_against(unknown, POLICY)
    consent = '[consent.newsleter]\ncolumn = "Country"\ntime = "InvoiceDate"\nrefused = ["no"]\n'
    with pytest.raises(PolicyInvalid, match="consent: expected one of"):
        check_against(parse_events(text + consent, name="m"), POLICY)


def test_nesting_that_no_parser_follows_is_refused() -> None:
    refused("a = " + "[" * 3_000)  # thrice as deep as Python follows


def test_a_time_zone_that_the_machine_does_not_know_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("mapping") / "orders.toml"
    for zone in ("Europe/Londonium", "../etc/passwd", "/etc/localtime", "Europe"):
        path.write_text(SMALL.replace('"UTC"', f'"{zone}"'), encoding="utf-8")
        with pytest.raises(PolicyInvalid, match=r"orders\.toml: time_zone: expected a time zone"):
            read_events(path)
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(PolicyInvalid, match=r"orders\.toml: expected UTF-8"):
        read_events(path)
