"""Integers of a segment in little memory, compared where they lie: `between` is all that anybody asks.

Few, or narrow ones, lie side by side (`Plain`). Many wide ones, such as instants, lie on `Steps`: a byte of
each says on which of at most 255 steps it lies, in order, and the rest how far above the step's least, in the
largest unit that is exact. Comparisons then read the bytes alone, and the rest of two steps; who stands on
those is looked for among all, or by the index, if it was made. Never written after they were made.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from assent.audiences.bits import AnySlots, Bits
from assent.audiences.rows import Ints
from assent.core.time import BEGINNING, FOREVER

LEAST: Final = int(np.iinfo(np.int64).min)
MOST: Final = int(np.iinfo(np.int64).max)

MANY: Final = 65_536
"""Fewer integers lie side by side: making steps of them takes longer than it saves."""

UNITS: Final = (1_000_000, 10_000, 1_000, 1)
"""Whole units, hundredths, thousandths (of seconds: milliseconds), millionths."""

_SOME: Final = 256
"""The first so many show, as a rule, that a unit is too large."""

_NARROW: Final = 2
"""Bytes: what is no wider is compared side by side as quickly as by steps."""

_WIDTHS: Final = (np.int8, np.int16, np.int32, np.int64)
_RESTS: Final = (np.uint8, np.uint16, np.uint32, np.uint64)
_STEPS: Final = 255
_EVEN: Final = 128
"""No step has more than one in so many, unless they are all alike."""

Signed = npt.NDArray[np.signedinteger[Any]]
Wide = npt.NDArray[np.uint64]


class Plain:
    """Integers side by side."""

    def __init__(self, values: Signed) -> None:
        self._values = values
        self.one: Callable[[int], int] = values.data.__getitem__
        """Returns that of one slot."""

    def reader(self, absent: int, unit: int) -> Callable[[int], int | None]:
        """Return what gives so many times the integer of a slot; None where it is `absent`."""
        values = self._values.data
        return lambda slot: None if (found := values[slot]) == absent else found * unit

    def whole(self) -> Ints:
        """Return them all."""
        return np.asarray(self._values, np.int64)

    def at(self, slots: AnySlots) -> Ints:
        """Return those of some slots."""
        return self._values[slots].astype(np.int64)

    def make_index(self) -> None:
        """Make ready what comparing needs: nothing."""

    def between(self, low: int, high: int) -> Bits:
        """Return which lie from `low` to `high`."""
        ends = np.iinfo(self._values.dtype)
        low, high = max(low, int(ends.min)), min(high, int(ends.max))
        if low > high:
            return np.zeros(len(self._values), np.bool_)
        found: Bits
        if high == ends.max:
            found = self._values >= low
        elif low == ends.min:
            found = self._values <= high
        else:
            # Unsigned, less than `low` wraps around to more than any.
            unsigned = f"u{self._values.itemsize}"
            above = self._values.view(unsigned) - np.array(low, self._values.dtype).view(unsigned)
            found = above <= high - low
        return found

    def few(self, low: int, high: int, most: int) -> AnySlots | None:
        """Return which slots lie from `low` to `high`, where they are quickly found and at most so many."""
        del low, high, most
        return None

    def turns(self, value: int) -> tuple[int, int]:
        """Return the highest up to `value`, and the lowest above it; BEGINNING, FOREVER for none."""
        return _turns(self.whole(), value)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return bytes_of(self._values)

    @property
    def index_nbytes(self) -> int:
        """Bytes of these that the index holds: there is none."""
        return 0


class Steps:
    """Integers by steps. Expects at least one."""

    def __init__(self, values: Ints) -> None:
        ordered = np.sort(values)
        finite = ordered[(ordered != LEAST) & (ordered > BEGINNING) & (ordered < FOREVER)]
        unit = unit_of(finite)
        for kind, self._unit in (*((kind, unit) for kind in _RESTS[:-1]), (_RESTS[-1], 1)):
            begins = _begun(ordered, int(np.iinfo(kind).max) * self._unit)
            if len(begins) > _STEPS:
                continue
            self._least = ordered[begins]
            self._step = (self._least.searchsorted(values, "right") - 1).astype(np.uint8)
            # Unsigned, so that a step may be as wide as all integers are.
            above = values.view(np.uint64) - self._least.view(np.uint64)[self._step]
            if self._unit == 1 or not np.any(above % np.uint64(self._unit)):
                break
        self._most = ordered[np.append(begins[1:], len(ordered)) - 1]
        self._begins = np.append(begins, len(ordered))
        """How many lie below each step, and in all."""
        self._slots: npt.NDArray[np.uint32] | None = None
        """The index: all slots, by step."""
        self._rest: npt.NDArray[np.unsignedinteger[Any]] = (above // np.uint64(self._unit)).astype(kind)
        self.one = self._reader()
        """Returns that of one slot."""

    def reader(self, absent: int, unit: int) -> Callable[[int], int | None]:
        """Return what gives so many times the integer of a slot; None where it is `absent`."""
        one = self.one
        return lambda slot: None if (found := one(slot)) == absent else found * unit

    def whole(self) -> Ints:
        """Return them all."""
        return self._made(self._step, self._rest)

    def at(self, slots: AnySlots) -> Ints:
        """Return those of some slots."""
        return self._made(self._step[slots], self._rest[slots])

    def make_index(self) -> None:
        """Make the index, if there is none. Two threads may make it twice, and either is right."""
        if self._slots is None:
            self._slots = np.argsort(self._step, kind="stable").astype(np.uint32)

    def between(self, low: int, high: int) -> Bits:
        """Return which lie from `low` to `high`."""
        first, last = self._touched(low, high)
        if first > last:
            return np.zeros(len(self._step), np.bool_)
        found = self._on(first, last)
        if (least := int(self._least[first])) < low:
            slots = self._standing(first, first)
            found[slots[self._rest.take(slots) < -((least - low) // self._unit)]] = False
        if self._most[last] > high:
            slots = self._standing(last, last)
            found[slots[self._rest.take(slots) > (high - int(self._least[last])) // self._unit]] = False
        return found

    def few(self, low: int, high: int, most: int) -> AnySlots | None:
        """Return which slots lie from `low` to `high`, where they are quickly found and at most so many."""
        first, last = self._touched(low, high)
        if first > last or self._begins[last + 1] - self._begins[first] > most:
            return None
        slots = np.sort(self._standing(first, last))
        held = self.at(slots)
        found: AnySlots = slots[(held >= low) & (held <= high)]
        return found

    def turns(self, value: int) -> tuple[int, int]:
        """Return the highest up to `value`, and the lowest above it; BEGINNING, FOREVER for none."""
        step = int(self._least.searchsorted(value, "right")) - 1
        if step >= 0 and self._most[step] > value:
            return _turns(self.at(self._standing(step, step)), value)
        before = int(self._most[step]) if step >= 0 else BEGINNING
        after = int(self._least[step + 1]) if step + 1 < len(self._least) else FOREVER
        return max(before, BEGINNING), min(after, FOREVER)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._step.nbytes + self._rest.nbytes + 3 * self._least.nbytes + self.index_nbytes

    @property
    def index_nbytes(self) -> int:
        """Bytes of these that the index holds."""
        return 0 if self._slots is None else self._slots.nbytes

    def _reader(self) -> Callable[[int], int]:
        # One call that looks nothing up: whoever changes is read so, value by value.
        least, step, rest, unit = self._least.data, self._step.data, self._rest.data, self._unit
        return lambda slot: least[step[slot]] + rest[slot] * unit

    def _touched(self, low: int, high: int) -> tuple[int, int]:
        """Return the first and the last step on which any may lie."""
        return int(self._most.searchsorted(low)), int(self._least.searchsorted(high, "right")) - 1

    def _standing(self, first: int, last: int) -> AnySlots:
        """Return the slots of those on some steps."""
        slots = self._slots
        if slots is None:
            return np.flatnonzero(self._on(first, last))
        return slots[self._begins[first] : self._begins[last + 1]]

    def _on(self, first: int, last: int) -> Bits:
        found: Bits
        if first == 0:
            found = self._step <= last
        elif last == len(self._least) - 1:
            found = self._step >= first
        else:
            # Less than `first` wraps around to more than any.
            found = (self._step - np.uint8(first)) <= np.uint8(last - first)
        return found

    def _made(self, step: npt.NDArray[np.uint8], rest: npt.NDArray[np.unsignedinteger[Any]]) -> Ints:
        found: Wide = self._least.view(np.uint64)[step]
        found += rest.astype(np.uint64) * np.uint64(self._unit)
        return found.view(np.int64)


Held = Plain | Steps


def held(values: Ints) -> Held:
    """Return what holds these in little memory."""
    if len(values) and (values == values[0]).all():
        return Plain(np.broadcast_to(values[:1].copy(), values.shape))
    width = width_of(int(values.min(initial=0)), int(values.max(initial=0)))
    if np.dtype(width).itemsize > _NARROW and len(values) >= MANY:
        return Steps(values)
    return Plain(values.astype(width))


def unit_of(values: Ints) -> int:
    """Return the largest unit that measures them all exactly."""
    some = values[:_SOME]
    return next(unit for unit in UNITS if unit == 1 or not (np.any(some % unit) or np.any(values % unit)))


def width_of(least: int, most: int) -> type[np.signedinteger[Any]]:
    """Return the narrowest type that has both."""
    return next(kind for kind in _WIDTHS if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max)


def bytes_of(array: npt.NDArray[Any]) -> int:
    """Return how much memory an array takes: one element, where every element is the same one."""
    return array.itemsize if array.strides == (0,) else array.nbytes


def _begun(ordered: Ints, width: int) -> npt.NDArray[np.intp]:
    """Return where steps begin, none of which is wider; of too many, only so many that it shows."""
    even = -(-len(ordered) // _EVEN)
    begins: list[int] = []
    place = 0
    while place < len(ordered) and len(begins) <= _STEPS:
        begins.append(place)
        enough = ordered[min(place + even, len(ordered)) - 1]
        widest = np.int64(min(int(ordered[place]) + width, MOST))
        place = int(ordered.searchsorted(min(enough, widest), "right"))
    return np.array(begins, np.intp)


def _turns(values: Ints, value: int) -> tuple[int, int]:
    before = values.max(where=values <= value, initial=BEGINNING)
    return int(before), int(values.min(where=values > value, initial=FOREVER))
