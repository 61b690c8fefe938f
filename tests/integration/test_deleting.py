"""What is too much for one commit: closed in it, deleted in chunks, never back, folded like all else."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assent.core.time import DAY, HOUR, Instant
from assent.ingest import deleting
from assent.ingest.deleting import waiting
from assent.ingest.facts import Identifier
from tests.integration.test_rebuild import documents
from tests.integration.test_upkeep import count, equal, tend, texts
from tests.support.database import TestDatabase
from tests.support.ledger import BEGIN, Bench, open_bench, random_drafts

GATE = "SELECT at, entry_index, body FROM gate.released WHERE feature_id <> 0"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a commit delete five rows, and a chunk three."""
    monkeypatch.setattr(deleting, "MOST_ROWS", 5)
    monkeypatch.setattr(deleting.delete_chunk, "__defaults__", (3,))


@pytest.fixture
async def bench(fresh_database: TestDatabase, folder: Path) -> AsyncIterator[Bench]:
    async with open_bench(fresh_database, folder, documents()) as opened:
        yield opened


async def look(bench: Bench, who: Identifier, number: int, *, category: str) -> None:
    await bench.commit(
        *(bench.event("Product Viewed", [who], category=category, place=n) for n in range(number))
    )


async def released(bench: Bench, purpose: str) -> list[Any]:
    """Return every item that the gate shows for a purpose."""
    async with bench.connection.transaction():
        for setting, value in (
            ("controller", bench.controller_id),
            ("purpose", bench.policy.purpose_ids[purpose]),
            ("now", bench.now),
        ):
            await bench.connection.execute(f"SET LOCAL assent.{setting} = '{value}'")
        return await bench.connection.fetch(GATE)


async def test_small_is_deleted_in_the_commit_that_closes_it(bench: Bench) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 3, category="velvet")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    assert "velvet" not in await texts(bench)
    assert (await waiting(bench.connection, bench.controller_id)).identifiers == 0


