"""Columns of the engine: one feature, one block of slots, as narrow as its values allow.

A column never says whether a value may be seen, only what it is. Arrays handed out are never written again: a
column copies what it has shared before its next write. Holds no value that nobody has: a text or set whose
last slot is cleared is forgotten.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from assent.features.catalogue import Value

Integers = npt.NDArray[np.signedinteger[Any]]
Codes = npt.NDArray[np.unsignedinteger[Any]]
Bits = npt.NDArray[np.bool_]

_Any = TypeVar("_Any", bound=np.generic)


class Shared(Generic[_Any]):
    """An array that is copied before it is written, once it was shared."""

    def __init__(self, array: npt.NDArray[_Any]) -> None:
        self._array = array
        self._shared = False

    def read(self) -> npt.NDArray[_Any]:
        """Return the array for reading now, not for keeping."""
        return self._array

    def share(self) -> npt.NDArray[_Any]:
        """Return the array for keeping: nobody writes into it any more."""
        self._shared = True
        return self._array

    def write(self) -> npt.NDArray[_Any]:
        """Return the array for writing now."""
        if self._shared:
            self._array = self._array.copy()
            self._shared = False
        return self._array

    def replace(self, array: npt.NDArray[_Any]) -> None:
        """Hold another array, which nobody else has."""
        self._array = array
        self._shared = False


# Whole units, hundredths, millionths: a number column is counted in the largest that is exact for all it
# holds.
_UNITS: Final = (1_000_000, 10_000, 1)
_WIDTHS: Final = (np.int8, np.int16, np.int32, np.int64)
_CODE_WIDTHS: Final = (np.uint8, np.uint16, np.uint32)


class IntegerView:
    """Integers of a block as they were when it was shared. The lowest number of the width says absent."""

    def __init__(self, array: Integers, unit: int) -> None:
        self._array = array
        self._unit = unit
        self._lowest = int(np.iinfo(array.dtype).min)
        self._highest = int(np.iinfo(array.dtype).max)

    def present(self) -> Bits:
        """Return which slots have a value."""
        bits: Bits = self._array != self._lowest
        return bits

    def integers(self) -> npt.NDArray[np.int64]:
        """Return the values; what stands where there is none means nothing."""
        return self._array.astype(np.int64) * self._unit

    def within(self, least: int | None, most: int | None) -> Bits:
        """Return which slots have a value from `least` to `most`, None where there is no end."""
        low = self._lowest + 1 if least is None else max(self._lowest + 1, -(-least // self._unit))
        high = self._highest if most is None else min(self._highest, most // self._unit)
        if low > high:
            return np.zeros(len(self._array), np.bool_)
        if high == self._highest:
            return self._array >= low
        return (self._array >= low) & (self._array <= high)

    def among(self, values: Iterable[int]) -> Bits:
        """Return which slots have one of the values."""
        found = [value // self._unit for value in values if value % self._unit == 0]
        found = [value for value in found if self._lowest < value <= self._highest]
        return np.isin(self._array, np.array(found, self._array.dtype))


class IntegerColumn:
    """Numbers and times of a block."""

    def __init__(self, size: int) -> None:
        self._unit = _UNITS[0]
        self._held: Shared[np.signedinteger[Any]] = Shared(np.full(size, np.iinfo(np.int8).min, np.int8))

    def set(self, slot: int, value: Value | None) -> None:
        """Hold `value` at the slot; None, and what is no integer, is absent."""
        lowest, highest = _ends(self._held.read())
        if not isinstance(value, int):
            self._held.write()[slot] = lowest
            return
        counted, rest = divmod(value, self._unit)
        if rest or not lowest < counted <= highest:
            self._refit(value)
            counted = value // self._unit
        self._held.write()[slot] = counted

    def share(self) -> IntegerView:
        """Return what the block holds now."""
        return IntegerView(self._held.share(), self._unit)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._held.read().nbytes

    def _refit(self, value: int) -> None:
        """Find the unit and the width that hold every value and this one exactly."""
        array = self._held.read()
        present = array != _ends(array)[0]
        exact = array[present].astype(np.int64) * self._unit
        self._unit = next(unit for unit in _UNITS if value % unit == 0 and not np.any(exact % unit))
        counted = exact // self._unit
        least = min(int(counted.min(initial=0)), value // self._unit)
        most = max(int(counted.max(initial=0)), value // self._unit)
        width = next(kind for kind in _WIDTHS if np.iinfo(kind).min < least and most <= np.iinfo(kind).max)
        wider: Integers = np.full(len(array), np.iinfo(width).min, width)
        wider[present] = counted
        self._held.replace(wider)


def _ends(array: Integers) -> tuple[int, int]:
    ends = np.iinfo(array.dtype)
    return int(ends.min), int(ends.max)


class Codebook:
    """The values of one feature over all blocks, numbered from 1; numbers that nobody has are free again."""

    def __init__(self) -> None:
        self._codes: dict[Value, int] = {}
        self._values: list[Value | None] = [None]
        self._uses: list[int] = [0]
        self._free: list[int] = []
        self._holding: dict[str, set[int]] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def take(self, value: Value) -> int:
        """Return the number of `value`, one more slot having it."""
        code = self._codes.get(value)
        if code is None:
            code = self._free.pop() if self._free else self._grow()
            self._codes[value] = code
            self._values[code] = value
            for member in value if isinstance(value, frozenset) else ():
                self._holding.setdefault(member, set()).add(code)
        self._uses[code] += 1
        return code

    def release(self, code: int) -> None:
        """Take note that one slot less has the value; forget it with the last."""
        if code == 0:
            return
        self._uses[code] -= 1
        value = self._values[code]
        if self._uses[code] or value is None:
            return
        del self._codes[value]
        self._values[code] = None
        self._free.append(code)
        for member in value if isinstance(value, frozenset) else ():
            self._holding[member].discard(code)
            if not self._holding[member]:
                del self._holding[member]

    def equal(self, values: Iterable[Value]) -> "Chosen":
        """Choose the values equal to one of `values`."""
        return Chosen(
            [self._codes[value] for value in set(values) if value in self._codes], len(self._values)
        )

    def holding(self, members: Iterable[str]) -> "Chosen":
        """Choose the sets that hold one of `members`."""
        found = {code for member in members for code in self._holding.get(member, ())}
        return Chosen(list(found), len(self._values))

    def where(self, test: Callable[[Value], bool]) -> "Chosen":
        """Choose the values that pass `test`, which every one of them is put to."""
        return Chosen([code for value, code in self._codes.items() if test(value)], len(self._values))

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly: the texts, and what Python keeps around each."""
        texts = sum(len(value) if isinstance(value, str) else 64 * len(value) for value in self._sized())
        # 49: an empty str; 8 + 8 + 8: the lists' pointers; about 104 a dict's entry at its usual fill.
        return texts + len(self._values) * (49 + 24 + 104)

    def _sized(self) -> Iterable[str | frozenset[str]]:
        return (value for value in self._codes if isinstance(value, str | frozenset))

    def _grow(self) -> int:
        self._values.append(None)
        self._uses.append(0)
        return len(self._values) - 1


