"""A segment of the engine: some profiles by slot, what is permitted when, and their columns.

Never written after it was made, but for who is still there: a profile that changes leaves its segment and
comes back in another. Time alone opens and closes: which slots show which category is computed for the
instant asked, in the thread that counts, and kept until the next instant at which some permit of this segment
begins or ends.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.audiences.bits import AnySlots, Bits, Words, at, packed, unpacked
from assent.audiences.columns import Column, IntegerColumn, Names, column_of
from assent.audiences.integers import LEAST, MOST, held
from assent.audiences.lately import AROUND, MOST_READ, Lately, Programs
from assent.audiences.rows import INTEGER_TYPES, Ints, Ragged, Rows, Slots
from assent.audiences.seen import TIER_FEATURE, Opening
from assent.core.ids import CategoryId, FeatureId, ProfileId
from assent.core.policy import Feature
from assent.core.time import BEGINNING, FOREVER, Instant
from assent.features.catalogue import Value


class Visible(Struct, frozen=True, kw_only=True):
    """Who shows what at every instant from `begin` to before `end`, whoever is still there."""

    begin: Instant
    end: Instant
    anybody: Words
    by_category: Mapping[CategoryId, Words]
    programs: Programs
    """Of rules asked while this holds."""


class Segment:
    """So many slots, lowest profile first, at least one."""

    def __init__(self, rows: Rows, features: Iterable[Feature], names: Mapping[FeatureId, Names]) -> None:
        self.keys = rows.keys
        self.least, self.most = int(rows.profiles[0]), int(rows.profiles[-1])
        wide = self.most - self.least > np.iinfo(np.uint32).max
        above = rows.profiles - self.least
        self._ids: npt.NDArray[np.integer[Any]] = above.astype(np.int64 if wide else np.uint32)
        """Profiles, counted from the least."""
        self._features = tuple(features)
        categories = {feature.category for feature in self._features if feature is not TIER_FEATURE}
        self._categories = sorted(categories)
        self.columns: dict[FeatureId, Column] = {
            feature.id: column_of(rows.values[feature.id], integer=feature.type in INTEGER_TYPES)
            for feature in self._features
        }
        self._reads = [
            (feature, column.reader(names.get(feature, ()))) for feature, column in self.columns.items()
        ]
        masks, since, until = rows.permits.flat
        self._starts = None if len(masks) == len(rows) else rows.permits.starts.astype(np.uint32)
        """Where each slot's permits begin; None where every slot has one, and so they are by slot."""
        self._masks, self._since, self._until, self._valid_until = map(
            held, (masks, since, until, rows.valid_until)
        )
        masks_at, since_at, until_at = self._masks.one, self._since.one, self._until.one
        self._permit: Callable[[int], Opening] = lambda place: Opening(
            masks_at(place),  # type: ignore[arg-type]
            since_at(place),  # type: ignore[arg-type]
            until_at(place),  # type: ignore[arg-type]
        )
        self._latest = int(since.max(initial=BEGINNING))
        self._here = packed(np.ones(len(rows), np.bool_))
        self._shared = False
        self.alive = len(rows)
        self._stale_from = Instant(
            int(min(until.min(initial=FOREVER), rows.valid_until.min(initial=FOREVER)))
        )
        self._visible: Visible | None = None
        self.lately = Lately()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def profiles(self) -> Ints:
        """Everyone who has a slot, gone or not."""
        return self._ids.astype(np.int64) + self.least

    def profiles_at(self, slots: AnySlots, found: Ints) -> None:
        """Say in `found` who has these slots."""
        found[...] = self._ids.take(slots)
        found += self.least

    def profiles_of(self, slots: AnySlots) -> Ints:
        """Return who has these slots."""
        found = np.empty(len(slots), np.int64)
        self.profiles_at(slots, found)
        return found

    def rows(self) -> Rows:
        """Return whoever is still there, as they came."""
        everyone = Rows(
            profiles=self.profiles,
            keys=self.keys,
            permits=Ragged(
                self._begins(),
                tuple(each.whole() for each in (self._masks, self._since, self._until)),
            ),
            valid_until=self._valid_until.whole(),
            values={feature: column.raw() for feature, column in self.columns.items()},
        )
        return everyone if self.alive == len(self) else everyone.take(np.flatnonzero(self.there()))

    def slots(self, profiles: Ints) -> Slots:
        """Return the slots of those of `profiles` that are still there."""
        found = self.places(profiles)
        there: Slots = found[at(self._here, found)]
        return there

    def places(self, profiles: Ints) -> Slots:
        """Return the slots of those of `profiles` that have one, gone or not."""
        inside = profiles[(self.least <= profiles) & (profiles <= self.most)]
        ids = (inside - self.least).astype(self._ids.dtype)
        found = self._ids.searchsorted(ids)
        held: Slots = found[self._ids[found] == ids]
        return held

    def slot(self, profile: ProfileId) -> int | None:
        """Return the slot of a profile that is still there."""
        if not self.least <= profile <= self.most:
            return None
        # In the array's own type: of another, all of it would be turned into that first.
        above = profile - self.least
        place = int(self._ids.searchsorted(self._ids.dtype.type(above)))
        if self._ids.item(place) != above:
            return None
        return place if self._here.item(place >> 6) >> (place & 63) & 1 else None

    def codes(self, feature: FeatureId) -> Ints:
        """Return every number of the feature's book that some slot has, gone or not. Raises TypeError."""
        column = self.columns[feature]
        if isinstance(column, IntegerColumn):
            message = "integers have no book"
            raise TypeError(message)
        return column.codes()

    def remove(self, slots: Slots) -> None:
        """Let nobody be at these slots any more, none given twice. Whoever holds `here` keeps seeing them."""
        if self._shared:
            self._here, self._shared = self._here.copy(), False
        np.bitwise_and.at(self._here, slots >> 6, ~(np.uint64(1) << (slots & 63).astype(np.uint64)))
        self.alive -= len(slots)

    def here(self) -> Words | None:
        """Return, for keeping, who is still there; None for everybody."""
        if self.alive == len(self):
            return None
        self._shared = True
        return self._here

    def visible(self, now: Instant) -> Visible:
        """Return who shows what at `now`."""
        kept = self._visible
        if kept is None or not kept.begin <= now < kept.end:
            kept = self._visible = self._computed(now)
        return kept

    def covered(self, category: CategoryId, begin: Instant, now: Instant) -> Words | None:
        """Return who, showing the category at `now`, has shown it since `begin`; None for everybody."""
        if self._latest <= begin:
            return None
        late = self._since.between(begin + 1, now) & self._until.between(now + 1, MOST)
        late &= self._showing(category)
        return ~packed(self._by_slot(late))

    def stale(self, now: Instant) -> Ints:
        """Return the profiles still there of which time has changed or closed something."""
        if now < self._stale_from:
            return np.zeros(0, np.int64)
        ends = self._until.whole()
        if self._starts is not None:
            ends = np.minimum.reduceat(ends, self._begins()[:-1])
        ends = np.minimum(ends, self._valid_until.whole())[self.there()]
        self._stale_from = Instant(int(ends.min(initial=FOREVER)))
        return self.profiles[self.there()][ends <= now]

    def turning(self, since: Iterable[tuple[int, int]], values: Iterable[tuple[FeatureId, int, int]]) -> Ints:
        """Return the profiles still there of which a permit begins, or a value lies, within one of these."""
        found = np.zeros_like(self._here)
        for low, high in since:
            begins = self._since.between(low, high)
            if begins.any():
                found |= packed(self._by_slot(begins))
        for feature, low, high in values:
            column = self.columns.get(feature)
            if isinstance(column, IntegerColumn):
                found |= column.within(low, high)
        found &= self._here
        if not found.any():
            return np.zeros(0, np.int64)
        return self.profiles[unpacked(found, len(self))]

    def values_of(self, slot: int) -> dict[FeatureId, Value]:
        """Return what a slot has, without what it has not."""
        return {feature: held for feature, read in self._reads if (held := read(slot)) is not None}

    def permits_of(self, slot: int) -> tuple[Opening, ...]:
        """Return the permits of a slot, in order."""
        if self._starts is None:
            return (self._permit(slot),)
        return tuple(map(self._permit, range(self._starts.item(slot), self._starts.item(slot + 1))))

    def subject_of(self, slot: int) -> bytes:
        """Return as much of the keyed hash that stands for a profile as draws it into shares."""
        return self.keys.item(slot).to_bytes(8, "big")

    def valid_until_of(self, slot: int) -> Instant:
        """Return from when on nothing is shown of a slot."""
        return Instant(self._valid_until.one(slot))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(self.structures().values())

    def structures(self) -> dict[str, int]:
        """Return the bytes held, by what holds them."""
        columns = self.columns.values()
        turns = (self._masks, self._since, self._until, self._valid_until)
        starts = 0 if self._starts is None else self._starts.nbytes
        visible = self._visible
        seen = {} if visible is None else _sizes((visible.anybody, *visible.by_category.values()))
        programs = () if visible is None else visible.programs.held
        leaves = _sizes((*self.lately.held, *programs))
        beside = 0 if visible is None else visible.programs.nbytes
        return {
            "ids and keys": self._ids.nbytes + self.keys.nbytes,
            "permits and turns": starts + sum(each.nbytes for each in turns),
            "values": sum(column.nbytes - column.index_nbytes for column in columns),
            "indexes": sum(column.index_nbytes for column in columns),
            "who is seen": self._here.nbytes + sum(seen.values()),
            "leaves asked lately": beside + sum(leaves[one] + AROUND for one in leaves.keys() - seen),
        }

    def _begins(self) -> Ints:
        return np.arange(len(self) + 1) if self._starts is None else self._starts.astype(np.int64)

    def there(self) -> Bits:
        """Return at which slots somebody still is."""
        return unpacked(self._here, len(self))

    def _showing(self, category: CategoryId) -> Bits:
        """Return which permits show a category."""
        found: Bits = (self._masks.whole() >> category & 1).astype(np.bool_)
        return found

    def _by_slot(self, permits: Bits) -> Bits:
        """Return whose permits include one that is set."""
        if self._starts is None:
            return permits
        found: Bits = np.logical_or.reduceat(permits, self._begins()[:-1])
        return found

    def _computed(self, now: Instant) -> Visible:
        opened = self._since.between(LEAST, now) & self._until.between(now + 1, MOST)
        valid = self._valid_until.between(now + 1, MOST)
        anybody = packed(self._by_slot(opened) & valid)
        shown: dict[CategoryId, Words] = {}
        for category in self._categories:
            shows = opened & self._showing(category)
            words = packed(self._by_slot(shows) & valid)
            # One and the same where they say the same: a question then cuts to it once.
            alike = (one for one in (anybody, *shown.values()) if np.array_equal(one, words))
            shown[category] = next(alike, words)
        turns = [one.turns(now) for one in (self._since, self._until, self._valid_until)]
        return Visible(
            begin=Instant(max(before for before, _ in turns)),
            end=Instant(min(after for _, after in turns)),
            anybody=anybody,
            by_category=shown,
            programs=Programs(MOST_READ * (anybody.nbytes + AROUND)),
        )


def _sizes(arrays: Iterable[npt.NDArray[Any]]) -> dict[int, int]:
    """Return the bytes of each array, once."""
    return {id(array): array.nbytes for array in arrays}
