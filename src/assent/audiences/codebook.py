"""The values of one feature over all segments, numbered from 1; numbers that nobody has are free again.

Belongs to the event loop. A question takes what it needs of it when it is asked, as `Chosen`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from assent.audiences.rows import Ints
from assent.features.catalogue import Value


class Chosen:
    """Some of a codebook's values, fixed when the question was asked."""

    def __init__(self, codes: Iterable[int], size: int) -> None:
        self.codes = np.array(sorted(codes), np.int64)
        self._size = size
        self._key = self.codes.tobytes()

    def __eq__(self, other: object) -> bool:
        """Say whether these are the same numbers."""
        return isinstance(other, Chosen) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def among(self, codes: npt.NDArray[np.unsignedinteger[Any]]) -> npt.NDArray[np.bool_]:
        """Return which of these are chosen."""
        if len(self.codes) == 1:
            found: npt.NDArray[np.bool_] = codes == self.codes[0]
            return found
        table = np.zeros(self._size, np.bool_)
        table[self.codes] = True
        chosen: npt.NDArray[np.bool_] = table[codes]
        return chosen


class Codebook:
    """Texts, booleans, and the members of sets. A value stays while some segment uses its number."""

    def __init__(self) -> None:
        self._codes: dict[Value, int] = {}
        self._values: list[Value | None] = [None]
        self.names: Final[Sequence[Value | None]] = self._values
        """The value of every number in use, as of whenever it is read; None of 0."""
        self._uses = np.zeros(64, np.int32)
        self._free: list[int] = []
        self.edition = 0
        """Another one whenever a value is numbered or forgotten."""

    def __len__(self) -> int:
        return len(self._codes)

    def number(self, values: Iterable[Value]) -> Ints:
        """Return the values' numbers, new ones where a value has none. Use them before the next `release`."""
        return np.array([self._codes.get(value) or self._grow(value) for value in values], np.int64)

    def values(self) -> list[Value | None]:
        """Return the values by their numbers as of now."""
        return list(self._values)

    def use(self, codes: Ints) -> None:
        """Take note that one segment more uses these numbers, each given once."""
        if len(self._uses) < len(self._values):
            self._uses = np.concatenate([self._uses, np.zeros(len(self._values), np.int32)])
        self._uses[codes] += 1

    def release(self, codes: Ints) -> None:
        """Take note that one segment less uses these numbers; forget the value with the last."""
        self._uses[codes] -= 1
        for code in codes[self._uses[codes] == 0].tolist():
            value = self._values[code]
            if value is not None:
                self.edition += 1
                del self._codes[value]
                self._values[code] = None
                self._free.append(code)

    def equal(self, values: Iterable[Value]) -> Chosen:
        """Choose the values equal to one of `values`."""
        return self._chosen(self._codes[value] for value in set(values) if value in self._codes)

    def where(self, test: Callable[[Value], bool]) -> Chosen:
        """Choose the values that pass `test`, which every one of them is put to."""
        return self._chosen(code for value, code in self._codes.items() if test(value))

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly: the texts, and what Python keeps around each."""
        texts = sum(len(value) for value in self._codes if isinstance(value, str))
        # 49: an empty str; 8: the list's pointer; 4: uses; about 104 a dict's entry at its usual fill.
        return texts + len(self._values) * (49 + 8 + 104) + self._uses.nbytes

    def _chosen(self, codes: Iterable[int]) -> Chosen:
        return Chosen(codes, len(self._values))

    def _grow(self, value: Value) -> int:
        self.edition += 1
        if self._free:
            code = self._free.pop()
            self._values[code] = value
        else:
            code = len(self._values)
            self._values.append(value)
        self._codes[value] = code
        return code
