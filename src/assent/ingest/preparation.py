"""What stands beside the policy in force while the next one is prepared: read and written, nothing decided.

A preparation is a row per controller. From its first commit on, every commit notes whom it changed (`touch`);
so whatever was derived from a snapshot is either still true or noted, and the flip derives what is noted.

Raises FactRejected when a policy comes to be put in force that is not the one prepared.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from assent.consent import store as consent_store
from assent.consent.permit import Permit
from assent.core.errors import FactRejected
from assent.core.ids import (
    COMPONENTS,
    ControllerId,
    IdentifierId,
    ProfileId,
    PurposeId,
    PurposeMask,
    Revision,
    ViewId,
)
from assent.core.policy import Policy
from assent.core.time import BEGINNING, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.identity import store as identity_store
from assent.identity.resolve import Node
from assent.identity.store import Known
from assent.ingest.component import Derived
from assent.ingest.facts import PolicyBody

_SQL = load("activation")

_ALL: Final = 1 << 31


class Tallied(Struct, frozen=True, array_like=True):
    """How many people a purpose may be used for, before and after, and how many gain and lose."""

    before: int = 0
    after: int = 0
    gains: int = 0
    loses: int = 0


class Preparation(Struct, frozen=True, kw_only=True):
    """How far the next policy has come."""

    policy_version: int
    digest: bytes
    as_of: Instant
    prepared_to: IdentifierId
    last_identifier: IdentifierId
    tally: dict[PurposeId, Tallied] = {}
    identifiers: int = 0
    """How many there were when it began."""
    done: int = 0
    """How many of them are prepared."""
    moved_at: Instant = BEGINNING
    """When it last came further."""


class Prepared(Struct, kw_only=True):
    """What of some components differs under the next policy, or stands apart for it."""

    permits: list[Permit] = []
    fresh: list[tuple[ViewId, IdentifierId, ProfileId]] = []
    """Clusters of views that the policy in force does not have."""
    moved: list[tuple[ViewId, IdentifierId, ProfileId | None]] = []
    """Clusters of views that it has, where they differ."""
    denies: dict[IdentifierId, PurposeMask] = {}


def digest_of(documents: str) -> bytes:
    """Return what names the documents of a policy body."""
    return hashlib.sha256(documents.encode()).digest()


def new_views(in_force: Policy, policy: Policy) -> list[ViewId]:
    """Return the views of a policy that the one in force does not have."""
    return sorted(policy.views.keys() - in_force.views.keys())


def placed(prepared: Prepared, before: Derived, after: Derived, fresh: Collection[ViewId]) -> None:
    """Note where a component's identifiers are placed under the next policy."""
    for view in before.profiles.keys() | after.profiles.keys():
        old, new = before.profiles.get(view, {}), after.profiles.get(view, {})
        if view in fresh:
            prepared.fresh += [(view, one, profile) for one, profile in new.items()]
        elif view != COMPONENTS and old != new:
            prepared.moved += [(view, one, None) for one in old if one not in new]
            prepared.moved += [
                (view, one, profile) for one, profile in new.items() if old.get(one) != profile
            ]


async def read(connection: Connection, controller_id: ControllerId) -> Preparation | None:
    """Return what is being prepared, or was when its process ended."""
    row = await connection.fetchrow(_SQL.preparation, controller_id)
    if row is None:
        return None
    tally = msgspec.json.decode(row["tally"], type=dict[PurposeId, Tallied])
    return Preparation(**{**dict(row), "tally": tally})


async def begin(connection: Connection, controller_id: ControllerId, preparation: Preparation) -> None:
    """Begin: the caller holds the head, so every commit from the next one on sees it."""
    await connection.execute(
        _SQL.begin_preparing,
        controller_id,
        preparation.policy_version,
        preparation.digest,
        preparation.as_of,
        preparation.last_identifier,
        "{}",
        preparation.identifiers,
        preparation.moved_at,
    )


async def count_identifiers(connection: Connection, controller_id: ControllerId) -> int:
    """Return how many identifiers a controller holds."""
    number: int = await connection.fetchval(_SQL.count_identifiers, controller_id)
    return number


async def is_under_way(connection: Connection, controller_id: ControllerId) -> bool:
    """Return whether some process activates a policy now: a preparation without one was left by its own."""
    found: bool = await connection.fetchval(_SQL.is_activating, controller_id)
    return found


async def last_identifier(connection: Connection, controller_id: ControllerId) -> IdentifierId:
    """Return the newest identifier; -1 when there is none."""
    found = await connection.fetchval(_SQL.last_identifier, controller_id)
    return IdentifierId(-1 if found is None else found)


async def lazily(connection: Connection) -> None:
    """Let the transaction that has begun end without waiting for the disk."""
    await connection.execute(_SQL.prepare_lazily)


async def move(
    connection: Connection, controller_id: ControllerId, to: IdentifierId, at: Preparation, now: Instant
) -> None:
    """Say how far it has come, with the tally and the number of `at`."""
    tally = msgspec.json.encode(at.tally).decode()
    await connection.execute(_SQL.move_preparation, controller_id, to, tally, at.done, now)


