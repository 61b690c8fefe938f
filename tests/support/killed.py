"""Delete in time, as a process of its own that is killed in a chunk of three rows, or two entries.

    python -m tests.support.killed DSN RING CHUNKS

SIGKILL leaves nobody to clean up: what follows is the database's and the next run's.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg

from assent.core.ids import ControllerId, IdentifierId
from assent.core.time import Instant
from assent.database.types import Connection
from assent.ingest import deleting, erasure_chunks, upkeep
from assent.ledger.keyring import load_ring


async def run(dsn: str, ring: Path, chunks: int) -> None:
    """Delete for the first controller, and die within a chunk after so many whole ones."""
    left = chunks

    async def chunk(
        connection: Connection, controller_id: ControllerId, one: IdentifierId
    ) -> tuple[int, bool]:
        nonlocal left
        answer = await deleting.delete_chunk(connection, controller_id, one, 3)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return answer

    erasing = erasure_chunks._erase_chunk

    async def entries(*given: Any) -> int:  # noqa: ANN401 whatever a chunk is given
        nonlocal left
        answer = await erasing(*given)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return answer

    erasure_chunks.CHUNK = 2  # type: ignore[misc]
    for module, name, replaced in (
        (upkeep, "delete_chunk", chunk),
        (erasure_chunks, "delete_chunk", chunk),
        (erasure_chunks, "_erase_chunk", entries),
    ):
        setattr(module, name, replaced)
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "projection, pg_temp"})
    at = await connection.fetchval("SELECT at FROM ledger.head")
    await upkeep.Upkeep(
        connection, load_ring(ring), ControllerId(1), lambda: Instant(at), asyncio.Event()
    ).run()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
