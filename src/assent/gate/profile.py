"""Fold what the gate's view yields into profiles: values, what is visible, from when, until when.

Pure. Whatever the view did not yield does not exist here: hidden and absent differ inside, and only inside.

Of the accounts of one family that a profile may be seen to belong to, its own is the one named last, by
event time and, of one instant, by entry. Of that one the items count, whoever gave them, each while its giver
may be used; of another, none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import asyncpg
from msgspec import Struct

from assent.core.ids import (
    CategoryMask,
    EntryIndex,
    FeatureId,
    IdentifierId,
    NamespaceId,
    ProfileId,
)
from assent.core.policy import Feature, IdentifierKind, Policy, Purpose
from assent.core.time import FOREVER, Instant
from assent.features.accumulate import Item, State, made_of, merge, read, unpack, unpack_value
from assent.features.accumulate import valid_until as until_of
from assent.features.catalogue import Value

ANONYMOUS: Final = "anonymous"

Row = Sequence[Any] | asyncpg.Record
"""A row of `gate.released`, in the order of sql/queries/gate.sql."""


class Profile(Struct, frozen=True, kw_only=True):
    """What a purpose may see of one person at one instant.

    `permits` are those not yet over, each identifier's own. `valid_until` is the first instant at which time
    alone changes a value: one leaves a window, one of several identifiers closes and takes its part along, or
    a permit opens.
    """

    id: ProfileId
    subject: bytes
    """The keyed hash of the identifier that stands for the profile, as `gate.anchors` chooses it."""
    kinds: frozenset[IdentifierKind]
    tier: str
    tier_is_sure: bool
    """False where what is hidden may tell more: that somebody has come back, or an identifier of a person."""
    permits: tuple[tuple[CategoryMask, Instant, Instant], ...]
    valid_until: Instant
    values: Mapping[FeatureId, Value]


def profiles(policy: Policy, purpose: Purpose, rows: Iterable[Row], now: Instant) -> Iterable[Profile]:
    """Yield one profile per profile id, as the purpose sees it. `rows` of one profile stand together.

    An identifier of a namespace that the policy no longer declares has no kind: nothing says whom it opens,
    so it is not seen, and nobody is who has no other.
    """
    for profile_id, group in groupby(rows, key=itemgetter(0)):
        declared = [row for row in group if row[2] in policy.namespaces]
        if declared:
            yield _profile(policy, purpose.categories, profile_id, declared, now)


def _profile(
    policy: Policy, told: CategoryMask, profile_id: ProfileId, rows: Sequence[Row], now: Instant
) -> Profile:
    namespaces: dict[IdentifierId, NamespaceId] = {}
    permits: dict[tuple[CategoryMask, Instant, Instant], None] = {}
    states: list[State] = []
    items: dict[FeatureId, list[Item]] = defaultdict(list)
    visible = 0
    rows, valid_until = _of_own_accounts(rows)
    subject: tuple[Instant, int, bytes] = (FOREVER, 0, b"")
    for row in rows:
        _, one, namespace, lookup, categories, since, until, _, feature_id, at, entry, body = row[:12]
        permits[categories, since, until] = None
        if since > now:
            valid_until = min(valid_until, since)
            continue
        namespaces[one] = namespace
        subject = min(subject, (since, policy.namespaces[namespace].priority, lookup))
        visible |= categories
        if body is None:
            continue
        if feature_id == 0:
            states.append(unpack(body))
        else:
            item = Item(feature=feature_id, at=at, entry=entry, value=unpack_value(body))
            items[feature_id].append(item)
    state = merge(states)
    if len(namespaces) > 1 or len(permits) > 1:
        valid_until = min(valid_until, *(until for _, _, until in permits))
    values: dict[FeatureId, Value] = {}
    for feature in readable(policy, visible):
        own = items.get(feature.id, ())
        of = made_of(policy, feature)
        every = own if len(of) == 1 else [item for one in of for item in items.get(one, ())]
        value = read(policy, feature, state, every, now)
        if value is not None:
            values[feature.id] = value
        if own:
            valid_until = min(valid_until, until_of(feature, own, now))
    kinds = [policy.namespaces[namespace].kind for namespace in namespaces.values()]
    return Profile(
        id=profile_id,
        subject=subject[2],
        kinds=frozenset(kinds),
        tier=tier(kinds, len(state.sessions)),
        tier_is_sure=visible & told == told,
        permits=tuple(permits),
        valid_until=valid_until,
        values=values,
    )


def readable(policy: Policy, visible: int) -> Iterable[Feature]:
    """Yield the features whose values what is visible gives."""
    for feature in policy.features.values():
        needed = feature
        if feature.cart is not None and feature.leaf is None:
            # Without what was ordered a cart would say too much; a rule's leaf over one asks for both.
            needed = policy.features[policy.feature_ids[feature.cart.cleared]]
        if (visible >> feature.category) & (visible >> needed.category) & 1:
            yield feature


def _of_own_accounts(rows: Sequence[Row]) -> tuple[Sequence[Row], Instant]:
    """Return the rows without those of other accounts, and when the next giver opens or closes."""
    newest: dict[FeatureId, tuple[Instant, EntryIndex, bytes]] = {}
    for row in rows:
        if row[12] is not None and row[8] < 0:
            family, named = row[8], (row[9], row[10], row[12])
            newest[family] = max(newest.get(family, named), named)
    belongs = {account for _, _, account in newest.values()}
    own = [row for row in rows if row[12] is None or row[12] in belongs]
    turns = [row[13] if row[11] is None else row[14] for row in own if row[14] is not None]
    return own, min(turns, default=FOREVER)


def tier(kinds: Sequence[IdentifierKind], sessions: int) -> str:
    """Return *named*, *known* or *anonymous*: holds a person; has come back or holds two devices; else."""
    if IdentifierKind.PERSON in kinds:
        return "named"
    return "known" if sessions > 1 or len(kinds) > 1 else ANONYMOUS
