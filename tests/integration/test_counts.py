"""Counts wait for a second in memory, outlive an outage, and are written when the service closes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from assent.core.ids import ControllerId, EntryIndex
from assent.core.policy import LinkKind
from assent.core.time import DAY, FOREVER, SECOND, Instant, parse_time
from assent.database.pool import Database, open_database
from assent.ingest.counts import BOUNDS_S, LATER, Counts, within
from assent.ingest.facts import EventBody
from assent.ledger.append import Fact, Outcome, Part
from assent.ledger.entries import EntryKind
from tests.support.database import TestDatabase

NOW = parse_time("2026-03-01T12:00:00Z")
SHOP = ControllerId(1)
PART = Part(sealed=b"", commitment=b"")
TAKEN = Outcome(index=EntryIndex(7))


def event(at: int = FOREVER, source: str = "key:1") -> Fact:
    body = EventBody(identifiers=(), link=LinkKind.OBSERVED, at=Instant(at), call="track")
    return Fact(kind=EntryKind.EVENT, role="collector", body=body, who=PART, source=source)


@pytest.fixture
async def database(fresh_database: TestDatabase, folder: Any) -> AsyncIterator[Database]:  # noqa: ANN401
    async with open_database(fresh_database.settings(folder)) as opened:
        yield opened


async def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    found = await database.auditor.fetch(f"TABLE ledger.{table} ORDER BY 1, 2, 3, 4")
    return [tuple(row) for row in found]


def count(counts: Counts, pairs: Iterable[tuple[Fact, Outcome]]) -> None:
    counts.settled(SHOP, pairs, NOW)


async def test_what_was_counted_is_added_to_what_stands(database: Database) -> None:
    counts = Counts(database.writer, lambda: NOW)
    for _ in range(2):
        count(counts, [(event(), TAKEN)] * 3 + [(event(), Outcome(index=EntryIndex(3), repeated=True))])
        counts.refused(SHOP, "key:1", ["wrong_type", "wrong_type", "unreadable_body"])
        await counts.flush()
    day = NOW // DAY
    assert await rows(database, "intake") == [(SHOP, "key:1", day, 1, 6, 2)]
    assert await rows(database, "refusal") == [
        (SHOP, "key:1", day, "unreadable_body", 2),
        (SHOP, "key:1", day, "wrong_type", 4),
    ]


async def test_only_events_that_were_taken_count_as_taken(database: Database) -> None:
    counts = Counts(database.writer, lambda: NOW)
    statement = Fact(kind=EntryKind.STATEMENT, role="issuer", body=object(), who=PART)
    count(counts, [(event(), Outcome()), (event(), Outcome(code="unknown_purpose")), (statement, TAKEN)])
    await counts.flush()
    assert await rows(database, "intake") == []


async def test_sources_days_and_lateness_are_told_apart(database: Database) -> None:
    counts = Counts(database.writer, lambda: NOW)
    late = (0, SECOND, SECOND + 1, 59 * SECOND, 8 * DAY, 36 * DAY)
    count(counts, [(event(NOW - lag), TAKEN) for lag in late] + [(event(source="key:2"), TAKEN)])
    counts.settled(SHOP, [(event(), TAKEN)], Instant(NOW + DAY))
    await counts.flush()
    told = [
        (source, day - NOW // DAY, bound, taken)
        for _, source, day, bound, taken, _ in await rows(database, "intake")
    ]
    assert told == [
        ("key:1", 0, LATER, 1),
        ("key:1", 0, 1, 2),
        ("key:1", 0, 10, 1),
        ("key:1", 0, 60, 1),
        ("key:1", 0, 3_024_000, 1),
        ("key:1", 1, 1, 1),
        ("key:2", 0, 1, 1),
    ]


def test_a_bound_holds_what_does_not_exceed_it() -> None:
    for bound in BOUNDS_S:
        assert within(bound * SECOND) == bound
        assert within(bound * SECOND + 1) != bound
    assert within(-FOREVER) == within(0) == 1
    assert within(BOUNDS_S[-1] * SECOND + 1) == LATER


async def test_they_are_written_within_a_second_and_at_the_end(database: Database) -> None:
    async with Counts(database.writer, lambda: NOW) as counts:
        count(counts, [(event(), TAKEN)])
        await asyncio.sleep(1.5)
        assert [row[4] for row in await rows(database, "intake")] == [1]
        count(counts, [(event(), TAKEN)])
        assert [row[4] for row in await rows(database, "intake")] == [1]
    assert [row[4] for row in await rows(database, "intake")] == [2]


@asynccontextmanager
async def without_grant(database: TestDatabase, table: str) -> AsyncIterator[None]:
    """Take away the right to count for a while."""
    owner = await asyncpg.connect(database.dsn())
    try:
        await owner.execute(f"REVOKE INSERT ON {table} FROM assent_writer")
        yield
        await owner.execute(f"GRANT INSERT ON {table} TO assent_writer")
    finally:
        await owner.close()


@pytest.mark.parametrize("table", ["ledger.intake", "ledger.refusal"])
async def test_what_could_not_be_written_is_still_counted(
    fresh_database: TestDatabase, database: Database, table: str
) -> None:
    counts = Counts(database.writer, lambda: NOW)
    count(counts, [(event(), TAKEN)] * 3)
    counts.refused(SHOP, "key:1", ["wrong_type"])
    async with without_grant(fresh_database, table):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await counts.flush()
        count(counts, [(event(), TAKEN)])
    await counts.flush()
    await counts.flush()
    assert [row[4:] for row in await rows(database, "intake")] == [(4, 0)]
    assert [row[4] for row in await rows(database, "refusal")] == [1]


async def test_two_processes_count_into_the_same_rows(database: Database) -> None:
    both = [Counts(database.writer, lambda: NOW) for _ in range(2)]
    sources = [f"key:{number}" for number in range(40)]
    for counts, order in zip(both, (sources, sources[::-1]), strict=True):
        count(counts, [(event(source=source), TAKEN) for source in order])
        for source in order:
            counts.refused(SHOP, source, ["wrong_type", "unreadable_body"])
    await asyncio.gather(*(counts.flush() for counts in both))
    assert {row[4] for row in await rows(database, "intake")} == {2}
    assert len(await rows(database, "refusal")) == 80
