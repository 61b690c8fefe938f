"""Count per source what was taken, and what was refused before it came to a commit.

Counts are no facts: they wait in memory and are written once a second at most, so that no event waits for
them; a process that is killed loses those of its last second. What a commit itself refuses it counts itself,
durably (`batch.py`), since nothing but that count remains. In a count is nothing of a call but its key's
number, its day, its code and how late it came.

    async with Counts(pool, clock) as counts:
        counts.refused(controller_id, "key:7", ["wrong_type"])
        await counts.flush()
"""

import asyncio
import contextlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final, Self

import asyncpg
import structlog

from assent.core.ids import ControllerId
from assent.core.time import DAY, SECOND, Instant
from assent.database.lost import LOST
from assent.database.statements import load
from assent.database.types import Pool
from assent.ingest.facts import EventBody
from assent.ledger.append import Fact, Outcome

_SQL = load("sources")
_LEDGER = load("ledger")

EVERY_S: Final = 1.0

BOUNDS_S: Final = (1, 10, 60, 600, 3_600, 86_400, 604_800, 3_024_000)
"""How late is told apart, up to 35 days: what is later can come by import alone."""

LATER: Final = 0
"""Stands for later than every bound."""

_FAILURES: Final = (*LOST, asyncpg.PostgresError)

_log = structlog.get_logger()

_Taken = Counter[tuple[str, int, int, bool]]
"""By source, day, bound of lateness, and whether it had been taken before."""
_Refused = Counter[tuple[int, str, str]]
"""By day, source and code."""


class Counts:
    """What one process counted and has not written yet."""

    def __init__(self, pool: Pool, clock: Callable[[], Instant]) -> None:
        self._pool = pool
        self._clock = clock
        self._taken: dict[ControllerId, _Taken] = {}
        self._refused: dict[ControllerId, _Refused] = {}
        self._flushing = asyncio.Lock()
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="counts")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what is left."""
        self._closing.set()
        self._due.set()
        if self._task is not None:
            await self._task

    def settled(
        self, controller_id: ControllerId, settled: Iterable[tuple[Fact, Outcome]], now: Instant
    ) -> None:
        """Count the events of a commit at `now`, by what it answered."""
        day = now // DAY
        counted = self._taken.setdefault(controller_id, Counter())
        for fact, outcome in settled:
            body = fact.body
            if outcome.index is not None and isinstance(body, EventBody):
                counted[fact.source, day, within(now - body.at), outcome.repeated] += 1
        self._due.set()

    def refused(self, controller_id: ControllerId, source: str, codes: Iterable[str]) -> None:
        """Count what was refused without a commit that would count it."""
        day = self._clock() // DAY
        found = Counter((day, source, code) for code in codes)
        if found:
            self._refused.setdefault(controller_id, Counter()).update(found)
            self._due.set()

    async def flush(self) -> None:
        """Write what was counted so far. Raises what asyncpg raises; what is not written stays counted."""
        # One at a time: who reads the counts next must also find what another flush is about to write.
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        self._due.clear()
        for controller_id in list(self._taken):
            taken = self._taken.pop(controller_id)
            try:
                await self._write_taken(controller_id, taken)
            except BaseException:
                self._taken.setdefault(controller_id, Counter()).update(taken)
                self._due.set()
                raise
        for controller_id in list(self._refused):
            refused = self._refused.pop(controller_id)
            try:
                await self._write_refused(controller_id, refused)
            except BaseException:
                self._refused.setdefault(controller_id, Counter()).update(refused)
                self._due.set()
                raise

    async def _work(self) -> None:
        while not self._closing.is_set():
            await self._due.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), EVERY_S)
            try:
                await self.flush()
            except _FAILURES as error:
                _log.warning("counts are not written", error=type(error).__name__)

    async def _write_taken(self, controller_id: ControllerId, taken: _Taken) -> None:
        # In the key's order, like every writer of these rows: two that wait for each other would deadlock.
        places = sorted({(source, day, bound) for source, day, bound, _ in taken})
        if places:
            await self._pool.execute(
                _SQL.count_taken,
                controller_id,
                [source for source, _, _ in places],
                [day for _, day, _ in places],
                [bound for _, _, bound in places],
                [taken[*place, False] for place in places],
                [taken[*place, True] for place in places],
            )

    async def _write_refused(self, controller_id: ControllerId, refused: _Refused) -> None:
        for day, rows in groupby(sorted(refused), key=lambda row: row[0]):
            places = list(rows)
            await self._pool.execute(
                _LEDGER.count_refusals,
                controller_id,
                day,
                [source for _, source, _ in places],
                [code for _, _, code in places],
                [refused[place] for place in places],
            )


def within(lag: int) -> int:
    """Return the least bound, in seconds, that `lag` microseconds do not exceed. Ahead is not late."""
    place = bisect_left(BOUNDS_S, -(-lag // SECOND))
    return BOUNDS_S[place] if place < len(BOUNDS_S) else LATER
