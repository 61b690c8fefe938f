"""Following one profile's changes keeps what recomputing everything would say; each law catches a fault."""

from collections.abc import Callable
from unittest.mock import Mock

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import watch as watch_module
from assent.audiences.evaluate import Evaluator, Truth, evaluate
from assent.audiences.holding import Person
from assent.audiences.leaf import Positive
from assent.audiences.rule import parse
from assent.audiences.seen import Opening, Shown, seen_at
from assent.audiences.watch import Watch
from assent.core.ids import ProfileId
from assent.core.time import BEGINNING, DAY, FOREVER, Instant
from tests.property.audiences.worlds import FEATURES, POLICY, START, VISIBLE, Asked, asked, shown

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
        self.looked: dict[ProfileId, tuple[Instant, Instant]] = {}

    def look(self, profile: ProfileId, after: Shown | None) -> None:
        before = self.people.get(profile)
        then, _ = self.looked.get(profile, (self.now, FOREVER))
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
            self.looked[profile] = self.now, self.watch.until(after, self.now)

    def pass_time(self, length: int) -> None:
        end = Instant(self.now + length)
        while (turn := min((until for _, until in self.looked.values()), default=FOREVER)) <= end:
            self.now = turn
            for profile, (_, until) in list(self.looked.items()):
                if until <= turn:
                    self.look(profile, self.people[profile])
        self.now = end


def following_equals_recomputing(question: Asked, some: Steps) -> None:
    followed = Followed(question)
    rules = question.audiences | {"asking": question.rule}
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
                for name, rule in rules.items()
                if evaluate(rule, POLICY, seen, followed.now, rules, str(profile)) is Truth.TRUE
            }
            assert followed.members[profile] == right
            assert followed.watch.members(each, followed.now, str(profile)) == right


@LAWS
@given(asked(), steps)
def test_following_equals_recomputing(question: Asked, some: Steps) -> None:
    following_equals_recomputing(question, some)


def time_moves_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Watch, "until", lambda _self, _shown, _now: FOREVER)


def references_are_not_followed(patch: pytest.MonkeyPatch) -> None:
    real = watch_module._leaves
    patch.setattr(
        watch_module, "_leaves", lambda rule, policy, _rules, passed: real(rule, policy, {}, passed)
    )


def permits_move_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watch_module, "_covered", Mock(return_value=True))


def a_rule_is_left_out_of_the_index(patch: pytest.MonkeyPatch) -> None:
    real = Watch._index

    def index(self: Watch, name: str, leaf: Positive) -> None:
        if name != "asking":
            real(self, name, leaf)

    patch.setattr(Watch, "_index", index)


def what_changed_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """The first sight is taken for the second though it looked at what is another value there."""
    patch.setattr(watch_module, "Person", lambda seen, now, key, *_: Person(seen, now, key))


def answers_are_kept_whatever_shows(patch: pytest.MonkeyPatch) -> None:
    real = Evaluator.moved

    def moved(
        self: Evaluator, names: set[str], was: Person, now: Person, **_: bool
    ) -> tuple[list[str], list[str]]:
        return real(self, names, was, now, anew=False)

    patch.setattr(Evaluator, "moved", moved)


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq"])
def test_a_threshold_is_crossed_at_the_very_millionth(name: str) -> None:
    watch = Watch(POLICY, {"asking": parse({"op": name, "feature": "age", "value": 1})})
    for was in (999_999, 1_000_000, 1_000_001):
        for now in (999_999, 1_000_000, 1_000_001):
            before, after = aged(was), aged(now)
            moved = watch.change(before, NOW, after, NOW)
            entered = watch.members(after, NOW) - watch.members(before, NOW)
            assert set(moved.entered) == entered
            assert set(moved.left) == watch.members(before, NOW) - watch.members(after, NOW)


def test_a_forgotten_threshold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_step", Mock())
    with pytest.raises(AssertionError):
        test_a_threshold_is_crossed_at_the_very_millionth("lt")


def aged(millionths: int) -> Shown:
    permits = (Opening(VISIBLE, BEGINNING),)
    return Shown(profile=ProfileId(1), values={FEATURES["age"].id: millionths}, permits=permits)


FOLLOWS = CANARY(given(asked(), steps)(following_equals_recomputing))


@pytest.mark.parametrize(
    "plant",
    [
        time_moves_nobody,
        references_are_not_followed,
        permits_move_nobody,
        a_rule_is_left_out_of_the_index,
        what_changed_is_not_looked_at,
        answers_are_kept_whatever_shows,
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        FOLLOWS()
