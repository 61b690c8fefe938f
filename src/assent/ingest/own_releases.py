"""Which answers about a person left, and who read of them: records of the release log, opened in parts.

A record holds who was in the answer, sealed, as profiles: each is named by one identifier of it. Whether that
one was one person with the asked, in the view of the answer's purpose, is asked as of the answer. Whoever is
not opened as a whole (who holds a device, say) is told of no answer about somebody who was named in it.
Nothing here is for an engine.
"""

from collections.abc import Collection
from typing import Final

import asyncpg
import msgspec
from msgspec import Struct, structs

from assent.consent.permit import stances
from assent.core.ids import (
    IDENTIFIERS_PER_ENTRY,
    ControllerId,
    IdentifierId,
    PurposeId,
)
from assent.core.policy import IdentifierKind, Policy
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.identity.views import cut
from assent.ingest.component import Component, resolution_of
from assent.ingest.log_pages import Wanted
from assent.ingest.past import component_then, everybody_around
from assent.ledger.entries import SALT_BYTES
from assent.ledger.keyring import KeyRing

_SQL = load("own")

MOST: Final = 2_000
"""Records looked at for one page; and no more than so many bytes of them, one record always."""
MOST_BYTES: Final = 8 << 20

_profiles = msgspec.json.Decoder(list[IdentifierId]).decode


class Page(Struct, frozen=True, kw_only=True):
    """Releases about a person, and after which record to go on; None: there are no more."""

    releases: tuple[asyncpg.Record, ...]
    next: int | None


async def releases_about(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    policy: Policy,
    ids: Collection[IdentifierId],
    wanted: Wanted,
    *,
    whole: bool = True,
) -> Page:
    """Return those of the records wanted that are about any of `ids`, in order; `whole`: named people's too.

    A page may hold fewer than the limit where much had to be looked at: `next` says that there is more.
    """
    if not ids:
        return Page(releases=(), next=None)
    # An answer that knew less than the entry that first named somebody was not about them.
    first = min(ids) // IDENTIFIERS_PER_ENTRY
    sizes = await connection.fetch(
        _SQL.releases_sized, controller_id, *structs.astuple(structs.replace(wanted, limit=MOST + 1)), first
    )
    chosen: list[int] = []
    left = MOST_BYTES
    for row in sizes[:MOST]:
        if chosen and row["size"] > left:
            break
        chosen.append(row["release_id"])
        left -= row["size"]
    rows = await connection.fetch(_SQL.releases_sealed, controller_id, chosen)
    around = _Around(connection, controller_id, policy, frozenset(ids), whole=whole)
    found = []
    for row in rows:
        profiles = _profiles(ring.open(row["sealed"], _aad(controller_id))[SALT_BYTES:])
        if await around.is_in(profiles, row["purpose_id"], row["at"]):
            found.append(row)
        if len(found) > wanted.limit:
            break
    if len(found) > wanted.limit:
        page = found[: wanted.limit]
        return Page(releases=tuple(page), next=page[-1]["release_id"])
    more = len(chosen) < len(sizes)
    return Page(releases=tuple(found), next=chosen[-1] if more else None)


class _Around:
    """Who was one profile with whom when: of the asked, and of everybody whom links ever led to."""

    def __init__(
        self,
        connection: Connection,
        controller_id: ControllerId,
        policy: Policy,
        ids: frozenset[IdentifierId],
        *,
        whole: bool,
    ) -> None:
        self._connection = connection
        self._controller_id = controller_id
        self._policy = policy
        self._ids = ids
        self._whole = whole
        self._others: frozenset[IdentifierId] | None = None

    async def is_in(self, profiles: Collection[IdentifierId], purpose: PurposeId, at: Instant) -> bool:
        """Say whether one of these profiles was of the asked, as the purpose saw them then."""
        named = frozenset(profiles)
        if self._whole and named & self._ids:
            return True
        others = named & (self._ids | await self._linked())
        return bool(others) and bool(others & await self._with_them(purpose, at))

    async def _linked(self) -> frozenset[IdentifierId]:
        if self._others is None:
            found: set[IdentifierId] = set()
            for one in self._ids:
                found |= await everybody_around(self._connection, self._controller_id, self._policy, one)
            self._others = frozenset(found) - self._ids
        return self._others

    async def _with_them(self, purpose: PurposeId, at: Instant) -> frozenset[IdentifierId]:
        """Return whoever was, for the purpose, one profile with any of the asked."""
        if purpose not in self._policy.purposes:
            return frozenset()
        found: set[IdentifierId] = set()
        for one in sorted(self._ids):
            if one in found:
                continue
            then = await component_then(
                self._connection, self._controller_id, self._policy, one, at=at, known_at=at
            )
            profile = _profile(then, self._policy, purpose, one, at)
            if self._whole or not any(self._is_person(then, other) for other in profile):
                found |= profile
        return frozenset(found)

    def _is_person(self, then: Component, one: IdentifierId) -> bool:
        namespace = self._policy.namespaces.get(then.nodes[one].namespace)
        return namespace is None or namespace.kind is IdentifierKind.PERSON


def _profile(
    then: Component, policy: Policy, purpose: PurposeId, one: IdentifierId, at: Instant
) -> set[IdentifierId]:
    kept = resolution_of(then, policy, at).kept
    said = [each for statements in then.statements.values() for each in statements]
    denies, agrees = stances(said, policy, at)
    use = policy.views[policy.purposes[purpose].view]
    groups = cut(tuple(then.nodes), kept, use, denies, agrees)
    return {other for group in groups if one in group for other in group}


def _aad(controller_id: ControllerId) -> bytes:
    return b"assent/release@1 %d" % controller_id
