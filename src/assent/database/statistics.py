"""Keep PostgreSQL's statistics in step with tables that grow faster than autovacuum looks.

A plan made for a table of ten rows is kept while there are ten thousand, unless somebody counts them anew. So
the first commits of a process have the tables looked at each time they may have grown fourfold; beyond a
million, autovacuum keeps up by itself. It is done beside the commits: none waits for it, none fails by it.
"""

import asyncio
from typing import Final

import asyncpg
import structlog

from assent.database.statements import load
from assent.database.types import Pool

_SQL = load("ledger")

_FIRST: Final = 64
_FOLD: Final = 4
_LAST: Final = 1 << 20

_log = structlog.get_logger()


class Statistics:
    """Asks for statistics after 64 entries, 256, 1,024, and so on."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._entries = 0
        self._due = _FIRST
        self._refreshing: asyncio.Task[None] | None = None

    def grown(self, entries: int) -> None:
        """Say that so many entries were committed; returns at once."""
        self._entries += entries
        busy = self._refreshing is not None and not self._refreshing.done()
        if self._entries < self._due or self._due > _LAST or busy:
            return
        while self._due <= self._entries:
            self._due *= _FOLD
        self._refreshing = asyncio.create_task(self._refresh(), name="statistics")

    async def stop(self) -> None:
        """Wait for what is under way."""
        if self._refreshing is not None:
            await self._refreshing

    async def _refresh(self) -> None:
        try:
            await self._pool.execute(_SQL.refresh_statistics)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning("statistics are not refreshed", error=type(error).__name__)
