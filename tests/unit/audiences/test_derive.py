"""What leaves over events come to: exactly what was asked, or a refusal that points."""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
import pytest
from msgspec import structs

from assent.audiences import derive
from assent.audiences.derive import EventLeaf, Lowered, lowered
from assent.audiences.evaluate import Truth, teller
from assent.audiences.holding import TRUE, UNKNOWN
from assent.audiences.rule import Ge, Or, Seq, from_json, parse
from assent.audiences.seen import Seen
from assent.core.derived import widened
from assent.core.documents import parse_policy
from assent.core.errors import WrongType
from assent.core.ids import CategoryMask, EntryIndex
from assent.core.policy import Policy
from assent.core.time import DAY, Instant, parse_time
from assent.features import read as reading
from assent.features.accumulate import EMPTY, Content, Item, items
from assent.features.catalogue import MILLIONTHS, Value
from assent.features.condition import compiled
from assent.features.read import read
from tests.support.policy_documents import shipped

POLICY = parse_policy(shipped())[0]
BOUGHT = {"op": "did", "event": "Order Completed", "compare": ">=", "count": 1}


def of(said: str) -> EventLeaf:
    leaf = parse(from_json(said))
    assert isinstance(leaf, EventLeaf)
    return leaf


def a_fraction_is_a_number() -> None:
    for op, fulfilling in (("eq", 99.5), ("ge", 100), ("lt", 0.25), ("between", 99.5)):
        bounds = '"low": 0.5, "high": 99.5' if op == "between" else '"value": 99.5'
        where = f'{{"op": "{op}", "feature": "revenue", {bounds}}}'
        said = f'{{"op": "did", "event": "Order Completed", "compare": ">=", "count": 1, "where": {where}}}'
        (feature,) = lowered(of(said), POLICY).features
        assert feature.leaf is not None
        fulfils = compiled(feature.leaf.where)
        assert fulfils({"revenue": fulfilling})
        assert not fulfils({"revenue": "99.5"})


def test_a_fraction_in_a_condition_is_a_number() -> None:
    a_fraction_is_a_number()


def test_a_fraction_that_became_a_text_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "_canonical", msgspec.json.Encoder(order="sorted").encode)
    with pytest.raises(AssertionError):
        a_fraction_is_a_number()


@pytest.mark.parametrize(
    ("leaf", "pointer"),
    [
        ({**BOUGHT, "count": 10**30}, "/rule/count"),
        (
            {
                "op": "agg",
                "event": "Order Completed",
                "aggregate": "sum",
                "path": "",
                "compare": ">=",
                "value": 1,
            },
            "/rule/path",
        ),
        ({**BOUGHT, "last": "P3000Y"}, "/rule/last"),
        ({**BOUGHT, "from": "-P3000Y", "to": "-P1D"}, "/rule/from"),
        ({**BOUGHT, "from": "-P1Y", "to": "-P99999W"}, "/rule/to"),
        (
            {"op": "held", "feature": "country", "value": "IT", "compare": ">=", "duration": "P3000Y"},
            "/rule/duration",
        ),
        ({"op": "seq", "steps": [BOUGHT, BOUGHT], "gap": "P9999Y"}, "/rule/gap"),
    ],
)
def test_what_no_answer_could_hold_is_refused_when_the_rule_is_saved(leaf: object, pointer: str) -> None:
    asked = parse(leaf)
    assert isinstance(asked, EventLeaf)
    with pytest.raises(WrongType) as refused:
        lowered(asked, POLICY, "/rule")
    assert refused.value.pointer == pointer


FUNNEL = msgspec.json.encode(
    {"op": "seq", "steps": [{**BOUGHT, "event": "Product Viewed"}, BOUGHT], "gap": "P1D"}
).decode()


def test_a_sequence_over_several_categories_is_asked_of_each() -> None:
    asked = lowered(of(FUNNEL), POLICY)
    names = [POLICY.categories[feature.category].name for feature in asked.features]
    assert sorted(names) == ["browsing", "orders"]
    assert asked.rule == Or(of=tuple(Ge(feature=feature.name, value=1) for feature in asked.features))


def asked_of(leaf: EventLeaf, said: Iterable[Content], now: Instant) -> list[Value | None]:
    """Return what a leaf's features come to for somebody of whom so much was said."""
    asked = lowered(leaf, POLICY)
    policy = widened(POLICY, [feature.name for feature in asked.features])
    kept = [item for one in said for item in items(policy, one)]
    features = [policy.features[policy.feature_ids[one.name]] for one in asked.features]
    return [read(policy, feature, EMPTY, kept, now) for feature in features]


