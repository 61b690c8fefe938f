"""A rule asked of one moment of a population: how many it is true for, and for whom.

Made by `Population.ask`, in the population's thread; it answers in any thread while the population goes on
changing. Asks nothing of the gate. Raises nothing.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from assent.audiences.bits import Bits, Words, at, counted, places
from assent.audiences.distinctive import Names, Tally
from assent.audiences.formula import Program
from assent.audiences.plan import matching
from assent.audiences.ready import Ready
from assent.audiences.rows import Ints, Slots
from assent.audiences.segment import Segment
from assent.audiences.view import Covers, Few, Whole, few
from assent.core.policy import Feature
from assent.core.time import Instant

_PART: Final = 4
"""Where no more than one slot in so many is asked about, each is by itself."""

_NOBODY: Final[Ints] = np.zeros(0, np.int64)


class Question:
    """A rule over one moment of a population. Immutable, and any thread's."""

    def __init__(
        self,
        ready: Ready,
        people: list[tuple[Segment, Words | None]],
        now: Instant,
        lists: Sequence[Ints],
    ) -> None:
        self._ready = ready
        self._people = people
        self._now = now
        self._lists = lists

    def count(self) -> int:
        """Return for how many profiles the rule is true."""
        if self._ready.never:
            return 0
        return sum([_count(self._program(segment), here) for segment, here in self._people])

    def members(self) -> npt.NDArray[np.int64]:
        """Return for which profiles the rule is true, lowest id first."""
        people = () if self._ready.never else sorted(self._people, key=lambda one: one[0].least)
        found = [(segment, self._program(segment), here) for segment, here in people]
        sizes = [_count(program, here) for _, program, here in found]
        everybody = np.empty(sum(sizes), np.int64)
        each = np.split(everybody, list(accumulate(sizes))) if found else []
        for (segment, program, here), members in zip(found, each, strict=False):
            segment.profiles_at(_slots(program, here, len(segment)), members)
        # Segments filled in order follow one another; only others need sorting.
        some = [members for members in each if len(members)]
        in_order = all(one[-1] < other[0] for one, other in pairwise(some))
        return everybody if in_order else np.sort(everybody)

    def tally(self, features: Sequence[Feature], names: Names) -> Tally:
        """Return who the members are by the values of features, beside everybody."""
        values = {
            feature: (np.zeros(len(held), np.int64), np.zeros(len(held), np.int64))
            for feature, held in names.items()
        }
        members = population = 0
        for segment, here in self._people:
            view = self._view(segment)
            found = _still(Program(matching(self._ready.plan, view)).run(), here)
            anybody = _still(view.anybody(), here)
            members, population = members + counted(found), population + counted(anybody)
            for feature in features:
                for total, among in zip(values[feature.id], (found, anybody), strict=True):
                    np.add(total, view.tally(feature, len(total), among), out=total)
        return Tally(members=members, population=population, values=values)

    def _program(self, segment: Segment) -> Program:
        """Return what the rule comes to in a segment, whoever is still there."""
        programs = segment.visible(self._now).programs
        found = programs.of(self._ready)
        if found is None:
            view = self._view(segment)
            narrow = few(self._ready.plan, view)
            slots = None if narrow is None else narrow.slots
            found = Program(matching(self._ready.plan, narrow or view), slots)
            if self._ready.now is None and not self._lists:
                programs.keep(self._ready, found)
        return found

    def _view(self, segment: Segment) -> Whole:
        return Whole(segment, segment.visible(self._now), self._now, self._ready, self._lists)


class Neighbours(NamedTuple):
    """Those who stand in one segment, of some who are asked about."""

    segment: Segment
    slots: Slots
    which: Slots
    """Which of them each is."""


def true_of(some: Neighbours, asked: Sequence[Ready], now: Instant) -> Bits:
    """Return for whom of some each rule is true: a row a rule. What `ids` list names is nobody."""
    segment, slots, _ = some
    seen, by_slot = segment.visible(now), len(slots) * _PART < len(segment)
    covers: Covers = {}
    found = []
    for ready in asked:
        whole = Whole(segment, seen, now, ready, [_NOBODY for _ in ready.lists], covers)
        found.append(Program(matching(ready.plan, Few(whole, slots) if by_slot else whole)).run())
    rows = np.stack(found)
    if by_slot:
        return rows
    everybody = np.unpackbits(rows.view(np.uint8), axis=1, count=len(segment), bitorder="little")
    return everybody.view(np.bool_)[:, slots]


def _still(words: Words, here: Words | None) -> Words:
    """Return whose bit is set, of those who are still there."""
    return words if here is None else words & here


def _count(program: Program, here: Words | None) -> int:
    if program.slots is None:
        return counted(_still(program.run(), here))
    return len(_slots(program, here, 0))


def _slots(program: Program, here: Words | None, size: int) -> Slots:
    """Return who of a segment of that size is in it, of those who are still there."""
    found = program.run()
    if program.slots is None:
        return places(_still(found, here), size)
    slots = program.slots[found]
    return slots if here is None else slots[at(here, slots)]
