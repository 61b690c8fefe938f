"""Truth, operator by operator and case by case."""

from collections.abc import Mapping
from itertools import product

import pytest

from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.rule import Audience, Rule, parse
from assent.audiences.seen import Opening, Seen, Shown, seen_at
from assent.core.errors import UnknownFeature, WrongType
from assent.core.ids import CategoryId, CategoryMask, FeatureId, ProfileId
from assent.core.time import BEGINNING, DAY, FOREVER, Instant
from assent.features.catalogue import Value
from tests.property.audiences.worlds import FEATURES, POLICY, START, VISIBLE

F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE
NOW = Instant(START)

RULES: dict[Truth, dict[str, object]] = {
    T: {"op": "eq", "feature": "country", "value": "IT"},
    F: {"op": "eq", "feature": "country", "value": "FR"},
    U: {"op": "known", "feature": "secret"},
}


def told(
    raw: object,
    values: Mapping[str, Value] | None = None,
    *,
    visible: int = VISIBLE,
    since: int = BEGINNING,
    audiences: Mapping[str, Rule] | None = None,
    key: str = "",
) -> Truth:
    """Ask about one profile, whose data of every visible category begins at `since`."""
    seen = Seen(
        values={FEATURES[name].id: value for name, value in (values or {"country": "IT"}).items()},
        visible=CategoryMask(visible),
        since={CategoryId(number): Instant(since) for number in (1, 2, 3)},
    )
    return evaluate(parse(raw), POLICY, seen, NOW, audiences or {}, key)


@pytest.mark.parametrize(("one", "other"), list(product(Truth, Truth)))
def test_groups_are_strong_kleene(one: Truth, other: Truth) -> None:
    of = [RULES[one], RULES[other]]
    assert told({"op": "and", "of": of}) == min(one, other)
    assert told({"op": "or", "of": of}) == max(one, other)
    assert told({"op": "not", "of": RULES[one]}) == 2 - one
    assert told({"op": "at_least", "count": 1, "of": of}) == max(one, other)
    assert told({"op": "at_least", "count": 2, "of": of}) == min(one, other)


@pytest.mark.parametrize(
    ("parts", "count", "truth"),
    [([T, U, F], 2, U), ([T, U, F], 3, F), ([T, T, U], 2, T), ([U, U, F], 3, F), ([F, F, U], 2, F)],
)
def test_at_least_is_unknown_while_it_may_still_be_reached(
    parts: list[Truth], count: int, truth: Truth
) -> None:
    assert told({"op": "at_least", "count": count, "of": [RULES[part] for part in parts]}) == truth


@pytest.mark.parametrize(
    ("raw", "truth"),
    [
        ({"op": "eq", "feature": "age", "value": 30}, T),
        ({"op": "ne", "feature": "age", "value": 30}, F),
        ({"op": "lt", "feature": "age", "value": 30}, F),
        ({"op": "lt", "feature": "age", "value": 30.000001}, T),
        ({"op": "le", "feature": "age", "value": 30}, T),
        ({"op": "gt", "feature": "age", "value": 30}, F),
        ({"op": "gt", "feature": "age", "value": 29.999999}, T),
        ({"op": "ge", "feature": "age", "value": 30}, T),
        ({"op": "between", "feature": "age", "low": 30, "high": 31}, T),
        ({"op": "between", "feature": "age", "low": 29, "high": 30}, T),
        ({"op": "between", "feature": "age", "low": 31, "high": 29}, F),
        ({"op": "in", "feature": "age", "values": [1, 30]}, T),
        ({"op": "not_in", "feature": "age", "values": [1, 30]}, F),
        ({"op": "eq", "feature": "member", "value": True}, T),
        ({"op": "in", "feature": "country", "values": ["IT", "FR"]}, T),
        ({"op": "icontains", "feature": "country", "value": "t"}, T),
        ({"op": "icontains", "feature": "country", "value": "x"}, F),
        ({"op": "has", "feature": "tags", "value": "a"}, T),
        ({"op": "has", "feature": "tags", "value": "z"}, F),
        ({"op": "in", "feature": "tags", "values": ["z", "b"]}, T),
        ({"op": "not_in", "feature": "tags", "values": ["z", "y"]}, T),
        ({"op": "eq", "feature": "born", "value": "2023-11-14T22:13:20Z"}, T),
        ({"op": "recent", "feature": "born", "from": "-PT1S"}, T),
        ({"op": "recent", "feature": "born", "from": "PT0S", "to": "PT1S"}, F),
        ({"op": "recent", "feature": "born", "from": "-PT1S", "to": "-PT0.000001S"}, F),
        ({"op": "known", "feature": "age"}, T),
        ({"op": "absent", "feature": "age"}, F),
        ({"op": "all"}, T),
        ({"op": "ids", "values": ["k1", "k2"]}, T),
        ({"op": "ids", "values": ["k3"]}, F),
    ],
)
def test_an_operator_says_what_its_name_says(raw: object, truth: Truth) -> None:
    values: dict[str, Value] = {
        "age": 30_000_000,
        "country": "IT",
        "member": True,
        "tags": frozenset("ab"),
        "born": START,
    }
    assert told(raw, values, key="k1") == truth


