"""What time deletes: gone within the policy's times, restricted people spared, folded like all else."""

import asyncio
import json
from pathlib import Path

import pytest

from assent.core.time import DAY, Instant
from assent.ingest.controllers import create_controller
from assent.ingest.facts import Identifier
from assent.ingest.rebuild import rebuild
from assent.ingest.upkeep import Upkeep
from tests.integration.test_rebuild import documents
from tests.support.database import TestDatabase
from tests.support.ledger import BEGIN, Bench, open_bench, random_drafts
from tests.support.policy_documents import Documents


def short() -> Documents:
    """The shipped policy with short times: consents of a month, browsing kept for two."""
    kept: Documents = json.loads(json.dumps(documents()))
    kept["features"]["categories"]["browsing"]["retention"] = "P60D"
    kept["features"]["categories"]["orders"]["retention"] = "P200D"
    return kept


class Closing:
    """Never."""

    def is_set(self) -> bool:
        return False


async def tend(bench: Bench) -> dict[str, int]:
    """Delete what is due now."""
    upkeep = Upkeep(
        bench.connection,
        bench.ring,
        bench.controller_id,
        lambda: bench.now,
        Closing(),  # type: ignore[arg-type]
    )
    return dict(await upkeep.run())


async def texts(bench: Bench) -> str:
    """Return all content that the key ring opens."""
    rows = await bench.connection.fetch("SELECT sealed FROM ledger.content")
    aad = b"assent/payload@1 %d" % bench.controller_id
    return "\n".join(bench.ring.open(sealed, aad).decode("latin-1") for (sealed,) in rows)


async def equal(bench: Bench) -> None:
    rebuilt = await rebuild(bench.connection, bench.ring)
    assert (rebuilt.faults, rebuilt.differences) == ((), ())


async def count(bench: Bench, table: str) -> int:
    number: int = await bench.connection.fetchval(f"SELECT count(*) FROM {table}")
    return number


