"""Fold what the gate's view yields into profiles: values, what is visible, from when, until when.

Pure. Whatever the view did not yield does not exist here: hidden and absent differ inside, and only inside.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from msgspec import Struct

from assent.core.ids import (
    CategoryId,
    CategoryMask,
    FeatureId,
    IdentifierId,
    NamespaceId,
    ProfileId,
    members,
)
from assent.core.policy import IdentifierKind, Policy
from assent.core.time import FOREVER, Instant
from assent.features.accumulate import Item, State, merge, read, unpack, unpack_value, valid_until
from assent.features.catalogue import Value

Row = Sequence[Any]
"""A row of `gate.released`, in the order of sql/queries/gate.sql."""


class Profile(Struct, frozen=True, kw_only=True):
    """What a purpose may see of one person at one instant.

    `visible` are the categories that some identifier of the profile permits; `since` says per category from
    when on without a break. `until` is the first instant at which time alone changes anything: a permit
    ends, or a window's value moves.
    """

    id: ProfileId
    kinds: frozenset[IdentifierKind]
    tier: str
    visible: CategoryMask
    since: Mapping[CategoryId, Instant]
    until: Instant
    values: Mapping[FeatureId, Value]


def profiles(policy: Policy, rows: Iterable[Row], now: Instant) -> Iterable[Profile]:
    """Yield one profile per profile id. `rows` of one profile stand together."""
    for profile_id, group in groupby(rows, key=itemgetter(0)):
        yield _profile(policy, profile_id, group, now)


def _profile(policy: Policy, profile_id: ProfileId, rows: Iterable[Row], now: Instant) -> Profile:
    namespaces: dict[IdentifierId, NamespaceId] = {}
    since: dict[CategoryId, Instant] = {}
    until = FOREVER
    visible = 0
    states: list[State] = []
    items: list[Item] = []
    for _, one, namespace, categories, began, ends, _, feature, at, entry, body in rows:
        namespaces[one] = namespace
        visible |= categories
        until = min(until, ends)
        for category in members(categories):
            since[category] = min(since.get(category, began), began)
        if body is None:
            continue
        if feature == 0:
            states.append(unpack(body))
        else:
            items.append(Item(feature=feature, at=at, entry=entry, value=unpack_value(body)))
    state = merge(states)
    values: dict[FeatureId, Value] = {}
    for feature in policy.features.values():
        if not visible >> feature.category & 1:
            continue
        value = read(policy, feature, state, items, now)
        if value is not None:
            values[feature.id] = value
        if feature.itemised and items:
            until = min(until, valid_until(feature, items, now))
    kinds = [policy.namespaces[namespace].kind for namespace in namespaces.values()]
    return Profile(
        id=profile_id,
        kinds=frozenset(kinds),
        tier=tier(kinds, len(state.sessions)),
        visible=CategoryMask(visible),
        since=since,
        until=until,
        values=values,
    )


def tier(kinds: Sequence[IdentifierKind], sessions: int) -> str:
    """Return *named*, *known* or *anonymous*: holds a person; has come back or holds two devices; else."""
    if IdentifierKind.PERSON in kinds:
        return "named"
    return "known" if sessions > 1 or len(kinds) > 1 else "anonymous"