LEAVES: list[tuple[dict[str, object], Truth]] = [
    ({"op": "eq", "feature": "age", "value": 0}, F),
    ({"op": "ne", "feature": "age", "value": 0}, T),
    ({"op": "lt", "feature": "age", "value": 9}, F),
    ({"op": "ge", "feature": "age", "value": -9}, F),
    ({"op": "between", "feature": "age", "low": -9, "high": 9}, F),
    ({"op": "in", "feature": "country", "values": ["IT"]}, F),
    ({"op": "not_in", "feature": "country", "values": ["IT"]}, T),
    ({"op": "has", "feature": "tags", "value": "a"}, F),
    ({"op": "not_in", "feature": "tags", "values": ["a"]}, T),
    ({"op": "icontains", "feature": "country", "value": "i"}, F),
    ({"op": "recent", "feature": "born", "from": "-P9D"}, F),
    ({"op": "known", "feature": "age"}, F),
    ({"op": "absent", "feature": "age"}, T),
    ({"op": "eq", "feature": "orders", "value": 0}, T),
    ({"op": "lt", "feature": "orders", "value": 1}, T),
    ({"op": "known", "feature": "orders"}, T),
    ({"op": "eq", "feature": "orders_7d", "value": 0}, T),
]


@pytest.mark.parametrize(("raw", "truth"), LEAVES)
def test_absent_is_definite_and_hidden_is_unknown(raw: dict[str, object], truth: Truth) -> None:
    nothing: dict[str, Value] = {"secret": "x"}
    assert told(raw, nothing) == truth
    assert told(raw, nothing, visible=1 << 3) == U
    assert told({"op": "not", "of": raw}, nothing, visible=1 << 3) == U


def test_nobody_is_seen_of_whom_nothing_is_visible() -> None:
    for raw in ({"op": "all"}, {"op": "not", "of": {"op": "all"}}, {"op": "ids", "values": [""]}, RULES[T]):
        assert told(raw, visible=0) == U


