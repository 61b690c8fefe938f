"""Read a file into facts, chunk by chunk, and count what is met on the way: an import without its ledger.

Writes nothing. Only one thread at a time may ask for more. Raises UnreadableBody, PolicyInvalid and OSError.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Pool
from assent.ingest.facts import Draft, Random, make_facts
from assent.ingest.linking import LinkMapping
from assent.ingest.mapping import ImportMapping
from assent.ingest.pairs import Paired
from assent.ingest.record_drafts import Made, make
from assent.ingest.records import Records
from assent.ingest.rows import Record, Rejected
from assent.ingest.together import People, Together
from assent.ledger.append import Append, Fact, Outcome
from assent.ledger.append import Reading as Settling
from assent.ledger.keyring import KeyRing

CHUNK: Final = 512
"""Facts made at a time: two chunks fill a commit."""


MOST_DISTINCT: Final = 1_000_000
"""Distinct values that are counted one by one, in some 70 MB: memory must not grow with the file."""


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
    """What became of a file. Every line is in a record or rejected; every record's event has one fate."""

    lines: int = 0
    records: int = 0
    earlier: int = 0
    """Records that an earlier run settled."""
    fit: int = 0
    """Records whose event the door let in: in a dry run, which cannot know what is permitted."""
    kept: int = 0
    """Records that are entries of the ledger: this run's, or one's that took them at the same time."""
    not_kept: int = 0
    """No purpose permitted them when they happened, or permits them now."""
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    """Records whose fact was refused, by code."""
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    """Lines that became no record, by code."""
    unfit: Counter[str] = msgspec.field(default_factory=Counter)
    """Of those, the ones with a cell that is not of its column's type, by column."""
    stated: Counter[str] = msgspec.field(default_factory=Counter)
    """Statements that count, by purpose; in a dry run, those that the door let in."""
    unstated: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    """Statements that were refused, by code and article."""
    identifiers: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """Hashes of the distinct identifiers of the whole file, by namespace; no more than `MOST_DISTINCT`."""
    traits: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """Hashes of the distinct values of the whole file, by trait; no more than `MOST_DISTINCT`."""
    people: People | None = None
    """In a dry run of links: what the file alone would do to people."""


Hear = Callable[[Rejected], None]
"""Hears of every line and statement that became nothing: of the whole file, however it is resumed."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a fact comes from; with a purpose it is a statement."""

    line: int
    lines: int
    purpose: str = ""


class Chunk(Struct, frozen=True, kw_only=True):
    """Facts of records from `first` to before `next`; those between that make no fact are counted."""

    facts: tuple[Fact, ...]
    origins: tuple[Origin, ...]
    first: int
    next: int


