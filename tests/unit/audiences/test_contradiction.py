"""Rules that no value fulfils are known without looking at anybody."""

import pytest

from assent.audiences.codebook import Codebook
from assent.audiences.contradiction import never
from assent.audiences.planner import Planner
from assent.audiences.rule import parse
from assent.core.ids import FeatureId
from assent.core.policy import ValueType
from assent.core.time import Instant
from tests.property.audiences.worlds import FEATURES, POLICY, START, VISIBLE

SETS = {one.id for one in FEATURES.values() if one.type is ValueType.SET}
BOOKS: dict[FeatureId, Codebook] = {
    one.id: Codebook() for one in FEATURES.values() if one.type not in {ValueType.NUMBER, ValueType.TIME}
}
for name, values in (("country", ["IT", "FR"]), ("member", [False, True]), ("tags", ["a", "b"])):
    BOOKS[FEATURES[name].id].number(values)


def leaf(op: str, feature: str, value: object) -> dict[str, object]:
    return {"op": op, "feature": feature, "value": value}


def found(*of: dict[str, object], op: str = "and") -> bool:
    planner = Planner(POLICY, VISIBLE, BOOKS, Instant(START), {})
    return never(planner.plan(parse({"op": op, "of": list(of)})), SETS)


IMPOSSIBLE = [
    [leaf("eq", "country", "IT"), leaf("eq", "country", "FR")],
    [leaf("eq", "country", "nowhere"), leaf("ge", "age", 1)],
    [leaf("lt", "age", 3), {"op": "and", "of": [leaf("gt", "age", 3), leaf("eq", "member", True)]}],
    [leaf("ge", "orders", 5), {"op": "not", "of": leaf("gt", "orders", 0)}],
    [leaf("eq", "member", True), {"op": "not", "of": {"op": "not", "of": leaf("eq", "member", False)}}],
    [{"op": "or", "of": [leaf("eq", "country", "x"), leaf("eq", "country", "y")]}, leaf("ge", "age", 1)],
]
POSSIBLE = [
    [leaf("has", "tags", "a"), leaf("has", "tags", "b")],
    [leaf("eq", "country", "IT"), {"op": "not", "of": leaf("eq", "country", "FR")}],
    [leaf("le", "age", 3), leaf("ge", "age", 3)],
    [leaf("ge", "orders", 0), {"op": "not", "of": leaf("gt", "orders", 0)}],
    [{"op": "not", "of": leaf("gt", "age", 0)}, {"op": "not", "of": leaf("le", "age", 0)}],
]


@pytest.mark.parametrize("of", IMPOSSIBLE)
def test_what_no_value_fulfils_is_found(of: list[dict[str, object]]) -> None:
    assert found(*of)
    assert not found(*of, leaf("ge", "age", 1), op="or")


@pytest.mark.parametrize("of", POSSIBLE)
def test_what_some_value_fulfils_is_asked(of: list[dict[str, object]]) -> None:
    assert not found(*of)
