"""What a plan comes to over arrays that are there: written down once, worked out each time it is asked.

A `Formula` is an array, or a step from others; a part that stands in it twice is worked out once. A `Program`
is its steps in order: it needs room for as many results as are still read at one time, and writes into no
array that it was given. Raises nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.audiences.rows import Slots

Sight = npt.NDArray[Any]
"""Some of the people of a view: words of 64 bits, or a truth for each. Bits of nobody are never set."""


class Step(Struct, frozen=True, eq=False):
    """Two or more taken together, in any order."""

    how: np.ufunc
    of: tuple["Formula", ...]


Formula = Sight | Step


def every(parts: Sequence[Formula]) -> Formula:
    """Return who is in all."""
    return _of(np.bitwise_and, parts)


def some(parts: Sequence[Formula]) -> Formula:
    """Return who is in any."""
    return _of(np.bitwise_or, parts)


def odd(parts: Sequence[Formula]) -> Formula:
    """Return who is in one, or in three, and so on."""
    return _of(np.bitwise_xor, parts)


def _of(how: np.ufunc, parts: Sequence[Formula]) -> Formula:
    return parts[0] if len(parts) == 1 else Step(how, tuple(parts))


_Line = tuple[np.ufunc, int, int, int]


class Program:
    """The steps of a formula, one after the other: each reads two places and writes one."""

    def __init__(self, formula: Formula, slots: Slots | None = None) -> None:
        self.slots = slots
        """Whose truths it reads, where that is not everybody's."""
        self._room: list[Any] = []
        """What was given, and a place for each result that is still read."""
        self._lines: list[_Line] = []
        order = list(_ordered(formula))
        reads = Counter([id(formula), *(id(part) for step in order for part in step.of)])
        places: dict[int, int] = {}
        free: list[int] = []
        for step in order:
            self._lay(step, reads, places, free)
        self._result = self._place(formula, places)

    def run(self) -> Sight:
        """Return who is in it. Not to be written into."""
        room = self._room.copy()
        for how, one, other, into in self._lines:
            # None, where nothing was written yet, lets numpy make a new array.
            room[into] = how(room[one], room[other], room[into])
        found: Sight = room[self._result]
        return found

    @property
    def given(self) -> Iterable[Sight]:
        """The arrays that it reads, and so keeps."""
        own = () if self.slots is None else (self.slots,)
        return [*own, *(array for array in self._room if array is not None)]

    def _lay(self, step: Step, reads: Counter[int], places: dict[int, int], free: list[int]) -> None:
        reads.subtract(map(id, step.of))
        done = {id(part) for part in step.of if isinstance(part, Step) and not reads[id(part)]}
        # First what nobody reads again: it may be written over.
        parts = sorted(step.of, key=lambda part: id(part) not in done)
        first, *others = [self._place(part, places) for part in parts]
        if id(parts[0]) in done and first not in others[1:]:
            into = first
        elif free:
            into = free.pop()
        else:
            into = len(self._room)
            self._room.append(None)
        free += {places[part] for part in done} - {into}
        for other in others:
            self._lines.append((step.how, first, other, into))
            first = into
        places[id(step)] = into

    def _place(self, part: Formula, places: dict[int, int]) -> int:
        if id(part) not in places:  # an array that was given: every step has its place
            places[id(part)] = len(self._room)
            self._room.append(part)
        return places[id(part)]


def _ordered(formula: Formula) -> Iterator[Step]:
    """Yield every step once, after those that it is made of. They may go too deep for calling oneself."""
    met: set[int] = set()
    waiting = [formula] if isinstance(formula, Step) else []
    while waiting:
        step = waiting[-1]
        before = [part for part in step.of if isinstance(part, Step) and id(part) not in met]
        waiting += before
        if not before:
            waiting.pop()
            if id(step) not in met:
                met.add(id(step))
                yield step
