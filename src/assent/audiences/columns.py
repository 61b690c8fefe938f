"""Columns of a segment: one feature, every slot, as narrow as the values allow, with an index once asked.

A column is never written after it was made. Its index is made when a question first needs it, in the thread
that counts, and kept; two threads may make it twice, and either is right. A column never says whether a value
may be seen, only what it is.

- Values by number: a bitmap for each that more than one slot in 64 has, a list of slots for each other.
- Integers: a ladder of bitmaps, `no more than this`; exact on every rung. Between two rungs lie at most a
  sixteenth of the slots, in order.
"""

from bisect import bisect_right
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from assent.audiences.bits import AnySlots, Bits, Scratch, Words, at, packed
from assent.audiences.codebook import Chosen
from assent.audiences.rows import ABSENT, Ints, Ragged, distinct

Integers = npt.NDArray[np.signedinteger[Any]]
Codes = npt.NDArray[np.unsignedinteger[Any]]
SlotList = npt.NDArray[np.uint32]

# Whole units, hundredths, millionths: a number column is counted in the largest that is exact for all it
# holds.
_UNITS: Final = (1_000_000, 10_000, 1)
_WIDTHS: Final = (np.int8, np.int16, np.int32, np.int64)
_CODE_WIDTHS: Final = (np.uint8, np.uint16, np.uint32)

_DENSE: Final = 64
"""A value has a bitmap where more than one slot in so many has it."""

_RUNGS: Final = 16
_EXACT_RUNGS: Final = 32
"""So many different integers have a rung each."""


