"""Whose words an answer about one source can depend on: its own, its person's, and who closes for everybody.

Pure. What one identifier permits does not travel, so most of what a large person said says nothing about any
other identifier of theirs. `permits` asks about each member with those words alone that can matter to it, and
asks once, for the whole person, whether somebody closes it for everybody.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from assent.consent.decide import Question, closed_for_all
from assent.consent.history import History
from assent.consent.statement import MARKS, NARROWING, State, Statement
from assent.consent.terms import Terms
from assent.core.ids import CategoryId, IdentifierId
from assent.core.policy import Policy
from assent.core.time import BEGINNING, Instant

CLOSING: Final = NARROWING | MARKS | {State.SUPPRESSED, State.FINDING}
"""States that speak about other identifiers of the person too: they close, or stand for what closes."""


class Voices:
    """What was said about a purpose, told apart by whom it can matter to."""

    __slots__ = ("_own", "_spokespeople", "loud", "spoken")

    def __init__(self, heard: Sequence[Statement]) -> None:
        """Tell apart what was heard."""
        self._own: dict[IdentifierId, list[Statement]] = {}
        for said in heard:
            self._own.setdefault(said.identifier, []).append(said)
            if said.address is not None and said.address != said.identifier and said.state not in MARKS:
                self._own.setdefault(said.address, []).append(said)
        self._spokespeople = {said.identifier for said in heard if said.authenticated and said.person_scope}
        closing = self._spokespeople | {said.identifier for said in heard if said.state in CLOSING}
        self.spoken = [said for said in heard if said.identifier in self._spokespeople]
        """All the words of whoever, authenticated, spoke for the person."""
        self.loud = [said for said in heard if said.identifier in closing]
        """All the words of whoever can close, or open again, for others."""

    def of(self, source: IdentifierId) -> list[Statement]:
        """Return what decides about a source where nobody closes for everybody."""
        own = self._own.get(source, [])
        return [*own, *(said for said in self.spoken if not _is_of(said, source))]

    def has(self, source: IdentifierId) -> bool:
        """Return whether a source spoke, or somebody who spoke for all that is theirs."""
        return bool(self.spoken) or source in self._own


class Closings:
    """Whether somebody closes one purpose for everybody at an instant, worked out once for a whole person."""

    def __init__(
        self, history: History, policy: Policy, terms: Terms, now: Instant, edges: Sequence[Instant]
    ) -> None:
        """Take the history of whoever can close for others; `edges` are when that can change, in order."""
        said = [one for each in history.about.values() for one in each]
        self._history = history
        self._policy = policy
        self._purpose = terms.purpose.id
        self._now = now
        self._edges = edges
        self._starts = (BEGINNING, *edges)
        self._speakers = frozenset(one.identifier for one in said)
        # What is bound to an address closes to that address alone.
        self._bound = any(one.address is not None for one in said)
        self._among: dict[frozenset[IdentifierId], frozenset[IdentifierId]] = {}
        self._found: dict[tuple[object, ...], bool] = {}

    def __call__(self, identifier: IdentifierId, category: CategoryId, at: Instant) -> bool:
        """Return whether the answer about a member is no at `at`, whatever it said itself."""
        if not self._speakers:
            return False
        start = self._starts[bisect_right(self._edges, at)]
        among = self._speakers_among(self._history.person(identifier, start))
        if not (among or self._bound):
            return False
        key = start, category, identifier if self._bound else among
        found = self._found.get(key)
        if found is None:
            question = Question(
                identifier=identifier, purpose=self._purpose, category=category, at=start, known_at=self._now
            )
            found = self._found[key] = closed_for_all(self._history, self._policy, question)
        return found

    def _speakers_among(self, person: frozenset[IdentifierId]) -> frozenset[IdentifierId]:
        among = self._among.get(person)
        if among is None:
            among = self._among[person] = person & self._speakers
        return among


def _is_of(said: Statement, source: IdentifierId) -> bool:
    return said.identifier == source or (said.address == source and said.state not in MARKS)
