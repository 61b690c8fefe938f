"""Links that are over: an entry says so, views split there, and a rebuild finds the same."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from assent.core.ids import RESOLUTION
from assent.core.time import DAY, HOUR, Instant
from assent.ingest import joining
from assent.ingest.expiring import Expiry
from assent.ingest.facts import Identifier
from assent.ingest.rebuild import rebuild
from assent.ingest.upkeep import Upkeep
from tests.integration.test_rebuild import documents
from tests.support.database import TestDatabase
from tests.support.ledger import BEGIN, Bench, open_bench
from tests.support.policy_documents import Documents


def short(days: int = 30) -> Documents:
    """The shipped policy, whose cookies live for some days."""
    kept: Documents = json.loads(json.dumps(documents()))
    kept["identity"]["namespaces"]["anonymous_id"]["lifetime"] = f"P{days}D"
    return kept


async def tend(bench: Bench, at: int) -> int:
    """Let the job run then; return how many components it says are others."""
    bench.now = Instant(at)
    upkeep = Upkeep(
        bench.connection,
        bench.ring,
        bench.controller_id,
        lambda: bench.now,
        asyncio.Event(),
        Expiry(bench.ring, bench, os.urandom),
    )
    return (await upkeep.run())["expired"]


async def together(bench: Bench) -> int:
    """Return how many identifiers are of one person with another."""
    count: int = await bench.connection.fetchval(
        "SELECT count(*) FROM cluster WHERE view_id = $1", RESOLUTION
    )
    return count


async def last_seen(bench: Bench) -> int:
    at: int = await bench.connection.fetchval("SELECT max(last_at) FROM link")
    return at


async def equal(bench: Bench) -> None:
    rebuilt = await rebuild(bench.connection, bench.ring)
    assert (rebuilt.faults, rebuilt.differences) == ((), ())


def pair(bench: Bench) -> list[Identifier]:
    return [bench.identifier("user_id", "ada"), bench.identifier("anonymous_id", "a1")]


async def test_a_link_joins_nobody_from_the_entry_that_says_it_is_over(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=7))
        seen = await last_seen(bench)
        assert await tend(bench, seen + 30 * DAY - 1) == 0
        assert await together(bench) == 2
        assert await tend(bench, seen + 30 * DAY) == 1
        assert await together(bench) == 0
        assert await tend(bench, seen + 31 * DAY) == 0
        await equal(bench)


async def test_seen_again_it_joins_again(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=7))
        assert await tend(bench, BEGIN + 40 * DAY) == 1
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=8))
        assert await together(bench) == 2
        await equal(bench)
        assert await tend(bench, BEGIN + 71 * DAY) == 1
        await equal(bench)


async def test_within_the_hour_too_it_lives_on_from_when_it_was_seen_last(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=7))
        bench.now = Instant(bench.now + HOUR // 2)
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=8))
        seen = await last_seen(bench)
        assert seen >= bench.now
        assert await tend(bench, seen + 30 * DAY - 1) == 0
        assert await tend(bench, seen + 30 * DAY) == 1


async def test_evidence_that_comes_late_and_is_over_joins_nobody(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        bench.now = Instant(BEGIN + 60 * DAY)
        await bench.commit(bench.event("Order Completed", pair(bench), at=BEGIN, revenue=7))
        assert await together(bench) == 0
        await equal(bench)


async def test_a_lifetime_that_a_later_policy_brings_counts_for_links_of_before(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short(300)) as bench:
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=7))
        assert await tend(bench, BEGIN + 100 * DAY) == 0
        await bench.activate(short(30))
        assert await together(bench) == 0
        await bench.activate(short(300))
        assert await together(bench) == 2
        await equal(bench)


async def test_a_fold_that_lets_links_live_for_ever_is_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await bench.commit(bench.event("Order Completed", pair(bench), revenue=7))
        monkeypatch.setattr(joining.Joined, "expire", lambda _: None)
        assert await tend(bench, BEGIN + 40 * DAY) == 0
        assert await together(bench) == 2
