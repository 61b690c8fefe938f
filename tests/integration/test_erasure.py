"""Erasure as the ledger sees it: gone from every table, folded like every other entry, proofs untouched."""

import random
from pathlib import Path

import pytest

from assent.core.time import DAY
from assent.ingest.rebuild import rebuild
from tests.integration.test_rebuild import documents
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts


async def write_and_erase(bench: Bench, seed: int, count: int) -> int:
    """Write at random, and erase somebody every now and then; return how many erasures named others too."""
    dice = random.Random(seed)
    others = 0
    for pause, draft in random_drafts(bench, seed, count):
        bench.now = type(bench.now)(bench.now + pause)
        await bench.commit(draft)
        if dice.random() < 0.06:
            bench.now = type(bench.now)(bench.now + DAY)
            name = dice.choice(["user_id:u0", "user_id:u1", "email:p1@example.com", "anonymous_id:a2"])
            plan = await bench.erase(bench.identifier(*name.split(":")), alone=dice.random() < 0.4)
            others += bool(plan and plan.body.rest)
    return others


@pytest.mark.parametrize("seed", range(6))
async def test_a_rebuild_equals_the_live_projections_after_erasures(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        assert await write_and_erase(bench, seed, 120)
        rebuilt = await rebuild(bench.connection, bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())
