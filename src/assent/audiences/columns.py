"""Columns of a segment: one feature, every slot, as narrow as the values allow, with an index once asked.

A column is never written after it was made. Its index is made when a question first needs it, in the thread
that counts, and kept; two threads may make it twice, and either is right. A column never says whether a value
may be seen, only what it is.

- Values by number: a bitmap for each that more than one slot in 64 has, a list of slots for each other.
- Integers: none, they are compared where they lie (`integers`).
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from assent.audiences.bits import AnySlots, Bits, Scratch, Words, at, packed
from assent.audiences.codebook import Chosen
from assent.audiences.integers import LEAST, MANY, Held, Plain, Steps, bytes_of, unit_of, width_of
from assent.audiences.rows import ABSENT, Ints, Ragged, begins_of, distinct
from assent.features.catalogue import Value

Codes = npt.NDArray[np.unsignedinteger[Any]]
SlotList = npt.NDArray[np.uint32]

Names = Sequence[Value | None]
"""The values of a feature by their numbers, as they are when they are read; None of 0."""
Read = Callable[[int], Value | None]
"""Gives the value of a slot; None where there is none."""

_CODE_WIDTHS: Final = (np.uint8, np.uint16, np.uint32)

_DENSE: Final = 64
"""A value has a bitmap where more than one slot in so many has it."""

_SIDE_BY_SIDE: Final = 16
"""Bits: integers no wider are compared side by side as quickly as by steps."""

_BLOCK: Final = 16
"""Of a set column it is kept where every so many slots begin; a slot begins after those before it."""


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
        if len(codes) and (codes == codes[0]).all():
            self._codes = np.broadcast_to(self._codes[:1].copy(), codes.shape)
        self._index: ValueIndex | None = None

    def reader(self, names: Names) -> Read:
        """Return what gives the value of a slot."""
        codes = self._codes.data
        return lambda slot: names[codes[slot]]

    def raw(self) -> Ints:
        """Return the numbers as they came."""
        return self._codes.astype(np.int64)

    def codes(self) -> Ints:
        """Return every number that some slot has, once."""
        found = distinct(self._codes)
        return found[1:] if len(found) and not found[0] else found

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
        return bytes_of(self._codes) + self.index_nbytes

    @property
    def index_nbytes(self) -> int:
        """Bytes of these that the index holds."""
        return (0 if self._index is None else self._index.nbytes) + _cached(self)

    def _indexed(self, scratch: Scratch) -> ValueIndex:
        if self._index is None:
            self._index = ValueIndex(self._codes, None, len(self._codes), scratch)
        return self._index


class SetColumn:
    """Sets, by their members' numbers."""

    def __init__(self, raw: Ragged) -> None:
        (codes,) = raw.flat
        lengths = np.diff(raw.starts)
        self._lengths: Codes = lengths.astype(_width(lengths))
        self._blocks = raw.starts[::_BLOCK].astype(np.uint32)
        self._codes: Codes = codes.astype(_width(codes))
        self._index: ValueIndex | None = None

    def raw(self) -> Ragged:
        """Return the numbers as they came."""
        return Ragged(begins_of(self._lengths.astype(np.int64)), (self._codes.astype(np.int64),))

    def codes(self) -> Ints:
        """Return every number that some slot has, once."""
        return distinct(self._codes)

    def reader(self, names: Names) -> Read:
        """Return what gives the members of a slot."""
        blocks, lengths, codes = self._blocks.data, self._lengths.data, self._codes.data

        def read(slot: int) -> Value | None:
            number = lengths[slot]
            if not number:
                return None
            block = slot // _BLOCK
            begin = blocks[block] + sum(lengths[block * _BLOCK : slot].tolist())
            return frozenset([names[code] for code in codes[begin : begin + number].tolist()])  # type: ignore[misc]

        return read

    @cached_property
    def present(self) -> Words:
        """Who has any."""
        return packed(self._lengths != 0)

    def holding(self, chosen: Chosen, scratch: Scratch) -> Words:
        """Return whose set holds one of the members."""
        return self._indexed(scratch).holding(chosen, scratch)

    def few(self, chosen: Chosen, most: int, scratch: Scratch) -> SlotList | None:
        """Return whose set holds one of the members, as slots, if they are at most so many and listed."""
        found = self._indexed(scratch).few(chosen, most)
        return found if found is None or len(chosen.codes) == 1 else np.unique(found)

    def present_at(self, slots: AnySlots) -> Bits:
        """Return which of these slots have any."""
        found: Bits = self._lengths[slots] > 0
        return found

    def holding_at(self, chosen: Chosen, slots: AnySlots, scratch: Scratch) -> Bits:
        """Return which of these slots hold one of the members."""
        return at(self.holding(chosen, scratch), slots)

    def tally(self, bits: Bits, size: int) -> Ints:
        """Return how many of the slots whose bit is set hold each number below `size`."""
        return np.bincount(self._codes[np.repeat(bits, self._lengths)], minlength=size)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._codes.nbytes + self._lengths.nbytes + self._blocks.nbytes + self.index_nbytes

    @property
    def index_nbytes(self) -> int:
        """Bytes of these that the index holds."""
        return (0 if self._index is None else self._index.nbytes) + _cached(self)

    def _indexed(self, scratch: Scratch) -> ValueIndex:
        if self._index is None:
            size = len(self._lengths)
            slots = np.repeat(np.arange(size, dtype=np.uint32), self._lengths)
            self._index = ValueIndex(self._codes, slots, size, scratch)
        return self._index


