"""The engine says what the plain evaluator says of each person; every law is shown to catch a fault."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import columns as columns_module
from assent.audiences import engine as engine_module
from assent.audiences import integers as integers_module
from assent.audiences import plan as plan_module
from assent.audiences import rows as rows_module
from assent.audiences import view as view_module
from assent.audiences.bits import Words
from assent.audiences.codebook import Codebook
from assent.audiences.engine import Population
from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.lately import Lately, Programs
from assent.audiences.ready import Ready
from assent.audiences.rows import Ragged, Rows
from assent.audiences.rule import Not, parse
from assent.audiences.seen import Bound, Opening, Shown, seen_at
from assent.audiences.segment import Segment
from assent.audiences.view import Whole
from assent.core.ids import CategoryId, CategoryMask, ProfileId
from assent.core.policy import Feature
from assent.core.time import BEGINNING, FOREVER, Instant
from tests.property.audiences.worlds import (
    ASKING,
    FEATURES,
    POLICY,
    START,
    VISIBLE,
    Asked,
    asked,
    buckets,
    instants,
    nested,
    shown,
)

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=600,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
MOST = 5

IDS = {str(n): ProfileId(n) for n in range(4)}


steps = st.lists(
    st.one_of(
        st.integers(0, 7).flatmap(shown), st.integers(0, 7).flatmap(shown), st.integers(0, 7).map(ProfileId)
    ),
    max_size=6,
)
"""Changes: a profile as it is shown from now on, or one dropped."""

questions = st.lists(asked(), min_size=1, max_size=1)
moments = st.lists(instants, min_size=1, max_size=3)

REFERRED = {name: {"op": "audience", "audience": name} for name in ("italian", "member")}

Steps = list[Shown | ProfileId]
People = dict[ProfileId, Shown]


def change(population: Population, people: People, step: Shown | ProfileId) -> None:
    if isinstance(step, Shown):
        population.put(step)
        people[step.profile] = step
    else:
        population.drop(step)
        people.pop(step, None)


def expected(question: Asked, people: People, now: Instant) -> list[int]:
    return sorted(
        profile
        for profile, each in people.items()
        if evaluate(question.rule, POLICY, seen_at(each, now), now, question.audiences, str(profile))
        is Truth.TRUE
    )


def engine_equals_evaluator(some: Steps, asking: list[Asked], times: list[Instant]) -> None:
    """After every change, at any instants in any order, of a rule and of its opposite."""
    population, people = Population(POLICY, ASKING, most=MOST, waiting=2, waste=0.7), People()
    for place, step in enumerate(some):
        change(population, people, step)
        if place % 3 and place + 1 < len(some):
            continue
        for question, now in ((question, now) for question in asking for now in times):
            for rule in (question.rule, Not(of=question.rule)):
                right = expected(Asked(rule, question.audiences), people, now)
                assert population.members(rule, now, question.audiences, IDS).tolist() == right
                assert population.count(rule, now, question.audiences, IDS) == len(right)


@LAWS
@given(steps, questions, moments)
def test_the_engine_equals_the_evaluator(some: Steps, asking: list[Asked], times: list[Instant]) -> None:
    engine_equals_evaluator(some, asking, times)


def audiences_inside_one_another_are_told_apart() -> None:
    rules = {
        name: parse({"op": "and", "of": of})
        for name, of in {
            "italian": [{"op": "eq", "feature": "country", "value": "IT"}],
            "member": [REFERRED["italian"], {"op": "eq", "feature": "member", "value": True}],
            "neither": [{"op": "not", "of": REFERRED["member"]}, {"op": "not", "of": REFERRED["italian"]}],
            "alone": [{"op": "not", "of": REFERRED["member"]}, REFERRED["italian"]],
            "both": [REFERRED["member"], REFERRED["italian"]],
        }.items()
    }
    people = {
        ProfileId(number): Shown(
            profile=ProfileId(number),
            values={FEATURES["country"].id: country, FEATURES["member"].id: member},
            permits=(Opening(VISIBLE, BEGINNING),),
        )
        for number, (country, member) in enumerate([("IT", False), ("IT", True), ("FR", False), ("FR", True)])
    }
    population = Population(POLICY, ASKING)
    population.put_all(people.values())
    for rule in rules.values():
        right = expected(Asked(rule, rules), people, Instant(START))
        assert population.members(rule, Instant(START), rules).tolist() == right


def test_audiences_inside_one_another_are_told_apart() -> None:
    audiences_inside_one_another_are_told_apart()


@settings(LAWS, max_examples=60)
@given(steps, st.lists(nested(), min_size=1, max_size=1), moments)
def test_the_engine_equals_the_evaluator_of_audiences_inside_one_another(
    some: Steps, asking: list[Asked], times: list[Instant]
) -> None:
    engine_equals_evaluator(some, asking, times)


@settings(LAWS, max_examples=60)
@given(steps, questions, moments)
def test_the_engine_equals_the_evaluator_where_few_are_asked_slot_by_slot(
    some: Steps, asking: list[Asked], times: list[Instant]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        slot_by_slot(patch)
        engine_equals_evaluator(some, asking, times)


def slot_by_slot(patch: pytest.MonkeyPatch) -> None:
    """Let any number be few, every value be listed, and integers go by steps."""
    patch.setattr(view_module, "_FEW", 1)
    patch.setattr(columns_module, "_DENSE", 0)
    for module in (integers_module, columns_module):
        patch.setattr(module, "MANY", 1)


def changes_equal_a_fresh_start(some: Steps, question: Asked, now: Instant) -> None:
    """Puts and drops leave what the last put of each, alone, would have left: answers and what is stale."""
    population, people = Population(POLICY, ASKING, most=MOST, waiting=2, waste=0.7), People()
    for step in some:
        change(population, people, step)
        population.count(question.rule, now, question.audiences, IDS)
    fresh = Population(POLICY, ASKING, most=MOST, waiting=2, waste=0.7)
    fresh.put_all(people.values())
    again = population.members(question.rule, now, question.audiences, IDS)
    assert again.tolist() == fresh.members(question.rule, now, question.audiences, IDS).tolist()
    assert population.stale(now).tolist() == fresh.stale(now).tolist()
    assert len(population) == len(fresh)
    for profile, each in people.items():
        assert evaluate(question.rule, POLICY, seen_at(each, now), now, question.audiences, "") is evaluate(
            question.rule,
            POLICY,
            seen_at(population.shown(profile) or Shown(profile=profile, values={}, permits=()), now),
            now,
            question.audiences,
            "",
        )
    population.drop_all(list(people))
    assert all(len(book) == 0 for book in population._books.values())


@LAWS
@given(steps, asked(), instants)
def test_changes_in_place_equal_a_fresh_start(some: Steps, question: Asked, now: Instant) -> None:
    changes_equal_a_fresh_start(some, question, now)


def a_question_sees_one_moment(before: Steps, after: Steps, question: Asked, now: Instant) -> None:
    """A question asked and not yet counted says what was true when it was asked, whatever comes after."""
    population, people = Population(POLICY, ASKING, most=MOST, waiting=2, waste=0.7), People()
    for step in before:
        change(population, people, step)
    right = expected(question, people, now)
    waiting = population.ask(question.rule, now, question.audiences, IDS)
    for step in after:
        change(population, people, step)
        population.stale(now)
        population.count(question.rule, Instant(now + 1), question.audiences, IDS)
    assert waiting.members().tolist() == right
    assert waiting.count() == len(right)


@LAWS
@given(steps, steps, asked(), instants)
def test_a_question_sees_one_moment(before: Steps, after: Steps, question: Asked, now: Instant) -> None:
    a_question_sees_one_moment(before, after, question, now)


def withdrawal_never_adds(some: Steps, question: Asked, now: Instant, closed: int, whose: int) -> None:
    """Closing categories for some people adds no member, to a rule or to its opposite."""
    population, people = Population(POLICY, ASKING, most=MOST, waiting=2, waste=0.7), People()
    for step in some:
        change(population, people, step)
    rules = (question.rule, Not(of=question.rule))
    before = [set(population.members(rule, now, question.audiences, IDS).tolist()) for rule in rules]
    for profile, each in people.items():
        if profile % 3 == whose:
            permits = tuple(
                Opening(CategoryMask(one.categories & ~closed), one.since, one.until) for one in each.permits
            )
            population.put(
                Shown(profile=profile, values=each.values, permits=permits, valid_until=each.valid_until)
            )
    for rule, were in zip(rules, before, strict=True):
        assert set(population.members(rule, now, question.audiences, IDS).tolist()) <= were


@LAWS
@given(steps, asked(), instants, st.sampled_from([2, 4, 6]), st.integers(0, 2))
def test_withdrawal_never_adds(some: Steps, question: Asked, now: Instant, closed: int, whose: int) -> None:
    withdrawal_never_adds(some, question, now, closed, whose)


def stale_are_those_whom_time_changed(some: Steps, now: Instant) -> None:
    population, people = Population(POLICY, ASKING, most=MOST, waiting=2, waste=0.7), People()
    for step in some:
        change(population, people, step)
    right = [
        profile
        for profile, each in people.items()
        if profile in population
        and (
            each.valid_until <= now or any(one.until <= now and one.since < one.until for one in each.permits)
        )
    ]
    population.stale(Instant(now - 1))  # asking earlier changes nothing
    assert population.stale(now).tolist() == sorted(right)
    population.settle()
    assert population.settled
    assert population.stale(now).tolist() == sorted(right)


@LAWS
@given(steps, instants)
def test_stale_are_those_whom_time_changed(some: Steps, now: Instant) -> None:
    stale_are_those_whom_time_changed(some, now)


def first_permit_only(patch: pytest.MonkeyPatch) -> None:
    real = rows_module.known

    def known(rows: Rows, categories: CategoryMask, features: Sequence[Feature]) -> Rows:
        kept = real(rows, categories, features)
        first = Ragged(
            np.arange(len(kept) + 1), tuple(a[kept.permits.starts[:-1]] for a in kept.permits.flat)
        )
        return msgspec.structs.replace(kept, permits=first)

    patch.setattr(engine_module, "known", known)


def negation_takes_hidden_along(patch: pytest.MonkeyPatch) -> None:
    real = plan_module._leaf
    patch.setattr(plan_module, "_bare", lambda _plan: None)  # each leaf cuts for itself
    patch.setattr(
        plan_module,
        "_leaf",
        lambda leaf, view, *, true, cut: (
            real(leaf, view, true=True, cut=cut)
            if true
            else view.anybody() & ~real(leaf, view, true=True, cut=cut)
        ),
    )


def who_shows_it_is_never_cut_to(patch: pytest.MonkeyPatch) -> None:
    """A conjunction that trusts its caller to cut, which has not."""
    real = plan_module._all
    patch.setattr(
        plan_module,
        "_all",
        lambda of, view, *, true, cut: real(of, view, true=true, cut=cut | {CategoryId(1), CategoryId(2)}),
    )


def plans_stay_when_values_are_numbered_anew(patch: pytest.MonkeyPatch) -> None:
    real = Ready.holds
    patch.setattr(
        Ready,
        "holds",
        lambda self, rule, now, audiences, _edition: real(self, rule, now, audiences, self.edition),
    )


def plans_stay_when_time_goes_on(patch: pytest.MonkeyPatch) -> None:
    real = Ready.holds
    patch.setattr(
        Ready,
        "holds",
        lambda self, rule, now, audiences, edition: real(self, rule, self.now or now, audiences, edition),
    )


def what_was_kept_is_asked_by_feature(patch: pytest.MonkeyPatch) -> None:
    """A bitmap kept for one value of a feature is taken for another's."""
    real = Lately.words
    patch.setattr(Lately, "words", lambda self, asked, make: real(self, (asked[0].feature, asked[1]), make))