def content(
    kind: Literal["event", "traits"], category: str, at: Instant, name: str = "", **data: object
) -> Content:
    return Content(
        category=POLICY.category_ids[category],
        kind=kind,
        name=name,
        at=at,
        entry=EntryIndex(at // DAY),
        data=data,
    )


def test_one_step_more_makes_no_sequence_false_where_months_are_of_different_lengths() -> None:
    steps = [{**BOUGHT, "event": name} for name in ("Product Viewed", "Product Added")]
    leaf = of(msgspec.json.encode({"op": "seq", "steps": steps, "gap": "P1M"}).decode())
    first, more, last = (parse_time(f"2026-{day}:00:00Z") for day in ("01-28T12", "01-31T00", "02-28T06"))
    said = [
        content("event", "browsing", first, "Product Viewed"),
        content("event", "browsing", more, "Product Viewed"),
        content("event", "browsing", last, "Product Added"),
    ]
    assert asked_of(leaf, (said[0], said[2]), last) == [MILLIONTHS]
    assert asked_of(leaf, said, last) == [MILLIONTHS]
    assert asked_of(leaf, said[1:], last) == [0]


@pytest.mark.parametrize(("said", "held"), [(7, 1), ({"a": 1}, 1), (None, 0), ("", 0), ("FR", 0)])
def test_what_is_no_value_of_a_trait_ends_nothing_that_is_held(said: object, held: int) -> None:
    leaf = of('{"op": "held", "feature": "country", "value": "IT", "compare": ">=", "duration": "P1D"}')
    category = POLICY.categories[POLICY.features[POLICY.feature_ids["country"]].category].name
    now = parse_time("2026-03-10T00:00:00Z")
    told = [
        content("traits", category, Instant(now - 5 * DAY), country="IT"),
        content("traits", category, Instant(now - DAY // 2), country=said),
    ]
    assert asked_of(leaf, told, now) == [held * MILLIONTHS]


def in_a_funnel(*seen: str) -> Truth:
    """Say what is told of somebody who looked and then bought, of whom some categories are seen."""
    asked = lowered(of(FUNNEL), POLICY)
    policy = widened(POLICY, [feature.name for feature in asked.features])
    features = [policy.features[policy.feature_ids[feature.name]] for feature in asked.features]
    kept: list[Item] = []
    for name, category, at in (("Product Viewed", "browsing", 5), ("Order Completed", "orders", 9)):
        content = Content(
            category=policy.category_ids[category],
            kind="event",
            name=name,
            at=Instant(at),
            entry=EntryIndex(at),
            data={},
        )
        kept += items(policy, content) if category in seen else ()
    visible = [policy.category_ids[category] for category in seen]
    values = {one.id: read(policy, one, EMPTY, kept, Instant(10)) or 0 for one in features}
    sight = Seen(
        values={one.id: values[one.id] for one in features if one.category in visible},
        visible=CategoryMask(sum(1 << category for category in visible)),
        since=dict.fromkeys(visible, Instant(0)),
    )
    return teller(policy, sight, Instant(10), {})(asked.rule)


def a_sequence_needs_all_that_it_is_made_of() -> None:
    assert in_a_funnel("browsing", "orders") is TRUE
    assert in_a_funnel("browsing") is UNKNOWN
    assert in_a_funnel("orders") is UNKNOWN


def test_a_sequence_over_several_categories_is_unknown_while_one_is_hidden() -> None:
    a_sequence_needs_all_that_it_is_made_of()


def one_is_enough(patch: pytest.MonkeyPatch) -> None:
    sound = derive._sequence

    def first(leaf: Seq, policy: Policy, pointer: str) -> Lowered:
        made = sound(leaf, policy, pointer)
        return structs.replace(made, rule=made.rule.of[0]) if isinstance(made.rule, Or) else made

    patch.setattr(derive, "_sequence", first)


def each_reads_its_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "made_of", lambda _, feature: (feature.id,))


@pytest.mark.parametrize("plant", [one_is_enough, each_reads_its_own])
def test_a_sequence_of_which_a_part_is_passed_over_would_be_noticed(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        a_sequence_needs_all_that_it_is_made_of()
