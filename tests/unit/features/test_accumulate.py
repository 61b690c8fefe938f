"""Absorbing and reading: the cases that a law would not name."""

from decimal import Decimal

import pytest

from assent.core.ids import CategoryId, EntryIndex, FeatureId
from assent.core.policy import Aggregate, Policy, ValueType
from assent.core.time import DAY, HOUR, MINUTE, Duration, Instant, parse_time
from assent.features.accumulate import (
    EMPTY,
    Content,
    Item,
    State,
    absorb,
    items,
    merge,
    pack,
    read,
    unpack,
    valid_until,
)
from assent.features.state import Last, Tally
from tests.property.features.worlds import ACCOUNT, CATALOGUE, ORDERS, START, feature, policy_of


def bought(at: int = 0, *, category: CategoryId = ORDERS, name: str = "bought", **data: object) -> Content:
    return Content(
        category=category, kind="event", name=name, at=Instant(START + at), entry=EntryIndex(0), data=data
    )


def traits(at: int = 0, **data: object) -> Content:
    return Content(
        category=ACCOUNT, kind="traits", name="", at=Instant(START + at), entry=EntryIndex(0), data=data
    )


def value(name: str, *contents: Content, now: int = DAY, policy: Policy = CATALOGUE) -> object:
    state = EMPTY
    kept: list[Item] = []
    for content in contents:
        state = absorb(policy, state, content)
        kept += items(policy, content)
    return read(policy, policy.features[policy.feature_ids[name]], state, kept, Instant(START + now))


def test_counts_and_sums_over_nothing_are_zero_and_other_values_absent() -> None:
    names = ["orders", "spent", "orders_7d", "shop_count"]
    assert [value(name) for name in names] == [0, 0, 0, 0]
    names = ["mean", "least", "first_shop", "last_seen", "shops", "mean_1m", "country", "member", "tags"]
    assert [value(name) for name in names] == [None] * len(names)


def test_a_count_counts_what_a_sum_must_skip() -> None:
    both = (
        bought(cart={"total": "twelve"}),
        bought(cart={"total": Decimal("0.0000001")}),
        bought(cart={"total": 5}),
    )
    assert value("orders", *both) == 3_000_000
    assert value("spent", *both) == 5_000_000
    assert value("mean", *both) == 5_000_000


def test_a_mean_is_rounded_once_half_to_even() -> None:
    micro = Decimal("0.000001")
    assert value("mean", bought(cart={"total": micro}), bought(cart={"total": 0})) == 0
    assert value("mean", bought(cart={"total": 3 * micro}), bought(cart={"total": 0})) == 2
    assert value("mean", bought(cart={"total": -3 * micro}), bought(cart={"total": 0})) == -2


def test_totals_beyond_int64_stay_exact_and_are_absent_only_while_beyond() -> None:
    most = Decimal("9223372036854.775807")
    over = [bought(cart={"total": most})] * 3
    assert value("spent", *over) is None
    assert value("mean", *over) == (1 << 63) - 1
    assert value("spent", *over, *[bought(cart={"total": -most})] * 2) == (1 << 63) - 1


def test_the_window_is_open_at_its_beginning_and_closed_at_now() -> None:
    week = 7 * DAY
    assert value("orders_7d", bought(0), now=week) == 0
    assert value("orders_7d", bought(1), now=week) == 1_000_000
    assert value("orders_7d", bought(week), now=week) == 1_000_000
    assert value("orders_7d", bought(week + 1), now=week) == 0


def test_valid_until_is_the_instant_an_item_leaves_an_exact_window() -> None:
    orders = CATALOGUE.features[CATALOGUE.feature_ids["orders_7d"]]
    kept = items(CATALOGUE, bought(0))
    assert valid_until(orders, kept, Instant(START)) == START + 7 * DAY
    assert valid_until(orders, kept, Instant(START - 1)) == START
    month = CATALOGUE.features[CATALOGUE.feature_ids["mean_1m"]]
    [late] = [Item(feature=month.id, at=parse_time("2026-01-31T12:00:00Z"), entry=EntryIndex(0), value=1)]
    now = parse_time("2026-02-28T18:00:00Z")
    assert read(CATALOGUE, month, EMPTY, [late], now) == 1
    until = valid_until(month, [late], now)
    assert until == parse_time("2026-03-01T00:00:00Z")
    assert read(CATALOGUE, month, EMPTY, [late], until) is None


