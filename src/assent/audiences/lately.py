"""The bitmaps of one segment that questions needed lately, so that the next need not make them again.

A segment's columns are never written, so what a leaf holds for stays what it is. Only the values of people
who may have left meanwhile: who is there, and what they show, is asked each time. Any thread's.
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final

from assent.audiences.bits import Words

MOST: Final = 64
"""So many bitmaps at most, the last ones made: a bit each of every slot, 8 bytes a person in all."""


class Lately:
    """Bitmaps by what was asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._words: dict[Hashable, Words] = {}

    def words(self, asked: Hashable, make: Callable[[], Words]) -> Words:
        """Return what was kept, or made now. Two threads may make it twice, and either is right."""
        found = self._words.get(asked)
        if found is None:
            found = make()
            with self._lock:
                self._words[asked] = found
                while len(self._words) > MOST:
                    del self._words[next(iter(self._words))]
        return found

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        with self._lock:
            return sum(words.nbytes + 300 for words in self._words.values())