def programs_are_those_of_another_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Programs, "of", lambda self, _ready: next((one for _, one in self._kept.values()), None))


def a_part_is_the_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.planner.bound_of", lambda _feature: Bound.ITSELF)


def bounds_are_rounded_down(patch: pytest.MonkeyPatch) -> None:
    def ends(self: columns_module.IntegerColumn, least: int | None, most: int | None) -> tuple[int, int]:
        low = self._lowest + 1 if least is None else max(self._lowest + 1, least // self._unit)
        return low, self._highest if most is None else min(self._highest, most // self._unit)

    patch.setattr(columns_module.IntegerColumn, "_ends", ends)


def whoever_is_seen_stays_seen(patch: pytest.MonkeyPatch) -> None:
    """One who leaves is taken from the bitmap that a question holds."""

    def here(self: Segment) -> Words | None:
        return self._here

    patch.setattr(Segment, "here", here)


def who_left_is_still_there(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Segment, "here", lambda _self: None)


def who_shows_something_shows_it_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Whole, "alike", lambda _self, _category: frozenset({CategoryId(1), CategoryId(2)}))


def who_changed_stays_where_they_were(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Population, "_take_out", lambda _self: None)


def values_outlive_their_people(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Codebook, "release", lambda _self, _codes: None)


def what_is_visible_stays(patch: pytest.MonkeyPatch) -> None:
    real = Segment.visible
    patch.setattr(Segment, "visible", lambda self, now: self._visible or real(self, now))


def shares_of_people_are_all_alike(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.filling.key_of_subject", lambda _subject: 0)


def shares_of_values_forget_the_unit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(columns_module.IntegerColumn, "raw", lambda self: self._held.whole())


def audiences_share_a_number(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.planner.Reference", lambda _, inner: plan_module.Reference(0, inner))


EQUALS = CANARY(given(steps, questions, moments)(engine_equals_evaluator))
NESTED = CANARY(given(steps, st.lists(nested(), min_size=1, max_size=1), moments)(engine_equals_evaluator))
FRESH = CANARY(given(steps, asked(), instants)(changes_equal_a_fresh_start))
MOMENT = CANARY(given(steps, steps, asked(), instants)(a_question_sees_one_moment))
SHARES = CANARY(
    given(steps, st.lists(buckets.map(lambda rule: Asked(rule, {})), min_size=1, max_size=3), moments)(
        engine_equals_evaluator
    )
)
ADDS = CANARY(
    given(steps, asked(), instants, st.sampled_from([2, 4, 6]), st.integers(0, 2))(withdrawal_never_adds)
)
STALE = CANARY(given(steps, instants)(stale_are_those_whom_time_changed))


def who_waits_is_never_stale(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Population, "_turn", lambda *_: FOREVER)


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        (first_permit_only, EQUALS),
        (negation_takes_hidden_along, EQUALS),
        (negation_takes_hidden_along, ADDS),
        (who_shows_it_is_never_cut_to, EQUALS),
        (plans_stay_when_values_are_numbered_anew, EQUALS),
        (plans_stay_when_time_goes_on, EQUALS),
        (what_was_kept_is_asked_by_feature, EQUALS),
        (programs_are_those_of_another_rule, EQUALS),
        (a_part_is_the_whole, EQUALS),
        (audiences_share_a_number, audiences_inside_one_another_are_told_apart),
        (audiences_share_a_number, NESTED),
        (bounds_are_rounded_down, EQUALS),
        (shares_of_people_are_all_alike, SHARES),
        (shares_of_values_forget_the_unit, SHARES),
        (what_is_visible_stays, EQUALS),
        (who_left_is_still_there, EQUALS),
        (who_shows_something_shows_it_all, EQUALS),
        (who_changed_stays_where_they_were, EQUALS),
        (values_outlive_their_people, FRESH),
        (whoever_is_seen_stays_seen, MOMENT),
        (first_permit_only, STALE),
        (who_waits_is_never_stale, STALE),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        law()
