"""Import a file: its records become facts, each once, however often the import is interrupted.

    summary = await import_file(importing, path, mapping, told)

Records are read, made into facts and sealed in a thread, while earlier ones are being committed; several
chunks are under way, so that the committer never waits for the next. A fact says which records it settles,
and the commit that holds it moves the file's progress: after `kill -9` at any point the same command goes on
behind the last durable record. Message keys catch what progress cannot see: two imports of a file at a time.

A file that was imported whole brings nothing new, ever; a file that was changed is another file. A record
that is refused is counted by its code and passed over; while none is settled, another mapping may take the
first one's place. Raises UnreadableBody (also where the file changes meanwhile), PolicyInvalid (the mapping
names what the policy does not declare), OSError (the file), FactRejected (the file was begun under another
mapping), Unavailable (run it again: nothing durable is lost or taken twice).
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from assent.core.errors import FactRejected, UnreadableBody
from assent.core.time import DAY
from assent.database.statements import load
from assent.ingest.linking import LinkMapping
from assent.ingest.mapping import ImportMapping, check_against
from assent.ingest.reading import Chunk, Hear, Importing, Reader, Summary, unheard
from assent.ingest.records import Records, file_digest
from assent.ledger.append import Appended

__all__ = ["Importing", "Summary", "Told", "import_file", "try_file"]

_SQL = load("imports")
_LEDGER = load("ledger")

UNDER_WAY: Final = 3
"""Chunks handed over and not answered yet: one is committed, one waits, one has just been answered."""

Told = Callable[[Records[Any], Summary], None]
"""Hears how far the reading has come, a few times a second."""


async def import_file(
    importing: Importing,
    path: Path,
    mapping: ImportMapping | LinkMapping,
    told: Told,
    *,
    hear: Hear = unheard,
) -> Summary:
    """Take every record of a file that was not taken before, and say what became of all of them."""
    check_against(mapping, importing.policy)
    unchanged = _Unchanged(path)
    digest = await asyncio.to_thread(file_digest, path)
    start = await _begin(importing, digest, mapping)
    reader = Reader(importing, path, mapping, digest=digest, start=start, hear=hear)
    under_way: deque[tuple[Chunk, asyncio.Task[Appended]]] = deque()
    try:
        while chunk := await asyncio.to_thread(reader.chunk):
            unchanged.check()
            append = importing.ledger.append(importing.controller_id, chunk.facts)
            under_way.append((chunk, asyncio.create_task(append)))
            if len(under_way) >= UNDER_WAY:
                await _settle(importing, reader, *under_way.popleft())
            told(reader.records, reader.summary)
        while under_way:
            await _settle(importing, reader, *under_way.popleft())
    finally:
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)
    unchanged.check()
    await _settle_rest(importing, reader)
    told(reader.records, reader.summary)
    return reader.summary


async def try_file(
    importing: Importing,
    path: Path,
    mapping: ImportMapping | LinkMapping,
    told: Told,
    *,
    hear: Hear = unheard,
) -> Summary:
    """Read the whole file as an import would, up to the door and no further: nothing is written."""
    check_against(mapping, importing.policy)
    digest = await asyncio.to_thread(file_digest, path)
    reader = Reader(importing, path, mapping, digest=digest, start=0, hear=hear)
    while await asyncio.to_thread(reader.look):
        told(reader.records, reader.summary)
    await asyncio.to_thread(reader.gather)
    told(reader.records, reader.summary)
    return reader.summary


class _Unchanged:
    """Notices that somebody writes to a file: what is read would no longer be what was digested."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._was = self._stamp()

    def check(self) -> None:
        if self._stamp() != self._was:
            raise UnreadableBody("the file changed while it was read: expected one that is complete")

    def _stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns


async def _begin(importing: Importing, digest: bytes, mapping: ImportMapping | LinkMapping) -> int:
    """Return the first record that is not durable yet."""
    numbered_by = hashlib.sha256(msgspec.json.encode(mapping, order="sorted")).digest()
    await importing.pool.execute(_SQL.begin_import, importing.controller_id, digest, numbered_by)
    row = await importing.pool.fetchrow(_SQL.progress, importing.controller_id, digest)
    if row is None or row["mapping_digest"] != numbered_by:
        raise FactRejected(
            "the file was begun with another mapping: expected the same, or its records would be doubled"
        )
    start: int = row["next_record"]
    return start


async def _settle(importing: Importing, reader: Reader, chunk: Chunk, append: asyncio.Task[Appended]) -> None:
    """Wait for a chunk's answer and count its fates. Chunks are settled in order."""
    for origin, outcome in zip(chunk.origins, (await append).outcomes, strict=True):
        reader.count(origin, outcome)
    # The commits moved it already, except behind a fact that the database refused.
    await _move(importing, reader.digest, chunk.first, chunk.next)


async def _settle_rest(importing: Importing, reader: Reader) -> None:
    """Settle the records behind the last fact, which were refused; everything before is settled."""
    codes = sorted(reader.refused)
    async with importing.pool.acquire() as connection, connection.transaction():
        moved = await connection.execute(
            _SQL.move_progress, importing.controller_id, reader.digest, reader.settled_by_facts, reader.seen
        )
        if codes and moved != "UPDATE 0":
            await connection.execute(
                _LEDGER.count_refusals,
                importing.controller_id,
                importing.clock() // DAY,
                [reader.source] * len(codes),
                codes,
                [reader.refused[code] for code in codes],
            )


async def _move(importing: Importing, digest: bytes, first: int, following: int) -> None:
    await importing.pool.execute(_SQL.move_progress, importing.controller_id, digest, first, following)
