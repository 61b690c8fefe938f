"""Durable batches with everything on, against COPY of the same bare rows in commits of the same sizes.

Two peers: rows whose properties are text, which PostgreSQL takes as they come, and rows whose properties are
jsonb, which it reads, as a table of events that is to be queried would have them.
"""

import os
from collections.abc import Callable
from itertools import islice
from time import perf_counter
from typing import Final

from msgspec import Struct

from tests.benchmarks import people
from tests.benchmarks.client import drive
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.processes import seconds_of, seconds_of_postgres
from tests.benchmarks.world import Controller, Served, World, all_accepted, ready

NAME: Final = "batch"

_PER_BODY: Final = 100
_CONNECTIONS: Final = 8
"""Enough that something waits while a commit is under way: commits of up to 800 events."""

_PEERS: Final = {"text": "COPY of the bare rows, properties as text", "jsonb": "COPY, properties as jsonb"}

_PASSES: Final = 5
"""How many times a peer copies the events of a round: once is over before processor time can be measured."""

_TABLE: Final = """
CREATE TABLE bench.{kind} (
    controller_id bigint NOT NULL,
    message_id text NOT NULL,
    at bigint NOT NULL,
    name text NOT NULL,
    properties {kind} NOT NULL,
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
    theirs: dict[str, list[Used]] = {kind: [] for kind in _PEERS}
    sizes: list[int] = []
    await world.connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    for kind in _PEERS:
        await world.connection.execute(_TABLE.format(kind=kind))
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
            copied = {kind: await _copied(world, controller, kind, events, commits) for kind in _PEERS}
            if turn >= 0:  # the first turn warms up
                ours.append(used)
                sizes += commits
                for kind, one in copied.items():
                    theirs[kind].append(one)
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=tuple(one for kind, peer in _PEERS.items() for one in _figures(ours, peer, theirs[kind])),
        checked=(
            "after every round the ledger held one entry, and one content or more, for each event sent",
            f"the peers' tables held the same events {_PASSES} times, copied in commits of the same sizes",
        ),
        details={
            "events in a commit": f"{min(sizes)} to {max(sizes)}, {sum(sizes) / len(sizes):.0f} on average",
            "processor time of ours": _shares(ours),
            **{f"processor time of {peer}": _shares(theirs[kind]) for kind, peer in _PEERS.items()},
        },
    )


async def _through_the_service(
    world: World, served: Served, controller: Controller, bodies: list[bytes], events: int
) -> tuple[Used, list[int]]:
    before = await world.revision(controller)
    contents = await _contents(world, controller)
    began = await _now(world, served.pid)
    driven = await drive(served.port, iter(bodies), connections=_CONNECTIONS, check=all_accepted(_PER_BODY))
    used = _used(began, await _now(world, served.pid), events, driven.seconds)
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
    world: World, controller: Controller, kind: str, events: list[people.Event], commits: list[int]
) -> Used:
    passes = [
        [(controller.id, f"{one.message_id}/{number}", number, one.name, one.properties) for one in events]
        for number in range(_PASSES)
    ]
    before = await _now(world, None)
    began = perf_counter()
    for rows in passes:
        first = 0
        for size in commits:
            await world.connection.copy_records_to_table(
                kind, schema_name="bench", records=rows[first : first + size]
            )
            first += size
    used = _used(before, await _now(world, None), len(events) * _PASSES, perf_counter() - began)
    found = await world.connection.fetchval(f"SELECT count(*) FROM bench.{kind}")
    if sum(commits) != len(events) or found % used.events:
        message = f"{used.events} rows were to be copied, {found} are there"
        raise AssertionError(message)
    return used


async def _contents(world: World, controller: Controller) -> int:
    found: int = await world.connection.fetchval(
        "SELECT count(DISTINCT entry_index) FROM ledger.content WHERE controller_id = $1", controller.id
    )
    return found


async def _now(world: World, service: int | None) -> Used:
    """Return what was used so far, by everybody, of this world's database and processor time."""
    postmaster = world.server.pid
    return Used(
        events=0,
        seconds=0.0,
        bytes_stored=await world.connection.fetchval(_BYTES, ["ledger", "projection", "bench"]),
        bytes_logged=await world.connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"),
        client_s=seconds_of(os.getpid()),
        service_s=seconds_of(service) if service else 0.0,
        postgres_s=seconds_of_postgres(postmaster) if postmaster else 0.0,
    )


def _used(before: Used, after: Used, events: int, seconds: float) -> Used:
    return Used(
        events=events,
        seconds=seconds,
        bytes_stored=after.bytes_stored - before.bytes_stored,
        bytes_logged=after.bytes_logged - before.bytes_logged,
        client_s=after.client_s - before.client_s,
        service_s=after.service_s - before.service_s,
        postgres_s=after.postgres_s - before.postgres_s,
    )


_QUANTITIES: Final[tuple[tuple[str, str, Callable[[Used], float]], ...]] = (
    ("events a second", "/s", lambda one: one.events / one.seconds),
    ("bytes in tables and indexes", "B/event", lambda one: one.bytes_stored / one.events),
    ("bytes of write-ahead log", "B/event", lambda one: one.bytes_logged / one.events),
    ("processor time of all", "µs/event", lambda one: _busy_s(one) * 1e6 / one.events),
    ("processor time of PostgreSQL", "µs/event", lambda one: one.postgres_s * 1e6 / one.events),
)


def _figures(ours: list[Used], peer: str, theirs: list[Used]) -> list[Figure]:
    return [
        figure(what, unit, [of(one) for one in ours], peer, [of(one) for one in theirs])
        for what, unit, of in _QUANTITIES
    ]


def _busy_s(one: Used) -> float:
    return one.client_s + one.service_s + one.postgres_s


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
