"""Who is a member of which followed audiences, as it was last worked out: bits by audience, a row a person.

    roll = Roll(profiles, bits=100)
    roll.enter(3, members)
    [(profile, bits, was)] = roll.swap({profile: bits})

Who changed is so compared with what they were without reading what they looked like. A row takes a bit an
audience and eight bytes to be found by; who is a member of nothing needs none. Pure; raises nothing.
"""

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from assent.audiences.rows import Ints
from assent.core.ids import ProfileId

_BESIDE: Final = 1_000
"""So many stand beside the rows, or one for `_PART` rows, before all are made anew."""
_PART: Final = 64


class Roll:
    """Rows of bits by profile; all clear where there is none."""

    def __init__(self, profiles: Ints, bits: int) -> None:
        """Begin with these people, lowest id first, as members of nothing. So many `bits` make a row."""
        self._width = -(-bits // 8)
        self._beside: dict[ProfileId, int] = {}
        self._lay(profiles, np.zeros((len(profiles), self._width), np.uint8))

    def enter(self, bit: int, members: Ints) -> None:
        """Set a bit for these people, lowest id first, and for nobody else."""
        column, mask = self._rows[:, bit >> 3], np.uint8(1 << (bit & 7))
        column &= ~mask
        for profile, held in self._beside.items():
            self._beside[profile] = held & ~(1 << bit)
        if len(self._profiles):
            places = np.minimum(self._profiles.searchsorted(members), len(self._profiles) - 1)
            found = self._profiles[places] == members
            column[places[found]] |= mask
            members = members[~found]
        for profile in map(ProfileId, members.tolist()):
            self._beside[profile] = self._beside.get(profile, 0) | 1 << bit
        self._settle()

    def swap(self, held: Mapping[ProfileId, int]) -> list[tuple[ProfileId, int, int]]:
        """Hold the bits of some profiles; return of whom they were others: who, the bits, and what was."""
        width, rows, found = self._width, self._bytes, []
        for (profile, bits), place in zip(held.items(), self._places(held), strict=True):
            begin, end = place * width, (place + 1) * width
            was = int.from_bytes(rows[begin:end], "little") if end else self._beside.get(profile, 0)
            if was == bits:
                continue
            found.append((profile, bits, was))
            if end:
                rows[begin:end] = bits.to_bytes(width, "little")
            elif bits:
                self._beside[profile] = bits
            else:
                del self._beside[profile]
        self._settle()
        return found

    def of(self, profiles: Collection[ProfileId]) -> list[int]:
        """Return the bits of some profiles."""
        width, rows, beside = self._width, self._bytes, self._beside
        return [
            beside.get(profile, 0)
            if place < 0
            else int.from_bytes(rows[place * width : (place + 1) * width], "little")
            for profile, place in zip(profiles, self._places(profiles), strict=True)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly: beside the rows a dictionary's entry and its two numbers."""
        return self._profiles.nbytes + self._rows.nbytes + (104 + 2 * 36) * len(self._beside)

    def _places(self, profiles: Collection[ProfileId]) -> list[int]:
        """Return which row is whose; -1 where one has none."""
        ids = np.fromiter(profiles, np.int64, len(profiles))
        if not len(self._profiles):
            return [-1] * len(ids)
        places = np.minimum(self._profiles.searchsorted(ids), len(self._profiles) - 1)
        found: list[int] = np.where(self._profiles[places] == ids, places, -1).tolist()
        return found

    def _settle(self) -> None:
        """Give rows to those who stand beside them, once they are many; and none to who is in nothing."""
        if len(self._beside) <= max(_BESIDE, len(self._profiles) // _PART):
            return
        kept = self._rows.any(axis=1)
        packed = b"".join(bits.to_bytes(self._width, "little") for bits in self._beside.values())
        profiles = np.concatenate([self._profiles[kept], np.fromiter(self._beside, np.int64)])
        rows = np.concatenate(
            [self._rows[kept], np.frombuffer(packed, np.uint8).reshape(len(self._beside), self._width)]
        )
        order = np.argsort(profiles, kind="stable")
        self._beside = {}
        self._lay(profiles[order], rows[order])

    def _lay(self, profiles: Ints, rows: npt.NDArray[np.uint8]) -> None:
        self._profiles, self._rows = profiles, rows
        # Which are plain bytes: one row is quicker read so.
        self._bytes = rows.reshape(-1).data
