"""What became of a population, turn by turn: who was looked at again, and who moved among its audiences.

Several readers each learn what is new to them. Bounded: who asks about a time that is no longer held is told
that it may have been anybody; who asks about audiences that were not followed then (`moving`), too.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from assent.audiences.watch import Moved, Watch
from assent.core.ids import ProfileId

MOST: Final = 200_000
"""Profiles held, over all turns."""

Moves = Iterable[tuple[ProfileId, Moved]]
"""Who moved, and among which audiences."""


class Journal:
    """Turns, each with the profiles of which something may have changed in it."""

    def __init__(self) -> None:
        """Begin; whatever was before may have concerned anybody."""
        self.turn: int = 0
        self._first: int = 0
        self._turns: deque[AbstractSet[ProfileId]] = deque()
        self._held = 0
        self._by: Watch | None = None
        self._told_from = 0
        """After this turn everything is known that happened to the audiences of `_by`."""
        self._moves: dict[str, list[tuple[int, ProfileId, bool]]] = defaultdict(list)
        """Of each of them, in which turn who entered (true) or left."""
        self._moved = 0

    def note(
        self, looked: AbstractSet[ProfileId], moves: Moves | None = None, by: Watch | None = None
    ) -> None:
        """Begin a turn in which these were looked at again.

        `moves` is all that it did to the audiences of a watch; None where that may be anything.
        """
        if by is not self._by:
            self._by = by
            self._forget_moves()
        self.turn += 1
        self._turns.append(looked)
        self._held += len(looked) + 1
        while self._held > MOST and self._turns:
            self._held -= len(self._turns.popleft()) + 1
            self._first += 1
        for profile, (entered, left) in moves or ():
            for name in entered:
                self._moves[name].append((self.turn, profile, True))
            for name in left:
                self._moves[name].append((self.turn, profile, False))
            self._moved += len(entered) + len(left)
        if moves is None or self._moved > MOST:
            self._forget_moves()

    def everybody(self) -> None:
        """Begin a turn in which anybody may have changed."""
        self.turn += 1
        self._turns.clear()
        self._held, self._first = 0, self.turn
        self._forget_moves()

    def since(self, turn: int) -> AbstractSet[ProfileId] | None:
        """Return who may have changed after a turn; None when it may have been anybody."""
        if not self._first <= turn <= self.turn:
            return None
        # From the newest backwards: as a rule little is new.
        found: set[ProfileId] = set()
        for place in range(1, self.turn - turn + 1):
            found |= self._turns[-place]
        return found

    def moved(self, turn: int, name: str, by: Watch) -> Mapping[ProfileId, bool] | None:
        """Return who moved in an audience after a turn, and whether inside; None when it may be anybody."""
        if by is not self._by or not self._told_from <= turn <= self.turn:
            return None
        found: dict[ProfileId, bool] = {}
        for then, profile, inside in reversed(self._moves.get(name, ())):
            if then <= turn:
                break
            found.setdefault(profile, inside)
        return found

    def _forget_moves(self) -> None:
        self._moves.clear()
        self._moved, self._told_from = 0, self.turn
