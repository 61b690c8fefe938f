"""Following one profile's changes keeps what recomputing everything would say; each law catches a fault."""

from collections.abc import Callable
from unittest.mock import Mock

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import board as board_module
from assent.audiences import gates as gates_module
from assent.audiences import sums as sums_module
from assent.audiences import watch as watch_module
from assent.audiences.board import Board, Windowed, _Layout
from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.gates import Gates, Part
from assent.audiences.rule import All, And, AtLeast, Not, Or, Rule, parse
from assent.audiences.seen import Opening, Shown, seen_at
from assent.audiences.sums import Weighed
from assent.audiences.watch import Watch
from assent.core.ids import ProfileId
from assent.core.time import BEGINNING, DAY, Instant
from tests.property.audiences.worlds import (
    FEATURES,
    POLICY,
    START,
    VISIBLE,
    Asked,
    asked,
    by_time,
    facts_asked,
    growing_old,
    rules,
    scores,
    shown,
)

LAWS = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=2_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

_PEOPLE = 3
NOW = Instant(START)

steps = st.lists(
    st.one_of(
        st.integers(0, _PEOPLE - 1).flatmap(shown),
        st.integers(0, _PEOPLE - 1).flatmap(shown).map(lambda each: (each,)),
        st.integers(0, _PEOPLE - 1).map(ProfileId),
        st.sampled_from([10, DAY, DAY + 10, 5 * DAY]),
    ),
    min_size=2,
    max_size=8,
)
"""Facts (a profile as it is shown from now on, other values of one, one dropped) and steps of the clock."""


Steps = list[Shown | tuple[Shown] | ProfileId | int]


class Followed:
    """What an incremental follower holds, and what it says each is a member of."""

    def __init__(self, question: Asked) -> None:
        self.watch = Watch(POLICY, question.audiences | {"asking": question.rule})
        self.now = Instant(START)
        self.people: dict[ProfileId, Shown] = {}
        self.members: dict[ProfileId, set[str]] = {}
        self.looked: dict[ProfileId, Instant] = {}

    def look(self, profile: ProfileId, after: Shown | None) -> None:
        before = self.people.get(profile)
        then = self.looked.get(profile, self.now)
        moved = self.watch.change(before, then, after, self.now, str(profile))
        members = self.members.setdefault(profile, set())
        assert members.isdisjoint(moved.entered)
        assert members.issuperset(moved.left)
        members.difference_update(moved.left)
        members.update(moved.entered)
        if after is None:
            self.people.pop(profile, None)
            self.looked.pop(profile, None)
        else:
            self.people[profile] = after
            self.looked[profile] = self.now

    def pass_time(self, length: int) -> None:
        self.now = Instant(self.now + length)
        for profile in list(self.looked):
            self.look(profile, self.people[profile])


def following_equals_recomputing(question: Asked, some: Steps) -> None:
    followed = Followed(question)
    every = question.audiences | {"asking": question.rule}
    for step in some:
        if isinstance(step, Shown):
            followed.look(step.profile, step)
        elif isinstance(step, tuple):
            (other,) = step
            held = followed.people.get(other.profile, other)
            followed.look(other.profile, msgspec.structs.replace(held, values=other.values))
        elif step < _PEOPLE:
            followed.look(ProfileId(step), None)
        else:
            followed.pass_time(step)
        for profile, each in followed.people.items():
            seen = seen_at(each, followed.now)
            right = {
                name
                for name, rule in every.items()
                if evaluate(rule, POLICY, seen, followed.now, every, str(profile)) is Truth.TRUE
            }
            assert followed.members[profile] == right
            assert followed.watch.members(each, followed.now, str(profile)) == right


@LAWS
@given(asked(), steps)
def test_following_equals_recomputing(question: Asked, some: Steps) -> None:
    following_equals_recomputing(question, some)


@st.composite
def many_asked(draw: st.DrawFn) -> Asked:
    """Return a rule with many audiences, of scores too, some of which refer to others and lie deep."""
    question, facts = draw(asked()), draw(facts_asked())
    some = draw(st.lists(st.one_of(rules(("first", "second")), scores), min_size=3, max_size=9))
    several = {f"audience {place}": rule for place, rule in enumerate(some)}
    deep = Not(of=Or(of=(And(of=tuple(some[:2])), AtLeast(count=2, of=(*some[1:], question.rule)))))
    return Asked(facts.rule, {**question.audiences, **several, "deep": deep, "asked": question.rule})


