"""Nothing acknowledged is lost, nothing applied twice: the service and its PostgreSQL killed under orders."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from assent.app import ring_path
from assent.database.embedded import embedded_postgres
from assent.database.lost import LOST
from assent.database.types import Connection
from assent.ingest import committer
from assent.ingest.batch import Committed, commit_batch
from assent.ledger.keyring import KeyRing, load_ring
from assent.ledger.witness import Witness
from tests.integration.guarantees.till import business, faults_of
from tests.support.database import TestDatabase
from tests.support.service import (
    Keys,
    SteppedClock,
    bearer,
    in_process,
    set_up_once,
    settings_for,
    statement,
    subject,
)

FAULTS = (
    "DELETE FROM ledger.entry WHERE entry_index = 1",
    "DELETE FROM ledger.batch WHERE first_index = 1",
    "DELETE FROM ledger.payload WHERE entry_index = 1",
    "UPDATE ledger.entry SET leaf = leaf || '\\x00' WHERE entry_index = 1",
    "UPDATE ledger.head SET revision = revision + 1",
)


@asynccontextmanager
async def ledger(dsn: str, folder: Path) -> AsyncIterator[tuple[Connection, KeyRing]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection, load_ring(ring_path(settings_for(folder)))
    finally:
        await connection.close()


def test_kills_under_orders_lose_nothing_and_double_nothing(folder: Path) -> None:
    async def look(dsn: str, keys: Keys) -> tuple[list[str], int]:
        async with ledger(dsn, folder) as (connection, ring):
            messages = await connection.fetchval("SELECT count(*) FROM ledger.message")
            return await faults_of(connection, ring, keys), messages

    kills = ["service", "postgres", "service and postgres", "postgres"]
    with embedded_postgres(folder) as server:  # outlives the services; who kills it leaves it to them
        keys = asyncio.run(set_up_once(settings_for(folder)))
        till, found = asyncio.run(business(folder, None, keys, None, kills, seed=1))
        assert found == []
        assert asyncio.run(look(server.dsn(), keys)) == ([], till.acknowledged)


@pytest.mark.parametrize(("fault", "kills"), [("early_answer", ["service"]), ("no_message_keys", [])])
def test_a_service_that_acknowledges_early_or_forgets_messages_is_found(
    fresh_database: TestDatabase, folder: Path, fault: str, kills: list[str]
) -> None:
    keys = asyncio.run(set_up_once(settings_for(folder, fresh_database.dsn())))
    _, found = asyncio.run(business(folder, fresh_database.dsn(), keys, fault, kills, seed=2, between=80))
    assert found


async def test_a_ledger_changed_by_hand_is_found(fresh_database: TestDatabase, folder: Path) -> None:
    async with in_process(settings_for(folder, fresh_database.dsn()), SteppedClock()) as service:
        for number in range(3):
            order = {"event": "Order Completed", "userId": "c1", "messageId": f"m{number}"}
            await service.http.post("/v1/track", json=order, headers=bearer(service.keys.collector))
    async with ledger(fresh_database.dsn(), folder) as (connection, ring):
        assert await faults_of(connection, ring, service.keys) == []
        for fault in FAULTS:
            change = connection.transaction()
            await change.start()
            await connection.execute(fault)
            assert await faults_of(connection, ring, service.keys), fault
            await change.rollback()


async def test_a_checkpoint_that_cannot_be_kept_outside_doubles_nothing(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    async with in_process(settings_for(folder, fresh_database.dsn()), SteppedClock()) as service:
        monkeypatch.setattr(Witness, "keep", full)
        said = [statement(purpose, "given") for purpose in ("personalisation", "analytics")]
        body = {"subject": subject("user_id:c1"), "statements": said}
        sent = await service.http.post("/v1/consents", json=body, headers=bearer(service.keys.collector))
        assert sent.status_code == 201
        assert len(sent.json()["receipts"]) == 2
    async with ledger(fresh_database.dsn(), folder) as (connection, ring):
        assert await connection.fetchval("SELECT count(*) FROM projection.statement") == 2
        assert await faults_of(connection, ring, service.keys) == []


async def test_a_fact_is_not_refused_for_a_database_that_failed_it(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = commit_batch
    failures = [kind("of the database") for kind in LOST]

    async def failing(*batch: Any, **given: Any) -> Committed:  # noqa: ANN401 - whatever a commit is given
        if failures:
            raise failures.pop()
        return await sound(*batch, **given)

    monkeypatch.setattr(committer, "commit_batch", failing)
    monkeypatch.setattr(committer, "_RETRY_S", (0.0,) * len(LOST))
    async with in_process(settings_for(folder, fresh_database.dsn()), SteppedClock()) as service:
        order = {"event": "Order Completed", "userId": "c1", "messageId": "m1"}
        sent = await service.http.post("/v1/track", json=order, headers=bearer(service.keys.collector))
        assert (sent.status_code, sent.json()["accepted"]) == (200, 1)
    assert failures == []
