"""Migrations: once each, in order, whole or not at all, however many processes start together."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from assent.core.errors import DatabaseUnavailable, MigrationEdited
from assent.database import migrate as migrating
from assent.database.embedded import embedded_postgres
from assent.database.migrate import migrate
from assent.database.types import Connection
from assent.resources import sql_folder
from tests.support.database import TestDatabase, run

ONE = "CREATE SCHEMA shop; CREATE TABLE shop.visit (id integer);"
TWO = "ALTER TABLE shop.visit ADD COLUMN page text;"

IN_A_PROCESS = """
import asyncio, sys
from pathlib import Path
from assent.database.migrate import migrate
print(asyncio.run(migrate(sys.argv[1], folder=Path(sys.argv[2]))))
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "0001_visits.sql").write_text(ONE)
    (tmp_path / "0002_pages.sql").write_text(TWO)
    return tmp_path


async def test_each_migration_runs_once_and_in_order(empty_database: TestDatabase, files: Path) -> None:
    heard: list[str] = []
    dsn = empty_database.dsn()
    assert await migrate(dsn, folder=files, progress=heard.append) == ["0001_visits", "0002_pages"]
    assert heard == ["0001_visits", "0002_pages"]
    assert await migrate(dsn, folder=files) == []
    (files / "0003_more.sql").write_text("CREATE TABLE shop.more (id integer);")
    assert await migrate(dsn, folder=files) == ["0003_more"]


async def test_what_migrations_make_belongs_to_the_owner(empty_database: TestDatabase, files: Path) -> None:
    await migrate(empty_database.dsn(), folder=files)
    connection = await asyncpg.connect(empty_database.dsn())
    owners = await connection.fetch(
        "SELECT tableowner FROM pg_tables WHERE schemaname IN ('shop', 'assent_meta') GROUP BY tableowner"
    )
    await connection.close()
    assert [row["tableowner"] for row in owners] == ["assent_owner"]


