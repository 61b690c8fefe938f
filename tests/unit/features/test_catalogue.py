"""Values from and to JSON."""

from decimal import Decimal

import pytest

from assent.core.errors import WrongType
from assent.core.policy import Aggregate, ValueType
from assent.features.catalogue import pack_value, unpack_value, value_from_json, value_to_json
from tests.property.features.worlds import feature

KINDS = {kind: feature(1, "f", kind, Aggregate.TRAIT, trait="f") for kind in ValueType}
NUMBER = KINDS[ValueType.NUMBER]


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (ValueType.BOOLEAN, True, True),
        (ValueType.NUMBER, 3, 3_000_000),
        (ValueType.NUMBER, Decimal("0.000001"), 1),
        (ValueType.NUMBER, Decimal("1.50000000000"), 1_500_000),
        (ValueType.NUMBER, 0.1, 100_000),
        (ValueType.NUMBER, Decimal("-9223372036854.775807"), -(1 << 63) + 1),
        (ValueType.TEXT, "", ""),
        (ValueType.TIME, "1970-01-01T01:00:01+01:00", 1_000_000),
        (ValueType.SET, ["b", "a", "b"], frozenset("ab")),
    ],
)
def test_a_value_of_the_type_is_taken_exactly(kind: ValueType, raw: object, value: object) -> None:
    assert value_from_json(KINDS[kind], raw) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (ValueType.BOOLEAN, 1),
        (ValueType.NUMBER, True),
        (ValueType.NUMBER, "3"),
        (ValueType.NUMBER, Decimal("0.0000001")),
        (ValueType.NUMBER, Decimal("9223372036854.775808")),
        (ValueType.NUMBER, Decimal("-9223372036854.775808")),
        (ValueType.NUMBER, 10**13),
        (ValueType.NUMBER, Decimal("1E+999999")),
        (ValueType.NUMBER, Decimal("1E-999999")),
        (ValueType.NUMBER, Decimal("NaN")),
        (ValueType.NUMBER, float("inf")),
        (ValueType.TEXT, 3),
        (ValueType.TIME, "2026-01-01T00:00:00"),
        (ValueType.TIME, "2026-01-01"),
        (ValueType.TIME, "0001-01-01T00:00:00+12:00"),
        (ValueType.TIME, 5),
        (ValueType.SET, "a"),
        (ValueType.SET, ["a", 1]),
    ],
)
def test_anything_else_is_refused_with_its_pointer(kind: ValueType, raw: object) -> None:
    with pytest.raises(WrongType) as caught:
        value_from_json(KINDS[kind], raw, pointer="/rule/value")
    assert caught.value.pointer == "/rule/value"
    assert str(raw) not in str(caught.value) or raw in {1, 3, 5, "a"}


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (ValueType.NUMBER, 4_000_000, 4),
        (ValueType.NUMBER, 1_500_000, 1.5),
        (ValueType.NUMBER, -1, -0.000001),
        (ValueType.NUMBER, (1 << 63) - 1, Decimal("9223372036854.775807")),
        (ValueType.TIME, 1_000_000, "1970-01-01T00:00:01Z"),
        (ValueType.SET, frozenset("ba"), ["a", "b"]),
        (ValueType.TEXT, "x", "x"),
        (ValueType.BOOLEAN, False, False),
    ],
)
def test_a_value_is_shown_as_json_says_it(
    kind: ValueType, value: bool | int | str | frozenset[str], shown: object
) -> None:
    answer = value_to_json(KINDS[kind], value)
    assert answer == shown
    assert type(answer) is type(shown)


def test_equal_sets_have_equal_bytes_and_true_is_not_one() -> None:
    assert pack_value(frozenset(["x", "y", "z"])) == pack_value(frozenset(["z", "y", "x"]))
    assert pack_value(True) != pack_value(1)
    assert unpack_value(pack_value(True)) is True


def test_bytes_that_are_no_value_are_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack_value(b"\xc0")
