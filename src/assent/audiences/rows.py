"""People as arrays: what goes into a segment of the engine and what comes out of one, whichever way it goes.

One profile put, millions filled in bulk, and segments joined into one all pass here as the same `Rows`. Pure
arrays: integers as int64, the lowest of which says absent; texts and booleans as numbers of a codebook, 0
where there is none; sets as lists of such numbers. Nothing here is written after it was made.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.audiences.seen import TIER_FEATURE, starts_at_zero
from assent.audiences.share import Keys
from assent.core.ids import CategoryMask, FeatureId
from assent.core.policy import Feature, ValueType

Ints = npt.NDArray[np.int64]
Slots = npt.NDArray[np.intp]

ABSENT: Final = int(np.iinfo(np.int64).min)
"""What no feature's integer is."""

INTEGER_TYPES: Final = (ValueType.NUMBER, ValueType.TIME)


_SPREAD: Final = 64
"""Where the highest number is no more than so many times their count, counting is quicker than sorting."""


class Ragged(Struct, frozen=True):
    """Lists of integers, one a row: row `n` is `flat[starts[n]:starts[n + 1]]` of every flat array."""

    starts: Ints
    flat: tuple[Ints, ...]

    def take(self, order: Slots) -> "Ragged":
        """Return the lists of these rows, in this order."""
        lengths = np.diff(self.starts)[order]
        starts = begins_of(lengths)
        places = np.repeat(self.starts[order] - starts[:-1], lengths) + np.arange(starts[-1])
        return Ragged(starts, tuple(array[places] for array in self.flat))

    def rows(self) -> Ints:
        """Return the row of each member of the flat arrays."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


Raw = Ints | Ragged


class Rows(Struct, frozen=True, kw_only=True):
    """People by slot."""

    profiles: Ints
    keys: Keys
    """By which people are drawn into shares."""
    permits: Ragged
    """Categories as bits, since, until; the first permit of a row is its first. Every row has one."""
    valid_until: Ints
    values: Mapping[FeatureId, Raw]

    def __len__(self) -> int:
        return len(self.profiles)

    def take(self, order: Slots) -> "Rows":
        """Return these slots, in this order."""
        return Rows(
            profiles=self.profiles[order],
            keys=self.keys[order],
            permits=self.permits.take(order),
            valid_until=self.valid_until[order],
            values={
                feature: raw.take(order) if isinstance(raw, Ragged) else raw[order]
                for feature, raw in self.values.items()
            },
        )

    def cut(self, most: int) -> Iterable["Rows"]:
        """Yield parts of at most so many people, lowest profile first."""
        if len(self) > most or np.any(self.profiles[1:] < self.profiles[:-1]):
            order = np.argsort(self.profiles, kind="stable")
            for start in range(0, len(order), most):
                yield self.take(order[start : start + most])
        elif len(self):
            yield self


def joined(parts: Sequence[Rows]) -> Rows:
    """Return all people of several, in order. Expects at least one part."""
    return Rows(
        profiles=np.concatenate([part.profiles for part in parts]),
        keys=np.concatenate([part.keys for part in parts]),
        permits=_joined([part.permits for part in parts]),
        valid_until=np.concatenate([part.valid_until for part in parts]),
        values={
            feature: _joined_raw([part.values[feature] for part in parts]) for feature in parts[0].values
        },
    )


def known(rows: Rows, categories: CategoryMask, features: Sequence[Feature]) -> Rows:
    """Return what a purpose of these categories keeps of people: of each, what some permit of it shows.

    Permits are cut to the categories, and those that show nothing left out; whom none shows is left out. A
    value that no permit ever shows is absent; what counts or adds up is 0 where it is shown and not given.
    """
    masks, since, until = rows.permits.flat
    masks = masks & categories
    shows = (masks != 0) & (since < until)
    lengths = np.bincount(rows.permits.rows()[shows], minlength=len(rows))
    if not shows.all() or not lengths.all() or np.any(masks != rows.permits.flat[0]):
        permits = Ragged(begins_of(lengths), (masks[shows], since[shows], until[shows]))
        kept = np.flatnonzero(lengths)
        rows = msgspec.structs.replace(rows, permits=permits).take(kept)
    if not len(rows):
        return rows
    union = np.bitwise_or.reduceat(rows.permits.flat[0], rows.permits.starts[:-1])
    shows = {one: (union >> one & 1).astype(np.bool_) for one in {feature.category for feature in features}}
    shows[TIER_FEATURE.category] = np.ones(len(rows), np.bool_)
    values = {
        feature.id: _shown(feature, rows.values[feature.id], shows[feature.category]) for feature in features
    }
    return msgspec.structs.replace(rows, values=values)


def _shown(feature: Feature, raw: Raw, shows: npt.NDArray[np.bool_]) -> Raw:
    if isinstance(raw, Ragged):
        if shows.all():
            return raw
        lengths = np.where(shows, np.diff(raw.starts), 0)
        return Ragged(begins_of(lengths), tuple(array[shows[raw.rows()]] for array in raw.flat))
    if feature.type not in INTEGER_TYPES:
        return raw if shows.all() else np.where(shows, raw, 0)
    if starts_at_zero(feature):
        raw = np.where(raw == ABSENT, 0, raw)
    return raw if shows.all() else np.where(shows, raw, ABSENT)


def _joined_raw(parts: Sequence[Raw]) -> Raw:
    lists = [part for part in parts if isinstance(part, Ragged)]
    return (
        _joined(lists) if lists else np.concatenate([part for part in parts if not isinstance(part, Ragged)])
    )


def _joined(parts: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    columns = zip(*(part.flat for part in parts), strict=True)
    return Ragged(begins_of(lengths), tuple(np.concatenate(column) for column in columns))


def distinct(codes: npt.NDArray[Any]) -> Ints:
    """Return every number of a book that stands there, once, lowest first."""
    if len(codes) and int(codes.max()) > _SPREAD * len(codes):
        return np.unique(codes).astype(np.int64)
    return np.flatnonzero(np.bincount(codes))


def begins_of(lengths: Ints) -> Ints:
    """Return where lists of these lengths begin, and where the last one ends."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts
