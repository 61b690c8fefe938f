"""Check that the logs say of themselves what their heads, payloads and releases say.

The fold takes the entries as they stand; here they are held against what was committed to. Leaves make the
tree again, leaf by leaf; what a payload or a kept content part seals must be what its leaf commits to; and
every sealed release is its leaf. Content that a withdrawal deleted is missing rightly, a payload never is.

A fault is a sentence with a controller's number and a place in a log: nothing personal. Raises nothing of its
own: what is wrong is collected, so that one fault does not hide the next.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg

from assent.core.errors import ProofInvalid, SealBroken
from assent.core.ids import ControllerId, EntryIndex
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.sealer import leaf_of
from assent.ingest.erased import Erasures
from assent.ingest.facts import aad
from assent.ledger.entries import SALT_BYTES, Entry, commit
from assent.ledger.keyring import KeyRing
from assent.ledger.tree import HIGHEST_SIZE, Frontier, leaf_hash

_SQL = load("rebuild")

_PAGE: Final = 4_096

Parts = Sequence[tuple[int, bytes]]
"""What is kept of an entry's content: which commitment each opens, and the sealed bytes."""


class Leaves:
    """The leaves of one log, taken in order: whether none is missing, and the tree they make."""

    def __init__(self, log: str) -> None:
        """Begin before the first leaf; `log` names the log in faults."""
        self.log = log
        self.next = 0
        self.faults: list[str] = []
        self._frontier = Frontier()

    def take(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Append the next leaves with their indexes."""
        hashes: list[bytes] = []
        for index, leaf in leaves:
            if index != self.next:
                self.fault(self.next, "there is no leaf")
            self.next = index + 1
            hashes.append(leaf_hash(leaf))
        self._frontier = self._frontier.append(hashes)

    def end(self, size: int | None, frontier: bytes | None) -> None:
        """Hold the tree against its head."""
        if self.next != size:
            self.faults.append(f"{self.log}: the leaves end at {self.next}, the head says {size}")
        if self._frontier.to_bytes() != frontier:
            self.faults.append(f"{self.log}: the leaves do not make the root that the head says")

    def fault(self, index: int, what: str) -> None:
        """Note what is wrong with an entry."""
        self.faults.append(f"{self.log}, entry {index}: {what}")


class Facts(Leaves):
    """The log of facts, with what its leaves commit to."""

    def __init__(self, ring: KeyRing, controller_id: ControllerId, erasures: Erasures) -> None:
        """Begin before the first entry; `erasures` say what is gone rightly."""
        super().__init__(f"controller {controller_id}, facts")
        self._ring = ring
        self._bound = aad(controller_id)
        self._committed = 0
        self.erasures = erasures

    def commits(self, batches: Iterable[asyncpg.Record]) -> None:
        """Check that each commit begins where the one before ended."""
        for batch in batches:
            if batch["first_index"] != self._committed:
                self.fault(self._committed, "no commit begins here")
            self._committed = batch["first_index"] + batch["size"]

    def page(self, entries: Sequence[asyncpg.Record], contents: Sequence[asyncpg.Record]) -> None:
        """Take the next entries with their payloads and the content that is kept of them."""
        self.take((entry["entry_index"], entry["leaf"]) for entry in entries)
        parts: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
        for row in contents:
            parts[row["entry_index"]].append((row["part"], row["sealed"]))
        for index, leaf, sealed in entries:
            self._entry(index, leaf, sealed, parts.pop(index, ()))
        for index in parts:
            self.fault(index, "there is content and no entry")

    def finish(self, head: asyncpg.Record) -> None:
        """Hold commits and leaves against the head."""
        size = head["revision"]
        if self._committed != size:
            self.faults.append(f"{self.log}: the commits end at {self._committed}, the head says {size}")
        self.end(size, head["frontier"])

    def _entry(self, index: int, leaf: bytes, sealed: bytes | None, parts: Parts) -> None:
        try:
            commitments = Entry.from_leaf(leaf).commitments
        except ProofInvalid:
            self.fault(index, "the leaf cannot be read")
            return
        erasures = self.erasures
        if index in erasures.gone:
            if sealed is not None or parts:
                self.fault(index, "it was erased, and is there")
        elif sealed is None:
            if index not in erasures.retained or index in erasures.rest:
                self.fault(index, "the payload is missing")
        elif not commitments or self._opens(sealed) not in self._allowed(index, commitments[0]):
            self.fault(index, "the payload is not what the leaf commits to")
        for part, box in parts:
            if not 0 < part < len(commitments) or self._opens(box) != commitments[part]:
                self.fault(index, f"content part {part} is not what the leaf commits to")

    def _allowed(self, index: int, committed: bytes) -> tuple[bytes, ...]:
        """Return what a payload may be: as committed to, or what an erasure left, now or in its time."""
        rest = self.erasures.rest.get(EntryIndex(index))
        if rest is None:
            return (committed,)
        return (committed, rest) if index in self.erasures.retained else (rest,)

    def _opens(self, sealed: bytes) -> bytes | None:
        """Return the commitment that sealed bytes open, None when they open nothing."""
        try:
            salted = self._ring.open(sealed, self._bound)
            return commit(salted[:SALT_BYTES], salted[SALT_BYTES:])
        except (SealBroken, ProofInvalid):
            return None


async def prove_releases(connection: Connection, head: asyncpg.Record) -> tuple[str, ...]:
    """Return what is wrong with a controller's release log: its leaves, its tree, and the records of it."""
    controller_id = head["controller_id"]
    log = Leaves(f"controller {controller_id}, releases")
    while rows := await connection.fetch(_SQL.releases_from, controller_id, log.next, _PAGE):
        log.take((row["entry_index"], row["leaf"]) for row in rows)
        for row in rows:
            if row["release_id"] is None:
                log.fault(row["entry_index"], "the release is missing")
            elif _leaf(row) != row["leaf"]:
                log.fault(row["entry_index"], "the release is not what its leaf says")
    log.end(head["release_size"], head["release_frontier"])
    for (index,) in await connection.fetch(_SQL.releases_astray, controller_id, log.next):
        log.fault(index, "there is a release and no leaf")
    return tuple(log.faults)


async def read_rest(connection: Connection, controller_id: ControllerId, facts: Facts) -> None:
    """Take what stands behind the newest commit: nothing, unless something is wrong."""
    between = (controller_id, facts.next, HIGHEST_SIZE)
    facts.page(
        await connection.fetch(_SQL.entries_between, *between),
        await connection.fetch(_SQL.contents_between, *between),
    )


def _leaf(row: asyncpg.Record) -> bytes | None:
    try:
        return leaf_of(row)
    except (ValueError, OverflowError):  # a time that no calendar has
        return None
