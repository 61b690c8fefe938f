"""What is more frequent among the members of an audience than in the whole population of its purpose.

Single values of texts and booleans, and members of sets; features of a window are left out, since what a
part of a window shows is not what the whole is. A value's share is of all members, and of everybody the
purpose may see: who shows none counts below the line. Shares and lift are made of the rounded numbers that
are said, never of exact ones. No small cell is said, nor left by what is said: the members who have a value,
those who have not, the others who have it and the others who have not are each k or more by the numbers given
(`floors`), and a value that allows no such numbers is left out. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from assent.audiences.floors import floored
from assent.audiences.rows import Ints
from assent.core.derived import is_derived
from assent.core.ids import CategoryMask, FeatureId
from assent.core.policy import Feature, Policy, ValueType
from assent.features.catalogue import Value

Names = Mapping[FeatureId, Sequence[Value | None]]
"""The values of features by their number in the engine."""

_TYPES: Final = (ValueType.TEXT, ValueType.BOOLEAN, ValueType.SET)


class Tally(Struct, frozen=True, kw_only=True):
    """Exact counts: of people, and by feature of those who have each of its values, members and everybody."""

    members: int
    population: int
    values: Mapping[FeatureId, tuple[Ints, Ints]]


class Distinctive(Struct, frozen=True, kw_only=True):
    """A value that members have `lift` times as often as everybody: how many of them, how many of all."""

    feature: str
    value: Value
    members: int
    population: int
    lift: float


def described(policy: Policy, categories: CategoryMask) -> list[Feature]:
    """Return the features of categories whose values can be set side by side."""
    return [
        feature
        for feature in policy.features.values()
        if categories >> feature.category & 1
        and feature.type in _TYPES
        and feature.window is None
        and not is_derived(feature.name)
    ]


def distinctive(
    tally: Tally, features: Iterable[Feature], names: Names, k: int, limit: int
) -> tuple[Distinctive, ...]:
    """Return the values by falling lift, no more than `limit`."""
    found = [one for feature in features for one in _of(tally, feature, names[feature.id], k)]
    found.sort(key=lambda one: (-one.lift, -one.members, one.feature, str(one.value)))
    return tuple(found[:limit])


def _of(tally: Tally, feature: Feature, names: Sequence[Value | None], k: int) -> Iterable[Distinctive]:
    everybody, members = floored(tally.population, k), floored(tally.members, k)
    inside, all_of_it = tally.values[feature.id]
    having = all_of_it - all_of_it % k
    both = inside - inside % k
    if k > 1:
        both = np.minimum(both, np.minimum(members, having) - k)
    neither = everybody - members - having + both
    said = (both >= k) & (both * everybody > having * members)
    if k > 1:
        said &= neither >= k
    for code in np.flatnonzero(said).tolist():
        value = names[code]
        if value is not None:  # 0: no value
            yield Distinctive(
                feature=feature.name,
                value=value,
                members=int(both[code]),
                population=int(having[code]),
                lift=round(int(both[code]) * everybody / (int(having[code]) * members), 3),
            )
