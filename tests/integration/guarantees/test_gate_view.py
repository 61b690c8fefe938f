"""The reader's one view: nothing unless the session says who asks, nothing of who refused or lapsed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from assent.core.time import HOUR, Instant, to_datetime
from assent.database.roles import Role
from assent.database.types import Connection
from tests.support.database import TestDatabase, ask
from tests.support.service import (
    InProcess,
    SteppedClock,
    bearer,
    in_process,
    settings_for,
    statement,
    subject,
)

SETTINGS = ("controller", "purpose", "now")


SAID = {
    "gave": ("given",),
    "refused": ("refused",),
    "withdrew": ("given", "withdrawn"),
    "lapsed": ("given for an hour",),
}


@asynccontextmanager
async def world(database: TestDatabase, folder: Path) -> AsyncIterator[tuple[InProcess, Connection]]:
    """Yield the service, where everybody of `SAID` browsed, and a connection of the reader's."""
    clock = SteppedClock()
    async with in_process(settings_for(folder, database.dsn()), clock) as service:
        collector = bearer(service.keys.collector)
        soon = to_datetime(Instant(clock.now + HOUR)).isoformat()
        for name, states in SAID.items():
            for state in states:
                clock.step()
                word, _, lapses = state.partition(" ")
                said = statement("personalisation", word, expires_at=soon if lapses else None)
                others = statement("analytics", "given")
                body = {"subject": subject(f"anonymous_id:{name}"), "statements": [others, said]}
                (await service.http.post("/v1/consents", json=body, headers=collector)).raise_for_status()
                clock.step()
                viewed = {"event": "Product Viewed", "anonymousId": name, "properties": {"category": "shoes"}}
                (await service.http.post("/v1/track", json=viewed, headers=collector)).raise_for_status()
        clock.step(2 * HOUR)
        connection = await asyncpg.connect(database.dsn(Role.READER))
        yield service, connection
        await connection.close()


async def seen(reader: Connection, service: InProcess, *, without: str = "", **other: int) -> set[int]:
    """Return the profiles the view yields for personalisation, a setting left out or made otherwise."""
    policy = await service.service.policies.refreshed(service.keys.controller)
    values = {
        "controller": service.keys.controller,
        "purpose": policy.purpose_ids["personalisation"],
        "now": service.clock.now,
    } | other
    async with reader.transaction():
        for name in SETTINGS:
            if name != without:
                await reader.execute(f"SET LOCAL assent.{name} = '{values[name]}'")
        return {row["profile_id"] for row in await reader.fetch("SELECT profile_id FROM gate.released")}


async def test_the_view_yields_who_gave_and_nobody_else(fresh_database: TestDatabase, folder: Path) -> None:
    async with world(fresh_database, folder) as (service, reader):
        policy = await service.service.policies.current(service.keys.controller)
        lookup = service.service.ring.lookup(
            service.keys.controller, policy.namespace_ids["anonymous_id"], "gave"
        )
        asked = f"SELECT identifier_id FROM projection.identifier WHERE lookup = '\\x{lookup.hex()}'"
        gave = set(await ask(fresh_database.dsn(), asked))
        assert await seen(reader, service) == gave

        # Who does not say who asks sees nothing, and what an earlier transaction said is gone.
        for missing in SETTINGS:
            assert await seen(reader, service, without=missing) == set()
            assert await seen(reader, service) == gave
        assert await seen(reader, service, controller=2) == set()
        assert await seen(reader, service, purpose=60) == set()

        # The canary: a permit that does not end, of those that are stored, shows who lapsed.
        await ask(fresh_database.dsn(), "UPDATE projection.permit SET until = 1::bigint << 62")
        assert await seen(reader, service) > gave


async def test_a_clock_that_is_behind_opens_nothing_again(fresh_database: TestDatabase, folder: Path) -> None:
    async with world(fresh_database, folder) as (service, reader):
        now, before = service.clock.now, service.clock.now - 2 * HOUR
        gave = await seen(reader, service, now=now)
        # Nothing was committed since: the head's time is one at which the give of an hour still held.
        assert await seen(reader, service, now=before) > gave
        order = {"event": "Order Completed", "userId": "somebody"}
        collector = bearer(service.keys.collector)
        (await service.http.post("/v1/track", json=order, headers=collector)).raise_for_status()
        assert await seen(reader, service, now=before) == gave
