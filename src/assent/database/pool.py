"""The service's connections: one pool per role, opened on a migrated database and only as that role.

    async with open_database(settings) as database:
        async with database.reader.acquire() as connection: ...

The embedded server unless a setting names another. Each role's connections are checked before anything is
served (`refuse_unsafe_role`). Nothing is retried here: who uses a connection knows what a retry would mean.

Raises DatabaseUnavailable, MigrationEdited and StartupRefused.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from msgspec import Struct

from assent.config import Settings
from assent.core.errors import DatabaseUnavailable
from assent.database.embedded import EmbeddedPostgres
from assent.database.migrate import migrate
from assent.database.roles import Role, refuse_unsafe_role
from assent.database.types import Pool

SEARCH_PATHS: Final = {
    Role.WRITER: "projection, pg_temp",  # `assent rebuild` folds into another schema by naming another path
    Role.READER: "gate, pg_temp",
    Role.AUDITOR: "projection, pg_temp",
    Role.ERASER: "projection, pg_temp",
}
"""Unqualified tables are the projections'. pg_temp stands last, or PostgreSQL would look there first."""

_BY_KEY: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}

PLANS: Final = {
    # Every statement of these roles asks by key, and joins by it. A plan made while a table was empty must
    # hold when it is full, and planning the gate's view takes longer than running it.
    Role.WRITER: _BY_KEY,
    Role.ERASER: _BY_KEY,
    Role.READER: {**_BY_KEY, "plan_cache_mode": "force_generic_plan"},
}

_PREPARING: Final = 4
"""Controllers whose next policy is prepared at once; opened when there is something to prepare."""

_CONNECT_WITHIN_S = 10.0
_CLOSE_WITHIN_S = 5.0  # for what is under way; a statement cut off is rolled back by the server


class Database(Struct, frozen=True, kw_only=True):
    """The pools, by what their connections may do; `server` is None where another's server is used."""

    writer: Pool
    reader: Pool
    auditor: Pool
    eraser: Pool
    preparer: Pool
    """The writer's role too, for what takes minutes in small steps: it takes no connection from commits."""
    server: EmbeddedPostgres | None

    async def revive(self) -> None:
        """Start the embedded server again if it died; do nothing if it runs or is not ours."""
        if self.server is not None:
            await asyncio.to_thread(self.server.ensure_running)


@asynccontextmanager
async def open_database(
    settings: Settings, *, migrating: bool = True, progress: Callable[[str], None] | None = None
) -> AsyncIterator[Database]:
    """Yield the pools of a database that is migrated and safe to serve from; close them after.

    Without `migrating` the schema is taken as it is, as a second worker beside the first does.
    """
    async with AsyncExitStack() as stack:
        server = None
        if settings.database_url is None:
            server = EmbeddedPostgres(settings.folder)
            stack.callback(server.stop)
            await _running(server)
            address = server.dsn()
        else:
            address = settings.database_url.reveal()
        if migrating:
            await migrate(address, role_password=settings.role_password, progress=progress)
        sizes = {
            Role.WRITER: settings.writer_connections,
            Role.READER: settings.reader_connections,
            Role.AUDITOR: settings.auditor_connections,
            Role.ERASER: settings.eraser_connections,
        }
        pools = {}
        for role, size in sizes.items():
            pools[role] = await _opened(address, role, size, settings)
            stack.push_async_callback(_closed, pools[role])
            async with pools[role].acquire() as connection:
                await refuse_unsafe_role(connection, role)
        preparer = await _opened(address, Role.WRITER, _PREPARING, settings, least=0)
        stack.push_async_callback(_closed, preparer)
        yield Database(
            writer=pools[Role.WRITER],
            reader=pools[Role.READER],
            auditor=pools[Role.AUDITOR],
            eraser=pools[Role.ERASER],
            preparer=preparer,
            server=server,
        )


async def _running(server: EmbeddedPostgres) -> None:
    """Start the server. Who is cancelled meanwhile waits: what has half started could not be stopped."""
    starting = asyncio.create_task(asyncio.to_thread(server.ensure_running))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.gather(starting, return_exceptions=True)
        raise


def as_role(address: str, role: Role) -> str:
    """Return the same server and database with `role` as user and no password."""
    parts = urlsplit(address)
    places = parts.netloc.rpartition("@")[2]
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in {"user", "password"}]
    return urlunsplit(parts._replace(netloc=f"{role}@{places}", query=urlencode(options)))


class _Lasting(asyncpg.Connection):
    """A connection that keeps nothing between transactions, so that giving it back needs no round trip.

    What is set is set for one transaction; nobody listens, and nobody takes advisory locks of a session. A
    transaction left open is rolled back all the same.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Return nothing to run."""
        return ""


async def _opened(address: str, role: Role, size: int, settings: Settings, *, least: int = 1) -> Pool:
    password = settings.role_password.reveal() if settings.role_password else None
    try:
        return await asyncpg.create_pool(
            as_role(address, role),
            password=password,
            min_size=least,
            max_size=size,
            timeout=_CONNECT_WITHIN_S,
            max_inactive_connection_lifetime=0,  # a new connection would prepare every statement again
            connection_class=_Lasting,
            statement_cache_size=512,
            max_cached_statement_lifetime=0,
            server_settings={
                "application_name": role.value,  # asyncpg sends exact strings only
                "search_path": SEARCH_PATHS[role],
                "timezone": "UTC",
                "jit": "off",
                **PLANS.get(role, {}),
                # A client that stops in the middle of a transaction must not hold the head's lock for long.
                "idle_in_transaction_session_timeout": "60s",
            },
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as cause:
        message = f"the database cannot be reached as {role}"
        raise DatabaseUnavailable(message) from cause


async def _closed(pool: Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_WITHIN_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()
