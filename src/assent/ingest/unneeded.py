"""Drop what no rule in force asks of events any more, though nobody saves or deletes a rule.

A preview asks for what it needs as a saved rule does, and nobody says when it is over. So every few minutes
what rules in force need is compared with what is kept: what is missing is asked for again, and what nothing
needed for an hour goes. Every process looks for itself; what another dropped already is not dropped twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from assent.audiences.derive import needed_by_all
from assent.audiences.shelf import AudienceShelf
from assent.consent.shelf import PolicyShelf
from assent.core.ids import ControllerId
from assent.database.lost import LOST
from assent.database.statements import load
from assent.database.types import Pool
from assent.ingest.derivations import Derivations

_SQL = load("upkeep")

EVERY_S: Final = 600.0

_ROLE: Final = "system"

_log = structlog.get_logger()


class Sweeper:
    """Compares what is kept with what is needed, of every controller."""

    def __init__(
        self, pool: Pool, derivations: Derivations, shelf: AudienceShelf, policies: PolicyShelf
    ) -> None:
        self._pool = pool
        self._derivations = derivations
        self._shelf = shelf
        self._policies = policies

    async def sweep_all(self) -> None:
        """Compare once. What fails for one controller waits, and harms no other."""
        for (controller_id,) in await self._pool.fetch(_SQL.controllers):
            try:
                await self._sweep(controller_id)
            except Exception as error:  # noqa: BLE001 a fault in one run must not be the end of all
                _log.warning("unneeded features wait", error=type(error).__name__)

    async def _sweep(self, controller_id: ControllerId) -> None:
        self._shelf.forget(controller_id)
        saved = await self._shelf.all(controller_id)
        policy = await self._policies.refreshed(controller_id)
        names = needed_by_all([rule for one in saved.values() for rule in one.rules], policy)
        await self._derivations.ensure(controller_id, names, _ROLE)
        await self._derivations.drop_idle(controller_id, names, _ROLE)


@asynccontextmanager
async def sweeping(sweeper: Sweeper) -> AsyncIterator[None]:
    """Compare now and then while the context is open."""

    async def work() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            with suppress(*LOST, asyncpg.PostgresError):  # whoever needs the database says that it is away
                await sweeper.sweep_all()

    task = asyncio.create_task(work(), name="sweeper")
    try:
        yield
    finally:
        task.cancel()  # what was begun is rolled back, and found again
        with suppress(asyncio.CancelledError):
            await task