@pytest.mark.usefixtures("small")
async def test_large_is_shown_to_nobody_from_its_commit_on_and_deleted_after(bench: Bench) -> None:
    ada, bob = bench.identifier("user_id", "ada"), bench.identifier("user_id", "bob")
    for each in (ada, bob):
        await bench.commit(bench.stated(each, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await look(bench, bob, 8, category="linen")
    shown = await released(bench, "personalisation")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    assert 0 < len(await released(bench, "personalisation")) < len(shown)
    assert "velvet" in await texts(bench)
    found = await waiting(bench.connection, bench.controller_id)
    assert found.since is not None
    assert (found.identifiers, found.due) == (1, found.since + DAY)
    await equal(bench)
    assert (await tend(bench))["deleted"] >= 16
    left = await texts(bench)
    assert "velvet" not in left
    assert "linen" in left
    assert await count(bench, "ledger.deletion") == 0
    await equal(bench)


@pytest.mark.usefixtures("small")
async def test_who_consents_anew_before_it_is_deleted_begins_again(bench: Bench) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    bench.now = Instant(bench.now + HOUR)
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    assert await released(bench, "personalisation") == []
    await look(bench, ada, 2, category="cotton")
    since = await count(bench, "ledger.entry") - 2
    new = [row["entry_index"] for row in await released(bench, "personalisation")]
    assert all(entry >= since for entry in new)
    assert new
    await equal(bench)
    # Withdrawn once more before the first is deleted: each takes what came before it.
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 2, category="silk")
    await equal(bench)
    await tend(bench)
    left = await texts(bench)
    assert ("velvet" in left, "cotton" in left, "silk" in left) == (False, False, True)
    await equal(bench)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sound", [True, False])
async def test_what_waits_is_not_shown_to_a_purpose_that_reaches_back(bench: Bench, *, sound: bool) -> None:
    if not sound:
        await bench.connection.execute(
            "CREATE OR REPLACE VIEW ledger.kept_item AS SELECT * FROM projection.feature_item"
        )
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await bench.connection.execute("UPDATE purpose SET retroactive = -1")
    before = await released(bench, "personalisation")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    bench.now = Instant(bench.now + HOUR)
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    assert before
    assert (await released(bench, "personalisation") == []) is sound


@pytest.mark.usefixtures("small")
async def test_what_lapses_is_put_off_likewise(bench: Bench) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    bench.now = Instant(BEGIN + 400 * DAY)
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    assert "velvet" in await texts(bench)
    assert await released(bench, "personalisation") == []
    await equal(bench)
    await tend(bench)
    assert "velvet" not in await texts(bench)
    await equal(bench)


@pytest.mark.usefixtures("small")
async def test_restriction_stops_what_is_under_way(bench: Bench) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    await bench.commit(bench.mark(ada, "restricted"))
    held = await count(bench, "ledger.content")
    await tend(bench)
    assert await count(bench, "ledger.content") == held
    await equal(bench)
    await bench.commit(bench.mark(ada, "unrestricted"))
    await tend(bench)
    assert "velvet" not in await texts(bench)
    await equal(bench)


@pytest.mark.usefixtures("small")
async def test_what_a_policy_lets_a_purpose_use_no_longer_is_deleted(bench: Bench) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await bench.commit(bench.event("Order Completed", [ada], revenue=7, note="linen"))
    await tend(bench)
    assert "velvet" in await texts(bench)
    narrower = json.loads(json.dumps(documents()))
    for purpose in narrower["purposes"]["purposes"].values():
        if "browsing" in purpose.get("categories", ()):
            purpose["categories"].remove("browsing")
    await bench.activate(narrower)
    await equal(bench)
    # Somebody may have activated it by mistake: what it closes is shown to nobody, and kept for half a day.
    assert "uncovered" not in await tend(bench)
    assert "velvet" in await texts(bench)
    bench.now = Instant(bench.now + DAY // 2)
    assert (await tend(bench))["uncovered"]
    left = await texts(bench)
    assert "velvet" not in left
    assert "linen" in left
    await equal(bench)
    assert await tend(bench) == {}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", [0, 1])
async def test_a_rebuild_equals_the_live_projections_whatever_waits(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    put_off = 0
    async with open_bench(fresh_database, folder, documents()) as bench:
        for place, (pause, draft) in enumerate(random_drafts(bench, seed, 120)):
            bench.now = Instant(bench.now + pause)
            await bench.commit(draft)
            if place % 30 == 29:
                put_off += await count(bench, "ledger.deletion")
                await equal(bench)
                await tend(bench)
            if place % 40 == 35:
                await bench.erase(bench.identifier("user_id", f"u{place % 3}"))
        assert put_off
        await equal(bench)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("chunks", "deleted"), [(0, 0), (2, 6), (4, 11)])
async def test_who_is_killed_while_deleting_leaves_whole_chunks_and_the_next_finds_the_rest(
    fresh_database: TestDatabase, folder: Path, bench: Bench, chunks: int, deleted: int
) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    rows = "(SELECT 1 FROM ledger.content UNION ALL SELECT 1 FROM feature_item) AS r"
    held = await count(bench, rows)
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.killed"),
        *(fresh_database.dsn(), str(folder / "ring.json"), str(chunks)),
    )
    assert await killed.wait() == -signal.SIGKILL
    assert held - await count(bench, rows) == deleted
    await equal(bench)
    bench.now = Instant(bench.now + HOUR)  # the lease of who was killed ends by itself
    await tend(bench)
    assert "velvet" not in await texts(bench)
    assert await count(bench, "ledger.deletion") == 0
    await equal(bench)


@pytest.mark.usefixtures("small")
async def test_a_deletion_that_takes_what_came_after_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = bench.identifier("user_id", "ada")
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 8, category="velvet")
    await bench.commit(bench.stated(ada, "personalisation", "withdrawn"))
    await bench.commit(bench.stated(ada, "personalisation", "given"))
    await look(bench, ada, 2, category="cotton")
    await bench.connection.execute("UPDATE ledger.deletion SET befores = '{1000000}'")
    await tend(bench)
    with pytest.raises(AssertionError):
        await equal(bench)
