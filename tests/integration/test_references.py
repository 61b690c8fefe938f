"""What releases are called: a consumer's own numbers, none of them twice, whoever gives them out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assent.core.ids import ControllerId, PurposeId
from assent.database.pool import open_database
from assent.gate import references
from assent.gate.references import References
from tests.support.database import TestDatabase

SHOP = ControllerId(1)
SERVICE, ADVERTISING = PurposeId(1), PurposeId(2)


@pytest.fixture
async def workers(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[References]]:
    monkeypatch.setattr(references, "BLOCK", 3)
    async with open_database(fresh_database.settings(folder), migrating=False) as database:
        yield [References(database.writer), References(database.writer)]


async def test_a_consumer_counts_its_own_releases_of_a_purpose(workers: list[References]) -> None:
    one, _ = workers
    assert await one.take(SHOP, SERVICE, ["a", "b", "a", "a", "a"]) == [1, 1, 2, 3, 4]
    assert await one.take(SHOP, ADVERTISING, ["a"]) == [1]
    assert await one.take(ControllerId(2), SERVICE, ["a"]) == [1]


async def test_no_number_is_given_out_twice(workers: list[References]) -> None:
    asked = [worker.take(SHOP, SERVICE, ["a"] * 5) for worker in workers for _ in range(4)]
    numbers = [number for taken in await asyncio.gather(*asked) for number in taken]
    assert len(set(numbers)) == len(numbers) == 40