@pytest.mark.parametrize(
    ("feature", "value", "leaf", "truth"),
    [
        ("orders_7d", 2, {"op": "ge", "value": 2}, T),
        ("orders_7d", 2, {"op": "gt", "value": 2}, U),
        ("orders_7d", 2, {"op": "ge", "value": 3}, U),
        ("orders_7d", 2, {"op": "eq", "value": 2}, U),
        ("orders_7d", 2, {"op": "eq", "value": 3}, U),
        ("orders_7d", 2, {"op": "eq", "value": 1}, F),
        ("orders_7d", 2, {"op": "ne", "value": 1}, T),
        ("orders_7d", 2, {"op": "lt", "value": 2}, F),
        ("orders_7d", 2, {"op": "lt", "value": 3}, U),
        ("orders_7d", 2, {"op": "le", "value": 2}, U),
        ("orders_7d", 2, {"op": "in", "values": [0, 1]}, F),
        ("orders_7d", 2, {"op": "in", "values": [1, 2]}, U),
        ("orders_7d", 2, {"op": "between", "low": 2, "high": 9}, U),
        ("orders_7d", 2, {"op": "between", "low": 0, "high": 1}, F),
        ("orders_7d", None, {"op": "eq", "value": 0}, U),
        ("orders_7d", None, {"op": "known"}, T),
        ("least_7d", 5, {"op": "lt", "value": 6}, T),
        ("least_7d", 5, {"op": "ge", "value": 6}, F),
        ("least_7d", 5, {"op": "ge", "value": 5}, U),
        ("mean_7d", 5, {"op": "ge", "value": 1}, U),
        ("mean_7d", 5, {"op": "known"}, T),
        ("mean_7d", None, {"op": "known"}, U),
    ],
)
def test_a_part_of_a_window_proves_enough_and_never_too_few(
    feature: str, value: int | None, leaf: dict[str, object], truth: Truth
) -> None:
    values: dict[str, Value] = {} if value is None else {feature: value * 1_000_000}
    values["country"] = "IT"
    raw = {**leaf, "feature": feature}
    assert told(raw, values, since=NOW - 7 * DAY + 1) == truth
    assert told({"op": "not", "of": raw}, values, since=NOW - 7 * DAY + 1) == 2 - truth
    assert told(raw, values, since=NOW - 7 * DAY) != U


def test_what_came_last_in_a_part_came_last_in_the_window() -> None:
    raw = {"op": "eq", "feature": "last_7d", "value": "a"}
    assert [told(raw, {"last_7d": text}, since=NOW) for text in "ab"] == [T, F]
    assert told(raw, {"country": "IT"}, since=NOW) == U
    held: dict[str, Value] = {"shops_7d": frozenset("a")}
    assert told({"op": "has", "feature": "shops_7d", "value": "a"}, held, since=NOW) == T
    assert told({"op": "has", "feature": "shops_7d", "value": "b"}, held, since=NOW) == U


def test_an_audience_is_asked_anew_and_a_circle_is_unknown() -> None:
    raw = {"op": "audience", "audience": "x"}
    assert told(raw, audiences={"x": parse(RULES[T])}) == T
    assert told(raw, audiences={"x": parse(RULES[T])}, visible=1 << 2) == U
    assert told(raw, audiences={"x": Audience(audience="x")}) == U
    assert told(raw) == U


def test_what_says_nothing_selects_nobody() -> None:
    for raw in (
        {"op": "and", "of": []},
        {"op": "or", "of": []},
        {"op": "at_least", "count": 0, "of": []},
    ):
        assert told(raw) == told({"op": "not", "of": raw}) == U


@pytest.mark.parametrize(
    "raw",
    [
        {"op": "did", "event": "x", "compare": "==", "count": 0},
        {"op": "held", "feature": "country", "value": "IT", "compare": ">=", "duration": "P7D"},
        {"op": "any_item", "feature": "tags", "where": {"op": "all"}},
        {"op": "seq", "steps": [], "gap": "P1D"},
    ],
    ids=lambda raw: raw["op"],
)
def test_what_no_check_would_let_pass_has_no_truth_even_turned_round(raw: object) -> None:
    for asked in (raw, {"op": "not", "of": raw}):
        with pytest.raises((UnknownFeature, WrongType)):
            told(asked)


def test_permits_open_and_close_to_the_microsecond() -> None:
    one = Shown(
        profile=ProfileId(1),
        values={FeatureId(1): "IT"},
        permits=(
            Opening(CategoryMask(2), NOW, Instant(NOW + 5)),
            Opening(CategoryMask(6), Instant(NOW + 2), FOREVER),
        ),
        valid_until=Instant(NOW + 9),
    )

    def visible(after: int) -> tuple[int, Mapping[CategoryId, Instant]]:
        seen = seen_at(one, Instant(NOW + after))
        return seen.visible, seen.since

    assert visible(-1) == (0, {})
    assert visible(0) == (2, {1: NOW})
    assert visible(2) == visible(4) == visible(8) == (6, {1: NOW + 2, 2: NOW + 2})
    assert visible(9) == (0, {})
