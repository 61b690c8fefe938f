"""Durable batches with everything on, against COPY of the same bare rows in commits of the same sizes."""

import os
from itertools import islice
from time import perf_counter
from typing import Final

from msgspec import Struct

from tests.benchmarks import people
from tests.benchmarks.client import drive
from tests.benchmarks.figures import Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import seconds_of, seconds_of_postgres
from tests.benchmarks.world import Controller, Served, World, all_accepted, ready

NAME: Final = "batch"

_PER_BODY: Final = 100
_CONNECTIONS: Final = 8
"""Enough that something waits while a commit is under way: commits of up to 800 events."""

_PEER: Final = "COPY of the bare rows"

_TABLE: Final = """
CREATE TABLE bench.event (
    controller_id bigint NOT NULL,
    message_id text NOT NULL,
    at bigint NOT NULL,
    name text NOT NULL,
    properties text NOT NULL,
    PRIMARY KEY (controller_id, message_id)
)
"""

_BYTES: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind = 'r' AND n.nspname = ANY($1)
"""


class Used(Struct, frozen=True, kw_only=True):
    """What one side of a round took."""

    events: int
    seconds: float
    bytes_stored: int
    bytes_logged: int
    client_s: float
    service_s: float
    postgres_s: float


async def run(world: World, plan: Plan) -> Result:
    """Measure POST /v1/batch, 100 events a body, in turn with COPY."""
    ours: list[Used] = []
    theirs: list[Used] = []
    sizes: list[int] = []
    await world.connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    await world.connection.execute(_TABLE)
    with world.serving("assent") as served:
        await ready(served)
        controller = await world.controller(served, "batch")
        await world.settle(served, controller, plan.people)
        for turn in range(-1, plan.rounds):
            shop = people.Shop(plan.people, f"round{turn}")
            bodies = people.batches(shop.events(), controller.collector, of=_PER_BODY)
            drawn = list(islice(bodies, plan.batches))
            events = [event for _, together in drawn for event in together]
            used, commits = await _through_the_service(
                world, served, controller, [body for body, _ in drawn], len(events)
            )
            copied = await _copied(world, controller, events, commits)
            if turn >= 0:  # the first turn warms up
                ours.append(used)
                theirs.append(copied)
                sizes += commits
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=tuple(_figures(ours, theirs)),
        checked=(
            "after every round the ledger held one entry, and one content or more, for each event sent",
            "the same events stood in the peer's table, copied in commits of the same sizes in the same server",
        ),
        details={
            "events in a commit": f"{min(sizes)} to {max(sizes)}, {sum(sizes) / len(sizes):.0f} on average",
            "processor time of ours": _shares(ours),
            "processor time of theirs": _shares(theirs),
        },
    )


async def _through_the_service(
    world: World, served: Served, controller: Controller, bodies: list[bytes], events: int
) -> tuple[Used, list[int]]:
    schemas = ["ledger", "projection"]
    before = await world.revision(controller)
    contents = await _contents(world, controller)
    measure = await _Measure.begin(world, served.pid, schemas)
    driven = await drive(
        served.port, iter(bodies), connections=_CONNECTIONS, check=all_accepted(_PER_BODY)
    )
    used = await measure.end(events, driven.seconds)
    await world.verify(controller, before + events)
    if await _contents(world, controller) < contents + events:
        message = "an event was acknowledged, and nothing of it was kept"
        raise AssertionError(message)
    rows = await world.connection.fetch(
        "SELECT size FROM ledger.batch WHERE controller_id = $1 AND first_index >= $2 ORDER BY first_index",
        controller.id,
        before,
    )
    return used, [size for (size,) in rows]


async def _copied(
    world: World, controller: Controller, events: list[people.Event], commits: list[int]
) -> Used:
    rows = [(controller.id, one.message_id, 0, one.name, one.properties) for one in events]
    measure = await _Measure.begin(world, None, ["bench"])
    began = perf_counter()
    first = 0
    for size in commits:
        await world.connection.copy_records_to_table(
            "event", schema_name="bench", records=rows[first : first + size]
        )
        first += size
    used = await measure.end(len(rows), perf_counter() - began)
    found = await world.connection.fetchval("SELECT count(*) FROM bench.event")
    if first != len(rows) or found % len(rows):
        message = f"{len(rows)} rows were to be copied, {first} were, and {found} are there"
        raise AssertionError(message)
    return used


async def _contents(world: World, controller: Controller) -> int:
    found: int = await world.connection.fetchval(
        "SELECT count(DISTINCT entry_index) FROM ledger.content WHERE controller_id = $1", controller.id
    )
    return found


class _Measure:
    """Processor time, stored bytes and write-ahead log between two moments."""

    def __init__(self, world: World, service: int | None, schemas: list[str]) -> None:
        self._world = world
        self._service = service
        self._schemas = schemas
        self._begun: tuple[int, int, float, float, float] = (0, 0, 0.0, 0.0, 0.0)

    @classmethod
    async def begin(cls, world: World, service: int | None, schemas: list[str]) -> "_Measure":
        measure = cls(world, service, schemas)
        measure._begun = await measure._now()
        return measure

    async def end(self, events: int, seconds: float) -> Used:
        stored, logged, client_s, service_s, postgres_s = (
            now - then for now, then in zip(await self._now(), self._begun, strict=True)
        )
        return Used(
            events=events,
            seconds=seconds,
            bytes_stored=int(stored),
            bytes_logged=int(logged),
            client_s=client_s,
            service_s=service_s,
            postgres_s=postgres_s,
        )

    async def _now(self) -> tuple[int, int, float, float, float]:
        connection = self._world.connection
        stored = await connection.fetchval(_BYTES, self._schemas)
        logged = await connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        postmaster = self._world.server.pid
        return (
            stored,
            logged,
            seconds_of(os.getpid()),
            seconds_of(self._service) if self._service else 0.0,
            seconds_of_postgres(postmaster) if postmaster else 0.0,
        )


def _figures(ours: list[Used], theirs: list[Used]) -> list[object]:
    quantities = (
        ("events a second", "/s", lambda one: one.events / one.seconds),
        ("bytes in tables and indexes", "B/event", lambda one: one.bytes_stored / one.events),
        ("bytes of write-ahead log", "B/event", lambda one: one.bytes_logged / one.events),
        (
            "processor time, all processes",
            "µs/event",
            lambda one: (one.client_s + one.service_s + one.postgres_s) * 1e6 / one.events,
        ),
        ("processor time of PostgreSQL", "µs/event", lambda one: one.postgres_s * 1e6 / one.events),
    )
    return [
        figure(what, unit, [of(one) for one in ours], _PEER, [of(one) for one in theirs])
        for what, unit, of in quantities
    ]


def _shares(used: list[Used]) -> str:
    client = sum(one.client_s for one in used)
    service = sum(one.service_s for one in used)
    postgres = sum(one.postgres_s for one in used)
    total = client + service + postgres
    busy = total / sum(one.seconds for one in used)
    return (
        f"service {service / total:.0%}, PostgreSQL {postgres / total:.0%}, client {client / total:.0%} "
        f"({busy:.2f} cores busy)"
    )