async def test_what_a_lapsed_consent_alone_carried_is_gone_within_a_day(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        ada = bench.identifier("user_id", "ada")
        await bench.commit(bench.stated(ada, "personalisation", "given"))
        await bench.commit(bench.event("Product Viewed", [ada], category="velvet"))
        await bench.commit(bench.event("Order Completed", [ada], revenue=7, note="linen"))
        bench.now = Instant(BEGIN + 29 * DAY)
        await tend(bench)
        assert "velvet" in await texts(bench)
        await equal(bench)
        bench.now = Instant(BEGIN + 31 * DAY)
        assert (await tend(bench))["lapsed"]
        left = await texts(bench)
        assert "velvet" not in left
        assert "linen" in left
        assert await count(bench, "feature_item WHERE category_id <> 0 AND basis = 0") == 0
        assert await tend(bench) == {}
        await equal(bench)


async def test_no_category_is_kept_longer_than_it_says(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        ada = bench.identifier("user_id", "ada")
        await bench.commit(bench.event("Order Completed", [ada], revenue=7, note="linen"))
        bench.now = Instant(BEGIN + 150 * DAY)
        await bench.commit(bench.event("Order Completed", [ada], revenue=8, note="cotton"))
        await tend(bench)
        assert "linen" in await texts(bench)
        bench.now = Instant(BEGIN + 201 * DAY)
        assert (await tend(bench))["outlived"]
        left = await texts(bench)
        assert "linen" not in left
        assert "cotton" in left
        await equal(bench)
        bench.now = Instant(BEGIN + 400 * DAY)
        await tend(bench)
        assert await count(bench, "feature_state") == await count(bench, "feature_item") == 0
        assert await bench.connection.fetchval("SELECT seen_by FROM identifier") == 0
        await equal(bench)


async def test_a_controller_without_a_policy_stops_no_deleting(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        other = await create_controller(bench.connection, bench.ring, "other", bench.now)
        for days in (0, 1, 40):  # what is due is written down first, and done later
            now = Instant(BEGIN + days * DAY)
            upkeep = Upkeep(bench.connection, bench.ring, other, lambda now=now: now, asyncio.Event())  # type: ignore[misc]
            assert await upkeep.run() == {}


async def test_nothing_of_a_restricted_person_is_deleted(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        ada = bench.identifier("user_id", "ada")
        await bench.commit(bench.event("Order Completed", [ada], revenue=7, note="linen"))
        await bench.commit(bench.mark(ada, "restricted"))
        bench.now = Instant(BEGIN + 201 * DAY)
        await tend(bench)
        assert "linen" in await texts(bench)
        await bench.commit(bench.mark(ada, "unrestricted"))
        await tend(bench)
        assert "linen" not in await texts(bench)
        await equal(bench)


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_equals_the_live_projections_whatever_time_deleted(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    deleted = 0
    async with open_bench(fresh_database, folder, short()) as bench:
        for place, (pause, draft) in enumerate(random_drafts(bench, seed, 100)):
            bench.now = Instant(bench.now + pause)
            await bench.commit(draft)
            if place % 15 == 7:
                await bench.commit(bench.mark(bench.identifier("user_id", f"u{place % 4}"), "restricted"))
            if place % 15 == 13:
                await bench.commit(bench.mark(bench.identifier("user_id", f"u{place % 4}"), "unrestricted"))
            if place % 20 == 19:
                deleted += sum((await tend(bench)).values())
                await bench.erase(bench.identifier("user_id", f"u{place % 3}"))
        assert deleted
        await equal(bench)


async def test_message_keys_are_forgotten_after_their_window(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await bench.connection.execute(
            "INSERT INTO ledger.message VALUES ($1, 'old', $2, 0), ($1, 'new', $3, 0)",
            bench.controller_id,
            BEGIN - 36 * DAY,
            BEGIN - 34 * DAY,
        )
        assert (await tend(bench))["messages"] == 1
        assert await count(bench, "ledger.message") == 1


async def test_one_worker_at_a_time(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await bench.connection.execute(
            "INSERT INTO ledger.upkeep VALUES ($1, 'lease', $2)", bench.controller_id, BEGIN + 1
        )
        await bench.connection.execute(
            "INSERT INTO ledger.message VALUES ($1, 'old', $2, 0)", bench.controller_id, BEGIN - 36 * DAY
        )
        assert await tend(bench) == {}
        bench.now = Instant(BEGIN + 2)
        assert (await tend(bench))["messages"] == 1


async def parted(bench: Bench) -> tuple[Identifier, Identifier]:
    """Return two who ordered together, and are then said not to be one."""
    one, other = bench.identifier("user_id", "ada"), bench.identifier("anonymous_id", "a1")
    await bench.commit(bench.event("Order Completed", [one, other], revenue=1))
    await bench.commit(bench.link(one, other, denied=True))
    return one, other


async def test_who_is_named_while_restricted_is_known_by_it(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        one, other = await parted(bench)
        await bench.commit(bench.mark(other, "restricted"))
        bench.now = Instant(bench.now + 150 * DAY)
        await bench.commit(bench.event("Order Completed", [one, other], revenue=2))
        bench.now = Instant(bench.now + 100 * DAY)
        assert (await tend(bench))["outlived"] == 1
        await equal(bench)
        known = await bench.connection.fetch("SELECT seen_by FROM identifier ORDER BY identifier_id")
        assert len({seen for (seen,) in known}) == 1
        assert known[0]["seen_by"]


async def test_who_was_parted_is_known_no_longer_by_what_is_gone(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, short()) as bench:
        await parted(bench)
        bench.now = Instant(bench.now + 250 * DAY)
        assert (await tend(bench))["outlived"] == 1
        await equal(bench)
        assert await bench.connection.fetchval("SELECT sum(seen_by) FROM identifier") == 0
