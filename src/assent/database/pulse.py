"""Whether the database answers at all: for whoever waits too long and must know why.

A server that is gone refuses at once; one that is frozen, or behind a network that swallows, says nothing,
and a statement sent to it cannot even be given up, for giving up asks the server too. So the question is
asked in a task of its own, and who asks waits for it no longer than `WITHIN_S`.
"""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg

from assent.database.lost import LOST
from assent.database.types import Pool

WITHIN_S: Final = 2.0


class Pulse:
    """Asks on a pool that is idle as a rule. One question at a time; a frozen server has one waiting."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asking: asyncio.Task[bool] | None = None

    async def beats(self) -> bool:
        """Return whether the database answered within `WITHIN_S`."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="pulse")
        answered, _ = await asyncio.wait({self._asking}, timeout=WITHIN_S)
        return any(task.result() for task in answered)

    async def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({self._asking}, timeout=WITHIN_S)

    async def _ask(self) -> bool:
        try:
            await self._pool.fetchval("SELECT 1")
        except (*LOST, asyncpg.PostgresError):
            return False
        return True
