"""What people held in memory may be asked of events while others are loaded beside them."""

from assent.audiences.derive import needed
from assent.audiences.engine import Population
from assent.audiences.journal import Journal
from assent.audiences.live import _Held
from assent.audiences.moving import Moving
from assent.audiences.rule import Did
from assent.core.derived import with_derived
from assent.core.documents import parse_policy
from assent.core.ids import FeatureId
from assent.core.time import Instant
from tests.support.policy_documents import shipped

VIEWED = Did(event="Product Viewed", compare=">=", count=1)
POLICY, _ = parse_policy(shipped())
(NAME,) = needed(VIEWED, POLICY)
NUMBER = FeatureId(16_384)


def test_what_was_dropped_meanwhile_is_not_held_though_it_is_kept_again() -> None:
    held = _Held()
    held.derived = {NAME: NUMBER}
    answered = []
    for catalogue, kept in enumerate(({NAME: NUMBER}, {}, {NAME: NUMBER})):
        held.look(kept, catalogue)
        answered.append(held.answers([VIEWED], POLICY))
    assert answered == [True, False, False]


def test_what_is_kept_under_another_number_is_not_held() -> None:
    held = _Held()
    held.derived = {NAME: NUMBER}
    held.look({NAME: FeatureId(NUMBER + 1)}, 1)
    assert not held.answers([VIEWED], POLICY)
    assert held.answers([], POLICY)


def test_where_a_number_means_something_else_now_nothing_is_held() -> None:
    ordered = Did(event="Order Completed", compare=">=", count=1)
    (other,) = needed(ordered, POLICY)
    for kept, is_held in (
        ({NAME: NUMBER}, True),
        ({other: FeatureId(NUMBER + 1)}, True),
        ({other: NUMBER}, False),
    ):
        held = _Held()
        held.policy, held.derived = with_derived(POLICY, {NUMBER: NAME}), {NAME: NUMBER}
        people = Population(POLICY, next(iter(POLICY.purposes)))
        held.moving = Moving(people, Journal(), Instant(0))
        held.look(kept, 1)
        assert (held.moving is not None) is is_held
