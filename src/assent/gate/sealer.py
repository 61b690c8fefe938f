"""Seal releases into their tree within a second of their answer.

A release is durable before its answer leaves; here it gets its place in the second log, whose tree grows by
the same code as the facts' does. The leaf says all that the record says except who was in it: that stands as
a salted commitment. Which audiences were asked for is noted in the same commit. A crash in between leaves
releases unsealed; the next round takes them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from assent.core.errors import AssentError
from assent.core.ids import ControllerId
from assent.core.time import Instant, format_time
from assent.database.lost import LOST
from assent.database.pool import Database
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.asked import named
from assent.ledger.store import Log, Trees
from assent.ledger.tree import TreeState
from assent.ledger.witness import Witness

_SQL = load("releases")

EVERY_S: Final = 0.25
MOST: Final = 2_000

_log = structlog.get_logger()


@asynccontextmanager
async def sealing(
    database: Database,
    trees: Trees,
    witness: Callable[[ControllerId, Log], Witness],
    clock: Callable[[], Instant],
) -> AsyncIterator[None]:
    """Seal releases while the context is open, and once more when it closes."""
    closing = asyncio.Event()

    async def work() -> None:
        while not closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), EVERY_S)
            try:
                await seal_all(database, trees, witness, clock)
            except (*LOST, asyncpg.PostgresError) as error:
                _log.warning("releases wait to be sealed", error=type(error).__name__)
                # Here somebody notices that the embedded server died even while nobody writes.
                with suppress(AssentError, OSError):
                    await database.revive()

    task = asyncio.create_task(work(), name="sealer")
    try:
        yield
    finally:
        closing.set()
        await task


async def seal_all(
    database: Database,
    trees: Trees,
    witness: Callable[[ControllerId, Log], Witness],
    clock: Callable[[], Instant],
) -> int:
    """Seal everything that waits; return how many were sealed."""
    sealed = 0
    async with database.writer.acquire() as connection:
        for (controller_id,) in await connection.fetch(_SQL.controllers_unsealed):
            while count := await _seal(connection, controller_id, trees, witness, clock):
                sealed += count
    return sealed


async def _seal(
    connection: Connection,
    controller_id: ControllerId,
    trees: Trees,
    witness: Callable[[ControllerId, Log], Witness],
    clock: Callable[[], Instant],
) -> int:
    async with connection.transaction():
        head = await connection.fetchrow(_SQL.lock_release_head, controller_id)
        rows = await connection.fetch(_SQL.unsealed, controller_id, MOST)
        if head is None or not rows:
            return 0
        leaves = [leaf_of(row) for row in rows]
        tree, checkpoint = await trees.extend(
            connection, controller_id, Log.RELEASES, head["frontier"], leaves
        )
        indexes = list(range(head["size"], head["size"] + len(rows)))
        await connection.execute(_SQL.insert_release_entries, controller_id, indexes, leaves)
        await connection.execute(_SQL.seal, controller_id, [row["release_id"] for row in rows], indexes)
        asked = named((row["rules"], row["at"]) for row in rows if row["kind"] != "access")
        await connection.execute(_SQL.note_asked, controller_id, list(asked), list(asked.values()))
        await connection.execute(
            _SQL.move_release_head, controller_id, tree.size, tree.frontier.to_bytes(), checkpoint
        )
    _keep(controller_id, trees, witness, tree, checkpoint, clock())
    return len(rows)


def _keep(
    controller_id: ControllerId,
    trees: Trees,
    witness: Callable[[ControllerId, Log], Witness],
    tree: TreeState,
    checkpoint: str,
    now: Instant,
) -> None:
    trees.kept(controller_id, Log.RELEASES, tree)
    witness(controller_id, Log.RELEASES).keep(checkpoint.encode(), now)


def leaf_of(row: asyncpg.Record) -> bytes:
    """Return the leaf of a release: one line anyone may read, and the commitment to who was in it."""
    words = (
        "assent/release@1",
        str(row["release_id"]),
        format_time(row["at"]),
        row["kind"],
        row["consumer"],
        str(row["purpose_id"]),
        str(row["purpose_seq"]),
        str(row["revision"]),
        str(row["policy_version"]),
        row["rules"] or "-",
        str(row["number"]),
        # Readings have no reference: nobody is told their number.
        *(() if row["reference"] is None else (f"r:{row['reference']}",)),
    )
    commitment: bytes = row["commitment"]
    return " ".join(words).encode() + b"\n" + commitment