@LAWS
@given(many_asked(), steps, st.sampled_from([1, 2, 64]), st.sampled_from([2, 5, 256]))
def test_following_many_equals_recomputing_each(
    question: Asked, some: Steps, largest: int, together: int
) -> None:
    """Whatever is taken into what refers to it, and however many stand on one board."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates_module, "_LARGEST", largest)
        patch.setattr(watch_module, "_TOGETHER", together)
        following_equals_recomputing(question, some)


def no_time_passes(patch: pytest.MonkeyPatch) -> None:
    real = Watch.change
    patch.setattr(
        Watch, "change", lambda self, was, _, after, now, key: real(self, was, now, after, now, key)
    )


def references_are_not_followed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gates, "_referred", lambda self, name, *, holds: self._part(All(), holds=holds))


def a_part_of_a_window_is_the_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Windowed, "of", lambda self, person: self.add(person.values.get(self.feature.id)))


def what_no_value_decides_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Board, "_asked_anew", Mock(return_value=0))


def permits_show_what_they_showed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(board_module, "differ_in_values", Mock(return_value=True))


def hidden_is_absent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watch_module, "visible_at", Mock(return_value=-1))


def unknown_is_false(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Weighed, "of", lambda self, person: self.true if self.ask(person) is Truth.TRUE else self.false
    )


def what_lies_inside_is_not_handed_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Layout, "shifts", Mock(return_value=[]))


def the_outermost_is_handed_on_first(patch: pytest.MonkeyPatch) -> None:
    real = _Layout.shifts
    patch.setattr(_Layout, "shifts", lambda self: real(self)[::-1])


def the_opposite_needs_one_more(patch: pytest.MonkeyPatch) -> None:
    real = Gates._counted

    def counted(self: Gates, count: int, of: tuple[Rule, ...], *, holds: bool) -> Part:
        return real(self, count - (not holds), of, holds=holds)

    patch.setattr(Gates, "_counted", counted)


def time_asks_no_window_again(patch: pytest.MonkeyPatch) -> None:
    real = Board.moved

    def moved(
        self: Board, was: Shown, _: Instant, becomes: Shown, now: Instant, *more: object
    ) -> tuple[int, int]:
        return real(self, was, now, becomes, now, *more)  # type: ignore[arg-type]

    patch.setattr(Board, "moved", moved)


def members_of_a_set_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = sums_module._by_member

    def one_member(leaves: list[Weighed], told: sums_module._Told) -> sums_module.Added:
        add = real(leaves, told)
        return lambda value: add(frozenset(sorted(value)[:1]) if isinstance(value, frozenset) else value)

    patch.setattr(sums_module, "_by_member", one_member)


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq"])
def test_a_threshold_is_crossed_at_the_very_millionth(name: str) -> None:
    rule = parse({"op": name, "feature": "age", "value": 1})
    watch = Watch(POLICY, {"asking": rule})
    for was in (999_999, 1_000_000, 1_000_001):
        for now in (999_999, 1_000_000, 1_000_001):
            before, after = aged(was), aged(now)
            moved = watch.change(before, NOW, after, NOW)
            held, holds = (
                evaluate(rule, POLICY, seen_at(one, NOW), NOW, {}) is Truth.TRUE for one in (before, after)
            )
            assert list(moved.entered) == ["asking"] * (holds and not held)
            assert list(moved.left) == ["asking"] * (held and not holds)


def test_a_forgotten_threshold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "_lasts", Mock(return_value=()))
    with pytest.raises(AssertionError):
        test_a_threshold_is_crossed_at_the_very_millionth("lt")


def aged(millionths: int) -> Shown:
    permits = (Opening(VISIBLE, BEGINNING),)
    return Shown(profile=ProfileId(1), values={FEATURES["age"].id: millionths}, permits=permits)


slow_steps = st.lists(
    st.one_of(st.integers(0, 2).flatmap(growing_old), st.sampled_from([10, DAY, 2 * DAY])),
    min_size=4,
    max_size=10,
)
FOLLOWS = CANARY(given(asked(), steps)(following_equals_recomputing))
BY_TIME = CANARY(given(by_time(), slow_steps)(following_equals_recomputing))
TOGETHER = CANARY(given(many_asked(), steps)(following_equals_recomputing))


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        (no_time_passes, FOLLOWS),
        (references_are_not_followed, FOLLOWS),
        (a_part_of_a_window_is_the_whole, FOLLOWS),
        (what_no_value_decides_stays, FOLLOWS),
        (permits_show_what_they_showed, BY_TIME),
        (time_asks_no_window_again, BY_TIME),
        (hidden_is_absent, FOLLOWS),
        (unknown_is_false, FOLLOWS),
        pytest.param(
            members_of_a_set_are_forgotten, FOLLOWS, marks=pytest.mark.full
        ),  # it is long looked for
        (the_opposite_needs_one_more, FOLLOWS),
        (what_lies_inside_is_not_handed_on, FOLLOWS),
        (the_outermost_is_handed_on_first, TOGETHER),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        law()
