"""An erasure that is more than one commit may do: closed at once, done in chunks, folded like every other."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from assent.core.time import DAY, HOUR, Instant
from assent.ingest import deleting, erasure_chunks
from assent.ingest.export import export
from assent.ingest.rebuild import rebuild
from tests.integration.test_erasure import payloads
from tests.integration.test_rebuild import documents
from tests.integration.test_upkeep import count, equal, tend, texts
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts
from tests.support.policy_documents import Documents

TABLES = (
    *("ledger.erasing", "ledger.erasing_entry", "ledger.deletion", "ledger.message"),
    *("feature_item", "feature_state", "identifier", "ledger.content"),
)


def retaining() -> Documents:
    """The shipped policy, and a law that keeps orders."""
    kept = {"orders": {"ground": "17(3)(b)", "title": "Tax law", "period": "P10Y"}}
    return {**documents(), "purposes": {**documents()["purposes"], "retained": kept}}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chunks be of two entries and three rows."""
    monkeypatch.setattr(erasure_chunks, "CHUNK", 2)
    monkeypatch.setattr(deleting.delete_chunk, "__defaults__", (3,))


async def live(bench: Bench) -> None:
    """Let Ada look and buy, on a device that Bob uses too, and Bob buy."""
    ada, bob = bench.identifier("user_id", "ada"), bench.identifier("user_id", "bob")
    shared = bench.identifier("anonymous_id", "velvet-17")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    for number in range(5):
        await bench.commit(bench.event("Product Viewed", [ada], category="linen", place=number))
        await bench.commit(bench.event("Order Completed", [ada, shared], revenue=number, note="lace"))
    await bench.commit(bench.event("Order Completed", [bob, shared], revenue=7, note="cotton"))


async def exported(bench: Bench) -> str:
    lines = [line async for line, _, _ in export(bench.connection, bench.ring, bench.controller_id)]
    return b"".join(lines).decode()


@pytest.mark.parametrize("keeping", [False, True])
async def test_nothing_is_read_from_the_commit_on_and_nothing_is_left_in_the_end(
    fresh_database: TestDatabase, folder: Path, *, keeping: bool
) -> None:
    async with open_bench(fresh_database, folder, retaining() if keeping else documents()) as bench:
        await live(bench)
        assert "linen" in await exported(bench)
        await bench.erase(bench.identifier("user_id", "ada"), in_chunks=True)
        # Closed: the rows are there, and nobody reads them.
        assert "linen" in await texts(bench)
        said = await exported(bench)
        assert ("linen" in said, '"ada"' in said, "cotton" in said) == (False, keeping, True)
        await equal(bench)
        # Done.
        await erasure_chunks.finish(bench.connection, bench.controller_id)
        left = await texts(bench)
        assert ("linen" in left, "lace" in left, "cotton" in left) == (False, keeping, True)
        assert ('"ada"' in await payloads(bench)) is keeping
        assert [await count(bench, table) for table in TABLES[:4]] == [0, 0, 0, 0]
        await equal(bench)


@pytest.mark.parametrize("seed", range(3))
async def test_a_rebuild_equals_the_live_projections_closed_and_done(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    async with open_bench(fresh_database, folder, retaining()) as bench:
        dice = random.Random(seed)
        for number, (pause, draft) in enumerate(random_drafts(bench, seed, 80)):
            bench.now = Instant(bench.now + pause)
            await bench.commit(draft)
            if number % 20 == 19:
                bench.now = Instant(bench.now + DAY)
                name = dice.choice(["user_id:u0", "user_id:u1", "email:p1@example.com"])
                one = bench.identifier(*name.split(":"))
                await bench.erase(one, alone=dice.random() < 0.4, in_chunks=True)
                await equal(bench)
                await erasure_chunks.finish(bench.connection, bench.controller_id)
        await equal(bench)
        assert [await count(bench, table) for table in TABLES[:3]] == [0, 0, 0]


@pytest.mark.parametrize("chunks", [0, 3, 8])
async def test_who_is_killed_leaves_whole_chunks_and_the_upkeep_does_the_rest(
    fresh_database: TestDatabase, folder: Path, chunks: int
) -> None:
    async with open_bench(fresh_database, folder, retaining()) as bench:
        await live(bench)
        await bench.erase(bench.identifier("user_id", "ada"), in_chunks=True)
        killed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.killed"),
            *(fresh_database.dsn(), str(folder / "ring.json"), str(chunks)),
        )
        assert await killed.wait() == -signal.SIGKILL
        assert await count(bench, "ledger.erasing") == 1
        await equal(bench)
        bench.now = Instant(bench.now + HOUR)
        await tend(bench)
        assert "linen" not in await texts(bench)
        assert [await count(bench, table) for table in TABLES[:3]] == [0, 0, 0]
        await equal(bench)


async def test_what_was_kept_and_never_closed_is_forgotten(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await live(bench)
        await bench.connection.execute(
            "INSERT INTO ledger.erasing (controller_id, erasing_id, began_at, identifiers) "
            "VALUES ($1, '6d0cb2f4-5d6c-4a40-9b2e-1d5a4f0b3c11', $2, '{}')",
            bench.controller_id,
            bench.now,
        )
        await tend(bench)
        assert await count(bench, "ledger.erasing") == 1
        bench.now = Instant(bench.now + 2 * HOUR)
        await tend(bench)
        assert await count(bench, "ledger.erasing") == 0


async def test_a_reader_that_does_not_go_by_what_is_closed_is_found(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await live(bench)
        await bench.connection.execute(
            "CREATE OR REPLACE VIEW ledger.kept_payload AS SELECT * FROM ledger.payload"
        )
        await bench.erase(bench.identifier("user_id", "ada"), in_chunks=True)
        assert '"ada"' in await exported(bench)
        assert (await rebuild(bench.connection, bench.ring)).faults
