"""Import a file: its records become facts, each once, however often the import is interrupted.

    summary = await import_file(importing, path, mapping, told)

Records are read, made into facts and sealed in a thread, while earlier ones are being committed; several
chunks are under way, so that the committer never waits for the next. A fact says which records it settles,
and the commit that holds it moves the file's progress: after `kill -9` at any point the same command goes on
behind the last durable record. Message keys catch what progress cannot see: two imports of a file at a time.

A file that was imported whole brings nothing new, ever. A record that is refused is counted by its code and
passed over. Raises UnreadableBody, PolicyInvalid, OSError (the file), FactRejected (the file was begun under
another mapping), Unavailable (run it again: nothing durable is lost or taken twice).
"""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from assent.core.errors import FactRejected, Refused
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import DAY, Instant
from assent.database.statements import load
from assent.database.types import Pool
from assent.ingest.drafts import event_draft
from assent.ingest.facts import Draft, Random, make_facts
from assent.ingest.mapping import ImportMapping
from assent.ingest.records import Records, file_digest
from assent.ingest.rows import Record, Rejected
from assent.ledger.append import Append, Appended, Fact, Reading
from assent.ledger.keyring import KeyRing

_SQL = load("imports")
_LEDGER = load("ledger")

CHUNK: Final = 512
"""Records made into facts at a time: two chunks fill a commit."""

UNDER_WAY: Final = 3
"""Chunks handed over and not answered yet: one is committed, one waits, one has just been answered."""

ROLE: Final = "import"


class Importing(Struct, frozen=True, kw_only=True):
    """What an import needs of the service."""

    controller_id: ControllerId
    policy: Policy
    ledger: Append
    ring: KeyRing
    random: Random
    clock: Callable[[], Instant]
    pool: Pool


class Summary(Struct, kw_only=True):
    """What became of a file. Every line is in a record or rejected; every record has one fate."""

    lines: int = 0
    records: int = 0
    earlier: int = 0
    """Records that an earlier run settled."""
    kept: int = 0
    """Records that are entries of the ledger: this run's, or one's that took them at the same time."""
    not_kept: int = 0
    """No purpose permitted them when they happened, or permits them now."""
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    """Records whose fact was refused, by code."""
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    """Lines that became no record, by code."""
    identifiers: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """Hashes of the distinct identifiers of the whole file, by namespace."""
    traits: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """Hashes of the distinct values of the whole file, by trait."""


Told = Callable[[Records, Summary], None]
"""Hears how far the reading has come, a few times a second."""


async def import_file(importing: Importing, path: Path, mapping: ImportMapping, told: Told) -> Summary:
    """Take every record of a file that was not taken before, and say what became of all of them."""
    digest = await asyncio.to_thread(file_digest, path)
    start = await _begin(importing, digest, mapping)
    reader = _Reader(importing, path, mapping, digest, start)
    under_way: deque[tuple[_Chunk, asyncio.Task[Appended]]] = deque()
    try:
        while chunk := await asyncio.to_thread(reader.chunk):
            append = importing.ledger.append(importing.controller_id, chunk.facts)
            under_way.append((chunk, asyncio.create_task(append)))
            if len(under_way) >= UNDER_WAY:
                await _settle(importing, reader, *under_way.popleft())
            told(reader.records, reader.summary)
        while under_way:
            await _settle(importing, reader, *under_way.popleft())
    finally:
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)
    await _settle_rest(importing, reader)
    reader.summary.refused += reader.malformed
    told(reader.records, reader.summary)
    return reader.summary


class _Chunk(Struct, frozen=True, kw_only=True):
    """Facts of records from `first` to before `next`; those between that make no fact are counted."""

    facts: tuple[Fact, ...]
    first: int
    next: int


class _Reader:
    """Reads a file into chunks, and counts what it meets. Only one thread at a time may ask for a chunk."""

    def __init__(
        self, importing: Importing, path: Path, mapping: ImportMapping, digest: bytes, start: int
    ) -> None:
        self.records = Records(path, mapping)
        self.summary = Summary()
        self.digest = digest
        self.settled_by_facts = start
        """Records before this one are settled once every fact that was made so far is."""
        self.seen = start
        self.malformed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Of those, the ones behind the last fact: the next one carries their count into its commit."""
        self._importing = importing
        self._start = start
        # The source stands beside counts of what was refused: it says which import, never the file's name.
        self.source = f"import:{digest.hex()[:12]}"

    def chunk(self) -> _Chunk | None:
        """Return the next facts in the file's order, sealed and ready to append; None at its end."""
        first = self.settled_by_facts
        drafts: list[Draft] = []
        for record in self._new_records():
            try:
                drafts.append(self._draft(record))
            except Refused as refusal:
                self.malformed[refusal.code] += 1
                self.refused[refusal.code] += 1
            if len(drafts) == CHUNK:
                break
        if not drafts:
            return None
        importing = self._importing
        facts = make_facts(importing.ring, importing.random, importing.controller_id, drafts)
        return _Chunk(facts=facts, first=first, next=self.settled_by_facts)

    def _new_records(self) -> Iterator[Record]:
        summary = self.summary
        for found in self.records:
            summary.lines += found.lines
            if isinstance(found, Rejected):
                summary.rejected[found.code] += found.lines
                continue
            summary.records += 1
            self._count(found)
            if found.number < self._start:
                summary.earlier += 1
                continue
            self.seen = found.number + 1
            yield found

    def _draft(self, record: Record) -> Draft:
        importing = self._importing
        following = record.number + 1
        draft = event_draft(
            importing.policy,
            record.call,
            received_at=importing.clock(),
            role=ROLE,
            source=self.source,
            server=True,
            message_key=importing.ring.message_key(
                importing.controller_id, f"import:{self.digest.hex()}", str(record.number)
            ),
            reading=Reading(
                file=self.digest, first=self.settled_by_facts, next=following, refused=dict(self.refused)
            ),
        )
        self.settled_by_facts = following
        self.refused.clear()
        return draft

    def _count(self, record: Record) -> None:
        external = record.call.context.get("externalIds")
        for one in external if isinstance(external, list) else ():
            self.summary.identifiers.setdefault(one["type"], set()).add(hash(one["id"]))
        traits = record.call.context.get("traits")
        for name, value in traits.items() if isinstance(traits, dict) else ():
            self.summary.traits.setdefault(name, set()).add(hash(value))


async def _begin(importing: Importing, digest: bytes, mapping: ImportMapping) -> int:
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


async def _settle(
    importing: Importing, reader: _Reader, chunk: _Chunk, append: asyncio.Task[Appended]
) -> None:
    """Wait for a chunk's answer and count its fates. Chunks are settled in order."""
    summary = reader.summary
    for outcome in (await append).outcomes:
        if outcome.code is not None:
            summary.refused[outcome.code] += 1
        elif outcome.index is None:
            summary.not_kept += 1
        else:
            summary.kept += 1
    # The commits moved it already, except behind a fact that the database refused.
    await _move(importing, reader.digest, chunk.first, chunk.next)


async def _settle_rest(importing: Importing, reader: _Reader) -> None:
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
