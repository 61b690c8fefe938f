"""Laws of absorbing and merging; each law is shown to catch a planted fault."""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.core.time import DAY, FOREVER, Duration, Instant, shifted
from assent.features import state as state_module
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
from assent.features.catalogue import millionths, pack_value, unpack_value
from assent.features.state import SILENCE, First, Last
from tests.property.features.worlds import CATALOGUE, contents, instants, numbers

LAWS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=600,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


def absorbed(some: Sequence[Content]) -> State:
    state = EMPTY
    for content in some:
        state = absorb(CATALOGUE, state, content)
    return state


def order_does_not_matter(some: list[Content], seed: int) -> None:
    """Absorb in one order, in another, in parts merged in any grouping, through bytes: one state."""
    chance = random.Random(seed)
    whole = absorbed(some)
    shuffled = chance.sample(some, len(some))
    assert absorbed(shuffled) == whole
    parts: list[list[Content]] = [[], [], []]
    for content in shuffled:
        parts[chance.randrange(3)].append(content)
    one, two, three = (unpack(pack(absorbed(part))) for part in parts)
    assert merge([one, two, three]) == whole
    assert merge([three, merge([two, one])]) == whole
    assert merge([merge([three, one]), two]) == whole
    assert pack(merge([two, three, one])) == pack(whole)
    assert merge([whole, EMPTY]) == whole


@LAWS
@given(contents, st.integers())
def test_states_are_the_same_in_every_order_and_grouping(some: list[Content], seed: int) -> None:
    order_does_not_matter(some, seed)


