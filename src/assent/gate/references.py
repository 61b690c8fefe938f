"""Name releases to who receives them: `r:51` is the 51st of this consumer for this purpose, or a later one.

The log's own numbers count what everybody asked and read: an engine would see in them how much others do. So
each consumer has numbers of its own for each purpose, ascending in the order in which one worker answers.
A worker reserves them in blocks, in commits of their own: the transactions of answers are snapshots, which
may not wait for one another. A crash, and an answer that fails, leave numbers that name nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from assent.core.ids import ControllerId, PurposeId
from assent.database.statements import load
from assent.database.types import Pool

_SQL = load("releases")

BLOCK: Final = 1_000
"""Numbers reserved at once: one commit among so many answers, and so many missing after a restart."""

_Series = tuple[ControllerId, PurposeId, str]


class References:
    """The numbers that this worker may give out; `pool` is the writer's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._left: dict[_Series, range] = {}
        self._reserving: dict[_Series, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take(
        self, controller_id: ControllerId, purpose: PurposeId, consumers: Sequence[str]
    ) -> list[int]:
        """Return one number for each release, in order; none is given out twice, by any worker."""
        return [await self._next((controller_id, purpose, consumer)) for consumer in consumers]

    async def _next(self, series: _Series) -> int:
        async with self._reserving[series]:
            left = self._left.get(series) or await self._reserved(series)
            self._left[series] = left[1:]
            return left[0]

    async def _reserved(self, series: _Series) -> range:
        controller_id, purpose, consumer = series
        end = await self._pool.fetchval(_SQL.reserve_references, controller_id, consumer, purpose, BLOCK)
        return range(end - BLOCK + 1, end + 1)
