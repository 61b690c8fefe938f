"""JSON with exact numbers, and what its grammar allows but we do not carry."""

from decimal import Decimal

import pytest

from assent.core.errors import UnreadableBody
from assent.ingest import exact_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0.1", Decimal("0.1")),
        (b"1.50", Decimal("1.50")),
        (b"12345678901234567890.123456789", Decimal("12345678901234567890.123456789")),
        (b"9007199254740993", 9007199254740993),
        (b"-18446744073709551617", -18446744073709551617),
        (b"1e3", Decimal("1e3")),
        (b"1.7976931348623157e308", Decimal("1.7976931348623157e308")),
        (b"5e-324", Decimal("5e-324")),
        (b"[true,false,null]", [True, False, None]),
        (b'"\\ud83d\\ude00\\u00e9"', "\U0001f600\u00e9"),
    ],
)
def test_numbers_and_text_are_read_exactly(text: bytes, value: object) -> None:
    read = exact_json.read(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", [b"1.50", b"1E+3", b"1E-9", b"-0.0", b"0.10", b"9007199254740993", b"5E-324"]
)
def test_what_was_read_is_written_digit_by_digit(text: bytes) -> None:
    assert exact_json.write(exact_json.read(text)) == text


def test_a_float_would_have_changed_the_digits() -> None:
    # The canary: what the decoder gives without our hook does not survive the same round trip.
    text = b"12345678901234567890.10"
    assert exact_json.write(exact_json.read(text)) == text
    assert exact_json.write(float(text)) != text


@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e401",
        b"1e-401",
        b"1e999999999",
        b"0e999999999",
        b"1e99999999999999999999",
        b"0." + b"1" * 64,
        b"1" * 65,
        b"-" + b"1" * 65,
        b"1" * 20_000,
        b'"\\u0000"',
        b'{"\\u0000":1}',
        b'[[{"a":"x\\u0000"}]]',
        b'"\\ud800"',
        b'"\\udc00x"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\x00"',
        b"[" * 33 + b"1" + b"]" * 33,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"",
        b"'a'",
        b"01",
        b"+1",
    ],
)
def test_what_cannot_be_carried_unchanged_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableBody):
        exact_json.read(text)


def test_the_bounds_themselves_are_taken() -> None:
    assert exact_json.read(b"9" * 64) == 10**64 - 1
    assert exact_json.read(b"1e400") == Decimal("1e400")
    assert exact_json.read(b"[" * 32 + b"1" + b"]" * 32)
    assert exact_json.read(b'"\\\\u0000"') == "\\u0000"


def test_the_last_of_two_equal_members_counts_at_every_depth() -> None:
    assert exact_json.read(b'{"a":{"b":1,"b":2},"a":{"b":3,"b":4}}') == {"a": {"b": 4}}
