"""Asking about those alone who were looked at again says what asking everybody says."""

from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import moving as moving_module
from assent.audiences.engine import Population
from assent.audiences.moving import Kept, Together, moved
from assent.audiences.rule import parse
from assent.audiences.seen import Opening, Shown
from assent.audiences.watch import moved_by_time
from assent.core.errors import UnknownFeature
from assent.core.ids import ProfileId
from assent.core.time import BEGINNING, DAY, FOREVER, Instant
from tests.property.audiences.worlds import ASKING, POLICY, START, VISIBLE, Asked, asked, shown

LAWS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=2_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

steps = st.lists(
    st.one_of(
        st.integers(0, 3).flatmap(shown),
        st.integers(0, 3).map(ProfileId),
        st.sampled_from([10, DAY, DAY + 10, 5 * DAY]),
    ),
    min_size=2,
    max_size=8,
)
"""Facts (a profile as it is shown from now on, one dropped) and steps of the clock."""


def as_the_gate_shows(one: Shown, now: Instant) -> Shown:
    """Return what the gate says: a value's change is still to come, and so is every permit's opening."""
    turns = [permit.since for permit in one.permits if permit.since > now]
    until = one.valid_until if one.valid_until > now else FOREVER
    return msgspec.structs.replace(one, valid_until=min([until, *turns]))


def moving_equals_recomputing(question: Asked, some: Iterable[Shown | int]) -> None:
    rules = question.audiences | {"asking": question.rule}
    population, now = Population(POLICY, ASKING, most=5, waiting=2, waste=0.7), Instant(START)
    together, kept = Together(rules, POLICY), dict[str, Kept]()
    for turn, step in enumerate(some):
        touched: set[ProfileId] = set()
        if isinstance(step, Shown):
            population.put(as_the_gate_shows(step, now))
            touched = {step.profile}
        elif step <= 3:
            population.drop(ProfileId(step))
            touched = {ProfileId(step)}
        else:
            now = Instant(now + step)
        for profile in map(ProfileId, population.stale(now).tolist()):
            held = population.shown(profile)
            assert held is not None
            population.put(as_the_gate_shows(held, now))
            touched.add(profile)
        for name, rule in rules.items():
            right = population.members(rule, now, rules)
            found = moved(kept.get(name), name, together, population, touched, turn, now)
            assert found is None or np.array_equal(found, right)
            kept[name] = Kept(together=together, members=right if found is None else found)


@LAWS
@given(asked(), steps)
def test_asking_those_looked_at_again_equals_asking_everybody(
    question: Asked, some: list[Shown | int]
) -> None:
    moving_equals_recomputing(question, some)


def test_everybody_is_asked_about_where_it_may_be_anybody_or_rules_or_policy_are_others() -> None:
    population, now = Population(POLICY, ASKING), Instant(START)
    rules = {"asking": parse({"op": "all"})}
    together, other = Together(rules, POLICY), Together(rules, POLICY)
    kept = Kept(together=together, members=np.array([1], np.int64))
    assert moved(kept, "asking", together, population, {ProfileId(1)}, 1, now) is not None
    assert moved(None, "asking", together, population, set(), 1, now) is None
    assert moved(kept, "asking", together, population, None, 1, now) is None
    assert moved(kept, "asking", other, population, set(), 1, now) is None


def test_a_rule_that_is_no_longer_allowed_harms_no_other_audience() -> None:
    population, now = Population(POLICY, ASKING), Instant(START)
    permits = (Opening(VISIBLE, BEGINNING),)
    population.put(Shown(profile=ProfileId(1), values={}, permits=permits))
    rules = {"asking": parse({"op": "all"}), "broken": parse({"op": "known", "feature": "gone"})}
    together = Together(rules, POLICY)
    assert together.holds("asking", ProfileId(1), population, 1, now)
    assert not together.holds("asking", ProfileId(2), population, 1, now)
    with pytest.raises(UnknownFeature):
        together.holds("broken", ProfileId(1), population, 1, now)


def time_moves_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moving_module, "moved_by_time", lambda *_: False)


def who_left_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(np, "setdiff1d", lambda one, _, **__: one)


def who_was_looked_at_again_is_not_asked_again(patch: pytest.MonkeyPatch) -> None:
    real = Together.holds
    patch.setattr(
        Together,
        "holds",
        lambda self, name, profile, people, _, now: real(self, name, profile, people, 0, now),
    )


BY_TIME = asked().filter(lambda one: moved_by_time(one.rule, POLICY, one.audiences))
"""Questions whose answers time alone moves: few of all."""


@pytest.mark.parametrize(
    ("plant", "questions"),
    [
        pytest.param(time_moves_nobody, BY_TIME, marks=pytest.mark.full),  # it is long looked for
        (who_left_stays, asked()),
        (who_was_looked_at_again_is_not_asked_again, asked()),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    questions: st.SearchStrategy[Asked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        CANARY(given(questions, steps)(moving_equals_recomputing))()
