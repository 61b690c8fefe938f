"""Read and write identifiers, links and clusters. One statement each; nothing is decided here."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import asyncpg
from msgspec import Struct

from assent.core.ids import (
    COMPONENTS,
    ControllerId,
    EntryIndex,
    IdentifierId,
    ProfileId,
    PurposeMask,
    ViewId,
)
from assent.core.policy import LinkKind
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.identity.former import Former
from assent.identity.resolve import UNNAMED, Link, Node
from assent.ledger.append import Ref

_SQL = load("identity")

Pair = tuple[IdentifierId, IdentifierId]


class Known(Struct, frozen=True, kw_only=True):
    """An identifier as it stands: its node, what its own newest statements deny, and who may know of it."""

    node: Node
    denies: PurposeMask
    seen_by: PurposeMask


async def known_by_ref(
    connection: Connection, controller_id: ControllerId, refs: Collection[Ref]
) -> list[Known]:
    """Return those of the identifiers that exist."""
    if not refs:
        return []
    rows = await connection.fetch(
        _SQL.identifiers_by_lookup,
        controller_id,
        [ref.namespace for ref in refs],
        [ref.lookup for ref in refs],
    )
    return [_known(row) for row in rows]


async def known_by_id(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> list[Known]:
    """Return the identifiers of these ids."""
    if not ids:
        return []
    return [_known(row) for row in await connection.fetch(_SQL.identifiers_by_id, controller_id, list(ids))]


async def known_after(
    connection: Connection, controller_id: ControllerId, after: IdentifierId, limit: int
) -> list[Known]:
    """Return at most `limit` identifiers after one, in order of their ids."""
    rows = await connection.fetch(_SQL.identifiers_after, controller_id, after, limit)
    return [_known(row) for row in rows]


async def clusters_around(
    connection: Connection,
    controller_id: ControllerId,
    ids: Collection[IdentifierId],
    views: Iterable[ViewId],
) -> dict[ViewId, dict[IdentifierId, ProfileId]]:
    """Return, per view, the profiles of every identifier connected by evidence to `ids`; view 0 included."""
    found: dict[ViewId, dict[IdentifierId, ProfileId]] = {COMPONENTS: {}}
    if ids:
        rows = await connection.fetch(_SQL.clusters_around, controller_id, list(ids), list(views))
        for view, one, profile in rows:
            found.setdefault(view, {})[one] = profile
    return found


async def links_among(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> list[Link]:
    """Return the links among the members of whole components."""
    if not ids:
        return []
    rows = await connection.fetch(_SQL.links_from, controller_id, list(ids))
    return [_link(row, row["sources"]) for row in rows]


async def pairs_proven_by(
    connection: Connection, controller_id: ControllerId, sources: Collection[bytes], after: Pair, limit: int
) -> list[Pair]:
    """Return at most `limit` pairs, in order after one, in whose proof these sources may stand."""
    rows = await connection.fetch(_SQL.links_of_sources, controller_id, *after, list(sources), limit)
    return [(low, high) for low, high in rows]


async def denied_among(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[Pair, Instant]:
    """Return the denied pairs of these identifiers: they stand between components as well as inside them."""
    if not ids:
        return {}
    rows = await connection.fetch(_SQL.denied_from, controller_id, list(ids))
    return {(low, high): at for low, high, at in rows}


async def denial_of(
    connection: Connection, controller_id: ControllerId, one: IdentifierId, other: IdentifierId
) -> tuple[Instant, EntryIndex] | None:
    """Return when it was said last that two identifiers are not one person, and by which entry."""
    row = await connection.fetchrow(_SQL.denial, controller_id, min(one, other), max(one, other))
    return None if row is None else (row["at"], row["entry_index"])


async def insert_identifiers(
    connection: Connection,
    controller_id: ControllerId,
    nodes: Sequence[Node],
    denies: Mapping[IdentifierId, PurposeMask],
    seen_by: Mapping[IdentifierId, PurposeMask],
) -> None:
    """Insert new identifiers."""
    await connection.execute(
        _SQL.insert_identifiers,
        controller_id,
        [node.id for node in nodes],
        [node.namespace for node in nodes],
        [node.key for node in nodes],
        [denies.get(node.id, 0) for node in nodes],
        [seen_by.get(node.id, 0) for node in nodes],
    )


async def update_masks(
    connection: Connection,
    controller_id: ControllerId,
    masks: Mapping[IdentifierId, tuple[PurposeMask, PurposeMask]],
) -> None:
    """Set what these identifiers deny, and which purposes may know of them."""
    await connection.execute(
        _SQL.update_masks,
        controller_id,
        list(masks),
        [denies for denies, _ in masks.values()],
        [seen_by for _, seen_by in masks.values()],
    )


async def upsert_links(connection: Connection, controller_id: ControllerId, links: Sequence[Link]) -> None:
    """Insert links, or set their times and the entries that prove them."""
    await connection.execute(
        _SQL.upsert_links,
        controller_id,
        [link.low for link in links],
        [link.high for link in links],
        [int(link.kind) for link in links],
        [link.first_at for link in links],
        [link.last_at for link in links],
        [link.first_entry for link in links],
        [link.last_entry for link in links],
        [link.weight for link in links],
        [link.sources for link in links],
    )


async def insert_former(
    connection: Connection, controller_id: ControllerId, former: Sequence[Former]
) -> None:
    """Insert links that were undone."""
    await connection.execute(
        _SQL.insert_former,
        controller_id,
        [one.link.low for one in former],
        [one.link.high for one in former],
        [int(one.link.kind) for one in former],
        [one.link.first_at for one in former],
        [one.link.last_at for one in former],
        [one.link.first_entry for one in former],
        [one.link.last_entry for one in former],
        [one.link.weight for one in former],
        [one.until for one in former],
        [one.undone_by for one in former],
    )


async def former_around(
    connection: Connection,
    controller_id: ControllerId,
    ids: Collection[IdentifierId],
    begun: Instant,
    undone_after: Instant,
) -> list[Former]:
    """Return the links of these identifiers that had begun by an instant and were undone after another."""
    rows = await connection.fetch(_SQL.former_around, controller_id, list(ids), begun, undone_after)
    return [Former(link=_link(row), until=row["until"], undone_by=row["undone_by"]) for row in rows]


async def known_since(
    connection: Connection, controller_id: ControllerId, entries: Collection[EntryIndex]
) -> dict[EntryIndex, Instant]:
    """Return when entries were committed."""
    if not entries:
        return {}
    rows = await connection.fetch(_SQL.known_since, controller_id, sorted(entries))
    return {EntryIndex(entry): Instant(at) for entry, at in rows}


async def delete_links(
    connection: Connection,
    controller_id: ControllerId,
    links: Collection[tuple[IdentifierId, IdentifierId, LinkKind]],
    denied: Collection[Pair],
) -> None:
    """Delete links, and denials that were taken back."""
    await connection.execute(
        _SQL.delete_links,
        controller_id,
        [low for low, _, _ in links],
        [high for _, high, _ in links],
        [int(kind) for _, _, kind in links],
    )
    await connection.execute(
        _SQL.delete_denied, controller_id, [low for low, _ in denied], [high for _, high in denied]
    )


async def upsert_denied(
    connection: Connection,
    controller_id: ControllerId,
    denied: Mapping[Pair, tuple[Instant, EntryIndex]],
) -> None:
    """Insert denied pairs, or set when they were denied last."""
    await connection.execute(
        _SQL.upsert_denied,
        controller_id,
        [low for low, _ in denied],
        [high for _, high in denied],
        [at for at, _ in denied.values()],
        [entry for _, entry in denied.values()],
    )


async def move_clusters(
    connection: Connection,
    controller_id: ControllerId,
    gone: Sequence[tuple[ViewId, IdentifierId]],
    placed: Sequence[tuple[ViewId, IdentifierId, ProfileId]],
) -> None:
    """Take identifiers out of clusters, and put identifiers into clusters."""
    if gone:
        await connection.execute(
            _SQL.delete_clusters, controller_id, [view for view, _ in gone], [one for _, one in gone]
        )
    if placed:
        await connection.execute(
            _SQL.upsert_clusters,
            controller_id,
            [view for view, _, _ in placed],
            [one for _, one, _ in placed],
            [profile for _, _, profile in placed],
        )


def _known(row: asyncpg.Record) -> Known:
    one, namespace, lookup, denies, seen_by = row
    return Known(node=Node(id=one, namespace=namespace, key=lookup), denies=denies, seen_by=seen_by)


def _link(row: asyncpg.Record, sources: bytes = UNNAMED) -> Link:
    low, high, kind, first_at, last_at, first_entry, last_entry, weight = tuple(row)[:8]
    return Link(
        low=low,
        high=high,
        kind=LinkKind(kind),
        first_at=first_at,
        last_at=last_at,
        first_entry=first_entry,
        last_entry=last_entry,
        weight=weight,
        sources=sources,
    )
