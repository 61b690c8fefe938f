"""Which profiles of a population were looked at again: several readers each learn what is new to them.

Bounded: who asks about a time that is no longer held is told that it may have been anybody.
"""

from collections import deque
from collections.abc import Set as AbstractSet
from typing import Final

from assent.core.ids import ProfileId

MOST: Final = 200_000
"""Profiles held, over all turns."""


class Journal:
    """Turns, each with the profiles of which something may have changed in it."""

    def __init__(self) -> None:
        """Begin; whatever was before may have concerned anybody."""
        self.turn: int = 0
        self._first: int = 0
        self._turns: deque[AbstractSet[ProfileId]] = deque()
        self._held = 0

    def note(self, profiles: AbstractSet[ProfileId]) -> None:
        """Begin a turn in which these were looked at again."""
        if not profiles:
            return
        self.turn += 1
        self._turns.append(frozenset(profiles))
        self._held += len(profiles)
        while self._held > MOST and self._turns:
            self._held -= len(self._turns.popleft())
            self._first += 1

    def everybody(self) -> None:
        """Begin a turn in which anybody may have changed."""
        self.turn += 1
        self._turns.clear()
        self._held, self._first = 0, self.turn

    def since(self, turn: int) -> AbstractSet[ProfileId] | None:
        """Return who may have changed after a turn; None when it may have been anybody."""
        if not self._first <= turn <= self.turn:
            return None
        # From the newest backwards: as a rule little is new.
        found: set[ProfileId] = set()
        for place in range(1, self.turn - turn + 1):
            found |= self._turns[-place]
        return found
