"""A block of the engine's slots: who stands where, what is permitted when, and the columns.

Time alone opens and closes: which slots show which category is computed for the instant asked, and kept until
the next instant at which some permit of this block begins or ends. What no permit ever shows is not stored.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from assent.audiences.columns import Bits, Codebook, CodeColumn, IntegerColumn, Shared
from assent.audiences.seen import Opening, Shown, value_of
from assent.audiences.share import key_of_subject
from assent.core.ids import CategoryId, CategoryMask, FeatureId
from assent.core.policy import Feature, ValueType
from assent.core.time import BEGINNING, FOREVER, Instant

Instants = npt.NDArray[np.int64]

NOBODY: Final = -1

INTEGER_TYPES: Final = (ValueType.NUMBER, ValueType.TIME)


class Block:
    """So many slots. A slot's first permit stands in arrays, further ones (rare) beside."""

    def __init__(
        self,
        size: int,
        features: Iterable[Feature],
        categories: Iterable[CategoryId],
        books: Mapping[FeatureId, Codebook],
    ) -> None:
        self.profiles = Shared(np.full(size, NOBODY, np.int64))
        self.keys: Shared[np.uint64] = Shared(np.zeros(size, np.uint64))
        """By which people are drawn into shares."""
        self._features = tuple(features)
        self._categories = tuple(categories)
        self.columns: dict[FeatureId, IntegerColumn | CodeColumn] = {
            feature.id: IntegerColumn(size)
            if feature.type in INTEGER_TYPES
            else CodeColumn(size, books[feature.id])
            for feature in self._features
        }
        self._since: Instants = np.full(size, FOREVER, np.int64)
        self._until: Instants = np.full(size, BEGINNING, np.int64)
        self._shown: Instants = np.zeros(size, np.int64)
        """The categories of the first permit, as bits."""
        self._valid_until: Instants = np.full(size, FOREVER, np.int64)
        self._further: dict[int, tuple[Opening, ...]] = {}
        self._stale_from = FOREVER
        # What is visible, as computed for every instant in [from, to).
        self._visible: dict[CategoryId, Shared[np.bool_]] = {}
        self._anybody: Shared[np.bool_] = Shared(np.zeros(size, np.bool_))
        self._from = self._to = BEGINNING

    def put(self, slot: int, shown: Shown, permits: tuple[Opening, ...]) -> None:
        """Hold one profile at the slot, whoever stood there before. `permits` are what the purpose knows."""
        first, *further = permits
        categories = 0
        for opening in permits:
            categories |= opening.categories
        self.profiles.write()[slot] = shown.profile
        self.keys.write()[slot] = key_of_subject(shown.subject)
        for feature in self._features:
            shows = categories >> feature.category & 1
            self.columns[feature.id].set(slot, value_of(feature, shown.values) if shows else None)
        self._since[slot], self._until[slot], self._shown[slot] = first.since, first.until, first.categories
        self._valid_until[slot] = shown.valid_until
        self._further.pop(slot, None)
        if further:
            self._further[slot] = tuple(further)
        self._stale_from = min(self._stale_from, shown.valid_until, *(opening.until for opening in permits))
        self._changed(slot)

    def clear(self, slot: int) -> None:
        """Hold nobody at the slot, and nothing of who stood there."""
        self.profiles.write()[slot] = NOBODY
        self.keys.write()[slot] = 0
        for column in self.columns.values():
            column.set(slot, None)
        self._since[slot], self._until[slot], self._shown[slot] = FOREVER, BEGINNING, 0
        self._valid_until[slot] = FOREVER
        self._further.pop(slot, None)
        self._changed(slot)

    def open_at(self, now: Instant) -> None:
        """Be ready to say what is visible at `now`."""
        if not self._from <= now < self._to:
            self._compute(now)

    def visible(self, category: CategoryId) -> Bits:
        """Return, for keeping, who shows the category at the instant of the last `open_at`."""
        return (
            self._visible[category].share()
            if category in self._visible
            else np.zeros_like(self._anybody.read())
        )

    def anybody(self) -> Bits:
        """Return, for keeping, who shows anything at all at that instant."""
        return self._anybody.share()

    def covers(self, category: CategoryId, begin: Instant, now: Instant) -> Bits:
        """Return who, showing the category at `now`, has shown it since `begin`."""
        bits: Bits = self._since <= begin
        for slot in self._further:
            opened = [each.since for each in self._open(slot, now) if each.categories >> category & 1]
            bits[slot] = max(opened, default=FOREVER) <= begin
        return bits

    def stale(self, now: Instant) -> Instants:
        """Return the profiles of which time has changed or closed something: the gate must be asked."""
        if now < self._stale_from:
            return np.zeros(0, np.int64)
        live = self._shown != 0
        bits = live & ((self._valid_until <= now) | (self._until <= now))
        ends = [self._valid_until[live], self._until[live]]
        for slot, openings in self._further.items():
            bits[slot] |= any(opening.until <= now for opening in openings)
            ends.append(np.array([opening.until for opening in openings], np.int64))
        self._stale_from = Instant(int(np.concatenate(ends).min(initial=FOREVER)))
        found: Instants = self.profiles.read()[bits]
        return found

    @property
    def nbytes(self) -> int:
        """Bytes held, codebooks aside."""
        arrays = (
            self._since,
            self._until,
            self._shown,
            self._valid_until,
            self.profiles.read(),
            self.keys.read(),
            self._anybody.read(),
        )
        visible = sum(bits.read().nbytes for bits in self._visible.values())
        columns = sum(column.nbytes for column in self.columns.values())
        # 200: a dict's entry, a tuple and an opening, roughly.
        return sum(array.nbytes for array in arrays) + visible + columns + 200 * len(self._further)

    def _permits(self, slot: int) -> Iterator[Opening]:
        if self._shown[slot]:
            yield Opening(
                CategoryMask(int(self._shown[slot])),
                Instant(int(self._since[slot])),
                Instant(int(self._until[slot])),
            )
        yield from self._further.get(slot, ())

    def _open(self, slot: int, now: Instant) -> list[Opening]:
        if now >= self._valid_until[slot]:
            return []
        return [opening for opening in self._permits(slot) if opening.since <= now < opening.until]

    def _compute(self, now: Instant) -> None:
        opened = (self._since <= now) & (now < self._until) & (now < self._valid_until)
        self._anybody.replace(opened & (self._shown != 0))
        for category in self._categories:
            shows = (self._shown >> category & 1).astype(np.bool_)
            self._visible.setdefault(category, Shared(opened)).replace(opened & shows)
        self._from, self._to = BEGINNING, FOREVER
        for turns in (self._since, self._until, self._valid_until):
            self._narrow(turns, now)
        for slot, openings in self._further.items():
            self._show(slot, now)
            for opening in openings:
                self._narrow(np.array([opening.since, opening.until], np.int64), now)

    def _narrow(self, turns: Instants, now: Instant) -> None:
        """Keep what is visible no longer than to the next turn, nor from before the last."""
        self._from = Instant(max(self._from, int(turns[turns <= now].max(initial=BEGINNING))))
        self._to = Instant(min(self._to, int(turns[turns > now].min(initial=FOREVER))))

    def _changed(self, slot: int) -> None:
        if self._from >= self._to:
            return
        now = self._from  # any instant of the interval
        self._show(slot, now)
        turns = [
            self._valid_until[slot],
            *(turn for each in self._permits(slot) for turn in (each.since, each.until)),
        ]
        self._narrow(np.array(turns, np.int64), now)

    def _show(self, slot: int, now: Instant) -> None:
        categories = 0
        for opening in self._open(slot, now):
            categories |= opening.categories
        for category, bits in self._visible.items():
            bits.write()[slot] = bool(categories >> category & 1)
        self._anybody.write()[slot] = categories != 0
