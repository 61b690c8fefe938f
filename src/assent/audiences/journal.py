"""What became of a population, turn by turn: who was looked at again, and who moved among its audiences.

Several readers each learn what is new to them. Bounded: who asks about a time that is no longer held is told
that it may have been anybody; who asks about an audience that was not followed then (`moving`), too. What is
oldest is forgotten first, so that nobody who reads in time is told so.
"""

from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final, cast

import numpy as np

from assent.audiences.bits import Bits
from assent.audiences.roll import BitRows
from assent.audiences.rows import Ints
from assent.audiences.watch import Watch
from assent.core.ids import ProfileId

MOST: Final = 200_000
"""Profiles held, over all turns."""

_NOBODY: Final = frozenset[ProfileId]()
_NO_MOVES: Final[Mapping[ProfileId, bool]] = {}

_ByAudience = Mapping[int, Mapping[ProfileId, bool]]
"""By an audience's bit, who entered (true) or left."""


class Journal:
    """Turns, each with the profiles of which something may have changed in it."""

    def __init__(self) -> None:
        """Begin; whatever was before may have concerned anybody."""
        self.turn: int = 0
        self._first: int = 0
        self._turns: deque[AbstractSet[ProfileId]] = deque()
        self._held = 0
        self._by: Watch | None = None
        self._told_from: dict[int, int] = {}
        """Of each audience that is followed, by its bit: after which turn all that happens to it is known."""
        self._moves: deque[tuple[int, _ByAudience]] = deque()
        """In which turn who moved, the oldest first."""
        self._moved = 0
        self._forgotten = 0
        """Up to which turn it is no longer held who moved."""

    def note(self, looked: AbstractSet[ProfileId]) -> None:
        """Begin a turn in which these were looked at again."""
        self.turn += 1
        self._turns.append(looked)
        self._held += len(looked) + 1
        while self._held > MOST and self._turns:
            self._held -= len(self._turns.popleft()) + 1
            self._first += 1

    def tell(self, profiles: Ints, held: BitRows, new: BitRows) -> None:
        """Begin a turn in which these moved, if any did: rows of the watch's bits, a row each.

        `held` says of which audiences they are members now, `new` of which that was otherwise before.
        """
        found = _by_audience(profiles, held, new)
        if not found:
            return
        self.note(_NOBODY)
        self._moves.append((self.turn, found))
        self._moved += _size(found)
        while self._moved > MOST:
            self._forgotten, oldest = self._moves.popleft()
            self._moved -= _size(oldest)

    def follow(self, by: Watch | None) -> None:
        """From now on these audiences may be followed: none of them is yet."""
        self._by = by
        self._told_from.clear()
        self._moves.clear()
        self._moved = 0

    def followed(self, place: int) -> None:
        """From now on all that happens to the audience of this bit is noted."""
        self._told_from[place] = self.turn

    def everybody(self) -> None:
        """Begin a turn in which anybody may have changed."""
        self.turn += 1
        self._turns.clear()
        self._held, self._first = 0, self.turn
        self.follow(None)

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
        place = by.places.get(name, -1) if by is self._by else -1
        if not max(self._forgotten, self._told_from.get(place, self.turn + 1)) <= turn <= self.turn:
            return None
        new: list[_ByAudience] = []
        for then, moves in reversed(self._moves):
            if then <= turn:
                break
            new.append(moves)
        found: dict[ProfileId, bool] = {}
        # What comes later says what is so now.
        for moves in reversed(new):
            found.update(moves.get(place, _NO_MOVES))
        return found


def _by_audience(profiles: Ints, held: BitRows, new: BitRows) -> _ByAudience:
    places, who = np.nonzero(_bits(new).T)
    inside = _bits(held)[who, places].tolist()
    moved = cast("list[ProfileId]", profiles[who].tolist())
    begins = np.flatnonzero(np.diff(places, prepend=-1)).tolist()
    return {
        place: dict(zip(moved[begin:end], inside[begin:end], strict=True))
        for place, (begin, end) in zip(places[begins].tolist(), pairwise([*begins, len(who)]), strict=True)
    }


def _bits(rows: BitRows) -> Bits:
    return np.unpackbits(rows, axis=1, bitorder="little").view(np.bool_)


def _size(moves: _ByAudience) -> int:
    return sum(map(len, moves.values()))