async def components_between(
    connection: Connection, controller_id: ControllerId, after: IdentifierId, to: IdentifierId, limit: int
) -> list[Known]:
    """Return the lowest identifiers of components in (after, to], in order."""
    rows = await connection.fetch(_SQL.components_between, controller_id, after, to, limit)
    return [
        Known(node=Node(id=one, namespace=namespace, key=lookup), denies=denies, seen_by=seen_by)
        for one, namespace, lookup, denies, seen_by in rows
    ]


async def touch(
    connection: Connection, controller_id: ControllerId, revision: Revision, ids: Iterable[IdentifierId]
) -> None:
    """Note whom a commit changed."""
    if changed := list(ids):
        await connection.execute(_SQL.touch, controller_id, revision, changed)


async def touched(
    connection: Connection, controller_id: ControllerId, limit: int = _ALL
) -> list[IdentifierId]:
    """Return whom commits changed since they were prepared."""
    return [one for (one,) in await connection.fetch(_SQL.touched, controller_id, limit)]


async def touched_among(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> list[IdentifierId]:
    """Return which of these a commit changed: only of them something may be prepared already."""
    return [one for (one,) in await connection.fetch(_SQL.touched_among, controller_id, list(ids))]


async def unprepare(
    connection: Connection,
    controller_id: ControllerId,
    in_force: Policy,
    policy: Policy,
    ids: Collection[IdentifierId],
) -> None:
    """Take back what was prepared of these identifiers, and forget that they changed."""
    if not ids:
        return
    changed = list(ids)
    await connection.execute(
        _SQL.unprepare_permits, controller_id, policy.version, changed, list(policy.purposes)
    )
    await connection.execute(_SQL.unprepare_views, controller_id, new_views(in_force, policy), changed)
    await connection.execute(_SQL.unprepare_waiting, controller_id, changed)
    await connection.execute(_SQL.untouch, controller_id, changed)


async def write(
    connection: Connection, controller_id: ControllerId, policy: Policy, prepared: Prepared
) -> None:
    """Write what was prepared: apart, or where it waits for the flip."""
    await consent_store.copy_permits(connection, controller_id, policy.version, prepared.permits)
    await identity_store.move_clusters(connection, controller_id, [], prepared.fresh)
    if prepared.moved:
        views, ids, profiles = zip(*prepared.moved, strict=True)
        await connection.execute(
            _SQL.insert_prepared_clusters, controller_id, list(views), list(ids), list(profiles)
        )
    if prepared.denies:
        await connection.execute(
            _SQL.insert_prepared_denies, controller_id, list(prepared.denies), list(prepared.denies.values())
        )


async def left(
    connection: Connection, controller_id: ControllerId, in_force: Policy, body: PolicyBody
) -> Sequence[IdentifierId] | None:
    """Return whom the commit that puts a policy in force must still derive; None means everybody.

    The caller holds the head: nobody is noted after this.
    """
    found = await read(connection, controller_id)
    if body.as_of is None:
        if found is not None:
            message = "expected no other policy being prepared"
            raise FactRejected(message)
        return None
    ready = (
        found is not None
        and found.policy_version == in_force.version + 1
        and found.digest == digest_of(body.documents)
        and found.as_of == body.as_of
        and found.prepared_to >= found.last_identifier
    )
    if not ready:
        message = "expected the policy that was prepared, and all of it"
        raise FactRejected(message)
    return await touched(connection, controller_id)


async def flip(
    connection: Connection,
    controller_id: ControllerId,
    in_force: Policy,
    policy: Policy,
    ids: Collection[IdentifierId],
) -> None:
    """Let what waited take the place of what is in force, except of `ids`, which the commit derives."""
    late = set(ids) | set(await touched(connection, controller_id))
    await unprepare(connection, controller_id, in_force, policy, late)
    await connection.execute(_SQL.flip_gone_clusters, controller_id)
    await connection.execute(_SQL.flip_clusters, controller_id)
    await connection.execute(_SQL.flip_denies, controller_id)
    await connection.execute(_SQL.forget_waiting, controller_id)
    await connection.execute(_SQL.end_preparing, controller_id)


async def abandon(connection: Connection, controller_id: ControllerId) -> None:
    """End a preparation: nothing of it comes into force. What stands apart is swept afterwards."""
    await connection.execute(_SQL.end_preparing, controller_id)
    await connection.execute(_SQL.forget_waiting, controller_id)


async def sweep_permits(
    connection: Connection, controller_id: ControllerId, since: int, until: int, limit: int
) -> bool:
    """Remove permits of versions in [since, until), at most so many; say whether there may be more."""
    status = await connection.execute(_SQL.sweep_permits, controller_id, since, until, limit)
    return int(status.rpartition(" ")[2]) >= limit


async def sweep_clusters(
    connection: Connection, controller_id: ControllerId, views: Sequence[ViewId], limit: int
) -> bool:
    """Remove clusters of views that are not in force, at most so many; say whether there may be more."""
    status = await connection.execute(_SQL.sweep_clusters, controller_id, views, limit)
    return int(status.rpartition(" ")[2]) >= limit
