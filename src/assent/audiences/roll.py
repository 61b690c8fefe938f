"""Who is a member of which followed audiences, as it was last worked out: bits by audience, a row a person.

    roll = Roll(profiles, width=13)
    roll.enter(3, members)
    were = roll.swap(profiles, rows)

Who changed is so compared with what they were without reading what they looked like. A row takes a bit an
audience and eight bytes to be found by; who is a member of nothing needs none. Pure; raises nothing.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from assent.audiences.bits import Bits
from assent.audiences.rows import Ints, Slots
from assent.core.ids import ProfileId

BitRows = npt.NDArray[np.uint8]
"""A row a person: bits, the first one lowest."""

_BESIDE: Final = 1_000
"""So many stand beside the rows, or one for `_PART` rows, before all are made anew."""
_PART: Final = 64


class Roll:
    """Rows of bits by profile; all clear where there is none."""

    def __init__(self, profiles: Ints, width: int) -> None:
        """Begin with these people, lowest id first, as members of nothing. So many bytes make a row."""
        self._width = width
        self._beside: dict[ProfileId, int] = {}
        self._lay(profiles, np.zeros((len(profiles), self._width), np.uint8))

    def enter(self, bit: int, members: Ints) -> None:
        """Set a bit for these people, lowest id first, and for nobody else."""
        column, mask = self._rows[:, bit >> 3], np.uint8(1 << (bit & 7))
        column &= ~mask
        for profile, held in self._beside.items():
            self._beside[profile] = held & ~(1 << bit)
        places, there = self._places(members)
        column[places[there]] |= mask
        for profile in map(ProfileId, members[~there].tolist()):
            self._beside[profile] = self._beside.get(profile, 0) | 1 << bit
        self._settle()

    def swap(self, profiles: Ints, rows: BitRows) -> BitRows:
        """Hold the rows of some profiles, none given twice; return what they were."""
        places, there = self._places(profiles)
        was = self._read(profiles, places, there)
        self._rows[places[there]] = rows[there]
        for profile, row in zip(map(ProfileId, profiles[~there].tolist()), rows[~there], strict=True):
            if row.any():
                self._beside[profile] = int.from_bytes(row.tobytes(), "little")
            else:
                self._beside.pop(profile, None)
        self._settle()
        return was

    def of(self, profiles: Ints) -> BitRows:
        """Return the rows of some profiles."""
        return self._read(profiles, *self._places(profiles))

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly: beside the rows a dictionary's entry and its two numbers."""
        return self._profiles.nbytes + self._rows.nbytes + (104 + 2 * 36) * len(self._beside)

    def _places(self, profiles: Ints) -> tuple[Slots, Bits]:
        """Return at which row each is to be found, and which of them are there."""
        places = self._profiles.searchsorted(profiles)
        there = np.zeros(len(profiles), np.bool_)
        inside = np.flatnonzero(places < len(self._profiles))
        there[inside] = self._profiles[places[inside]] == profiles[inside]
        return places, there

    def _read(self, profiles: Ints, places: Slots, there: Bits) -> BitRows:
        rows = np.zeros((len(profiles), self._width), np.uint8)
        rows[there] = self._rows[places[there]]
        if self._beside and not there.all():
            beside = (self._beside.get(profile, 0) for profile in map(ProfileId, profiles[~there].tolist()))
            rows[~there] = packed_rows(beside, self._width)
        return rows

    def _settle(self) -> None:
        """Give rows to those who stand beside them, once they are many; and none to who is in nothing."""
        if len(self._beside) <= max(_BESIDE, len(self._profiles) // _PART):
            return
        kept = self._rows.any(axis=1)
        profiles = np.concatenate([self._profiles[kept], np.fromiter(self._beside, np.int64)])
        rows = np.concatenate([self._rows[kept], packed_rows(self._beside.values(), self._width)])
        order = np.argsort(profiles, kind="stable")
        self._beside = {}
        self._lay(profiles[order], rows[order])

    def _lay(self, profiles: Ints, rows: npt.NDArray[np.uint8]) -> None:
        self._profiles, self._rows = profiles, rows


def packed_rows(bits: Iterable[int], width: int) -> BitRows:
    """Return bits, given as whole numbers, as rows of so many bytes."""
    packed = b"".join(each.to_bytes(width, "little") for each in bits)
    return np.frombuffer(packed, np.uint8).reshape(-1, width)
