"""Everything that is stored about some identifiers: entry by entry, and what was made of it.

Reads entries, payloads and content, for the person whose they are; never for an engine. What was erased or
deleted is not there, and what an entry says of others is left out.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

from msgspec import Struct

from assent.core.derived import is_derived
from assent.core.ids import (
    CategoryId,
    ControllerId,
    EntryIndex,
    FeatureId,
    IdentifierId,
    PurposeMask,
)
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.features.accumulate import merge, read
from assent.features.catalogue import Value
from assent.ingest.facts import Body, ContentBody, open_body, open_content
from assent.ingest.refold import refold
from assent.ledger.entries import Entry, Header
from assent.ledger.keyring import KeyRing

_SQL = load("own")


class Stored(Struct, frozen=True, kw_only=True):
    """What an event said in one category, which purposes carry it, and when it happened."""

    category: CategoryId
    basis: PurposeMask
    at: Instant
    body: ContentBody


class Told(Struct, frozen=True, kw_only=True):
    """One entry about one of the identifiers."""

    index: EntryIndex
    about: IdentifierId
    header: Header
    body: Body
    stored: tuple[Stored, ...]


async def entries_about(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    ids: Collection[IdentifierId],
    *,
    after: int,
    limit: int,
) -> tuple[Told, ...]:
    """Return the entries about these identifiers after one, in order."""
    rows = await connection.fetch(_SQL.owned_entries, controller_id, list(ids), after, limit)
    indexes = [row["entry_index"] for row in rows]
    stored: dict[EntryIndex, list[Stored]] = defaultdict(list)
    for index, _, category, basis, at, sealed in await connection.fetch(
        _SQL.contents_of, controller_id, list(ids), indexes
    ):
        body = open_content(ring, controller_id, sealed)
        stored[index].append(Stored(category=category, basis=basis, at=at, body=body))
    return tuple(
        Told(
            index=row["entry_index"],
            about=row["identifier_id"],
            header=Entry.from_leaf(row["leaf"]).header,
            body=open_body(ring, controller_id, row["sealed"]),
            stored=tuple(stored[row["entry_index"]]),
        )
        for row in rows
    )


async def made_of(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    policy: Policy,
    ids: Collection[IdentifierId],
    before: EntryIndex,
    now: Instant,
) -> Mapping[FeatureId, Value]:
    """Return the features of the catalogue that all data of these identifiers comes to, for no purpose."""
    if not ids:
        return {}
    made = await refold(connection, ring, controller_id, ids, before)
    state = merge([one for held in made.states.values() for one in held.values()])
    kept = [one.item for one in made.items]
    values = {
        feature.id: read(policy, feature, state, kept, now)
        for feature in policy.features.values()
        if not is_derived(feature.name)
    }
    return {number: value for number, value in values.items() if value is not None}
