"""Which share of people, or of a feature's values, somebody falls into: the same on every day and worker.

A draw is a number below 2**64: even over people, the same for one salt and one key, unrelated for another
salt. A person's key is the keyed hash of the identifier that stands for the profile (`gate.anchors`): the
one the purpose could use first, so a merge leaves a profile in the share of the identifier known longest, and
each part of a split is drawn by its own. Of identifiers usable from one instant on, as under a contract all
are, the namespace of highest priority decides: a person who is known by a user id keeps the share through
every device that comes and goes. It moves where that identifier itself goes: its own permit ends or begins
anew, it is unlinked, or, of devices alone that a contract opens, one of lower hash joins. It is a function of
what the purpose may use alone. A keyed hash is already as good as random, so mixing it with the salt's hash
is enough, and numpy mixes a million in milliseconds. Pure; raises nothing.
"""

import hashlib
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from assent.audiences.rule import Bucket
from assent.features.catalogue import MILLIONTHS, Value, millionths, pack_value

Keys = npt.NDArray[np.uint64]

_ALL: Final = (1 << 64) - 1
_SHIFTS: Final = (30, 27, 31)
_FACTORS: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""The finaliser of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""


class Span(NamedTuple):
    """Draws from `least` to `most`, ends included; none at all when `most` is less."""

    seed: int
    least: int
    most: int

    def holds(self, key: int) -> bool:
        """Say whether the draw of one key lies in the span."""
        return self.least <= _mixed(_mixed(key) ^ self.seed) <= self.most

    def among(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Return which keys' draws lie in the span."""
        if self.most < self.least:
            return np.zeros(len(keys), np.bool_)
        drawn = _mixed_all(_mixed_all(keys) ^ np.uint64(self.seed))
        return (drawn >= np.uint64(self.least)) & (drawn <= np.uint64(self.most))


def span_of(bucket: Bucket) -> Span:
    """Return the draws that a checked bucket takes: from its low share to before its high one."""
    return span(bucket.salt, millionths(bucket.low) or 0, millionths(bucket.high) or 0)


def span(salt: str, low: int, high: int) -> Span:
    """Return the draws of a share, its ends in millionths."""
    seed = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "big")
    least, end = (-(-Fraction(part, MILLIONTHS) * (1 << 64) // 1) for part in (low, high))
    return Span(seed, int(least), int(end) - 1)


def key_of_subject(subject: bytes) -> int:
    """Return the key of the person for whom this keyed hash stands."""
    return int.from_bytes(subject[:8], "big")


def key_of_value(value: Value) -> int:
    """Return the key of a feature's value: an integer is its own."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value & _ALL
    return int.from_bytes(hashlib.sha256(pack_value(value)).digest()[:8], "big")


def _mixed(key: int) -> int:
    first, second, last = _SHIFTS
    key = (key ^ key >> first) * _FACTORS[0] & _ALL
    key = (key ^ key >> second) * _FACTORS[1] & _ALL
    return key ^ key >> last


def _mixed_all(keys: Keys) -> Keys:
    first, second, last = map(np.uint64, _SHIFTS)
    keys = (keys ^ keys >> first) * np.uint64(_FACTORS[0])
    keys = (keys ^ keys >> second) * np.uint64(_FACTORS[1])
    return keys ^ keys >> last
