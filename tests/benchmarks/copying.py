"""The peer of batches: COPY of the same events' bare rows, with the same key, in commits equally large."""

from collections.abc import Sequence
from time import perf_counter
from typing import Final

from tests.benchmarks import people
from tests.benchmarks.usage import Used, so_far
from tests.benchmarks.usage import used as used_between
from tests.benchmarks.world import Controller, World

PASSES: Final = 5
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


async def make_table(world: World, kind: str) -> None:
    """Make the table whose properties are `kind`, text or jsonb."""
    await world.connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    await world.connection.execute(_TABLE.format(kind=kind))


async def fill(
    world: World, controller: Controller, kind: str, events: Sequence[people.Event], copies: int
) -> None:
    """Let a peer's table hold these events and so many copies of them."""
    await world.connection.copy_records_to_table(
        kind,
        schema_name="bench",
        records=[(controller.id, one.message_id, 0, one.name, one.properties) for one in events],
    )
    await world.connection.execute(
        f"INSERT INTO bench.{kind} "
        "SELECT t.controller_id, t.message_id || '+' || n.copy, n.copy, t.name, t.properties "
        f"FROM generate_series(1, {copies}) AS n (copy) CROSS JOIN bench.{kind} AS t"
    )


async def copy(
    world: World, controller: Controller, kind: str, events: list[people.Event], commits: list[int]
) -> Used:
    """Copy the events of a round, `PASSES` times with keys of their own each."""
    passes = [
        [(controller.id, f"{one.message_id}/{number}", number, one.name, one.properties) for one in events]
        for number in range(PASSES)
    ]
    before = await so_far(world)
    began = perf_counter()
    for rows in passes:
        first = 0
        for size in commits:
            await world.connection.copy_records_to_table(
                kind, schema_name="bench", records=rows[first : first + size]
            )
            first += size
    used = used_between(before, await so_far(world), len(events) * PASSES, perf_counter() - began)
    found = await world.connection.fetchval(
        f"SELECT count(*) FROM bench.{kind} WHERE controller_id = $1 AND message_id = ANY($2)",
        controller.id,
        [row[1] for rows in passes for row in rows],
    )
    if sum(commits) != len(events) or found != used.events:
        message = f"{used.events} rows were to be copied, {found} are there"
        raise AssertionError(message)
    return used
