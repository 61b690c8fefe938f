"""Faults laid over the product's code, by name: each breaks one guarantee."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from assent.audiences.engine import Population
from assent.audiences.live import Live, _Held
from assent.core.errors import AssentError
from assent.database.types import Connection
from assent.gate.door import Door, Position, _Asked


def stale_population() -> None:
    """Count and list from what was loaded once: changes are not followed."""

    async def caught_up(live: Live, connection: Connection, held: _Held, position: Position) -> Population:
        return held.population or await live._load(connection, held, position)

    Live._caught_up = caught_up  # type: ignore[method-assign, assignment]


def kept_snapshot() -> None:
    """Decide from a snapshot that is kept open: every answer is of the moment of the first."""
    kept: list[Connection] = []
    alone = asyncio.Lock()

    async def release(door: Door, batch: Sequence[_Asked]) -> None:
        async with alone:
            if not kept:
                connection = await door._database.reader.acquire()
                await connection.transaction(isolation="repeatable_read").start()
                kept.append(connection)
            by_purpose = defaultdict(list)
            for asked in batch:
                by_purpose[asked.ask.purpose].append(asked)
            for purpose, together in by_purpose.items():
                for asked, answer in await door._for_purpose(kept[0], purpose, together):
                    if isinstance(answer, AssentError):
                        asked.future.set_exception(answer)
                    else:
                        asked.future.set_result(answer)

    Door._release = release  # type: ignore[method-assign, assignment]


FAULTS: Mapping[str, Callable[[], None]] = {
    fault.__name__: fault for fault in (stale_population, kept_snapshot)
}
