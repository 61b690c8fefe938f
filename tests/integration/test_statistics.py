"""The gate looks one profile up among many, from the first minute on; never everybody with all."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from assent.database.pool import PLANS, SEARCH_PATHS
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


SAID = """
SELECT pg_restore_relation_stats(
    'schemaname', n.nspname::text, 'relname', c.relname::text,
    'relpages', 1, 'reltuples', ($1::bigint / (pg_relation_size(c.oid) / 8192))::real
)
FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('ledger', 'projection') AND c.relkind = 'r'
    AND c.relname NOT IN ('head', 'purpose', 'controller', 'policy') AND pg_relation_size(c.oid) > 0
"""
"""Makes the planner believe that every table that holds a row holds so many."""

MANY = """
SELECT pg_restore_attribute_stats(
    'schemaname', n.nspname::text, 'relname', c.relname::text, 'attname', 'controller_id', 'inherited', FALSE,
    'null_frac', 0::real, 'avg_width', 8, 'n_distinct', $1::real
)
FROM pg_class AS c INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
INNER JOIN pg_attribute AS a ON c.oid = a.attrelid AND a.attname = 'controller_id'
WHERE n.nspname IN ('ledger', 'projection') AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0
"""
"""Makes it believe that there are so many controllers."""

BY_KEY = ("identifier_id", "profile_id", "account")
NARROW = {"head", "purpose", "deletion"}
"""Tables with a row for each controller, or for few people; every other is asked for by one of BY_KEY."""


async def pages_read(database: TestDatabase, plans: dict[str, str]) -> int:
    """Return how many pages the gate reads for one profile, by the plan that such a reader would keep."""
    settings = {"search_path": SEARCH_PATHS[Role.READER], **plans}
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
    assert await pages_read(fresh_database, PLANS[Role.READER]) < FEW


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def faults(plan: dict[str, Any]) -> set[str]:
    """Return what of a plan reads more than what is asked for."""
    found = set()
    for node in nodes(plan):
        kind, table, by = node["Node Type"], node.get("Relation Name"), node.get("Index Cond", "")
        if kind in {"Hash Join", "Merge Join", "Seq Scan", "Gather"}:
            found.add(f"{kind} {table or ''}".strip())
        if table is None and kind == "Bitmap Index Scan":
            table = node["Index Name"].rpartition("_")[0]
        if table is None or table in NARROW or kind == "Bitmap Heap Scan":
            continue
        if node.get("Parent Relationship") != "InitPlan" and not any(f"{one} =" in by for one in BY_KEY):
            found.add(f"{kind} of {table} by {by}")
    return found


async def planned(database: TestDatabase, rows: int, controllers: int, plans: dict[str, str]) -> set[str]:
    """Return the faults of the plan of a decision where every table is believed to hold so many rows."""
    settings = {"search_path": SEARCH_PATHS[Role.READER], **plans}
    connection = await asyncpg.connect(database.dsn(), server_settings=settings)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(SAID.replace("$1", str(rows)))
        await connection.execute(MANY.replace("$1", str(controllers)))
        await connection.execute(f"PREPARE released (bigint[]) AS {load('gate').released}")
        (plan,) = json.loads(await connection.fetchval("EXPLAIN (FORMAT JSON) EXECUTE released('{1,2}')"))
        await transaction.rollback()
    finally:
        await connection.close()
    return faults(plan["Plan"])


@pytest.mark.parametrize("controllers", [1, 1_000])
@pytest.mark.parametrize("rows", [100_000, 1_000_000, 1_000_000_000])
async def test_the_gate_asks_by_key_however_many_rows_there_are(
    fresh_database: TestDatabase, folder: Path, rows: int, controllers: int
) -> None:
    await fill(fresh_database, folder)
    assert await planned(fresh_database, rows, controllers, PLANS[Role.READER]) == set()


async def test_left_to_itself_the_planner_reads_everybody(fresh_database: TestDatabase, folder: Path) -> None:
    """The canary of the test above: it is the reader's settings that hold the plan."""
    await fill(fresh_database, folder)
    assert await planned(fresh_database, 1_000_000, 1, {}) != set()


JOINED = """
DELETE FROM ledger.feed_change AS c USING unnest($3::text[], $4::bigint[]) AS n (subject, since)
WHERE c.controller_id = $1 AND c.feed_id = $2 AND c.subject = n.subject AND c.seq >= n.since
"""


async def read_for_each(database: TestDatabase, statements: Iterable[str]) -> list[str]:
    """Return the statements that, planned for empty tables, read a feed once for each row of another."""
    by_key = {**PLANS[Role.WRITER], "plan_cache_mode": "force_generic_plan"}
    settings = {"search_path": SEARCH_PATHS[Role.WRITER], **by_key}
    connection = await asyncpg.connect(database.dsn(), server_settings=settings)
    found = []
    try:
        for statement in statements:
            await connection.execute(f"PREPARE asked AS {statement}")
            given = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
            plan = await connection.fetch(f"EXPLAIN EXECUTE asked({given})")
            found += [statement] * any("Join Filter" in line for (line,) in plan)
            await connection.execute("DEALLOCATE asked")
    finally:
        await connection.close()
    return found


async def test_no_statement_reads_a_feed_once_for_each_that_it_speaks_of(
    fresh_database: TestDatabase,
) -> None:
    of_feeds = [one for one in load("feed").values() if "feed_change" in one or "feed_subject" in one]
    assert len(of_feeds) > 5
    assert await read_for_each(fresh_database, of_feeds) == []
    assert await read_for_each(fresh_database, [JOINED]) == [JOINED]
