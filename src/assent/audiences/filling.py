"""People as the gate shows them, one or many, as arrays; and back, one at a time.

Values become numbers in a book of the batch's own (`names`), which whoever keeps the batch translates.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from assent.audiences.rows import ABSENT, INTEGER_TYPES, Ints, Ragged, Raw, Rows, ragged
from assent.audiences.seen import Shown
from assent.audiences.share import key_of_subject
from assent.core.ids import FeatureId
from assent.core.policy import Feature, ValueType
from assent.features.catalogue import Value


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
    for feature in features:
        given = [each.values.get(feature.id) for each in people]
        if feature.type in INTEGER_TYPES:
            values[feature.id] = _integers(given)
            continue
        book: dict[Value, int] = {}
        if feature.type is ValueType.SET:
            values[feature.id] = _sets(given, book)
        else:
            values[feature.id] = np.array(
                [0 if value is None else book.setdefault(value, len(book) + 1) for value in given], np.int64
            )
        names[feature.id] = tuple(book)
    rows = Rows(
        profiles=np.array([each.profile for each in people], np.int64),
        keys=np.array([key_of_subject(each.subject) for each in people], np.uint64),
        permits=ragged(([(p.categories, p.since, p.until) for p in each.permits] for each in people), 3),
        valid_until=np.array([each.valid_until for each in people], np.int64),
        values=values,
    )
    return Batch(rows=rows, names=names)


def _integers(given: Iterable[Value | None]) -> Ints:
    return np.array([value if isinstance(value, int) else ABSENT for value in given], np.int64)


def _sets(given: Iterable[Value | None], book: dict[Value, int]) -> Ragged:
    return ragged(
        (
            [(book.setdefault(member, len(book) + 1),) for member in value]
            if isinstance(value, frozenset)
            else []
            for value in given
        ),
        1,
    )
