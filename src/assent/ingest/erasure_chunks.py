"""Do an erasure that is more than one commit may do: kept first, closed at once, then done in chunks.

(1) `stage` keeps what every payload becomes, page by page, before anything is changed; (2) the commit of the
erasure's entry takes whoever is erased out of the graph and closes all of it (`close`): from there on every
reader goes by what is staged (`ledger.kept_payload`, `kept_content`, `kept_item`), so nothing of them is read
on any path; (3) `finish` deletes the rows themselves, and with each the key that it alone held. Who asked is
answered after (3). A crash before (2) leaves pages that hold nothing of anybody erased and are forgotten an
hour later; a crash after it leaves whole chunks, and whoever is next, here or in the upkeep, goes on.

Data keys stand in the values they seal, each in one: there is no key of a person to destroy before the rows.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final
from uuid import UUID

from assent.core.errors import ErasureOutdated
from assent.core.ids import ControllerId, EntryIndex, IdentifierId
from assent.core.time import HOUR, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.deleting import delete_chunk, note_all
from assent.ledger.append import Remain
from assent.ledger.store import lock_head

_SQL = load("erasing")
_ERASURE = load("erasure")

CHUNK: Final = 2_000
"""Entries of one chunk: each has a payload, a message key and a few rows of content that the law keeps."""

_PAGE: Final = 5_000

RetainedPart = tuple[EntryIndex, int, Instant]
"""An entry, the part of it that the law keeps, and until when."""


async def stage(
    connection: Connection,
    controller_id: ControllerId,
    erasing: UUID,
    now: Instant,
    identifiers: Collection[IdentifierId],
    remains: Sequence[Remain],
    parts: Sequence[RetainedPart],
) -> None:
    """Keep what an erasure will do. Nothing of it holds before `close`."""
    await connection.execute(_SQL.begin, controller_id, erasing, now, sorted(identifiers))
    for page, kept in _pages(remains, parts):
        await connection.execute(
            _SQL.stage,
            controller_id,
            erasing,
            [one.entry for one in page],
            [one.sealed for one in page],
            [one.owner for one in page],
            [one.is_retained for one in page],
            [entry for entry, _, _ in kept],
            [part for _, part, _ in kept],
            [until for _, _, until in kept],
        )


def _pages(
    remains: Sequence[Remain], parts: Sequence[RetainedPart]
) -> Iterator[tuple[list[Remain], list[RetainedPart]]]:
    kept: dict[EntryIndex, list[RetainedPart]] = defaultdict(list)
    for part in parts:
        kept[part[0]].append(part)
    # What the law keeps of an entry that names nobody else has no remains of its own.
    alone = [Remain(entry=entry, is_retained=True) for entry in kept.keys() - {one.entry for one in remains}]
    every = [*remains, *alone]
    for first in range(0, len(every), _PAGE):
        page = every[first : first + _PAGE]
        yield page, [part for one in page for part in kept.get(one.entry, ())]


async def close(
    connection: Connection,
    controller_id: ControllerId,
    erasing: UUID,
    index: EntryIndex,
    erased: Collection[IdentifierId],
    now: Instant,
) -> None:
    """Let everything that was staged count as done; in the commit of the entry, behind it.

    Raises ErasureOutdated when it was forgotten meanwhile: the commit is rolled back.
    """
    if await connection.fetchval(_SQL.close, controller_id, erasing, index) is None:
        raise ErasureOutdated
    await note_all(connection, controller_id, erased, index, now)


async def drop_unclosed(connection: Connection, controller_id: ControllerId, erasing: UUID) -> None:
    """Forget what was staged, unless its entry came."""
    await connection.execute(_SQL.drop_unclosed, controller_id, erasing)


async def forget_left_behind(connection: Connection, controller_id: ControllerId, now: Instant) -> int:
    """Forget what was staged and never closed, long enough ago that nobody is about to; return how many."""
    rows = await connection.fetch(_SQL.left_behind, controller_id, now - HOUR)
    for (erasing,) in rows:
        await drop_unclosed(connection, controller_id, erasing)
    return len(rows)


async def finish(
    connection: Connection, controller_id: ControllerId, stop: asyncio.Event | None = None
) -> int:
    """Do what is left of every erasure that is closed; return how many rows went.

    Who is restricted is not spared: erased is who asked for it themselves.
    """
    gone = 0
    for erasing, identifiers, erased_by in await connection.fetch(_SQL.closed, controller_id):
        done = False
        while not (done or (stop is not None and stop.is_set())):
            async with connection.transaction():
                await lock_head(connection, controller_id)
                entries = await _erase_chunk(connection, controller_id, erasing, erased_by, identifiers)
            gone += entries
            done = entries == 0
            await asyncio.sleep(0)  # commits that wait for the head go first
        if not done:
            return gone
        # Contents after what the law keeps of them is noted; the keys of all of it go with them.
        for one in identifiers:
            gone += await _delete(connection, controller_id, one, stop)
        if stop is not None and stop.is_set():
            return gone
        await connection.execute(_SQL.end, controller_id, erasing)
    return gone


async def erasures_waiting(connection: Connection, controller_id: ControllerId) -> int:
    """Return how many erasures are closed and not done."""
    number: int = await connection.fetchval(_SQL.erasures_waiting, controller_id)
    return number


async def _erase_chunk(
    connection: Connection,
    controller_id: ControllerId,
    erasing: UUID,
    erased_by: EntryIndex,
    identifiers: Collection[IdentifierId],
) -> int:
    rows = await connection.fetch(_SQL.staged, controller_id, erasing, CHUNK)
    if not rows:
        return 0
    kept = [
        (row["entry_index"], part, until, row["remain"], row["owner_id"])
        for row in rows
        for part, until in zip(row["parts"], row["untils"], strict=True)
    ]
    if kept:
        entries, parts, untils, remains, owners = map(list, zip(*kept, strict=True))
        await connection.execute(
            *(_ERASURE.insert_retained, controller_id, entries, parts, untils, erased_by),
            *(list(identifiers), remains, owners),
        )
    now = [row for row in rows if not row["is_retained"]]
    changed = [row["entry_index"] for row in now]
    await connection.execute(_ERASURE.delete_messages, controller_id, changed)
    await connection.execute(
        *(_ERASURE.erase, controller_id, erased_by, changed),
        *([row["remain"] for row in now], [row["owner_id"] for row in now]),
    )
    await connection.execute(_SQL.unstage, controller_id, erasing, [row["entry_index"] for row in rows])
    return len(rows)


async def _delete(
    connection: Connection, controller_id: ControllerId, one: IdentifierId, stop: asyncio.Event | None
) -> int:
    gone, done = 0, False
    while not (done or (stop is not None and stop.is_set())):
        async with connection.transaction():
            await lock_head(connection, controller_id)
            deleted, done = await delete_chunk(connection, controller_id, one)
        gone += deleted
        await asyncio.sleep(0)
    return gone
