"""The live projections are a fold over the entries: folded again, they are the same, row for row."""

import random
from pathlib import Path

import pytest

from assent.ingest.rebuild import rebuild
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts
from tests.support.policy_documents import Documents, changed, shipped

TABLES = {"identifier", "link", "cluster", "permit", "statement", "feature_state", "feature_item"}


def documents() -> Documents:
    """The shipped policy, with consents that lapse within the test and one limit that conflicts."""
    return changed(shipped(), "purposes", '[purposes.personalisation]\nvalidity = "P30D"')


async def write(bench: Bench, seed: int, count: int) -> None:
    dice = random.Random(seed)
    drafts = random_drafts(bench, seed, count)
    while drafts:
        size = dice.choice((1, 1, 2, 7))
        together, drafts = drafts[:size], drafts[size:]
        bench.now = type(bench.now)(bench.now + sum(pause for pause, _ in together))
        await bench.commit(*(draft for _, draft in together))


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_equals_the_live_projections(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write(bench, seed, 150)
        await bench.activate(changed(documents(), "purposes", "[purposes.analytics]\nk = 20"))
        await write(bench, seed + 100, 100)
        told: list[tuple[int, int]] = []
        rebuilt = await rebuild(bench.connection, bench.ring, progress=lambda *at: told.append(at))
        assert rebuilt.differences == ()
        revision = await bench.connection.fetchval("SELECT revision FROM ledger.head")
        assert rebuilt.entries == revision == told[-1][0] == told[-1][1]
        assert all(rebuilt.rows[table] for table in TABLES), rebuilt.rows


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE permit SET until = until - 1 WHERE identifier_id = (SELECT max(identifier_id) FROM permit)",
        "DELETE FROM feature_item WHERE entry_index = (SELECT max(entry_index) FROM feature_item)",
        "UPDATE link SET last_at = last_at + 1 WHERE low_id = (SELECT min(low_id) FROM link)",
        "INSERT INTO cluster (controller_id, view_id, identifier_id, profile_id) VALUES (1, 1, 1, 1)",
    ],
)
async def test_a_row_that_no_entry_made_is_found(
    fresh_database: TestDatabase, folder: Path, fault: str
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write(bench, 5, 80)
        assert (await rebuild(bench.connection, bench.ring)).differences == ()
        assert not (await bench.connection.execute(fault)).endswith(" 0")
        assert (await rebuild(bench.connection, bench.ring)).differences


async def test_a_rebuild_leaves_nothing_behind(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await rebuild(bench.connection, bench.ring)
        schemas = await bench.connection.fetchval(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'projection_rebuild'"
        )
        assert schemas == 0