class Reader:
    """Reads a file into chunks, and counts what it meets."""

    def __init__(
        self,
        importing: Importing,
        path: Path,
        mapping: ImportMapping | LinkMapping,
        *,
        digest: bytes,
        start: int,
        hear: Hear,
    ) -> None:
        self.records = Records(path, mapping)
        self.summary = Summary()
        self.digest = digest
        self.settled_by_facts = start
        """Records before this one are settled once every fact that was made so far is."""
        self.seen = start
        self.refused: Counter[str] = Counter()
        """What was refused behind the last fact: the next one carries the count into its commit."""
        self._together = (
            Together(importing.policy, partial(importing.ring.lookup, importing.controller_id))
            if isinstance(mapping, LinkMapping)
            else None
        )
        self._importing = importing
        self._start = start
        self._hear = hear
        # The source stands beside counts of what was refused: it says which import, never the file's name.
        self.source = f"import:{digest.hex()[:12]}"

    def chunk(self) -> Chunk | None:
        """Return the next facts in the file's order, sealed and ready to append; None at its end."""
        first = self.settled_by_facts
        drafts: list[Draft] = []
        origins: list[Origin] = []
        for record in self._new_records():
            made = self._made(record)
            self._count_refused(made)
            own = [*made.statements] if made.event is None else [*made.statements, made.event]
            if own:
                # The last of a record's facts settles it: until that one is durable, all are made again.
                own[-1] = structs.replace(own[-1], reading=self._settling(record.number + 1))
                origin = Origin(line=record.line, lines=record.lines)
                origins += [structs.replace(origin, purpose=draft.purpose or "") for draft in own]
                drafts += own
            if len(drafts) >= CHUNK:
                break
        if not drafts:
            return None
        importing = self._importing
        facts = make_facts(importing.ring, importing.random, importing.controller_id, drafts)
        return Chunk(facts=facts, origins=tuple(origins), first=first, next=self.settled_by_facts)

    def look(self) -> bool:
        """Read some records as `chunk` does, and only count: for a dry run. False at the file's end."""
        for number, record in enumerate(self._new_records(), start=1):
            made = self._made(record)
            self._count_refused(made)
            self.summary.fit += made.event is not None
            if self._together is not None and made.event is not None:
                self._together.add(made.event)
            self.summary.stated.update(draft.purpose or "" for draft in made.statements)
            if number == CHUNK:
                return True
        return False

    def gather(self) -> None:
        """Say what the links that `look` met would do to people, if it met any links."""
        if self._together is not None:
            self.summary.people = self._together.people()

    def count(self, origin: Origin, outcome: Outcome) -> None:
        """Count what became of a fact."""
        summary = self.summary
        if outcome.code is not None:
            self._hear(
                Rejected(line=origin.line, lines=origin.lines, code=outcome.code, purpose=origin.purpose)
            )
        match outcome:
            case Outcome(code=str(code)) if origin.purpose:
                summary.unstated[code, ""] += 1
            case Outcome(code=str(code)):
                summary.refused[code] += 1
            case _ if origin.purpose:
                summary.stated[origin.purpose] += 1
            case Outcome(index=None):
                summary.not_kept += 1
            case _:
                summary.kept += 1

    def _new_records(self) -> Iterator[Record | Paired]:
        summary = self.summary
        for found in self.records:
            summary.lines += found.lines
            if isinstance(found, Rejected):
                summary.rejected[found.code] += found.lines
                if found.column:
                    summary.unfit[found.column] += found.lines
                self._hear(found)
                continue
            summary.records += 1
            self._count(found)
            if found.number < self._start:
                summary.earlier += 1
                for refused in self._made(found).refused if self._hear is not unheard else ():
                    self._hear(refused)
                continue
            self.seen = found.number + 1
            yield found

    def _made(self, record: Record | Paired) -> Made:
        importing = self._importing
        return make(
            importing.policy,
            record,
            now=importing.clock(),
            source=self.source,
            message_key=self._message_key,
        )

    def _message_key(self, name: str) -> bytes:
        importing = self._importing
        return importing.ring.message_key(importing.controller_id, f"import:{self.digest.hex()}", name)

    def _settling(self, following: int) -> Settling:
        settling = Settling(
            file=self.digest, first=self.settled_by_facts, next=following, refused=dict(self.refused)
        )
        self.settled_by_facts = following
        self.refused.clear()
        return settling

    def _count_refused(self, made: Made) -> None:
        for refused in made.refused:
            self.refused[refused.code] += 1
            if refused.purpose:
                self.summary.unstated[refused.code, refused.article] += 1
            else:
                self.summary.refused[refused.code] += 1
            self._hear(refused)

    def _count(self, record: Record | Paired) -> None:
        if isinstance(record, Paired):
            for namespace, value in record.ends:
                _add(self.summary.identifiers, namespace, value)
            return
        external = record.call.context.get("externalIds")
        for one in external if isinstance(external, list) else ():
            _add(self.summary.identifiers, one["type"], one["id"])
        traits = record.call.context.get("traits")
        for name, value in traits.items() if isinstance(traits, dict) else ():
            _add(self.summary.traits, name, value)


def _add(distinct: dict[str, set[int]], name: str, value: object) -> None:
    held = distinct.setdefault(name, set())
    if len(held) < MOST_DISTINCT:
        held.add(hash(value))


def unheard(_: Rejected) -> None:
    """Hear nothing."""