class IntegerColumn:
    """Numbers and times. The lowest number of the width says absent."""

    def __init__(self, values: Ints) -> None:
        present = values != ABSENT
        exact = values[present]
        self._unit = unit_of(exact)
        counted = exact // self._unit
        # One below the least, for what is absent.
        least, most = max(int(counted.min(initial=0)) - 1, LEAST), int(counted.max(initial=0))
        width = np.iinfo(width_of(least, most))
        if width.bits > _SIDE_BY_SIDE and len(values) >= MANY:
            self._unit, width = 1, np.iinfo(np.int64)
            self._held: Held = Steps(values)
        else:
            narrow = np.full(len(values), width.min, width.dtype)
            narrow[present] = counted
            self._held = Plain(narrow)
        self._lowest, self._highest = int(width.min), int(width.max)

    def reader(self, _: Names) -> Read:
        """Return what gives the integer of a slot."""
        return self._held.reader(self._lowest, self._unit)

    def raw(self) -> Ints:
        """Return the integers as they came."""
        found = self._held.whole()
        return np.where(found == self._lowest, ABSENT, found * self._unit)

    def present(self) -> Words:
        """Return who has any."""
        return packed(self._held.between(self._lowest + 1, self._highest))

    def within(self, least: int | None, most: int | None) -> Words:
        """Return who has a value from `least` to `most`, None where there is no end."""
        self._held.make_index()
        return packed(self._held.between(*self._ends(least, most)))

    def few(self, least: int | None, most: int | None, limit: int) -> AnySlots | None:
        """Return who has such a value, as slots, if they are at most `limit` and quickly found."""
        self._held.make_index()
        return self._held.few(*self._ends(least, most), limit)

    def present_at(self, slots: AnySlots) -> Bits:
        """Return which of these slots have any."""
        found: Bits = self._held.at(slots) != self._lowest
        return found

    def within_at(self, least: int | None, most: int | None, slots: AnySlots) -> Bits:
        """Return which of these slots have a value from `least` to `most`."""
        low, high = self._ends(least, most)
        held = self._held.at(slots)
        return (held >= low) & (held <= high)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._held.nbytes

    @property
    def index_nbytes(self) -> int:
        """Bytes of these that the index holds."""
        return self._held.index_nbytes

    def _ends(self, least: int | None, most: int | None) -> tuple[int, int]:
        """Return the ends in the column's unit; the low one above the high one where nothing can lie."""
        low = self._lowest + 1 if least is None else max(self._lowest + 1, -(-least // self._unit))
        high = self._highest if most is None else min(self._highest, most // self._unit)
        return low, high


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
