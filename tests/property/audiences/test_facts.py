"""Places, tiers and scores: engine and feeds equal the evaluator, which counts and hides as it should.

Each law is shown to catch a fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import evaluate as evaluate_module
from assent.audiences import plan as plan_module
from assent.audiences.board import Board
from assent.audiences.evaluate import Evaluator, Tally, Truth, evaluate, scored
from assent.audiences.formula import Formula, some
from assent.audiences.holding import Person
from assent.audiences.leaf import is_inside
from assent.audiences.rule import Near, Rule, Score, parse
from assent.audiences.seen import AT_LEAST_KNOWN, POSSIBLE, TIER, UNSURE, Seen
from assent.core.ids import CategoryMask
from assent.core.time import Instant
from assent.features.catalogue import Value, millionths
from tests.property.audiences import test_engine, test_evaluate, test_watch
from tests.property.audiences.worlds import POLICY, Asked, facts_asked, instants, scores

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=1_500,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
hidden = st.sampled_from([2, 4, 6])


def a_score_is_what_every_case_of_the_unknown_says(score: Score, sight: tuple[Seen, Instant]) -> None:
    """Told true or false only if it is so however the unknown parts turn out."""
    seen, now = sight
    tally = scored(score, POLICY, seen, now, {})
    if tally is None:
        assert evaluate(score, POLICY, seen, now, {}) is Truth.UNKNOWN
        return
    weights = [millionths(part.weight) or 0 for part in score.parts]
    truths = [evaluate(part.rule, POLICY, seen, now, {}) for part in score.parts]
    cases = product(*((0, 1) if truth is Truth.UNKNOWN else (truth // 2,) for truth in truths))
    sums = [sum(weight * one for weight, one in zip(weights, case, strict=True)) for case in cases]
    assert (tally.low, tally.high) == (min(sums), max(sums))
    reached = {total >= (millionths(score.at_least) or 0) for total in sums}
    right = Truth.UNKNOWN if len(reached) == 2 else Truth.TRUE if True in reached else Truth.FALSE
    assert tally.truth is right
    assert evaluate(score, POLICY, seen, now, {}) is right
    assert sum(weights[place] for place in tally.counted) == tally.low


def an_unsure_tier_says_no_more_than_it_knows(values: tuple[str, ...], sight: tuple[Seen, Instant]) -> None:
    seen, now = sight
    rule = parse({"op": "tier", "values": list(values)})
    said = ("anonymous", "known", "named", AT_LEAST_KNOWN, UNSURE)
    told = {tier: _of(rule, seen, now, tier) for tier in said}
    if seen.visible == 0:
        assert set(told.values()) == {Truth.UNKNOWN}
        return
    assert {tier: told[tier] is Truth.TRUE for tier in ("anonymous", "known", "named")} == {
        tier: tier in values for tier in ("anonymous", "known", "named")
    }
    more = told["known"] if told["known"] is told["named"] else Truth.UNKNOWN
    assert told[AT_LEAST_KNOWN] is more
    assert told[UNSURE] is (more if more is told["anonymous"] else Truth.UNKNOWN)


def _of(rule: Rule, seen: Seen, now: Instant, tier: str) -> Truth:
    mine = Seen(values={**seen.values, TIER: tier}, visible=seen.visible, since=seen.since)
    return evaluate(rule, POLICY, mine, now, {})


@dataclass(frozen=True)
class Law:
    says: Callable[..., None]
    of: tuple[st.SearchStrategy[Any], ...]


some_tiers = st.lists(st.sampled_from(["anonymous", "known", "named"]), min_size=1, max_size=3).map(tuple)
LAWS_OF = {
    "engine": Law(
        test_engine.engine_equals_evaluator,
        (test_engine.steps, st.lists(facts_asked(), min_size=1, max_size=1), test_engine.moments),
    ),
    "weighing": Law(
        test_engine.engine_equals_evaluator,
        (
            test_engine.steps,
            st.lists(scores.map(lambda rule: Asked(rule, {})), min_size=3, max_size=5),
            test_engine.moments,
        ),
    ),
    "fresh": Law(test_engine.changes_equal_a_fresh_start, (test_engine.steps, facts_asked(), instants)),
    "adds": Law(
        test_engine.withdrawal_never_adds,
        (test_engine.steps, facts_asked(), instants, hidden, st.integers(0, 2)),
    ),
    "hiding": Law(test_evaluate.hiding_never_adds, (facts_asked(), test_evaluate.seen, hidden)),
    "hiding of scores": Law(
        test_evaluate.hiding_never_adds,
        (scores.map(lambda rule: Asked(rule, {})), test_evaluate.seen, hidden),
    ),
    "later": Law(test_evaluate.later_data_never_decides, (facts_asked(), test_evaluate.seen, instants)),
    "opposite": Law(test_evaluate.negation_is_an_involution, (facts_asked(), test_evaluate.seen)),
    "together": Law(
        test_watch.asking_together_equals_asking_each, (facts_asked(), test_watch.people, test_watch.passing)
    ),
    "score": Law(a_score_is_what_every_case_of_the_unknown_says, (scores, test_evaluate.seen)),
    "tier": Law(an_unsure_tier_says_no_more_than_it_knows, (some_tiers, test_evaluate.seen)),
}


@pytest.mark.parametrize("name", LAWS_OF)
def test_the_law_holds(name: str) -> None:
    LAWS(given(*LAWS_OF[name].of)(LAWS_OF[name].says))()


def one_less_is_enough(patch: pytest.MonkeyPatch) -> None:
    real = plan_module._reaching
    patch.setattr(plan_module, "_reaching", lambda parts, need, view: real(parts, need - 1, view))


def carries_are_lost(patch: pytest.MonkeyPatch) -> None:
    def add(planes: list[Formula], holds: Formula, weight: int, more: Sequence[Formula]) -> None:
        planes += more
        for bit in range(weight.bit_length()):
            if weight >> bit & 1:
                planes[bit] = some((planes[bit], holds))

    patch.setattr(plan_module, "_add", add)


def the_unknown_counts_as_no(patch: pytest.MonkeyPatch) -> None:
    real = Evaluator.tally

    def tally(self: Evaluator, score: Score) -> Callable[[Person], Tally]:
        add_up = real(self, score)

        def told(person: Person) -> Tally:
            sums = add_up(person)
            return Tally(low=sums.low, high=sums.low, least=sums.least, counted=sums.counted)

        return told

    patch.setattr(Evaluator, "tally", tally)


def whoever_seems_anonymous_is(patch: pytest.MonkeyPatch) -> None:
    told = {**POSSIBLE, UNSURE: frozenset({"anonymous"})}
    patch.setattr(evaluate_module, "POSSIBLE", told)


def only_named_have_a_tier(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.audiences.planner.POSSIBLE", {"named": frozenset({"named"})})


def tiers_are_not_followed(patch: pytest.MonkeyPatch) -> None:
    real = Board._shows

    def shows(self: Board, visible: CategoryMask) -> object:
        sized, others = real(self, visible)
        return sized, [one for one in others if one[0] != TIER]

    patch.setattr(Board, "_shows", shows)


def places_are_hidden_as_if_far(patch: pytest.MonkeyPatch) -> None:
    test_evaluate.hidden_is_false(patch)


def the_nearest_is_as_far(patch: pytest.MonkeyPatch) -> None:
    """The engine looks at half the distance."""

    def nearer(leaf: Near) -> Callable[[Value], bool]:
        within = (millionths(leaf.within_km) or 0) // 2_000_000
        return is_inside(Near(feature=leaf.feature, of=leaf.of, within_km=within))

    patch.setattr("assent.audiences.planner.is_inside", nearer)


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (one_less_is_enough, "weighing"),
        (carries_are_lost, "weighing"),
        pytest.param(only_named_have_a_tier, "engine", marks=pytest.mark.full),  # it is long looked for
        (the_nearest_is_as_far, "engine"),
        (the_unknown_counts_as_no, "score"),
        (the_unknown_counts_as_no, "hiding of scores"),
        (whoever_seems_anonymous_is, "tier"),
        (tiers_are_not_followed, "together"),
        (places_are_hidden_as_if_far, "hiding"),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        CANARY(given(*LAWS_OF[name].of)(LAWS_OF[name].says))()


def test_a_tier_is_of_no_category() -> None:
    seen = Seen(values={TIER: "known"}, visible=CategoryMask(4), since={})
    assert evaluate(parse({"op": "tier", "values": ["known"]}), POLICY, seen, Instant(0), {}) is (Truth.TRUE)