def test_the_latest_word_on_a_trait_counts_and_null_takes_it_back() -> None:
    italy, france = {"country": "IT"}, {"country": "FR"}
    assert value("country", traits(2, address=italy), traits(1, address=france)) == "IT"
    assert value("country", traits(2, address=italy), traits(3, address={"country": None})) is None
    assert value("country", traits(3, address={"country": None}), traits(2, address=italy)) is None
    assert value("country", traits(2, address=italy), traits(3, address={})) == "IT"
    assert value("country", traits(2, address=italy), traits(3, address={"country": 39})) == "IT"
    assert value("country", traits(2, address=italy), traits(3, address={"country": ""})) is None
    assert value("tags", traits(2, tags=["a"]), traits(3, tags=[])) is None


def test_only_content_of_the_features_category_and_event_is_absorbed() -> None:
    assert value("orders", bought(category=ACCOUNT), bought(name="looked")) == 0
    assert value("last_seen", bought(5, name="looked")) == START + 5
    assert value("country", bought(address={"country": "IT"})) is None


def test_true_is_no_number_and_is_distinct_from_one() -> None:
    assert value("spent", bought(cart={"total": True})) == 0
    assert (
        value("shop_count", bought(shop=True), bought(shop=Decimal("0.000001")), bought(shop="a"))
        == 3_000_000
    )
    assert value("shops", bought(shop=True), bought(shop="a")) == frozenset("a")


def test_a_partial_of_another_aggregate_or_type_reads_as_absent() -> None:
    redefined = policy_of(feature(1, "orders", ValueType.TEXT, Aggregate.LAST, event="bought", path="shop"))
    old = State({FeatureId(1): Tally(3, 0, 0)}, ())
    assert read(redefined, redefined.features[FeatureId(1)], old, (), Instant(START)) is None
    number = State({FeatureId(1): Last(Instant(0), EntryIndex(0), 5)}, ())
    assert read(redefined, redefined.features[FeatureId(1)], number, (), Instant(START)) is None
    assert merge([old, number]) == merge([number, old])


def test_a_feature_with_a_window_leaves_no_partial() -> None:
    state = absorb(CATALOGUE, EMPTY, bought(shop="a", cart={"total": 1}))
    assert {CATALOGUE.feature_ids[name] for name in ("orders_7d", "mean_1m", "shops")}.isdisjoint(
        state.partials
    )


def test_policies_do_not_share_what_they_care_about() -> None:
    for number in (1, 2, 3):
        policy = policy_of(feature(number, "f", ValueType.NUMBER, Aggregate.COUNT, event="bought"))
        assert list(absorb(policy, EMPTY, bought()).partials) == [number]


def test_two_sessions_are_parted_by_more_than_thirty_minutes() -> None:
    def sessions(*at: int) -> int:
        return len(merge(State({}, ((Instant(t), Instant(t)),)) for t in at).sessions)

    assert sessions(0, 30 * MINUTE) == 1
    assert sessions(0, 30 * MINUTE + 1) == 2
    assert sessions(*(20 * MINUTE * n for n in range(30))) == 1
    # Half hours between the kept ends are forgotten: not a day apart, so not certainly silent.
    assert sessions(*(29 * MINUTE * n for n in range(30)), 24 * HOUR) == 2
    assert sessions(*(n * DAY for n in range(12))) == 8


def test_unknown_bytes_are_refused() -> None:
    assert unpack(pack(EMPTY)) == EMPTY
    for packed in (b"", b"\x02" + pack(EMPTY)[1:], pack(EMPTY) + b"x", pack(EMPTY)[:-1]):
        with pytest.raises(ValueError, match=r"."):
            unpack(packed)


def test_calendar_windows_are_added_in_calendar_months() -> None:
    policy = policy_of(
        feature(1, "m", ValueType.NUMBER, Aggregate.COUNT, event="bought", window=Duration(months=1))
    )
    march = parse_time("2026-03-31T00:00:00Z") - START
    february = parse_time("2026-02-28T00:00:00Z") - START
    assert value("m", bought(february), now=march, policy=policy) == 0
    assert value("m", bought(february + 1), now=march, policy=policy) == 1_000_000
