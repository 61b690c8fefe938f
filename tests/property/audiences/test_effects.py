"""Goals and what sets members apart: what the plain evaluator counts, and no small cell in what is said."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.audiences import goal as goal_module
from assent.audiences.bits import Words, unpacked
from assent.audiences.distinctive import Tally, described, distinctive
from assent.audiences.engine import Population
from assent.audiences.floors import floored
from assent.audiences.goal import Cell, Goal, cells, shown
from assent.audiences.holdout import Arm, Holdout, arm_of
from assent.audiences.rows import Ints
from assent.audiences.rule import All, And, Eq, Has
from assent.audiences.seen import Opening, Shown
from assent.audiences.view import Whole
from assent.core.ids import CategoryMask
from assent.core.policy import Feature, ValueType
from assent.core.time import Instant
from tests.property.audiences.test_engine import (
    CANARY,
    IDS,
    LAWS,
    People,
    Steps,
    change,
    expected,
    negation_takes_hidden_along,
    steps,
)
from tests.property.audiences.worlds import ASKING, FEATURES, POLICY, VISIBLE, Asked, asked, instants

holdouts = st.builds(
    Holdout, share=st.sampled_from([1, 300_000, 999_999]), salt=st.sampled_from(["spring", "autumn"])
)


def lived(some: Steps) -> tuple[Population, People]:
    population, people = Population(POLICY, ASKING, most=5, waiting=2, waste=0.7), People()
    for step in some:
        change(population, people, step)
        population.profiles()  # a question, for those who wait to become a segment that some may leave
    return population, people


def wanted(question: Asked, goal: Asked, holdout: Holdout) -> dict[Cell, Asked]:
    found = cells(question.rule, holdout, [Goal(id="goal", title="", rule=goal.rule)])
    return {cell: Asked(rule, question.audiences) for cell, rule in found.items()}


def counted(population: Population, what: dict[Cell, Asked], now: Instant) -> dict[Cell, int]:
    return {cell: population.count(one.rule, now, one.audiences, IDS) for cell, one in what.items()}


def goals_equal_the_evaluator(
    some: Steps, question: Asked, goal: Asked, holdout: Holdout, now: Instant
) -> None:
    population, people = lived(some)
    found = counted(population, wanted(question, goal, holdout), now)
    members = expected(question, people, now)
    reached = expected(Asked(And(of=(question.rule, goal.rule)), question.audiences), people, now)
    for arm in Arm:
        drawn = {one for one, each in people.items() if arm_of(holdout, each.subject) is arm}
        assert found[Cell(arm)] == len(drawn.intersection(members))
        assert found[Cell(arm, "goal")] == len(drawn.intersection(reached))


@LAWS
@given(steps, asked(), asked(), holdouts, instants)
def test_goals_are_counted_as_the_evaluator_counts_them(
    some: Steps, question: Asked, goal: Asked, holdout: Holdout, now: Instant
) -> None:
    goals_equal_the_evaluator(some, question, goal, holdout, now)


def tally_equals_the_evaluator(some: Steps, question: Asked, now: Instant) -> None:
    population, people = lived(some)
    features = described(POLICY, VISIBLE)
    assert {one.name for one in features} == {"country", "member", "tags"}
    waiting = population.ask(question.rule, now, question.audiences, IDS)
    names = population.names(features)
    tally = waiting.tally(features, names)
    assert tally.members == len(expected(question, people, now))
    assert tally.population == len(expected(Asked(All(), {}), people, now))
    for feature in features:
        asks = Has if feature.type is ValueType.SET else Eq
        for code, value in enumerate(names[feature.id]):
            if value is None:
                continue
            leaf = asks(feature=feature.name, value=value)
            both = Asked(And(of=(question.rule, leaf)), question.audiences)
            inside, everybody = tally.values[feature.id]
            assert inside[code] == len(expected(both, people, now))
            assert everybody[code] == len(expected(Asked(leaf, {}), people, now))


@LAWS
@given(steps, asked(), instants)
def test_values_are_counted_as_the_evaluator_counts_them(some: Steps, question: Asked, now: Instant) -> None:
    tally_equals_the_evaluator(some, question, now)


def withdrawal_adds_to_no_number(
    some: Steps, question: Asked, goal: Asked, holdout: Holdout, now: Instant, closed: int, whose: int
) -> None:
    """Closing categories for some people raises no count of a goal, exact or as said, nor of a value."""
    population, people = lived(some)
    what, features = wanted(question, goal, holdout), described(POLICY, VISIBLE)
    before = counted(population, what, now)
    waiting = population.ask(question.rule, now, question.audiences, IDS)
    were = waiting.tally(features, population.names(features))
    named = population.names(features)
    for profile, each in people.items():
        if profile % 3 == whose:
            left = tuple(
                Opening(CategoryMask(one.categories & ~closed), one.since, one.until) for one in each.permits
            )
            population.put(
                Shown(
                    profile=profile,
                    values=each.values,
                    permits=left,
                    valid_until=each.valid_until,
                    subject=each.subject,
                )
            )
    after = counted(population, what, now)
    assert all(after[cell] <= before[cell] for cell in what)
    for k in (1, 2, 3):
        said, was = shown(after, k), shown(before, k)
        assert all(said[cell] <= was[cell] for cell in what)
    waiting = population.ask(question.rule, now, question.audiences, IDS)
    now_named = population.names(features)
    are = waiting.tally(features, now_named)
    for one in features:
        for then, later in zip(were.values[one.id], are.values[one.id], strict=True):
            held = dict(zip(named[one.id], then.tolist(), strict=False))
            for value, number in zip(now_named[one.id], later.tolist(), strict=True):
                assert value is None or number <= held.get(value, 0)


closings = st.sampled_from([2, 4, 6]), st.integers(0, 2)


@LAWS
@given(steps, asked(), asked(), holdouts, instants, *closings)
def test_withdrawal_adds_to_no_number(
    some: Steps, question: Asked, goal: Asked, holdout: Holdout, now: Instant, closed: int, whose: int
) -> None:
    withdrawal_adds_to_no_number(some, question, goal, holdout, now, closed, whose)


crowds = st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=60)
"""People: whether each is a member, and the value each has."""


def no_small_cell_is_said(crowd: list[tuple[bool, int]], k: int) -> None:
    feature = FEATURES["country"]
    names = {feature.id: [None, "IT", "FR"]}
    inside = np.bincount([value for member, value in crowd if member], minlength=3)
    everybody = np.bincount([value for _, value in crowd], minlength=3)
    members = sum(member for member, _ in crowd)
    tally = Tally(members=members, population=len(crowd), values={feature.id: (inside, everybody)})
    most, all_of_them = floored(members, k), floored(len(crowd), k)
    for one in distinctive(tally, [feature], names, k, 10):
        code = names[feature.id].index(str(one.value))
        assert one.members <= inside[code]
        assert one.population <= everybody[code]
        outside = one.population - one.members
        cells_said = (one.members, most - one.members, outside, all_of_them - most - outside)
        assert all(cell % k == 0 for cell in cells_said)
        assert k == 1 or min(cells_said) >= k
        assert one.lift == round(one.members * all_of_them / (one.population * most), 3) >= 1


@LAWS
@given(crowds, st.integers(1, 6))
def test_no_small_cell_is_said_or_left_by_what_is_said(crowd: list[tuple[bool, int]], k: int) -> None:
    no_small_cell_is_said(crowd, k)


def no_small_part_is_said(members: int, reached: int, k: int) -> None:
    numbers = {Cell(Arm.TREATMENT): members, Cell(Arm.TREATMENT, "goal"): min(members, reached)}
    said = shown(numbers, k)
    whole, part = said.values()
    assert whole % k == part % k == 0
    assert (whole, part) <= (members, reached)
    assert k == 1 or part == 0 or min(part, whole - part) >= k


@LAWS
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 12))
def test_a_goal_is_never_said_to_leave_a_few(members: int, reached: int, k: int) -> None:
    no_small_part_is_said(members, reached, k)


def hidden_values_count(patch: pytest.MonkeyPatch) -> None:
    def tally(self: Whole, feature: Feature, size: int, among: Words) -> Ints:
        return self.codes(feature.id).tally(unpacked(among, len(self.segment)), size)

    patch.setattr(Whole, "tally", tally)


def who_left_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.question._still", lambda words, _here: words)


def everybody_is_treated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(goal_module, "part", lambda rule, _holdout, arm: rule if arm is Arm.TREATMENT else All())


def parts_are_floored_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(goal_module, "floored_part", lambda part, _whole, k: part - part % k)


def cells_are_floored_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.distinctive.np.minimum", np.maximum)


def rests_are_said(patch: pytest.MonkeyPatch) -> None:
    """The cap on what is said to be left is one too high."""
    real = np.minimum
    patch.setattr("assent.audiences.distinctive.np.minimum", lambda one, other: real(one, other + 1))


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        (everybody_is_treated, given(steps, asked(), asked(), holdouts, instants)(goals_equal_the_evaluator)),
        (hidden_values_count, given(steps, asked(), instants)(tally_equals_the_evaluator)),
        (who_left_counts, given(steps, asked(), instants)(tally_equals_the_evaluator)),
        (
            negation_takes_hidden_along,
            given(steps, asked(), asked(), holdouts, instants, *closings)(withdrawal_adds_to_no_number),
        ),
        (
            parts_are_floored_alone,
            given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 12))(no_small_part_is_said),
        ),
        (cells_are_floored_alone, given(crowds, st.integers(1, 6))(no_small_cell_is_said)),
        (rests_are_said, given(crowds, st.integers(1, 6))(no_small_cell_is_said)),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    # A number that may not be said can be nobody's, of whom no share can be told.
    with pytest.raises((AssertionError, ZeroDivisionError)):
        CANARY(law)()
