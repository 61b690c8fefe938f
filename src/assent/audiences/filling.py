"""People as the gate shows them, one or many, as arrays; and back, one at a time.

Values become numbers in a book of the batch's own (`names`), which whoever keeps the batch translates.
"""

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Final

import numpy as np
from msgspec import Struct

from assent.audiences.rows import ABSENT, INTEGER_TYPES, Ints, Ragged, Raw, Rows, begins_of
from assent.audiences.seen import Shown
from assent.audiences.share import key_of_subject
from assent.core.ids import FeatureId
from assent.core.policy import Feature, ValueType
from assent.features.catalogue import Value

_NOTHING: Final = frozenset[str]()


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
    gets = [each.values.get for each in people]
    for feature in features:
        number = feature.id
        if feature.type in INTEGER_TYPES:
            values[number] = np.array([get(number, ABSENT) for get in gets], np.int64)
            continue
        book = _Book({None: 0})
        if feature.type is ValueType.SET:
            values[number] = _sets([get(number, _NOTHING) for get in gets], book)
        else:
            values[number] = np.array([book[get(number)] for get in gets], np.int64)
        names[number] = tuple(value for value in book if value is not None)
    rows = Rows(
        profiles=np.array([each.profile for each in people], np.int64),
        keys=np.array([key_of_subject(each.subject) for each in people], np.uint64),
        permits=_permits(people),
        valid_until=np.array([each.valid_until for each in people], np.int64),
        values=values,
    )
    return Batch(rows=rows, names=names)


def _sets(sets: Sequence[Value], book: "_Book") -> Ragged:
    codes = [book[member] for value in sets for member in value]  # type: ignore[union-attr]
    return Ragged(_starts(sets), (np.array(codes, np.int64),))  # type: ignore[arg-type]


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
