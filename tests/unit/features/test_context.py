"""Features of a call's context: of every call, or of one event; never of the event's own properties."""

from collections.abc import Mapping

import pytest

from assent.core.ids import EntryIndex
from assent.core.policy import Aggregate, Policy, ValueType
from assent.core.time import DAY, Instant
from assent.features.accumulate import EMPTY, Content, Item, absorb, items, read
from tests.property.features.worlds import ORDERS, START, feature, policy_of

CHANNEL = "context.channel"

CONTEXT = policy_of(
    feature(1, "first", ValueType.TEXT, Aggregate.FIRST, path=CHANNEL),
    feature(2, "last", ValueType.TEXT, Aggregate.LAST, path=CHANNEL),
    feature(3, "all", ValueType.SET, Aggregate.DISTINCT, path=CHANNEL),
    feature(4, "campaign", ValueType.TEXT, Aggregate.LAST, path="context.campaign.name"),
    feature(5, "bought_by", ValueType.TEXT, Aggregate.LAST, path=CHANNEL, event="bought"),
    feature(6, "orders", ValueType.NUMBER, Aggregate.COUNT, event="bought"),
    feature(7, "calls", ValueType.NUMBER, Aggregate.COUNT),
    feature(8, "said", ValueType.TEXT, Aggregate.LAST, path="channel", event="bought"),
)


def event(at: int, context: Mapping[str, object], name: str = "bought", /, **data: object) -> Content:
    return Content(
        category=ORDERS,
        kind="event",
        name=name,
        at=Instant(START + at),
        entry=EntryIndex(at),
        data=data,
        context=context,
    )


def alone(at: int, context: Mapping[str, object]) -> Content:
    """Return a context that stands without its event, which is of another category."""
    return Content(
        category=ORDERS,
        kind="context",
        name="",
        at=Instant(START + at),
        entry=EntryIndex(at),
        data={},
        context=context,
    )


def value(name: str, *contents: Content, policy: Policy = CONTEXT) -> object:
    state = EMPTY
    kept: list[Item] = []
    for content in contents:
        state = absorb(policy, state, content)
        kept += items(policy, content)
    return read(policy, policy.features[policy.feature_ids[name]], state, kept, Instant(START + DAY))


STORY = (
    event(1, {"channel": "web"}, "viewed"),
    alone(2, {"channel": "store", "campaign": {"name": "spring"}}),
    event(3, {"channel": "chat"}),
    event(4, {}),
    alone(5, {"campaign": "no group"}),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first", "web"),
        ("last", "chat"),
        ("all", frozenset({"web", "store", "chat"})),
        ("campaign", "spring"),
        ("bought_by", "chat"),
    ],
)
def test_a_context_counts_beside_its_event_and_alone(name: str, expected: object) -> None:
    assert value(name, *STORY) == expected
    assert value(name, *reversed(STORY)) == expected


def test_a_context_alone_is_no_event() -> None:
    assert value("orders", *STORY) == 2_000_000
    assert value("calls", *STORY) == 3_000_000
    assert value("bought_by", alone(1, {"channel": "web"})) is None


def test_context_and_properties_are_not_taken_for_each_other() -> None:
    assert value("last", event(1, {}, channel="web", context={"channel": "web"})) is None
    assert value("said", event(1, {"channel": "web"})) is None
    assert value("said", event(1, {"channel": "web"}, channel="store")) == "store"
