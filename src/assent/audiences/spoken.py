"""Whom a feed speaks of, kept from commit to commit: arrays, and beside them what changed since.

A commit costs what changed and not what there is. Pure; raises nothing.
"""

from collections.abc import Collection, Iterable
from typing import Final

import numpy as np

from assent.audiences.rows import Ints
from assent.core.ids import ProfileId

_BESIDE: Final = 1_000
"""So many stand beside the arrays at least, or one in `_PART` of those in them, before they are made anew."""
_PART: Final = 64

_NOBODY: Final = np.zeros(0, np.int64)


class Spoken:
    """The profiles of a feed's subjects: members, as it last said, and others. Some are both."""

    def __init__(self, entered: Iterable[ProfileId] = (), others: Iterable[ProfileId] = ()) -> None:
        """Begin with these."""
        self._entered, self._others = _sorted(entered), _sorted(others)
        self._beside: dict[ProfileId, tuple[bool, bool]] = {}

    def put(
        self, profiles: Collection[ProfileId], entered: Collection[ProfileId], others: Collection[ProfileId]
    ) -> None:
        """Take what is said of some profiles in place of what was: some of them entered, some are others."""
        for profile in profiles:
            self._beside[profile] = (profile in entered, profile in others)
        if len(self._beside) > max(_BESIDE, (len(self._entered) + len(self._others)) // _PART):
            self._entered, self._others = self._now(self._entered, 0), self._now(self._others, 1)
            self._beside = {}

    def entered(self) -> Ints:
        """Return who is a member, as the feed last said; lowest id first."""
        return self._now(self._entered, 0)

    def everybody(self) -> Ints:
        """Return all of whom it speaks; lowest id first."""
        return np.union1d(self.entered(), self._now(self._others, 1))

    def among(self, profiles: Collection[ProfileId]) -> list[ProfileId]:
        """Return those of some profiles of whom it speaks."""
        if not profiles:
            return []
        asked = np.fromiter(profiles, np.int64, len(profiles))
        held = (_within(self._entered, asked) | _within(self._others, asked)).tolist()
        beside = self._beside.get
        return [
            profile
            for profile, is_held in zip(profiles, held, strict=True)
            if (is_held if (found := beside(profile)) is None else any(found))
        ]

    def _now(self, array: Ints, place: int) -> Ints:
        if not self._beside:
            return array
        kept = np.setdiff1d(array, _sorted(self._beside), assume_unique=True)
        return np.union1d(kept, _sorted(one for one, held in self._beside.items() if held[place]))


def _within(array: Ints, asked: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(array):
        return np.zeros(len(asked), np.bool_)
    places = np.minimum(array.searchsorted(asked), len(array) - 1)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = array[places] == asked
    return found


def _sorted(profiles: Iterable[ProfileId]) -> Ints:
    found = np.unique(np.fromiter(profiles, np.int64))
    return found if len(found) else _NOBODY