class Chosen:
    """Some of a codebook's values, fixed when the question was asked."""

    # Comparing a narrow column is some ten times faster than looking each slot up in a table.
    _FEW: Final = 4

    def __init__(self, codes: list[int], size: int) -> None:
        self._codes = codes
        self._table: Bits | None = None
        if len(codes) > self._FEW:
            self._table = np.zeros(size, np.bool_)
            self._table[codes] = True

    def among(self, array: Codes) -> Bits:
        """Return which slots have one of them."""
        if self._table is not None:
            return self._table[array]
        bits = np.zeros(len(array), np.bool_)
        for code in self._codes:
            if code <= np.iinfo(array.dtype).max:
                bits |= array == code
        return bits


class CodeColumn:
    """Texts, sets and booleans of a block, by their codebook's numbers; 0 where there is none."""

    def __init__(self, size: int, book: Codebook) -> None:
        self._book = book
        self._held: Shared[np.unsignedinteger[Any]] = Shared(np.zeros(size, np.uint8))

    def set(self, slot: int, value: Value | None) -> None:
        """Hold `value` at the slot; None where it is absent."""
        before = int(self._held.read()[slot])
        code = 0 if value is None else self._book.take(value)
        self._book.release(before)
        if code == before:
            return
        array = self._held.read()
        if code > np.iinfo(array.dtype).max:
            width = next(kind for kind in _CODE_WIDTHS if code <= np.iinfo(kind).max)
            self._held.replace(array.astype(width))
        self._held.write()[slot] = code

    def share(self) -> Codes:
        """Return what the block holds now."""
        return self._held.share()

    @property
    def nbytes(self) -> int:
        """Bytes held, the codebook aside."""
        return self._held.read().nbytes
