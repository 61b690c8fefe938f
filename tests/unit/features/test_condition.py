"""What the properties of one event must fulfil."""

from decimal import Decimal

import pytest

from assent.core.errors import EmptyGroup, Refused, WrongType
from assent.features.condition import compiled, predicate

DATA: dict[str, object] = {
    "category": "Shoes",
    "price": Decimal("12.50"),
    "count": 3,
    "new": True,
    "at": "2026-03-01T00:00:00Z",
    "tags": ["a", "b"],
    "deep": {"er": {"est": "x"}},
    "nothing": None,
    "lines": [{"sku": "x", "of": {"qty": 2}}, {"sku": "y", "of": {"qty": 9}}, "z"],
}

X_TWICE = {
    "op": "and",
    "of": [{"op": "eq", "feature": "sku", "value": "x"}, {"op": "ge", "feature": "of.qty", "value": 2}],
}
Y_ONCE = {
    "op": "and",
    "of": [{"op": "eq", "feature": "sku", "value": "y"}, {"op": "le", "feature": "of.qty", "value": 2}],
}


def leaf(op: str, feature: str, value: object = None, **more: object) -> dict[str, object]:
    return {"op": op, "feature": feature, **({} if value is None else {"value": value}), **more}


@pytest.mark.parametrize(
    ("tree", "holds"),
    [
        (leaf("eq", "category", "Shoes"), True),
        (leaf("eq", "category", "shoes"), False),
        (leaf("eq", "price", 12.5), True),
        (leaf("eq", "count", True), False),
        (leaf("eq", "new", 1), False),
        (leaf("ne", "missing", "x"), True),
        (leaf("ge", "price", Decimal("12.5")), True),
        (leaf("gt", "price", 12.5), False),
        (leaf("lt", "category", 5), False),
        (leaf("gt", "at", "2026-02-28T23:59:59Z"), True),
        (leaf("between", "count", low=3, high=4), True),
        (leaf("in", "category", values=["Hats", "Shoes"]), True),
        (leaf("in", "tags", values=["b"]), True),
        (leaf("not_in", "tags", values=["c"]), True),
        (leaf("has", "tags", "a"), True),
        (leaf("icontains", "category", "hoe"), True),
        (leaf("eq", "deep.er.est", "x"), True),
        (leaf("any_item", "lines", where=X_TWICE), True),
        (leaf("any_item", "lines", where=Y_ONCE), False),  # what one item is and another has is neither
        (leaf("any_item", "lines", where=leaf("absent", "of")), False),
        (leaf("any_item", "category", where=leaf("absent", "x")), False),
        (leaf("any_item", "missing", where=leaf("absent", "x")), False),
        (leaf("known", "nothing"), False),
        (leaf("absent", "missing"), True),
        ({"op": "not", "of": leaf("eq", "count", 3)}, False),
        ({"op": "and", "of": [leaf("eq", "count", 3), leaf("known", "price")]}, True),
        ({"op": "or", "of": [leaf("eq", "count", 4), leaf("known", "price")]}, True),
        ({"op": "at_least", "count": 2, "of": [leaf("eq", "count", 4), leaf("known", "price")]}, False),
    ],
)
def test_a_condition_asks_what_it_says(tree: dict[str, object], holds: bool) -> None:
    assert predicate(tree)(DATA) is holds


@pytest.mark.parametrize(
    ("tree", "error", "pointer"),
    [
        ("x", WrongType, ""),
        ({"op": "did", "event": "x"}, WrongType, "/op"),
        ({"op": "and", "of": []}, EmptyGroup, "/of"),
        ({"op": "and", "of": [leaf("lt", "a", "b")]}, WrongType, "/of/0/value"),
        (leaf("eq", "a", [1]), WrongType, "/value"),
        (leaf("eq", "a", 0.12345678), WrongType, "/value"),
        (leaf("in", "a", values=[]), EmptyGroup, "/values"),
        ({"op": "at_least", "count": 3, "of": [leaf("known", "a")]}, WrongType, "/count"),
        (leaf("icontains", "a", ""), WrongType, "/value"),
        (leaf("any_item", "a"), WrongType, "/where"),
        (leaf("any_item", "a", where={"op": "or", "of": []}), EmptyGroup, "/where/of"),
        ({**leaf("any_item", "a", where=leaf("known", "b")), "for": "PT1H"}, WrongType, "/for"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(
    tree: object, error: type[Refused], pointer: str
) -> None:
    with pytest.raises(error) as caught:
        predicate(tree)
    assert caught.value.pointer == pointer


def test_without_a_condition_anything_fulfils_it() -> None:
    assert compiled("")({})
