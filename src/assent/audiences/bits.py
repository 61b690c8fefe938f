"""Bitmaps of slots, packed into words of 64, and the scratch space to make them in.

Bits beyond the last slot mean nothing until a bitmap was cut to who is there.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import simsimd

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]
AnySlots = npt.NDArray[np.integer[Any]]

_WORD: Final = 64


def packed(bits: Bits) -> Words:
    """Return one bit a slot, the first slot lowest."""
    found = np.packbits(bits, bitorder="little")
    if len(bits) % _WORD:
        found = np.concatenate([found, np.zeros(-len(found) % 8, np.uint8)])
    return found.view(np.uint64)


def unpacked(words: Words, size: int) -> Bits:
    """Return what `packed` packed."""
    return np.unpackbits(words.view(np.uint8), count=size, bitorder="little").view(np.bool_)


def counted(words: Words) -> int:
    """Return how many bits are set."""
    # How many differ from none: one pass, where numpy writes a byte for each word and adds those up.
    found = simsimd.hamming(words.view(np.uint8), _none(len(words)), "bin8")
    if not isinstance(found, float):
        raise TypeError
    return int(found)


@lru_cache(maxsize=16)
def _none(size: int) -> npt.NDArray[np.uint8]:
    """Return so many words in which no bit is set. Not to be written into."""
    return np.zeros(size * (_WORD // 8), np.uint8)


def at(words: Words, slots: AnySlots) -> Bits:
    """Return the bits of these slots."""
    found: Bits = (words.view(np.uint8)[slots >> 3] >> (slots & 7).astype(np.uint8) & 1).view(np.bool_)
    return found


def places(words: Words, size: int) -> npt.NDArray[np.intp]:
    """Return the slots whose bit is set, lowest first."""
    filled = np.flatnonzero(words)
    if len(filled) * 4 > len(words):
        return np.flatnonzero(unpacked(words, size))
    # Only the words that hold any: few members are found without looking at everybody.
    inner = np.flatnonzero(unpacked(words[filled], len(filled) * _WORD))
    found: npt.NDArray[np.intp] = filled[inner >> 6] * _WORD + (inner & 63)
    return found


class Scratch:
    """Room to set bits in by slot; one thread's. It is clean whenever nobody is at work in it."""

    def __init__(self) -> None:
        self._rooms: dict[int, Bits] = {}

    def words(self, slots: AnySlots, size: int) -> Words:
        """Return the bitmap in which just these slots' bits are set."""
        width = -(-size // _WORD) * _WORD
        room = self._rooms.get(width)
        if room is None:
            room = self._rooms[width] = np.zeros(width, np.bool_)
        room[slots] = True
        words = np.packbits(room, bitorder="little").view(np.uint64)
        room[slots] = False
        return words