class ValueIndex:
    """Which slots have which number."""

    def __init__(self, codes: Codes, slots: SlotList | None, size: int, scratch: Scratch) -> None:
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        begins = np.flatnonzero(np.diff(ordered, prepend=np.zeros(1, ordered.dtype)))
        counts = np.diff(begins, append=len(ordered))
        found = ordered[begins]
        places = (order if slots is None else slots[order]).astype(np.uint32)
        dense = counts * _DENSE > size
        self._size = size
        self._bitmaps = {
            int(code): scratch.words(places[begin : begin + count], size)
            for code, begin, count in zip(found[dense], begins[dense], counts[dense], strict=True)
        }
        rare = ~dense
        self._rare = found[rare].astype(np.uint32)
        self._lists = _listed(places, begins, counts, rare)
        self._starts = np.zeros(len(self._rare) + 1, np.uint32)
        np.cumsum(counts[rare], out=self._starts[1:])

    def holding(self, chosen: Chosen, scratch: Scratch) -> Words:
        """Return who has one of the numbers; of several of a slot, any."""
        bitmaps, lists = self._parts(chosen)
        words = scratch.words(_one(lists), self._size) if lists else None
        for bitmap in bitmaps:
            words = bitmap if words is None else words | bitmap
        return np.zeros(-(-self._size // 64), np.uint64) if words is None else words

    def few(self, chosen: Chosen, most: int) -> SlotList | None:
        """Return the slots that have one of the numbers, where they are listed and no more than `most`."""
        bitmaps, lists = self._parts(chosen)
        if bitmaps or sum(map(len, lists)) > most:
            return None
        return _one(lists) if lists else np.zeros(0, np.uint32)

    def _parts(self, chosen: Chosen) -> tuple[list[Words], list[SlotList]]:
        bitmaps: list[Words] = []
        lists: list[SlotList] = []
        for code in chosen.codes.tolist():
            bitmap = self._bitmaps.get(code)
            if bitmap is not None:
                bitmaps.append(bitmap)
                continue
            place = int(self._rare.searchsorted(code))
            if place < len(self._rare) and self._rare[place] == code:
                lists.append(self._lists[self._starts[place] : self._starts[place + 1]])
        return bitmaps, lists

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        bitmaps = sum(bitmap.nbytes + 200 for bitmap in self._bitmaps.values())
        return self._rare.nbytes + self._lists.nbytes + self._starts.nbytes + bitmaps


def _listed(places: SlotList, begins: Ints, counts: Ints, rare: Bits) -> SlotList:
    if not len(begins):
        return places[:0]
    # What is absent comes first, before the first beginning.
    return places[begins[0] :][np.repeat(rare, counts)]


def _one(lists: list[SlotList]) -> SlotList:
    return lists[0] if len(lists) == 1 else np.concatenate(lists)


class CodeColumn:
    """Texts and booleans, by their codebook's numbers; 0 where there is none."""

    def __init__(self, codes: Ints) -> None:
        self._codes: Codes = codes.astype(_width(codes))
        self._index: ValueIndex | None = None

    def raw(self) -> Ints:
        """Return the numbers as they came."""
        return self._codes.astype(np.int64)

    def codes(self) -> Ints:
        """Return every number that some slot has, once."""
        found = distinct(self._codes)
        return found[1:] if len(found) and not found[0] else found

    def value(self, slot: int) -> int:
        """Return the number of a slot; 0 where there is none."""
        return self._codes.item(slot)

    @cached_property
    def present(self) -> Words:
        """Who has any."""
        return packed(self._codes != 0)

    def holding(self, chosen: Chosen, scratch: Scratch) -> Words:
        """Return who has one of the values."""
        return self._indexed(scratch).holding(chosen, scratch)

    def few(self, chosen: Chosen, most: int, scratch: Scratch) -> SlotList | None:
        """Return who has one of the values, as slots, if they are at most so many and listed."""
        return self._indexed(scratch).few(chosen, most)

    def present_at(self, slots: AnySlots) -> Bits:
        """Return which of these slots have any."""
        found: Bits = self._codes[slots] != 0
        return found

    def holding_at(self, chosen: Chosen, slots: AnySlots, _: Scratch) -> Bits:
        """Return which of these slots have one of the values."""
        return chosen.among(self._codes[slots])

    def tally(self, bits: Bits, size: int) -> Ints:
        """Return how many of the slots whose bit is set have each number below `size`."""
        return np.bincount(self._codes[bits], minlength=size)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._codes.nbytes + (0 if self._index is None else self._index.nbytes) + _cached(self)

    def _indexed(self, scratch: Scratch) -> ValueIndex:
        if self._index is None:
            self._index = ValueIndex(self._codes, None, len(self._codes), scratch)
        return self._index


class SetColumn:
    """Sets, by their members' numbers."""

    def __init__(self, raw: Ragged) -> None:
        (codes,) = raw.flat
        self._starts = raw.starts.astype(np.uint32)
        self._codes: Codes = codes.astype(_width(codes))
        self._index: ValueIndex | None = None

    def raw(self) -> Ragged:
        """Return the numbers as they came."""
        return Ragged(self._starts.astype(np.int64), (self._codes.astype(np.int64),))

    def codes(self) -> Ints:
        """Return every number that some slot has, once."""
        return distinct(self._codes)

    def value(self, slot: int) -> list[int]:
        """Return the numbers of a slot."""
        found: list[int] = self._codes[self._starts.item(slot) : self._starts.item(slot + 1)].tolist()
        return found

    @cached_property
    def present(self) -> Words:
        """Who has any."""
        return packed(np.diff(self._starts) != 0)

    def holding(self, chosen: Chosen, scratch: Scratch) -> Words:
        """Return whose set holds one of the members."""
        return self._indexed(scratch).holding(chosen, scratch)

    def few(self, chosen: Chosen, most: int, scratch: Scratch) -> SlotList | None:
        """Return whose set holds one of the members, as slots, if they are at most so many and listed."""
        found = self._indexed(scratch).few(chosen, most)
        return found if found is None or len(chosen.codes) == 1 else np.unique(found)

    def present_at(self, slots: AnySlots) -> Bits:
        """Return which of these slots have any."""
        return self._starts[slots + 1] > self._starts[slots]

    def holding_at(self, chosen: Chosen, slots: AnySlots, scratch: Scratch) -> Bits:
        """Return which of these slots hold one of the members."""
        return at(self.holding(chosen, scratch), slots)

    def tally(self, bits: Bits, size: int) -> Ints:
        """Return how many of the slots whose bit is set hold each number below `size`."""
        return np.bincount(self._codes[np.repeat(bits, np.diff(self._starts))], minlength=size)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        own = self._codes.nbytes + self._starts.nbytes
        return own + (0 if self._index is None else self._index.nbytes) + _cached(self)

    def _indexed(self, scratch: Scratch) -> ValueIndex:
        if self._index is None:
            size = len(self._starts) - 1
            slots = np.repeat(np.arange(size, dtype=np.uint32), np.diff(self._starts))
            self._index = ValueIndex(self._codes, slots, size, scratch)
        return self._index


class Ladder:
    """Integers by size: a bitmap of `no more than this` on each rung, and the slots in between in order."""

    def __init__(self, held: Integers, lowest: int, scratch: Scratch) -> None:
        self._held = held
        slots = np.flatnonzero(held != lowest)
        order = slots[np.argsort(held[slots], kind="stable")].astype(np.uint32)
        ordered = held[order]
        last = np.flatnonzero(np.diff(ordered)) if len(ordered) else np.zeros(0, np.intp)
        exact = len(last) < _EXACT_RUNGS
        if not exact:
            ends = np.arange(1, _RUNGS) * len(ordered) // _RUNGS
            last = np.unique(np.searchsorted(ordered, ordered[ends], "right") - 1)
        last = np.unique(np.append(last, len(ordered) - 1)) if len(ordered) else last
        self._rungs: list[int] = ordered[last].tolist()
        self._ends: list[int] = [0, *(last + 1).tolist()]
        self._bitmaps: list[Words] = [np.zeros(-(-len(held) // 64), np.uint64)]
        for begin, end in zip(self._ends, self._ends[1:], strict=False):
            self._bitmaps.append(self._bitmaps[-1] | scratch.words(order[begin:end], len(held)))
        self._order = None if exact else order

    @property
    def present(self) -> Words:
        """Who has any."""
        return self._bitmaps[-1]

    def within(self, low: int, high: int, scratch: Scratch) -> Words:
        """Return who has a value from `low` to `high`."""
        (below, least), (above, most) = self._place(low, before=True), self._place(high, before=False)
        if below == above and self._order is not None and least is not None and most is not None:
            return scratch.words(self._order[least:most], len(self._held))
        words = self._upto(above, most, scratch)
        return words if below == 0 and least in (None, 0) else words ^ self._upto(below, least, scratch)

    def few(self, low: int, high: int, most: int) -> SlotList | None:
        """Return the slots with a value from `low` to `high`, where the order says them and they are few."""
        if self._order is None:
            return None
        (below, least), (above, end) = self._place(low, before=True), self._place(high, before=False)
        first = self._ends[below] if least is None else least
        last = self._ends[above] if end is None else end
        return self._order[first:last] if last - first <= most else None

    def _place(self, value: int, *, before: bool) -> tuple[int, int | None]:
        """Return on which rung `value` is (or what is before it), and where in the order, between two."""
        value -= before
        rung = bisect_right(self._rungs, value)
        order = self._order
        if order is None or rung == len(self._rungs) or (rung and self._rungs[rung - 1] == value):
            return rung, None
        held = self._held
        begin, end = self._ends[rung], self._ends[rung + 1]
        return rung, bisect_right(order, value, begin, end, key=lambda slot: held[slot])

    def _upto(self, rung: int, place: int | None, scratch: Scratch) -> Words:
        """Return who comes first in order, up to a rung or a place above it, whichever bitmap is nearer."""
        if place is None or self._order is None or place == self._ends[rung]:
            return self._bitmaps[rung]
        begin, end = self._ends[rung], self._ends[rung + 1]
        if place - begin <= end - place:
            return self._bitmaps[rung] | scratch.words(self._order[begin:place], len(self._held))
        return self._bitmaps[rung + 1] ^ scratch.words(self._order[place:end], len(self._held))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        order = 0 if self._order is None else self._order.nbytes
        return order + sum(bitmap.nbytes + 200 for bitmap in self._bitmaps)


class IntegerColumn:
    """Numbers and times. The lowest number of the width says absent."""

    def __init__(self, values: Ints) -> None:
        present = values != ABSENT
        exact = values[present]
        self._unit = next(unit for unit in _UNITS if unit == 1 or not np.any(exact % unit))
        counted = exact // self._unit
        least, most = int(counted.min(initial=0)), int(counted.max(initial=0))
        width = next(kind for kind in _WIDTHS if np.iinfo(kind).min < least and most <= np.iinfo(kind).max)
        self._lowest, self._highest = int(np.iinfo(width).min), int(np.iinfo(width).max)
        self._held: Integers = np.full(len(values), self._lowest, width)
        self._held[present] = counted
        self._ladder: Ladder | None = None

    def raw(self) -> Ints:
        """Return the integers as they came."""
        found = self._held.astype(np.int64)
        return np.where(self._held == self._lowest, ABSENT, found * self._unit)

    def value(self, slot: int) -> int | None:
        """Return the integer of a slot; None where there is none."""
        held = self._held.item(slot)
        return None if held == self._lowest else held * self._unit

    def present(self, scratch: Scratch) -> Words:
        """Return who has any."""
        return self._indexed(scratch).present

    def within(self, least: int | None, most: int | None, scratch: Scratch) -> Words:
        """Return who has a value from `least` to `most`, None where there is no end."""
        low, high = self._ends(least, most)
        if low > high:
            return np.zeros(-(-len(self._held) // 64), np.uint64)
        return self._indexed(scratch).within(low, high, scratch)

    def few(self, least: int | None, most: int | None, limit: int, scratch: Scratch) -> SlotList | None:
        """Return who has such a value, as slots, if they are at most `limit` and the order says them."""
        low, high = self._ends(least, most)
        return np.zeros(0, np.uint32) if low > high else self._indexed(scratch).few(low, high, limit)

    def present_at(self, slots: AnySlots) -> Bits:
        """Return which of these slots have any."""
        found: Bits = self._held[slots] != self._lowest
        return found

    def within_at(self, least: int | None, most: int | None, slots: AnySlots) -> Bits:
        """Return which of these slots have a value from `least` to `most`."""
        low, high = self._ends(least, most)
        if low > high:
            return np.zeros(len(slots), np.bool_)
        held = self._held[slots]
        return (held >= low) & (held <= high)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._held.nbytes + (0 if self._ladder is None else self._ladder.nbytes)

    def _ends(self, least: int | None, most: int | None) -> tuple[int, int]:
        """Return the ends in the column's unit; the low one above the high one where nothing can lie."""
        low = self._lowest + 1 if least is None else max(self._lowest + 1, -(-least // self._unit))
        high = self._highest if most is None else min(self._highest, most // self._unit)
        return low, high

    def _indexed(self, scratch: Scratch) -> Ladder:
        if self._ladder is None:
            self._ladder = Ladder(self._held, self._lowest, scratch)
        return self._ladder


Column = IntegerColumn | CodeColumn | SetColumn


def column_of(raw: Ints | Ragged, *, integer: bool) -> Column:
    """Return the column that holds these values."""
    if isinstance(raw, Ragged):
        return SetColumn(raw)
    return IntegerColumn(raw) if integer else CodeColumn(raw)


def _width(codes: Ints) -> type[np.unsignedinteger[Any]]:
    most = int(codes.max(initial=0))
    return next(kind for kind in _CODE_WIDTHS if most <= np.iinfo(kind).max)


def _cached(column: CodeColumn | SetColumn) -> int:
    return column.present.nbytes if "present" in vars(column) else 0
