"""One pool per role, on a migrated database, or a start that is refused in plain words."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from assent.config import Secret, Settings
from assent.core.errors import DatabaseUnavailable, StartupRefused
from assent.database import pool as pools
from assent.database.pool import as_role, open_database
from assent.database.roles import Role
from tests.support.database import TestDatabase, ask


async def test_each_pool_connects_as_its_role(fresh_database: TestDatabase, tmp_path: Path) -> None:
    async with open_database(fresh_database.settings(tmp_path)) as database:
        found = {
            await pool.fetchval("SELECT session_user")
            for pool in (database.writer, database.reader, database.auditor, database.eraser)
        }
        assert found == set(Role)
        assert await database.reader.fetchval("SHOW search_path") == "gate, pg_temp"
        assert database.server is None


async def test_no_role_makes_temporary_tables(fresh_database: TestDatabase, tmp_path: Path) -> None:
    async with open_database(fresh_database.settings(tmp_path)) as database:
        for role in Role:
            question = "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')"
            assert await database.reader.fetchval(question, role.value) is False


async def test_the_embedded_server_is_started_migrated_revived_and_stopped(folder: Path) -> None:
    async with open_database(Settings(folder=folder)) as database:
        assert database.server is not None
        first = database.server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await database.revive()
        assert database.server.pid not in {first, None}
        # A pool drops connections that broke when it meets them; its callers retry what they may.
        for _ in range(3):
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
                await database.reader.fetchval("SELECT 1")
        assert await database.reader.fetchval("SELECT 1") == 1
    assert database.server.pid is None


async def test_a_second_worker_takes_the_schema_as_it_is(
    fresh_database: TestDatabase, tmp_path: Path
) -> None:
    settings = fresh_database.settings(tmp_path)
    async with open_database(settings), open_database(settings, migrating=False) as second:
        assert await second.writer.fetchval("SELECT session_user") == Role.WRITER


async def test_an_unsafe_role_stops_the_start(
    fresh_database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pools, "as_role", lambda address, role: address
    )  # the fault: it serves as the superuser
    with pytest.raises(StartupRefused, match="another role"):
        async with open_database(fresh_database.settings(tmp_path)):
            pass
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(50):  # the server takes a moment to notice
        if await ask(fresh_database.dsn(), others) == [0]:
            return  # whatever had been opened was closed
        await asyncio.sleep(0.05)
    pytest.fail("connections are left open")


async def test_an_unreachable_server_is_said_without_its_address(tmp_path: Path) -> None:
    settings = Settings(
        folder=tmp_path, database_url=Secret("postgresql://someone:hunter2@127.0.0.1:1/nothing")
    )
    with pytest.raises(DatabaseUnavailable) as told:
        async with open_database(settings, migrating=False):
            pass
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://me:pw@db.example:5433/shop", "postgresql://assent_reader@db.example:5433/shop"),
        (
            "postgres://db.example/shop?sslmode=require",
            "postgres://assent_reader@db.example/shop?sslmode=require",
        ),
        (
            "postgresql:///shop?host=%2Frun%2Fpg&user=me&password=pw",
            "postgresql://assent_reader@/shop?host=%2Frun%2Fpg",
        ),
        ("postgresql://me@a:1,b:2/shop", "postgresql://assent_reader@a:1,b:2/shop"),
        ("postgresql://me:p%40w@[::1]:5432/shop", "postgresql://assent_reader@[::1]:5432/shop"),
    ],
)
def test_the_user_of_an_address_is_replaced_and_the_rest_kept(address: str, expected: str) -> None:
    assert as_role(address, Role.READER) == expected
