"""What questions needed of one segment lately, so that the next need not make it again. Any thread's.

A segment's columns are never written, so what a leaf holds for stays what it is. Only the values of people
who may have left meanwhile: who is there, and what they show, is asked each time. What a rule comes to is
kept as what is to be worked out, never as what came of it.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from threading import Lock
from typing import Final

from assent.audiences.bits import Words
from assent.audiences.formula import Program, Sight

MOST: Final = 64
"""So many bitmaps at most, the last ones made: a bit each of every slot, 8 bytes a person in all."""

MOST_READ: Final = 128
"""Programs that read no more than so many bitmaps at most, the last ones made: 16 bytes a person in all."""

AROUND: Final = 300
"""Bytes that Python keeps around each bitmap."""

_PROGRAM: Final = 2_000
"""Bytes of a program beside the arrays that it reads, roughly."""


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
    def held(self) -> Iterable[Words]:
        """What is kept."""
        with self._lock:
            return list(self._words.values())


class Programs:
    """Programs by the very rule, as it was made ready."""

    def __init__(self, most: int) -> None:
        """Keep no more than so many bytes, with all that is read."""
        self._most = most
        self._lock = Lock()
        self._kept: dict[int, tuple[object, Program]] = {}
        self._reads: Counter[int] = Counter()
        self._nbytes = 0

    def of(self, ready: object) -> Program | None:
        """Return the rule's program, if it was kept."""
        kept = self._kept.get(id(ready))
        # The rule is kept too: nothing else has its id.
        return None if kept is None else kept[1]

    def keep(self, ready: object, program: Program) -> None:
        """Keep a rule's program, and for it as many of those made before as there is room for."""
        with self._lock:
            self._drop(id(ready))
            self._kept[id(ready)] = ready, program
            for array in program.given:
                self._nbytes += 0 if self._reads[id(array)] else array.nbytes + AROUND
                self._reads[id(array)] += 1
            while self.nbytes + self._nbytes > self._most:
                self._drop(next(iter(self._kept)))

    @property
    def held(self) -> Iterable[Sight]:
        """What programs that are kept read."""
        with self._lock:
            return [array for _, program in self._kept.values() for array in program.given]

    @property
    def nbytes(self) -> int:
        """Bytes of the programs beside what they read."""
        return _PROGRAM * len(self._kept)

    def _drop(self, key: int) -> None:
        kept = self._kept.pop(key, None)
        for array in () if kept is None else kept[1].given:
            self._reads[id(array)] -= 1
            if not self._reads[id(array)]:
                del self._reads[id(array)]
                self._nbytes -= array.nbytes + AROUND
