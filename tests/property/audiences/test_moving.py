"""What the journal says of who moved, and what a feed is told by it, is what asking everybody says."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import journal as journal_module
from assent.audiences import moving as moving_module
from assent.audiences import question as question_module
from assent.audiences.bits import Bits
from assent.audiences.engine import Population
from assent.audiences.journal import Journal
from assent.audiences.moving import Moving, watching
from assent.audiences.question import Neighbours
from assent.audiences.ready import Ready
from assent.audiences.roll import BitRows, Roll
from assent.audiences.rows import Ints
from assent.audiences.rule import parse
from assent.audiences.seen import Opening, Shown
from assent.audiences.segment import Segment
from assent.audiences.watch import Spans, Watch
from assent.core.ids import ProfileId
from assent.core.time import BEGINNING, DAY, FOREVER, Duration, Instant, parse_time
from tests.property.audiences.worlds import (
    ASKING,
    FEATURES,
    POLICY,
    START,
    VISIBLE,
    Asked,
    asked,
    by_time,
    growing_old,
    shown,
)

LAWS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=2_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


PROFILE = attrgetter("profile")


class Read(NamedTuple):
    """A follower reads: after so many steps at once, it learns what moved meanwhile."""

    follower: int


steps = st.lists(
    st.one_of(
        st.integers(0, 3).flatmap(shown),
        st.integers(0, 3).flatmap(shown).map(lambda each: (each,)),
        st.lists(st.integers(0, 3).flatmap(shown), min_size=2, max_size=4, unique_by=PROFILE),
        st.integers(0, 3).map(ProfileId),
        st.sampled_from([10, DAY, DAY + 10, 5 * DAY, -DAY]),
        st.integers(0, 1).map(Read),
        st.integers(0, 1).map(Read),
    ),
    min_size=3,
    max_size=12,
)
"""Facts (as profiles are shown, other values of one, one dropped), steps of the clock, and reads."""

together = st.sampled_from([0, moving_module._TOGETHER])
"""How many must stand side by side, an audience, to be asked together: none, or more than there are."""

Step = Shown | list[Shown] | tuple[Shown] | ProfileId | int
Steps = list[Step | Read]


def as_the_gate_shows(one: Shown, now: Instant) -> Shown:
    """Return what the gate says: a value's change is still to come, and so is every permit's opening."""
    turns = [permit.since for permit in one.permits if permit.since > now]
    until = one.valid_until if one.valid_until > now else FOREVER
    permits = tuple(permit for permit in one.permits if permit.until > now)
    return msgspec.structs.replace(one, permits=permits, valid_until=min([until, *turns]))


class Served:
    """A population with its journal, as a worker keeps it, and two who follow every audience by it."""

    def __init__(self, question: Asked) -> None:
        self.rules = question.audiences | {"asking": question.rule}
        self.population = Population(POLICY, ASKING, most=5, waiting=2, waste=0.7)
        self.journal = Journal()
        self.moving = Moving(self.population, self.journal, Instant(START))
        self.watch = watching(POLICY, self.rules)
        self.now = Instant(START)
        self.told: list[dict[str, set[ProfileId]]] = [{}, {}]
        self.turns = [-1, -1]
        self.moves = 0

    def step(self, step: Step) -> None:
        touched: dict[ProfileId, Shown | None] = {}
        if isinstance(step, Shown):
            touched[step.profile] = step
        elif isinstance(step, list):
            touched |= {each.profile: each for each in step}
        elif isinstance(step, tuple):
            (other,) = step
            held = self.population.shown(other.profile) or other
            touched[other.profile] = msgspec.structs.replace(held, values=other.values)
        elif 0 <= step <= 3:
            touched[ProfileId(step)] = None
        else:
            self.now = Instant(self.now + step)
        for profile in map(ProfileId, self.population.stale(self.now).tolist()):
            touched.setdefault(profile, self.population.shown(profile))
        found = [as_the_gate_shows(one, self.now) for one in touched.values() if one is not None]
        self.moving.look(frozenset(touched), found, self.now)

    def read(self, follower: int) -> None:
        self.moving.follow(self.watch, self.now)
        told, turn = self.told[follower], self.turns[follower]
        for name, rule in self.rules.items():
            right = set(self.population.members(rule, self.now, self.rules).tolist())
            moved = self.journal.moved(turn, name, self.watch) if turn >= 0 else None
            if moved is None:
                told[name] = right
                self.moving.enter(name, np.array(sorted(right), np.int64))
                continue
            self.moves += len(moved)
            for profile, inside in moved.items():
                (told[name].add if inside else told[name].discard)(profile)
            assert told[name] == right
            assert self.moving.inside(name, map(ProfileId, range(4))) == right
        self.turns[follower] = self.journal.turn


def the_journal_says_what_recomputing_says(question: Asked, some: Iterable[object], together: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving_module, "_TOGETHER", together)
        patch.setattr(moving_module, "_AT_ONCE", 3)
        served = Served(question)
        for step in some:
            if isinstance(step, Read):
                served.read(step.follower)
            else:
                served.step(step)  # type: ignore[arg-type]
        served.read(0)
        served.read(1)


people = st.integers(0, 3).flatmap(growing_old)
slow_steps = st.lists(
    st.one_of(people, st.sampled_from([10, DAY, 2 * DAY]), st.just(Read(0)), st.integers(0, 1).map(Read)),
    min_size=6,
    max_size=14,
)


@LAWS
@given(asked(), steps, together)
def test_the_journal_says_who_moved_as_asking_everybody_does(
    question: Asked, some: Steps, together: int
) -> None:
    the_journal_says_what_recomputing_says(question, some, together)


@LAWS
@given(by_time(), slow_steps, together)
def test_the_journal_says_whom_time_alone_moved(question: Asked, some: Steps, together: int) -> None:
    the_journal_says_what_recomputing_says(question, some, together)


PERMITS = (Opening(VISIBLE, BEGINNING),)
ALL = {"asking": parse({"op": "all"})}


def one(profile: int, **values: object) -> Shown:
    told = {FEATURES[name].id: value for name, value in values.items()}
    return Shown(profile=ProfileId(profile), values=told, permits=PERMITS)  # type: ignore[arg-type]


def test_it_may_be_anybody_where_nothing_was_followed_or_others_were_or_a_clock_went_back() -> None:
    journal, now = Journal(), Instant(START)
    moving = Moving(Population(POLICY, ASKING), journal, now)
    watch, other = watching(POLICY, ALL), watching(POLICY, ALL)
    moving.look(frozenset({ProfileId(1)}), [one(1)], now)
    assert journal.moved(0, "asking", watch) is None
    moving.follow(watch, now)
    turn = journal.turn
    assert journal.moved(turn, "asking", watch) is None
    moving.enter("asking", np.array([1]))
    moving.look(frozenset({ProfileId(2)}), [one(2)], now)
    assert journal.moved(turn, "asking", watch) == {}
    moving.follow(watch, now)
    assert journal.moved(turn, "asking", watch) == {2: True}
    assert journal.moved(turn - 1, "asking", watch) is None
    assert journal.moved(turn, "asking", other) is None
    moving.look(frozenset({ProfileId(1)}), [], now)
    moving.follow(watch, now)
    assert journal.moved(turn, "asking", watch) == {1: False, 2: True}
    moving.look(frozenset({ProfileId(3), ProfileId(4)}), [one(3)], now)
    assert journal.since(turn) == {1, 2, 3, 4}
    moving.follow(watch, now)
    assert journal.moved(turn, "asking", watch) == {1: False, 2: True, 3: True}
    turn = journal.turn
    assert journal.moved(turn, "asking", watch) == {}
    moving.follow(watch, Instant(now - 1))
    assert journal.moved(turn, "asking", watch) is None
    turn = journal.turn
    moving.follow(other, now)
    assert journal.moved(turn, "asking", other) is None
    moving.enter("asking", np.array([2, 3]))
    assert journal.moved(turn, "asking", other) == {}
    journal.everybody()
    assert journal.moved(turn, "asking", other) is None
    assert journal.since(turn) is None
    assert journal.moved(journal.turn, "asking", other) is None


def test_time_alone_moves_who_grows_old_and_of_whom_a_whole_window_shows_now() -> None:
    rules = {
        "newborn": parse({"op": "recent", "feature": "born", "from": "-P3D"}),
        "quiet": parse({"op": "lt", "feature": "orders_7d", "value": 3}),
    }
    served = Served(Asked(ALL["asking"], rules))
    since = Opening(VISIBLE, Instant(START - 5 * DAY))
    for profile, feature, value in ((1, "born", START - DAY), (2, "orders_7d", 1_000_000)):
        served.step(msgspec.structs.replace(one(profile, **{feature: value}), permits=(since,)))
    served.read(0)
    assert served.told[0] == {"asking": {1, 2}, "newborn": {1}, "quiet": set()}
    served.step(2 * DAY)
    served.read(0)
    assert served.told[0] == {"asking": {1, 2}, "newborn": set(), "quiet": {1, 2}}


def those_side_by_side_are_told_of_alike() -> None:
    rules = {
        "newborn": parse({"op": "recent", "feature": "born", "from": "-P3D"}),
        "italian": parse({"op": "eq", "feature": "country", "value": "IT"}),
    }
    journal, now = Journal(), Instant(START)
    moving, watch = Moving(Population(POLICY, ASKING), journal, now), watching(POLICY, rules)
    born = {number: START - number * DAY // 100 for number in range(300)}
    moving.look(frozenset(), [one(number, born=day) for number, day in born.items()], now)
    moving.follow(watch, now)
    told = {name: set(moving.population.members(rule, now, rules).tolist()) for name, rule in rules.items()}
    assert list(map(len, told.values())) == [300, 0]
    for name, members in told.items():
        moving.enter(name, np.array(sorted(members), np.int64))
    # A sixth of a segment by time alone, more than half of one, and then some who come to one of their own.
    for hours, changed in ((12, 0), (36, 0), (0, 150)):
        turn, now = journal.turn, Instant(now + hours * DAY // 24)
        again = [
            one(number, born=born[number], country=("IT", "FR")[number % 3 > 0]) for number in range(changed)
        ]
        moving.look(frozenset(each.profile for each in again), again, now)
        moving.follow(watch, now)
        for name, rule in rules.items():
            for profile, inside in (journal.moved(turn, name, watch) or {}).items():
                (told[name].add if inside else told[name].discard)(profile)
            assert told[name] == set(moving.population.members(rule, now, rules).tolist())
    assert list(map(len, told.values())) == [100, 50]


def test_those_who_change_side_by_side_are_told_of_as_if_each_were_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    those_side_by_side_are_told_of_alike()
    monkeypatch.setattr(Watch, "held", lambda *_: 0)
    those_side_by_side_are_told_of_alike()
    monkeypatch.setattr(moving_module, "_TOGETHER", 1_000)
    with pytest.raises(AssertionError):
        those_side_by_side_are_told_of_alike()


@pytest.mark.parametrize("profile", [0, 1])
def test_time_goes_back_where_a_month_is_counted_back_from_its_end(profile: int) -> None:
    then, now, between = map(
        parse_time, (f"2023-{day}:00:00Z" for day in ("03-30T18", "03-31T06", "02-28T12"))
    )
    month = msgspec.structs.replace(FEATURES["orders_7d"], window=Duration(months=1))
    policy = msgspec.structs.replace(POLICY, features={**POLICY.features, month.id: month})
    rules = {
        "newborn": parse({"op": "recent", "feature": "born", "from": "-P1M"}),
        "quiet": parse({"op": "lt", "feature": "orders_7d", "value": 3}),
    }
    told = (
        one(0, born=between),
        msgspec.structs.replace(one(1, orders_7d=0), permits=(Opening(VISIBLE, between),)),
    )
    population, journal = Population(policy, ASKING), Journal()
    moving, watch = Moving(population, journal, then), watching(policy, rules)
    moving.look(frozenset(), [told[profile]], then)
    moving.follow(watch, then)
    for name, rule in rules.items():
        moving.enter(name, population.members(rule, then, rules))
    turn = journal.turn
    moving.follow(watch, now)
    name, inside = [("newborn", True), ("quiet", False)][profile]
    assert journal.moved(turn, name, watch) == {profile: inside}


def test_an_audience_that_is_followed_is_not_begun_again() -> None:
    journal, now = Journal(), Instant(START)
    moving, watch = Moving(Population(POLICY, ASKING), journal, now), watching(POLICY, ALL)
    moving.follow(watch, now)
    moving.enter("asking", np.array([], np.int64))
    turn = journal.turn
    moving.look(frozenset({ProfileId(2)}), [one(2)], now)
    moving.enter("asking", np.array([2]))
    moving.follow(watch, now)
    assert journal.moved(turn, "asking", watch) == {2: True}


def test_everybody_is_asked_about_again_when_a_clock_that_went_back_goes_on() -> None:
    journal, now = Journal(), Instant(START)
    moving = Moving(Population(POLICY, ASKING), journal, now)
    watch = watching(POLICY, ALL)
    permit = Opening(VISIBLE, Instant(now - 10))
    moving.look(frozenset({ProfileId(1)}), [msgspec.structs.replace(one(1), permits=(permit,))], now)
    for at, told in ((0, False), (1, True), (-20, False), (2, False), (3, True)):
        turn = journal.turn
        moving.follow(watch, Instant(now + at))
        assert (journal.moved(turn, "asking", watch) is not None) is told
        moving.enter("asking", np.array([1]))


def test_a_clock_that_went_back_must_not_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    a_clock_that_went_back_is_forgotten(monkeypatch)
    with pytest.raises(AssertionError):
        test_everybody_is_asked_about_again_when_a_clock_that_went_back_goes_on()


def test_the_oldest_moves_are_forgotten_first_and_who_lacks_them_asks_about_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "MOST", 3)
    journal, now = Journal(), Instant(START)
    moving, watch = Moving(Population(POLICY, ASKING), journal, now), watching(POLICY, ALL)
    moving.follow(watch, now)
    moving.enter("asking", np.array([], np.int64))
    turns = [journal.turn]
    for profile in (1, 2, 3, 4):
        moving.look(frozenset({ProfileId(profile)}), [one(profile)], now)
        moving.follow(watch, now)
        turns.append(journal.turn)
    told = [journal.moved(turn, "asking", watch) for turn in turns]
    assert told == [None, dict.fromkeys((2, 3, 4), True), dict.fromkeys((3, 4), True), {4: True}, {}]
    moving.look(frozenset(map(ProfileId, (1, 2, 3, 4))), [], now)
    moving.follow(watch, now)
    assert journal.moved(turns[-1], "asking", watch) is None
    moving.look(frozenset({ProfileId(5)}), [one(5)], now)
    turn = journal.turn
    moving.follow(watch, now)
    assert journal.moved(turn, "asking", watch) == {5: True}


def test_what_nobody_reads_for_long_is_followed_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving_module, "MOST", 2)
    journal, now = Journal(), Instant(START)
    moving, watch = Moving(Population(POLICY, ASKING), journal, now), watching(POLICY, ALL)
    moving.follow(watch, now)
    moving.enter("asking", np.array([], np.int64))
    assert moving.nbytes == 0
    for profile, held in ((1, True), (2, True), (3, False)):
        turn = journal.turn
        moving.look(frozenset({ProfileId(profile)}), [one(profile)], now)
        assert (journal.moved(turn, "asking", watch) is not None) is held
        assert (moving.nbytes > 0) is held


def test_a_rule_that_is_no_longer_allowed_harms_no_other_audience() -> None:
    rules = ALL | {"broken": parse({"op": "known", "feature": "gone"})}
    watch = watching(POLICY, rules | {"refers": parse({"op": "audience", "audience": "broken"})})
    assert watch.places.keys() == {"asking"}
    assert watch.held(one(1), Instant(START)) == 1 << watch.places["asking"]


def test_who_changes_in_one_turn_and_changes_back_in_the_next_is_where_they_were() -> None:
    rules = {"italian": parse({"op": "eq", "feature": "country", "value": "IT"})}
    question = Asked(rules["italian"], rules)
    served = Served(question)
    served.read(0)
    for country in ("IT", "FR", "IT"):
        served.step(one(1, country=country))
    served.read(0)
    assert served.told[0]["italian"] == {1}
    served.step(one(1, country="FR"))
    served.step(ProfileId(1))
    served.read(0)
    assert served.told[0]["italian"] == set()
    assert served.moves == 4


def who_left_stays(patch: pytest.MonkeyPatch) -> None:
    real = Journal.tell

    def tell(self: Journal, profiles: Ints, held: BitRows, new: BitRows) -> None:
        real(self, profiles, held, held & new)

    patch.setattr(Journal, "tell", tell)


def what_each_is_in_is_not_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Roll, "swap", lambda self, profiles, _: self.of(profiles))


def who_is_dropped_stays(patch: pytest.MonkeyPatch) -> None:
    real = Moving._tell

    def tell(self: Moving, watch: Watch, roll: Roll, now: Instant) -> None:
        self._new = {one for one in self._new if one in self.population}
        real(self, watch, roll, now)

    patch.setattr(Moving, "_tell", tell)


def another_stands_where_one_does(patch: pytest.MonkeyPatch) -> None:
    real = Population.neighbours

    def neighbours(self: Population, profiles: Ints) -> list[Neighbours]:
        return [some._replace(slots=some.slots[::-1]) for some in real(self, profiles)]

    patch.setattr(Population, "neighbours", neighbours)


def who_waits_is_asked_as_they_were(patch: pytest.MonkeyPatch) -> None:
    real = Population.neighbours

    def neighbours(self: Population, profiles: Ints) -> list[Neighbours]:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self, "_waiting", {})
            return real(self, profiles)

    patch.setattr(Population, "neighbours", neighbours)


def some_are_asked_as_if_they_were_all(patch: pytest.MonkeyPatch) -> None:
    real = question_module.true_of

    def true_of(some: Neighbours, asked: Sequence[Ready], now: Instant) -> Bits:
        everybody = some._replace(slots=np.arange(len(some.segment)))
        return real(everybody, asked, now)[:, : len(some.slots)]

    patch.setattr("assent.audiences.engine.true_of", true_of)


def time_moves_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Population, "turning", lambda self, _: self.profiles()[:0])


def windows_stand_still(patch: pytest.MonkeyPatch) -> None:
    real = Watch.spans
    patch.setattr(Watch, "spans", lambda self, then, now: Spans(frozenset(), real(self, then, now).values))


def no_value_grows_old(patch: pytest.MonkeyPatch) -> None:
    real = Watch.spans
    patch.setattr(Watch, "spans", lambda self, then, now: Spans(real(self, then, now).since, frozenset()))


def who_waits_is_not_looked_through(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.engine._turns", lambda *_: False)


def segments_are_not_looked_through(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Segment, "turning", lambda self, *_: self.profiles[:0])


def turns_are_read_backwards(patch: pytest.MonkeyPatch) -> None:
    def moved(self: Journal, turn: int, name: str, by: Watch) -> dict[ProfileId, bool]:
        place = by.places[name]
        late = [moves.get(place, {}) for then, moves in reversed(self._moves) if then > turn]
        return {profile: inside for moved in late for profile, inside in moved.items()}

    read_otherwise(patch, moved)


def read_otherwise(patch: pytest.MonkeyPatch, moved: Callable[..., dict[ProfileId, bool]]) -> None:
    """Read the journal so where it says who moved."""
    real = Journal.moved

    def instead(self: Journal, turn: int, name: str, by: Watch) -> dict[ProfileId, bool] | None:
        return None if real(self, turn, name, by) is None else moved(self, turn, name, by)

    patch.setattr(Journal, "moved", instead)


def where_it_may_be_anybody_it_is_nobody(patch: pytest.MonkeyPatch) -> None:
    real = Journal.moved
    patch.setattr(Journal, "moved", lambda *given_: real(*given_) or {})


def a_clock_that_went_back_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = Moving.follow

    def follow(self: Moving, watch: Watch, now: Instant) -> None:
        self._behind = False
        real(self, watch, now)

    patch.setattr(Moving, "follow", follow)


FOLLOWS = CANARY(given(asked(), steps, together)(the_journal_says_what_recomputing_says))
BY_TIME = CANARY(given(by_time(), slow_steps, together)(the_journal_says_what_recomputing_says))


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        (who_left_stays, FOLLOWS),
        (what_each_is_in_is_not_held, FOLLOWS),
        (who_is_dropped_stays, FOLLOWS),
        (another_stands_where_one_does, those_side_by_side_are_told_of_alike),
        pytest.param(
            who_waits_is_asked_as_they_were, FOLLOWS, marks=pytest.mark.full
        ),  # it is long looked for
        (some_are_asked_as_if_they_were_all, those_side_by_side_are_told_of_alike),
        (time_moves_nobody, BY_TIME),
        (windows_stand_still, BY_TIME),
        pytest.param(no_value_grows_old, BY_TIME, marks=pytest.mark.full),  # it is long looked for
        (who_waits_is_not_looked_through, BY_TIME),
        pytest.param(
            segments_are_not_looked_through, BY_TIME, marks=pytest.mark.full
        ),  # it is long looked for
        pytest.param(turns_are_read_backwards, FOLLOWS, marks=pytest.mark.full),  # it is long looked for
        (where_it_may_be_anybody_it_is_nobody, FOLLOWS),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    law: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        law()
