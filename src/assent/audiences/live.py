"""Keep each purpose's population current: fed by the gate, following the purpose's own changes.

Before a question is asked, everything up to the purpose's sequence on the primary has been applied, in one
snapshot with the record of the answer. So a withdrawal that was acknowledged before a question began is in
it, on every worker. Another policy, or a change that says so, loads the population anew.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from assent.audiences.engine import Population
from assent.audiences.journal import Journal
from assent.audiences.shelf import shown
from assent.core.ids import ControllerId, NamespaceId, ProfileId
from assent.database.pool import Database
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.door import Door, Exported, Position
from assent.gate.profile import Row, profiles

if TYPE_CHECKING:
    from assent.core.policy import Policy

_SQL = load("gate")

EVERYTHING: Final = ProfileId(0)
"""A change of this profile says: load the population anew."""

_PAGE: Final = 5_000
"""Profiles asked for in one statement."""


class Standing(Struct, frozen=True, kw_only=True):
    """A population that has applied everything up to a position, and the snapshot to record the answer in."""

    connection: Connection
    position: Position
    population: Population
    journal: Journal
    """Who was looked at again, of this population."""


class _Held:
    """What this process holds of one purpose."""

    __slots__ = ("journal", "lock", "policy", "population", "sequence")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.journal = Journal()
        self.population: Population | None = None
        self.policy: Policy | None = None
        self.sequence = -1


class Live:
    """The populations of this process, by controller and purpose."""

    def __init__(self, database: Database, door: Door) -> None:
        self._database = database
        self._door = door
        self._held: dict[tuple[ControllerId, str], _Held] = defaultdict(_Held)

    @asynccontextmanager
    async def current(self, controller_id: ControllerId, purpose: str) -> AsyncIterator[Standing]:
        """Yield the population as of now, inside the snapshot it was brought up to.

        What is recorded on the connection is durable when the context ends without an error. Raises
        UnknownPurpose.
        """
        held = self._held[controller_id, purpose]
        async with (
            held.lock,
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            position = await self._door.stand(connection, controller_id, purpose)
            population = await self._caught_up(connection, held, position)
            yield Standing(
                connection=connection, position=position, population=population, journal=held.journal
            )

    async def narrowed(
        self, controller_id: ControllerId, purpose: str, after: int
    ) -> tuple[int, set[ProfileId]]:
        """Return the purpose's sequence now, and whose view became narrower after `after`."""
        async with (
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            position = await self._door.stand(connection, controller_id, purpose)
            rows = await connection.fetch(_SQL.changes, after)
        return position.sequence, {profile for _, profile, narrowing in rows if narrowing}

    async def exported(
        self,
        controller_id: ControllerId,
        purpose: str,
        profiles: Sequence[ProfileId],
        namespaces: Sequence[NamespaceId],
    ) -> list[Exported]:
        """Return what the purpose may hand out of profiles, now."""
        async with (
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            await self._door.stand(connection, controller_id, purpose)
            return await self._door.exported(connection, profiles, namespaces)

    async def _caught_up(self, connection: Connection, held: _Held, position: Position) -> Population:
        population = held.population
        if population is None or held.policy is not position.policy:
            return await self._load(connection, held, position)
        touched: set[ProfileId] = set()
        if position.sequence != held.sequence:
            rows = await connection.fetch(_SQL.changes, held.sequence)
            touched = {profile for _, profile, _ in rows}
            if EVERYTHING in touched:
                return await self._load(connection, held, position)
        touched.update(map(ProfileId, map(int, population.stale(position.now))))
        # Until this is done the population is neither of one moment nor of the other.
        held.population = None
        held.journal.note(touched)
        await self._refetch(connection, population, position, sorted(touched))
        held.population, held.sequence = population, position.sequence
        return population

    async def _refetch(
        self,
        connection: Connection,
        population: Population,
        position: Position,
        touched: Sequence[ProfileId],
    ) -> None:
        for start in range(0, len(touched), _PAGE):
            page = touched[start : start + _PAGE]
            found = await self._door.look(connection, position, page)
            population.drop_all(set(page) - {profile.id for profile in found})
            population.put_all(shown(profile) for profile in found)

    async def _load(self, connection: Connection, held: _Held, position: Position) -> Population:
        held.population = None
        held.journal.everybody()
        population = Population(position.policy, position.purpose.id)
        # Everybody is asked about: here a scan is what it should be.
        await connection.execute("SET LOCAL enable_seqscan = on")
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows: list[Row] = []
        async for row in connection.cursor(_SQL.released_all, prefetch=_PAGE):
            # Only whole profiles are folded: their rows stand together.
            if len(rows) >= _PAGE and row[0] != rows[-1][0]:
                _put(population, position, rows)
                rows = []
                await asyncio.sleep(0)
            rows.append(row)
        _put(population, position, rows)
        held.population = population
        held.policy = position.policy
        held.sequence = position.sequence
        return population


def _put(population: Population, position: Position, rows: Iterable[Row]) -> None:
    found = profiles(position.policy, position.purpose, rows, position.now)
    population.put_all(shown(profile) for profile in found)
