"""What a committer keeps in memory is what it would load: no other's commit, no failed batch shows in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from assent.ingest import memory
from assent.ingest.memory import Memory
from assent.ingest.rebuild import rebuild
from tests.integration.test_committer import World, world
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts
from tests.support.policy_documents import Documents, changed, shipped


def documents() -> Documents:
    return changed(shipped(), "purposes", '[purposes.personalisation]\nvalidity = "P30D"')


async def write(benches: list[Bench], seed: int, count: int) -> None:
    """Commit random facts one by one, each bench in turn: two processes on one ledger."""
    for place, (pause, draft) in enumerate(random_drafts(benches[0], seed, count)):
        now = type(benches[0].now)(benches[0].now + pause)
        for bench in benches:
            bench.now = now
        await benches[place % len(benches)].commit(draft)


@asynccontextmanager
async def two_writers(database: TestDatabase, folder: Path) -> AsyncIterator[list[Bench]]:
    async with open_bench(database, folder, documents()) as first:
        connection = await asyncpg.connect(
            database.dsn(), server_settings={"search_path": "projection, pg_temp"}
        )
        try:
            second = Bench(connection, first.ring, first.controller_id)
            second.policy = first.policy
            yield [first, second]
        finally:
            await connection.close()


@pytest.mark.parametrize("seed", [5, 8])
@pytest.mark.parametrize("most_kept", [0, 3])
async def test_whoever_was_forgotten_is_loaded_again(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, most_kept: int
) -> None:
    monkeypatch.setattr(memory, "MOST_KEPT", most_kept)
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write([bench], seed, 80)
        assert (await rebuild(bench.connection, bench.ring)).differences == ()


async def test_another_writer_makes_a_memory_worthless(fresh_database: TestDatabase, folder: Path) -> None:
    async with two_writers(fresh_database, folder) as benches:
        await write(benches, 5, 60)
        assert (await rebuild(benches[0].connection, benches[0].ring)).differences == ()


async def test_a_memory_that_believes_itself_is_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary of the test above: a memory that does not ask where the head stands."""
    monkeypatch.setattr(Memory, "is_of", lambda *_: True)
    async with two_writers(fresh_database, folder) as benches:
        with pytest.raises(asyncpg.UniqueViolationError):
            await write(benches, 5, 60)


async def order_beside_poison(it: World) -> tuple[object, ...]:
    """Order, order in a batch that fails and is halved, order; return how a rebuild differs."""
    await it.append(it.order("u1"))
    await it.append(it.order("u1"), it.poison())
    await it.append(it.order("u1"))
    server = it.wired.settings.database_url
    assert server is not None
    connection = await asyncpg.connect(server.reveal())
    try:
        return (await rebuild(connection, it.wired.ring)).differences
    finally:
        await connection.close()


async def test_a_batch_that_failed_leaves_nothing_in_memory(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with world(fresh_database, folder) as it:
        assert await order_beside_poison(it) == ()


async def test_a_memory_that_outlives_a_failed_batch_is_found(
    fresh_database: TestDatabase, folder: Path
) -> None:
    """The canary of the test above: a committer that does not take its memory out before it uses it."""

    class Sticky(dict[Any, Any]):
        pop = dict.get

    async with world(fresh_database, folder) as it:
        it.committer._memories = Sticky(it.committer._memories)
        assert await order_beside_poison(it)
