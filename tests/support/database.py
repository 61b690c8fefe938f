"""Databases for tests: a template migrated once per run, clones of it, statements in a line."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from msgspec import Struct

from assent.config import Secret, Settings
from assent.database.embedded import SUPERUSER, EmbeddedPostgres
from assent.database.migrate import migrate

_TEMPLATE = "assent_template"


class TestDatabase(Struct, frozen=True, kw_only=True):
    """One test's database."""

    __test__ = False  # pytest would take the class for a test

    server: EmbeddedPostgres
    name: str

    def dsn(self, user: str = SUPERUSER) -> str:
        """Return its address, as superuser or as one of the roles."""
        return self.server.dsn(user=user, database=self.name)

    def settings(self, folder: Path) -> Settings:
        """Return settings of a service that uses this database and keeps its files in `folder`."""
        return Settings(folder=folder, database_url=Secret(self.dsn()))


async def ask(dsn: str, *statements: str) -> list[Any]:
    """Run statements on a connection of their own; return the first value of each one's first row."""
    connection = await asyncpg.connect(dsn)
    try:
        return [await connection.fetchval(statement) for statement in statements]
    finally:
        await connection.close()


def run(dsn: str, *statements: str) -> list[Any]:
    """Do as `ask` does, where no event loop runs."""
    return asyncio.run(ask(dsn, *statements))


def template(server: EmbeddedPostgres, folder: Path) -> str:
    """Return the template's name; the first of the run's workers makes and migrates it, the others wait."""
    done = folder / "template.done"
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            run(server.dsn(), f"CREATE DATABASE {_TEMPLATE}")
            asyncio.run(migrate(server.dsn(database=_TEMPLATE)))
            done.touch()
    return _TEMPLATE


@contextmanager
def clone(server: EmbeddedPostgres, of: str) -> Iterator[TestDatabase]:
    """Give a copy of a database, and drop it after, connections or not."""
    name = f"test_{uuid4().hex}"
    run(server.dsn(), f"CREATE DATABASE {name} TEMPLATE {of}")
    try:
        yield TestDatabase(server=server, name=name)
    finally:
        server.ensure_running()  # a test may have killed it
        run(server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")
