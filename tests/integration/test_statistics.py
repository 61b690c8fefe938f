"""The gate looks one profile up among many, from the first minute on; never everybody with all."""

from pathlib import Path

import asyncpg
import msgspec
import pytest

from assent.database import statistics
from assent.database.pool import _PLANS, SEARCH_PATHS
from assent.database.roles import Role
from assent.database.statements import load
from assent.ingest.facts import Draft, Identifier
from tests.integration.test_committer import World, world
from tests.support.database import TestDatabase

PEOPLE = 600

FEW = 200
"""Pages of 8 KiB: a look-up in an index takes three, and a dozen tables are asked a few times each."""


def order(it: World, number: int) -> Draft:
    """Return an order by somebody with an account and a browser, which are one profile from then on."""
    draft = it.order(f"u{number}")
    browser = Identifier(it.policy.namespace_ids["anonymous_id"], f"a{number}")
    identifiers = (*draft.body.identifiers, browser)
    return msgspec.structs.replace(draft, body=msgspec.structs.replace(draft.body, identifiers=identifiers))


async def pages_read(database: TestDatabase) -> int:
    """Return how many pages the gate reads for one profile, by the plan that the reader would keep."""
    settings = {"search_path": SEARCH_PATHS[Role.READER], **_PLANS[Role.READER]}
    connection = await asyncpg.connect(database.dsn(), server_settings=settings)
    try:
        profile = await connection.fetchval("SELECT max(profile_id) FROM projection.cluster")
        purpose = await connection.fetchval(
            "SELECT purpose_id FROM projection.purpose WHERE name = 'service'"
        )
        async with connection.transaction():
            for name, value in (("controller", 1), ("purpose", purpose), ("now", 1 << 60)):
                await connection.execute(f"SET LOCAL assent.{name} = '{value}'")
            await connection.execute(f"PREPARE released (bigint[]) AS {load('gate').released}")
            plan = await connection.fetch(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE released('{{{profile}}}')"
            )
    finally:
        await connection.close()
    lines = [line for (line,) in plan]
    assert "actual rows=0" not in lines[0], "the profile is there"
    return int(next(line for line in lines if "shared hit=" in line).partition("hit=")[2].split()[0])


async def fill(database: TestDatabase, folder: Path) -> None:
    async with world(database, folder) as it:
        await it.append(*(order(it, number) for number in range(PEOPLE)))
    # The committer is closed: what it asked for is done.


async def test_a_profile_is_looked_up_as_soon_as_the_tables_have_grown(
    fresh_database: TestDatabase, folder: Path
) -> None:
    await fill(fresh_database, folder)
    assert await pages_read(fresh_database) < FEW


async def test_without_statistics_everybody_is_compared_with_all(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary of the test above."""
    monkeypatch.setattr(statistics, "_FIRST", PEOPLE * 100)
    await fill(fresh_database, folder)
    assert await pages_read(fresh_database) > 10 * FEW
