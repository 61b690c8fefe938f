"""Each member is asked about with few of the words said: which, and when they count; with planted faults.

The law is that of test_consent_laws, that permits equal `decide`, which hears everything; here in every small
world in which two speak three times, about a third who says nothing too.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest

from assent.consent import permit, voices
from assent.consent.decide import Cluster, Question, decide
from assent.consent.permit import permits
from assent.consent.statement import State, Statement
from assent.core.ids import IdentifierId
from assent.core.policy import LegalBasis
from assent.core.time import Instant, parse_duration
from tests.unit.consent.people import BROWSING, COOKIE, MARKETING, PERSON, day, linked, policy, purpose, said

DEVICE = IdentifierId(640)
MEMBERS = (PERSON, COOKIE, DEVICE)
BONDED = Cluster(members=MEMBERS, bonds=(linked(PERSON, COOKIE, 3), linked(PERSON, DEVICE, 8)))
NOW = day(5)

LISTENING = policy(purpose(validity=parse_duration("P6D"), gpc=True))
CONTRACT = policy(purpose(legal_basis=LegalBasis.CONTRACT))

FIRST = ("given", "refused", "restricted", "gpc")
SECOND = ("withdrawn", "objected", "finding", "suppressed", "given", "spoken")
THIRD = ("given", "spoken", "unrestricted", "nothing")


@cache
def histories() -> tuple[tuple[Statement, ...], ...]:
    return tuple(_histories())


def _histories() -> Iterator[tuple[Statement, ...]]:
    for states in product(FIRST, SECOND, THIRD):
        for speakers in ((COOKIE, PERSON, COOKIE), (COOKIE, COOKIE, PERSON), (PERSON, COOKIE, PERSON)):
            yield tuple(
                _said(state, on, one)
                for state, on, one in zip(states, (1, 2, 4), speakers, strict=True)
                if state != "nothing"
            )


def _said(state: str, on: int, one: IdentifierId) -> Statement:
    if state == "spoken":
        return said("given", on, by=one, authenticated=True, person_scope=True)
    return said(state, on, by=one)


def differing() -> int:
    """Return how many answers of all small worlds are not as the permits say."""
    found = 0
    for history, rules in product(histories(), (LISTENING, CONTRACT)):
        rows = permits(history, BONDED, rules, NOW)
        for member, at in product(MEMBERS, (NOW, day(7), day(9), day(11))):
            question = Question(
                identifier=member, purpose=MARKETING, category=BROWSING, at=Instant(at), known_at=NOW
            )
            covered = any(row.identifier == member and row.since <= at < row.until for row in rows)
            found += decide(history, BONDED, rules, question).allowed != covered
    return found


def test_permits_equal_decide_whoever_speaks_for_whom() -> None:
    assert differing() == 0


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.OBJECTED, State.REFUSED, State.GPC, State.FINDING])
def test_canary_who_closes_for_others_is_not_heard(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "CLOSING", voices.CLOSING - {state})
    assert differing()


def test_canary_restrictions_stay_with_who_is_restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "CLOSING", voices.CLOSING - {State.RESTRICTED})
    assert differing()


def test_canary_who_spoke_for_all_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(self: Any, source: IdentifierId) -> list[Statement]:  # noqa: ANN401 - a private part is looked at
        return list(self._own.get(source, ()))

    monkeypatch.setattr(voices.Voices, "of", of)
    assert differing()


def test_canary_joining_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permit, "_turns", lambda _: (frozenset(), frozenset()))
    assert differing()


def test_canary_one_is_taken_for_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permit, "id", lambda _: 0, raising=False)
    assert differing()
