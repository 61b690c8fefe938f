"""What a rule may say, and where a fault is pointed at."""

import pytest

from assent.audiences.check import LONGEST_LEAF, Needs, check
from assent.audiences.rule import MOST_VALUES, Rule, parse
from assent.core.documents import parse_policy
from assent.core.errors import (
    AssentError,
    CyclicAudience,
    EmptyGroup,
    NotPermittedForPurpose,
    RuleTooDeep,
    UnknownAudience,
    UnknownFeature,
    UnknownPurpose,
    UnreadableBody,
    WrongType,
)
from assent.core.ids import PurposeId
from tests.property.audiences.worlds import ASKING, POLICY
from tests.support.policy_documents import shipped

IT = {"op": "eq", "feature": "country", "value": "IT"}


def nested(depth: int) -> object:
    rule: object = IT
    for _ in range(depth - 1):
        rule = {"op": "not", "of": rule}
    return rule


def scored(*weights: object, rule: object = IT) -> dict[str, object]:
    parts = [{"rule": rule, "weight": weight} for weight in weights]
    return {"op": "score", "parts": parts, "at_least": 1}


def checked(raw: object, **audiences: object) -> Needs:
    return check(
        parse(raw), POLICY, ASKING, {name: parse(rule) for name, rule in audiences.items()}, name="me"
    )


def test_needs_are_named_and_include_those_of_referred_audiences() -> None:
    raw = {
        "op": "and",
        "of": [{"op": "known", "feature": "orders"}, {"op": "audience", "audience": "x"}, IT, IT],
    }
    assert checked(raw, x=IT) == Needs(features=("country", "orders"), categories=("a", "b"))


def values(number: int) -> dict[str, object]:
    return {"op": "in", "feature": "country", "values": [f"{one:05}" for one in range(number)]}


