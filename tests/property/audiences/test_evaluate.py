"""Laws of truth: what shrinking visibility may do, and what a covered window changes."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from assent.audiences import evaluate as evaluate_module
from assent.audiences import holding as holding_module
from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.holding import Ask
from assent.audiences.leaf import Negative, Positive
from assent.audiences.rule import Not, parse, unparse
from assent.audiences.seen import Seen, seen_at
from assent.core.ids import CategoryMask
from assent.core.policy import Policy
from assent.core.time import Instant
from tests.property.audiences.worlds import POLICY, Asked, asked, instants, shown

LAWS = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=600,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

seen = st.tuples(shown(0), instants).map(lambda pair: (seen_at(*pair), pair[1]))


def hiding_never_adds(question: Asked, sight: tuple[Seen, Instant], hidden: int) -> None:
    """Hiding categories never makes false or unknown true, nor true or unknown false."""
    before, now = sight
    after = structs.replace(before, visible=CategoryMask(before.visible & ~hidden))
    was = evaluate(question.rule, POLICY, before, now, question.audiences, "0")
    still = evaluate(question.rule, POLICY, after, now, question.audiences, "0")
    assert still in {was, Truth.UNKNOWN}


@LAWS
@given(asked(), seen, st.sampled_from([2, 4, 6]))
def test_shrinking_visibility_never_decides_anything(
    question: Asked, sight: tuple[Seen, Instant], hidden: int
) -> None:
    hiding_never_adds(question, sight, hidden)


def later_data_never_decides(question: Asked, sight: tuple[Seen, Instant], later: Instant) -> None:
    """A permit that begins later, over the same values, never makes false or unknown true."""
    before, now = sight
    since = {category: max(begin, min(later, now)) for category, begin in before.since.items()}
    after = structs.replace(before, since=since)
    was = evaluate(question.rule, POLICY, before, now, question.audiences, "0")
    still = evaluate(question.rule, POLICY, after, now, question.audiences, "0")
    assert still in {was, Truth.UNKNOWN}


@LAWS
@given(asked(), seen, instants)
def test_a_permit_that_begins_later_never_decides_anything(
    question: Asked, sight: tuple[Seen, Instant], later: Instant
) -> None:
    later_data_never_decides(question, sight, later)


def negation_is_an_involution(question: Asked, sight: tuple[Seen, Instant]) -> None:
    one = evaluate(question.rule, POLICY, *sight, question.audiences, "0")
    other = evaluate(Not(of=question.rule), POLICY, *sight, question.audiences, "0")
    assert one + other == Truth.TRUE


@LAWS
@given(asked(), seen)
def test_a_rule_and_its_opposite_are_unknown_together(question: Asked, sight: tuple[Seen, Instant]) -> None:
    negation_is_an_involution(question, sight)


@LAWS
@given(asked())
def test_a_rule_comes_back_from_json(question: Asked) -> None:
    assert parse(unparse(question.rule)) == question.rule


def hidden_is_false(patch: pytest.MonkeyPatch) -> None:
    real = holding_module.leaf_ask

    def leaf_ask(leaf: Positive | Negative, policy: Policy) -> Ask:
        ask = real(leaf, policy)
        return lambda person: Truth.FALSE if ask(person) is Truth.UNKNOWN else ask(person)

    patch.setattr(evaluate_module, "leaf_ask", leaf_ask)


def not_unknown_is_true(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(holding_module, "OPPOSITES", (Truth.TRUE, Truth.TRUE, Truth.FALSE))


def a_part_proves_too_few(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(holding_module, "_bounded", lambda _bound, value, asked: Truth(2 * int(asked[1] != value)))


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        (hidden_is_false, CANARY(given(asked(), seen, st.sampled_from([2, 4, 6]))(hiding_never_adds))),
        (not_unknown_is_true, CANARY(given(asked(), seen)(negation_is_an_involution))),
        (a_part_proves_too_few, CANARY(given(asked(), seen, instants)(later_data_never_decides))),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        law()
