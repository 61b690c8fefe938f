"""Erasure as the ledger sees it: gone from every table, folded like every other entry, proofs untouched."""

import random
from pathlib import Path

import asyncpg
import pytest

from assent.core.time import DAY
from assent.ingest.facts import Draft, UnlinkBody
from assent.ingest.rebuild import rebuild
from tests.integration.test_rebuild import documents
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts


async def payloads(bench: Bench) -> str:
    """Return all payloads that the key ring opens."""
    aad = b"assent/payload@1 %d" % bench.controller_id
    rows = await bench.connection.fetch("SELECT sealed FROM ledger.payload")
    return "\n".join(bench.ring.open(sealed, aad).decode("latin-1") for (sealed,) in rows)


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


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            (
                "INSERT INTO ledger.payload SELECT controller_id, $1, identifier_id, sealed "
                "FROM ledger.payload ORDER BY entry_index LIMIT 1"
            ),
            "it was erased, and is there",
        ),
        ("DELETE FROM ledger.payload WHERE entry_index > $1", "the payload is missing"),
    ],
)
async def test_a_payload_is_gone_exactly_where_an_erasure_says_so(
    fresh_database: TestDatabase, folder: Path, fault: str, said: str
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        ada, bob = bench.identifier("user_id", "ada"), bench.identifier("user_id", "bob")
        for one in (ada, bob):
            await bench.commit(bench.event("Order Completed", [one], revenue=1))
        plan = await bench.erase(ada)
        assert plan is not None
        assert (await rebuild(bench.connection, bench.ring)).faults == ()
        await bench.connection.execute(fault, plan.body.gone[0])
        assert any(said in one for one in (await rebuild(bench.connection, bench.ring)).faults)


@pytest.mark.parametrize("erased", ["ada", "bob"])
async def test_taking_back_what_nobody_stated_names_nobody_beside_a_stranger(
    fresh_database: TestDatabase, folder: Path, erased: str
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        both = [bench.identifier("user_id", one) for one in ("ada", "bob")]
        for one in both:
            await bench.commit(bench.event("Order Completed", [one], revenue=1))
        await bench.commit(Draft(body=UnlinkBody(identifiers=tuple(both)), role="dpo"))
        await bench.erase(bench.identifier("user_id", erased))
        assert f'"{erased}"' not in await payloads(bench)
        rebuilt = await rebuild(bench.connection, bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())


@pytest.mark.parametrize("lifted", [False, True])
async def test_what_stays_shared_is_folded_and_lifted_like_everything_else(
    fresh_database: TestDatabase, folder: Path, *, lifted: bool
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        ada, bob = bench.identifier("user_id", "ada"), bench.identifier("user_id", "bob")
        browser = bench.identifier("anonymous_id", "velvet-17")
        for one in (ada, bob):
            await bench.commit(bench.event("Order Completed", [one, browser], revenue=1))
        await bench.erase(ada)
        if lifted:
            await bench.commit(Draft(body=UnlinkBody(identifiers=(browser,)), role="dpo"))
        await bench.commit(bench.event("Order Completed", [bob, browser], revenue=1))
        joined = await bench.connection.fetchval("SELECT count(*) FROM projection.cluster WHERE view_id = 1")
        assert joined == (2 if lifted else 0)
        rebuilt = await rebuild(bench.connection, bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())
        await bench.erase(browser)
        assert await bench.connection.fetchval("SELECT count(*) FROM projection.denied_link") == 0
        assert (await rebuild(bench.connection, bench.ring)).differences == ()


async def test_no_payload_goes_without_an_erasure(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await bench.commit(bench.event("Order Completed", [bench.identifier("user_id", "ada")], revenue=1))
        with pytest.raises(asyncpg.RaiseError):
            await bench.connection.execute(
                "SELECT ledger.erase($1, 1, '{0}'::bigint[], '{NULL}'::bytea[], '{0}'::bigint[])",
                bench.controller_id,
            )


async def test_an_unlinked_identifier_is_erased_from_the_entries_of_others_too(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        ada, browser = bench.identifier("user_id", "ada"), bench.identifier("anonymous_id", "velvet-17")
        await bench.commit(bench.event("Order Completed", [ada, browser], revenue=1))
        body = UnlinkBody(identifiers=(browser,))
        await bench.commit(Draft(body=body, role="dpo"))
        assert await bench.connection.fetchval("SELECT count(*) FROM projection.former_link") == 1
        await bench.erase(browser)
        assert await bench.connection.fetchval("SELECT count(*) FROM projection.former_link") == 0
        assert "velvet-17" not in await payloads(bench)
        rebuilt = await rebuild(bench.connection, bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())