def newcomer_wins(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(state_module._MERGES, Last, lambda _one, other: other)


def ties_stay_unsettled(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(state_module._MERGES, First, lambda one, other: one if one.at <= other.at else other)


def sessions_are_cut_while_adding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(state_module, "joined", lambda one, other: tuple(sorted({*one, *other}))[-3:])


@pytest.mark.parametrize("plant", [newcomer_wins, ties_stay_unsettled, sessions_are_cut_while_adding])
def test_a_planted_fault_in_merging_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        CANARY(given(contents, st.integers())(order_does_not_matter))()


def reading_is_the_plain_sum(some: list[Content], now: Instant) -> None:
    """The features of numbers say what plain exact arithmetic over the contents says."""
    bought = [each for each in some if each.kind == "event" and each.name == "bought"]
    state = absorbed(some)
    kept: list[Item] = [item for each in some for item in items(CATALOGUE, each)]

    def value(name: str) -> object:
        return read(CATALOGUE, CATALOGUE.features[CATALOGUE.feature_ids[name]], state, kept, now)

    def totals(among: list[Content]) -> list[int]:
        found = []
        for each in among:
            cart = each.data.get("cart")
            number = millionths(cart.get("total")) if isinstance(cart, dict) else None
            if number is not None:
                found.append(number)
        return found

    every = totals(bought)
    assert value("orders") == len(bought) * 1_000_000
    assert value("spent") == (sum(every) if abs(sum(every)) < 1 << 63 else None)
    assert value("mean") == (round(Fraction(sum(every), len(every))) if every else None)
    assert value("least") == min(every, default=None)
    assert value("most") == max(every, default=None)
    week = [each for each in bought if now - 7 * DAY < each.at <= now]
    assert value("orders_7d") == len(week) * 1_000_000
    month = totals([e for e in bought if shifted(now, -_window("mean_1m")) < e.at <= now])
    assert value("mean_1m") == (round(Fraction(sum(month), len(month))) if month else None)
    shops = {str(e.data["shop"]) for e in bought if e.data.get("shop") in ("a", "b", "c") and e.at <= now}
    assert value("shops") == (shops or None)
    with_sevens = {e.data["shop"] for e in bought if e.data.get("shop") in ("a", "b", "c", 7) and e.at <= now}
    assert value("shop_count") == len(with_sevens) * 1_000_000


def _window(name: str) -> Duration:
    window = CATALOGUE.features[CATALOGUE.feature_ids[name]].window
    assert window is not None
    return window


@LAWS
@given(contents, instants)
def test_reading_equals_plain_exact_arithmetic(some: list[Content], now: Instant) -> None:
    reading_is_the_plain_sum(some, now)


def test_a_window_open_at_the_wrong_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.features.read.shifted", lambda at, by: shifted(at, by) - 1)
    law = CANARY(given(contents, instants.map(lambda at: Instant(at + 7 * DAY)))(reading_is_the_plain_sum))
    with pytest.raises(AssertionError):
        law()


windowed = [CATALOGUE.features[CATALOGUE.feature_ids[name]] for name in ("orders_7d", "mean_1m")]


def time_alone_changes_nothing_before(some: list[Content], now: Instant, later: float) -> None:
    """Between now and `valid_until` the answer stays; and asking again there makes progress."""
    kept = [item for each in some for item in items(CATALOGUE, each)]
    for feature in windowed:
        for _ in range(4):
            until = valid_until(feature, kept, now)
            assert until > now
            end = min(until, now + 400 * DAY)
            instants = [now, Instant(now + int(later * (end - 1 - now))), Instant(end - 1)]
            answers = {read(CATALOGUE, feature, EMPTY, kept, at) for at in instants}
            assert len(answers) == 1
            if until == FOREVER:
                break
            now = until


@LAWS
@given(contents, instants, st.floats(0, 1))
def test_time_alone_changes_nothing_before_valid_until(
    some: list[Content], now: Instant, later: float
) -> None:
    time_alone_changes_nothing_before(some, now, later)


def test_a_calendar_window_taken_for_thirty_days_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.features.read._leaves", lambda at, window, now: Instant(at + 31 * DAY))
    law = CANARY(given(contents, instants, st.floats(0, 1))(time_alone_changes_nothing_before))
    with pytest.raises(AssertionError):
        law()


def sessions_are_the_plain_ones(instants: list[Instant]) -> None:
    """Up to eight active half hours every session is told; beyond, never one that was not."""
    state = merge(State({}, ((at, at),)) for at in instants)
    plain: list[tuple[Instant, Instant]] = []
    for at in sorted(instants):
        if plain and at - plain[-1][1] <= SILENCE:
            plain[-1] = (plain[-1][0], at)
        else:
            plain.append((at, at))
    if len({at // SILENCE for at in instants}) < 8:
        assert state.sessions == tuple(plain)
    assert {begin for begin, _ in state.sessions} <= {begin for begin, _ in plain} or not plain
    assert (len(state.sessions) >= 2) <= (len(plain) >= 2)


@LAWS
@given(st.lists(instants, max_size=20))
def test_sessions_are_told_apart_by_thirty_minutes_of_silence(instants: list[Instant]) -> None:
    sessions_are_the_plain_ones(instants)


def test_a_session_that_ends_at_thirty_minutes_sharp_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "SILENCE", SILENCE - 1)
    with pytest.raises(AssertionError):
        CANARY(given(st.lists(instants, max_size=20))(sessions_are_the_plain_ones))()


@LAWS
@given(contents)
def test_bytes_round_trip_and_are_canonical(some: list[Content]) -> None:
    state = absorbed(some)
    assert unpack(pack(state)) == state
    assert pack(unpack(pack(state))) == pack(state)
    for item in (item for each in some for item in items(CATALOGUE, each)):
        assert unpack_value(pack_value(item.value)) == item.value


@LAWS
@given(numbers)
def test_a_number_is_exact_or_refused(raw: object) -> None:
    held = millionths(raw)
    if held is not None:
        assert isinstance(raw, int | float | Decimal)
        assert Fraction(held, 1_000_000) == Fraction(Decimal(repr(raw)) if isinstance(raw, float) else raw)
        assert -(1 << 63) <= held < 1 << 63
