"""People as the gate shows them, one or many, as arrays; and back, one at a time.

Values become numbers in a book of the batch's own (`names`), which whoever keeps the batch translates.
"""

from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import chain
from typing import Final, cast

import numpy as np
from msgspec import Struct

from assent.audiences.rows import ABSENT, INTEGER_TYPES, Ints, Ragged, Raw, Rows, begins_of
from assent.audiences.seen import Shown
from assent.audiences.share import key_of_subject
from assent.core.ids import FeatureId
from assent.core.policy import Feature, ValueType
from assent.features.catalogue import Value

_NOTHING: Final = frozenset[str]()

_AT_ONCE: Final = 256
"""People whose values are in a processor's own cache while each feature is looked up."""


class Batch(Struct, frozen=True, kw_only=True):
    """Many people at once: `rows` with the numbers of `names`, where value `n` is number `n + 1`.

    No profile stands in it twice. Every feature of the purpose's categories has its values; a row without a
    permit, or what no permit of its shows, is left out when the batch is kept.
    """

    rows: Rows
    names: Mapping[FeatureId, Sequence[Value]]


def batch(features: Iterable[Feature], people: Sequence[Shown]) -> Batch:
    """Return people as a batch."""
    values: dict[FeatureId, Raw] = {}
    names: dict[FeatureId, Sequence[Value]] = {}
    declared = [(feature, _absent(feature)) for feature in features]
    columns: list[list[Value | None]] = [[] for _ in declared]
    for start in range(0, len(people), _AT_ONCE):
        gets = [each.values.get for each in people[start : start + _AT_ONCE]]
        for (feature, absent), column in zip(declared, columns, strict=True):
            number = feature.id
            column += [get(number, absent) for get in gets]
    for (feature, _), given in zip(declared, columns, strict=True):
        if feature.type in INTEGER_TYPES:
            values[feature.id] = np.array(given, np.int64)
            continue
        book = _Book({None: 0})
        coded = _sets if feature.type is ValueType.SET else _codes
        values[feature.id] = coded(given, book)
        names[feature.id] = tuple(value for value in book if value is not None)
    rows = Rows(
        profiles=np.array([each.profile for each in people], np.int64),
        keys=np.array([key_of_subject(each.subject) for each in people], np.uint64),
        permits=_permits(people),
        valid_until=np.array([each.valid_until for each in people], np.int64),
        values=values,
    )
    return Batch(rows=rows, names=names)


def _absent(feature: Feature) -> Value | None:
    if feature.type in INTEGER_TYPES:
        return ABSENT
    return _NOTHING if feature.type is ValueType.SET else None


def _codes(given: Iterable[Value | None], book: "_Book") -> Ints:
    return np.array(list(map(book.__getitem__, given)), np.int64)


def _sets(given: Iterable[Value | None], book: "_Book") -> Ragged:
    sets = cast("list[frozenset[str]]", given)
    codes = list(map(book.__getitem__, chain.from_iterable(sets)))
    return Ragged(_starts(sets), (np.array(codes, np.int64),))


def _permits(people: Iterable[Shown]) -> Ragged:
    lists = [each.permits for each in people]
    permits = [permit for some in lists for permit in some]
    columns = (
        [permit.categories for permit in permits],
        [permit.since for permit in permits],
        [permit.until for permit in permits],
    )
    return Ragged(_starts(lists), tuple(np.array(column, np.int64) for column in columns))


def _starts(lists: Iterable[Sized]) -> Ints:
    return begins_of(np.array([len(one) for one in lists], np.int64))


class _Book(dict[Value | None, int]):
    """Numbers values as they are asked for."""

    def __missing__(self, value: Value | None) -> int:
        number = self[value] = len(self)
        return number