def test_two_processes_together_apply_each_migration_once(empty_database: TestDatabase, files: Path) -> None:
    (files / "0003_slow.sql").write_text("SELECT pg_sleep(0.3); CREATE TABLE shop.slow (id integer);")
    command = [sys.executable, "-c", IN_A_PROCESS, empty_database.dsn(), str(files)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert said == ["['0001_visits', '0002_pages', '0003_slow']", "[]"]


async def test_without_the_lock_two_together_would_collide(
    empty_database: TestDatabase, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def unlocked(_: Connection) -> AsyncIterator[None]:
        yield

    (files / "0002_pages.sql").write_text("SELECT pg_sleep(0.3); CREATE TABLE shop.slow (id integer);")
    monkeypatch.setattr(migrating, "_locked", unlocked)
    both = (migrate(empty_database.dsn(), folder=files) for _ in range(2))
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert any(isinstance(outcome, asyncpg.PostgresError) for outcome in outcomes)


async def test_one_waits_for_the_lock_and_says_when_it_gives_up(
    empty_database: TestDatabase, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "_WAIT_S", 0.1)
    connection = await asyncpg.connect(empty_database.dsn())
    await connection.execute("SELECT pg_advisory_lock($1)", migrating._LOCK)
    with pytest.raises(DatabaseUnavailable, match="another process"):
        await migrate(empty_database.dsn(), folder=files)
    await connection.close()
    assert len(await migrate(empty_database.dsn(), folder=files)) == 2


async def test_a_migration_that_fails_leaves_nothing(empty_database: TestDatabase, files: Path) -> None:
    (files / "0002_pages.sql").write_text("CREATE TABLE shop.half (id integer); SELECT 1 / 0;")
    dsn = empty_database.dsn()
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(dsn, folder=files)
    (files / "0002_pages.sql").write_text("CREATE TABLE shop.half (id integer);")
    assert await migrate(dsn, folder=files) == ["0002_pages"]


async def test_a_name_without_its_schema_is_refused_not_put_anywhere(
    empty_database: TestDatabase, files: Path
) -> None:
    (files / "0003_loose.sql").write_text("CREATE TABLE loose (id integer);")
    with pytest.raises(asyncpg.InvalidSchemaNameError):
        await migrate(empty_database.dsn(), folder=files)


async def test_an_applied_file_that_was_edited_is_refused(empty_database: TestDatabase, files: Path) -> None:
    dsn = empty_database.dsn()
    await migrate(dsn, folder=files)
    (files / "0001_visits.sql").write_text(ONE + " -- and a word")
    (files / "0003_more.sql").write_text("CREATE TABLE shop.more (id integer);")
    with pytest.raises(MigrationEdited, match="0001_visits"):
        await migrate(dsn, folder=files)
    (files / "0001_visits.sql").write_text(ONE)
    assert await migrate(dsn, folder=files) == ["0003_more"]  # nothing had been applied past the edited one


async def test_an_applied_file_that_was_renamed_is_refused(empty_database: TestDatabase, files: Path) -> None:
    await migrate(empty_database.dsn(), folder=files)
    (files / "0002_pages.sql").rename(files / "0002_leaves.sql")
    with pytest.raises(MigrationEdited, match="0002_pages"):
        await migrate(empty_database.dsn(), folder=files)


async def test_an_applied_migration_this_release_does_not_know_is_refused(
    empty_database: TestDatabase, files: Path
) -> None:
    await migrate(empty_database.dsn(), folder=files)
    (files / "0002_pages.sql").unlink()
    with pytest.raises(MigrationEdited, match="0002_pages, which this release does not know"):
        await migrate(empty_database.dsn(), folder=files)


@pytest.mark.parametrize("stray", ["0004_gap.sql", "0002_pages_again.sql", "3_short.sql", "0003-dash.sql"])
async def test_numbers_have_no_gap_and_no_double(
    empty_database: TestDatabase, files: Path, stray: str
) -> None:
    (files / stray).write_text("SELECT 1;")
    with pytest.raises(MigrationEdited, match="expected migration"):
        await migrate(empty_database.dsn(), folder=files)


def test_a_role_that_is_no_superuser_can_migrate_a_database_it_owns(folder: Path, files: Path) -> None:
    # A server of its own: on the shared one the roles exist already.
    with embedded_postgres(folder) as server:
        run(server.dsn(), "CREATE ROLE boss LOGIN CREATEROLE", "CREATE DATABASE ours OWNER boss")
        dsn = server.dsn(user="boss", database="ours")
        assert len(asyncio.run(migrate(dsn, folder=files))) == 2
        assert asyncio.run(migrate(dsn, folder=files)) == []
        owner = "SELECT tableowner::text FROM pg_tables WHERE schemaname = 'shop'"
        assert run(server.dsn(database="ours"), owner) == ["assent_owner"]


async def test_several_databases_of_a_server_may_be_migrated_at_once(folder: Path, files: Path) -> None:
    server = await asyncio.to_thread(embedded_postgres, folder)
    try:
        connection = await asyncpg.connect(server.dsn())
        for number in range(4):
            await connection.execute(f"CREATE DATABASE shop_{number}")
        await connection.close()
        each = (migrate(server.dsn(database=f"shop_{number}"), folder=files) for number in range(4))
        assert [len(names) for names in await asyncio.gather(*each)] == [2, 2, 2, 2]
    finally:
        server.stop()


async def test_an_unreachable_database_is_said_without_its_address(files: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as told:
        await migrate("postgresql://someone:hunter2@127.0.0.1:1/nothing", folder=files)
    assert "hunter2" not in str(told.value)
    assert "someone" not in str(told.value)


def test_the_schema_this_release_ships_is_applied_to_the_template(fresh_database: TestDatabase) -> None:
    (count,) = run(fresh_database.dsn(), "SELECT count(*) FROM assent_meta.migration")
    assert count == len(migrating._files(sql_folder() / "migrations"))