def happened(where: object) -> dict[str, object]:
    return {"op": "did", "event": "Order Completed", "compare": ">=", "count": 1, "where": where}


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (values(MOST_VALUES + 1), "/rule/values"),
        ({"op": "and", "of": [values(MOST_VALUES), values(1)]}, "/rule/of/1/values"),
        (
            happened({"op": "or", "of": [values(MOST_VALUES // 2)] * 2 + [values(1)]}),
            "/rule/where/of/2/values",
        ),
    ],
)
def test_a_rule_with_more_values_than_can_be_looked_at_is_refused(raw: object, pointer: str) -> None:
    with pytest.raises(RuleTooDeep) as refused:
        checked(raw)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    "where", [values(MOST_VALUES // 2), {"op": "icontains", "feature": "x", "value": "x" * LONGEST_LEAF}]
)
def test_what_each_event_is_held_against_is_shorter_still(where: object) -> None:
    policy, _ = parse_policy(shipped())
    of_orders = PurposeId(policy.purpose_ids["service"])
    rule = {"op": "and", "of": [{"op": "all"}, happened(where)]}
    with pytest.raises(RuleTooDeep) as refused:
        check(parse(rule), policy, of_orders, {})
    assert refused.value.pointer == "/rule/of/1"
    check(parse(happened(values(1_000))), policy, of_orders, {})


def test_a_rule_with_as_many_values_as_may_be_is_taken() -> None:
    assert checked({"op": "not", "of": values(MOST_VALUES)}) == Needs(
        features=("country",), categories=("a",)
    )


@pytest.mark.parametrize(
    ("raw", "error", "pointer"),
    [
        ({"op": "and", "of": []}, EmptyGroup, "/rule/of"),
        ({"op": "not", "of": {"op": "or", "of": []}}, EmptyGroup, "/rule/of/of"),
        ({"op": "in", "feature": "country", "values": []}, EmptyGroup, "/rule/values"),
        ({"op": "ids", "values": []}, EmptyGroup, "/rule/values"),
        ({"op": "at_least", "count": 0, "of": [IT]}, WrongType, "/rule/count"),
        ({"op": "at_least", "count": 2, "of": [IT]}, WrongType, "/rule/count"),
        ({"op": "and", "of": [IT, {"op": "known", "feature": "x"}]}, UnknownFeature, "/rule/of/1/feature"),
        ({"op": "eq", "feature": "secret", "value": "x"}, NotPermittedForPurpose, "/rule/feature"),
        ({"op": "eq", "feature": "country", "value": 3}, WrongType, "/rule/value"),
        ({"op": "eq", "feature": "age", "value": "3"}, WrongType, "/rule/value"),
        ({"op": "eq", "feature": "age", "value": True}, WrongType, "/rule/value"),
        ({"op": "eq", "feature": "age", "value": 0.1234567}, WrongType, "/rule/value"),
        ({"op": "eq", "feature": "tags", "value": "a"}, WrongType, "/rule/op"),
        ({"op": "lt", "feature": "country", "value": "x"}, WrongType, "/rule/op"),
        ({"op": "between", "feature": "age", "low": 1, "high": "x"}, WrongType, "/rule/high"),
        ({"op": "has", "feature": "country", "value": "x"}, WrongType, "/rule/op"),
        ({"op": "has", "feature": "tags", "value": 3}, WrongType, "/rule/value"),
        ({"op": "icontains", "feature": "country", "value": ""}, WrongType, "/rule/value"),
        ({"op": "in", "feature": "tags", "values": ["a", 3]}, WrongType, "/rule/values/1"),
        ({"op": "recent", "feature": "born", "from": "yesterday"}, WrongType, "/rule/from"),
        ({"op": "tier", "values": []}, EmptyGroup, "/rule/values"),
        ({"op": "tier", "values": ["known", "famous"]}, WrongType, "/rule/values/1"),
        ({"op": "eq", "feature": "home", "value": "45.465,9.195"}, WrongType, "/rule/op"),
        ({"op": "in", "feature": "home", "values": ["45.465,9.195"]}, WrongType, "/rule/op"),
        ({"op": "near", "feature": "age", "of": [45, 9], "within_km": 5}, WrongType, "/rule/op"),
        ({"op": "near", "feature": "home", "of": [91, 9], "within_km": 5}, WrongType, "/rule/of"),
        ({"op": "near", "feature": "home", "of": [45, "9"], "within_km": 5}, WrongType, "/rule/of"),
        ({"op": "near", "feature": "home", "of": [45, 9], "within_km": 0}, WrongType, "/rule/within_km"),
        ({"op": "near", "feature": "home", "of": [45, 9], "within_km": 30_000}, WrongType, "/rule/within_km"),
        ({"op": "near", "feature": "home", "of": [45, 9], "within_km": "5"}, WrongType, "/rule/within_km"),
        ({"op": "near", "feature": "home", "of": [45], "within_km": 5}, UnreadableBody, "/rule/of"),
        ({"op": "score", "parts": [], "at_least": 1}, EmptyGroup, "/rule/parts"),
        (scored(0), WrongType, "/rule/parts/0/weight"),
        (scored("5"), WrongType, "/rule/parts/0/weight"),
        (scored(9e12, 9e12), WrongType, "/rule/parts/1/weight"),
        (scored(5) | {"at_least": None}, WrongType, "/rule/at_least"),
        (scored(5) | {"at_least": 0.00000001}, WrongType, "/rule/at_least"),
        (scored(5, rule={"op": "known", "feature": "x"}), UnknownFeature, "/rule/parts/0/rule/feature"),
        (
            scored(5, rule={"op": "eq", "feature": "secret", "value": "x"}),
            NotPermittedForPurpose,
            "/rule/parts/0/rule/feature",
        ),
        (scored(5, rule={"op": "audience", "audience": "me"}), CyclicAudience, "/rule/parts/0/rule/audience"),
        (scored(5, rule={"op": "and", "of": []}), EmptyGroup, "/rule/parts/0/rule/of"),
        (scored(*[1] * 64), RuleTooDeep, "/rule/parts/63/rule"),
        ({"op": "audience", "audience": "nobody"}, UnknownAudience, "/rule/audience"),
        ({"op": "audience", "audience": "me"}, CyclicAudience, "/rule/audience"),
        ({"op": "did", "event": "x", "compare": ">=", "count": 1}, UnknownFeature, "/rule/event"),
        ({"op": "bucket", "salt": "s", "low": -1, "high": 1}, WrongType, "/rule/low"),
        ({"op": "bucket", "salt": "s", "low": 0, "high": 1.5}, WrongType, "/rule/high"),
        ({"op": "bucket", "salt": "s", "low": 0.5, "high": 0.5}, WrongType, "/rule/high"),
        ({"op": "bucket", "salt": "s", "low": "0", "high": 1}, WrongType, "/rule/low"),
        (
            {"op": "bucket", "salt": "s", "low": 0, "high": 1, "feature": "tags"},
            WrongType,
            "/rule/feature",
        ),
        (
            {"op": "bucket", "salt": "s", "low": 0, "high": 1, "feature": "orders_7d"},
            WrongType,
            "/rule/feature",
        ),
        (
            {"op": "bucket", "salt": "s", "low": 0, "high": 1, "feature": "nothing"},
            UnknownFeature,
            "/rule/feature",
        ),
        ({"op": "and", "of": [{"op": "eq", "feature": "age"}]}, UnreadableBody, "/rule/of/0"),
        ({"op": "whatever"}, UnreadableBody, "/rule/op"),
        ({"op": "all", "consent": "no"}, UnreadableBody, "/rule"),
        ({"op": "eq", "feature": 3, "value": 3}, UnreadableBody, "/rule/feature"),
        ([], UnreadableBody, "/rule"),
    ],
)
def test_a_fault_is_refused_with_its_place_and_without_its_value(
    raw: object, error: type[AssentError], pointer: str
) -> None:
    with pytest.raises(error) as caught:
        checked(raw)
    assert caught.value.pointer == pointer
    assert "whatever" not in str(caught.value)
    assert "yesterday" not in str(caught.value)


def test_the_limits_are_eight_levels_and_sixty_four_nodes() -> None:
    checked(nested(8))
    with pytest.raises(RuleTooDeep) as caught:
        checked(nested(9))
    assert caught.value.pointer == "/rule" + 8 * "/of"
    checked({"op": "or", "of": [IT] * 63})
    with pytest.raises(RuleTooDeep) as caught:
        checked({"op": "or", "of": [IT] * 64})
    assert caught.value.pointer == "/rule/of/63"


def test_a_rule_nested_without_end_is_refused_before_it_is_read() -> None:
    with pytest.raises(RuleTooDeep):
        parse(nested(50_000))


def test_a_fault_inside_a_referred_audience_points_at_the_reference() -> None:
    raw = {"op": "not", "of": {"op": "audience", "audience": "x"}}
    for fault, error in (
        ({"op": "known", "feature": "x"}, UnknownFeature),
        ({"op": "audience", "audience": "me"}, CyclicAudience),
        ({"op": "audience", "audience": "x"}, CyclicAudience),
        ({"op": "known", "feature": "secret"}, NotPermittedForPurpose),
    ):
        with pytest.raises(error) as caught:
            checked(raw, x=fault)
        assert caught.value.pointer == "/rule/of/audience"


def test_references_are_at_most_four_deep_by_whichever_way() -> None:
    chain: dict[str, object] = {"a0": IT}
    for number in range(1, 5):
        chain[f"a{number}"] = {"op": "audience", "audience": f"a{number - 1}"}
    checked({"op": "audience", "audience": "a3"}, **chain)
    with pytest.raises(RuleTooDeep) as caught:
        checked({"op": "audience", "audience": "a4"}, **chain)
    assert caught.value.pointer == "/rule/audience"
    again: dict[str, object] = {
        "op": "and",
        "of": [{"op": "audience", "audience": name} for name in ("a3", "b")],
    }
    checked(again, **chain, b={"op": "audience", "audience": "a2"})
    with pytest.raises(RuleTooDeep) as caught:  # a3 passed already, one reference nearer
        checked(again, **chain, b={"op": "audience", "audience": "a3"})
    assert caught.value.pointer == "/rule/of/1/audience"


def test_a_chain_saved_from_its_end_is_no_deeper() -> None:
    to_one = {"op": "not", "of": {"op": "audience", "audience": "b"}}
    leading: dict[str, object] = {"a1": {"op": "audience", "audience": "me"}}
    for number in range(2, 4):
        leading[f"a{number}"] = {"op": "audience", "audience": f"a{number - 1}"}
    checked(to_one, **leading, b=IT)
    with pytest.raises(RuleTooDeep) as caught:
        checked(to_one, **leading, a4={"op": "audience", "audience": "a3"}, b=IT)
    assert caught.value.pointer == "/rule"
    leading |= {f"a{number}": {"op": "audience", "audience": f"a{number - 1}"} for number in (4, 5)}
    checked(IT, **leading)  # what is too deep already can be mended


def test_audiences_that_refer_to_each_other_many_times_are_checked_once() -> None:
    chain: dict[str, object] = {"a0": IT}
    for number in range(1, 4):
        chain[f"a{number}"] = {"op": "and", "of": [{"op": "audience", "audience": f"a{number - 1}"}] * 60}
    checked({"op": "audience", "audience": "a3"}, **chain)


def test_an_unknown_purpose_is_refused() -> None:
    rule: Rule = parse(IT)
    with pytest.raises(UnknownPurpose):
        check(rule, POLICY, PurposeId(9), {})
