"""Bring a database's schema to the newest migration: forward only, each file once, in one transaction.

Any number of processes may start together: one migrates, the others wait and find nothing left to do. A file
that was applied is a fact: edited, removed or renumbered, it stops the start.

Why our own: yoyo-migrations, the kept library for plain SQL files, locks, but neither notices an edited file
nor speaks asyncpg, and would bring a second driver; alembic knows nothing of files' contents. This is a
hundred lines.

Raises MigrationEdited when files and record disagree, DatabaseUnavailable when the database cannot be reached
or stays locked.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from msgspec import Struct

from assent.config import Secret
from assent.core.errors import DatabaseUnavailable, MigrationEdited
from assent.database.roles import create_roles
from assent.database.statements import load
from assent.database.types import Connection
from assent.resources import sql_folder

_FILE = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")
_LOCK = 0x4173_7365_6E74  # "Assent" in ASCII: a number no one else is likely to lock
_POLL_S = 0.05
_WAIT_S = 600.0  # another process may be in the middle of a long migration


class _Migration(Struct, frozen=True, kw_only=True):
    version: int
    name: str
    sha256: str
    text: str


async def migrate(
    dsn: str,
    *,
    folder: Path | None = None,
    role_password: Secret | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[str]:
    """Apply what is missing and return its names, oldest first; `progress` hears each name before it runs.

    `dsn` names a superuser, or a role with CREATEROLE that owns the database. The roles are made on the way.
    It must reach the server itself, for a pooler that lends sessions by transaction would lend the lock too.
    """
    wanted = _files(folder or sql_folder() / "migrations")
    async with _connected(dsn) as connection, _locked(connection):
        await create_roles(connection, role_password)
        await _prepare_record(connection)
        missing = _missing(wanted, await connection.fetch(load("database").applied_migrations))
        for migration in missing:
            if progress:
                progress(migration.name)
            await _apply(connection, migration)
    return [migration.name for migration in missing]


def _files(folder: Path) -> list[_Migration]:
    migrations = []
    for expected, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        named = _FILE.fullmatch(path.name)
        if named is None or int(named[1]) != expected:
            message = f"expected migration {expected:04d}_<name>.sql, got {path.name}"
            raise MigrationEdited(message)
        content = path.read_bytes()
        migrations.append(
            _Migration(
                version=expected,
                name=path.stem,
                sha256=hashlib.sha256(content).hexdigest(),
                text=content.decode("utf-8"),
            )
        )
    return migrations


def _missing(wanted: Sequence[_Migration], applied: Sequence[asyncpg.Record]) -> Sequence[_Migration]:
    if len(applied) > len(wanted):
        message = (
            f"the database has migration {applied[len(wanted)]['name']}, which this release does not know"
        )
        raise MigrationEdited(message)
    for migration, row in zip(wanted, applied, strict=False):
        if (migration.version, migration.name, migration.sha256) != tuple(row):
            message = f"{row['name']} was applied with other contents than {migration.name}.sql has now"
            raise MigrationEdited(message)
    return wanted[len(applied) :]


async def _prepare_record(connection: Connection) -> None:
    statements = load("database")
    if await connection.fetchval(statements.meta_schema_exists):
        return
    async with connection.transaction():
        await connection.execute(statements.become_owner)
        await connection.execute(statements.create_meta_schema)
        await connection.execute(statements.create_migration_table)


async def _apply(connection: Connection, migration: _Migration) -> None:
    statements = load("database")
    async with connection.transaction():
        await connection.execute(statements.become_owner)
        await connection.execute(migration.text)
        await connection.execute(
            statements.record_migration, migration.version, migration.name, migration.sha256
        )


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as cause:
        message = "the database cannot be reached to migrate it"
        raise DatabaseUnavailable(message) from cause
    try:
        yield connection
    finally:
        await connection.close()  # a crash here, or anywhere before, ends the session and frees the lock


@asynccontextmanager
async def _locked(connection: Connection) -> AsyncIterator[None]:
    statements = load("database")
    give_up = time.monotonic() + _WAIT_S
    while not await connection.fetchval(statements.try_lock, _LOCK):
        if time.monotonic() > give_up:
            message = f"another process has been migrating the database for {_WAIT_S:.0f} seconds"
            raise DatabaseUnavailable(message)
        await asyncio.sleep(_POLL_S)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(statements.unlock, _LOCK)
