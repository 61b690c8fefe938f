"""The port through which facts enter the ledger: what a fact carries, and what is answered.

Handlers turn requests into facts and hand them to an `Append`; the committer implements it; `app.py` wires
them. A fact is complete before any lock is taken: parsed, normalised, hashed, sealed and committed to.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from assent.core.ids import (
    CategoryId,
    ControllerId,
    EntryIndex,
    IdentifierId,
    NamespaceId,
    PurposeMask,
    Revision,
)
from assent.ledger.entries import EntryKind


class Ref(Struct, frozen=True, kw_only=True):
    """An identifier as the database knows it: its namespace and the keyed hash of its value."""

    namespace: NamespaceId
    lookup: bytes


class Part(Struct, frozen=True, kw_only=True):
    """One part of a payload: sealed bytes, and the salted commitment that the leaf will hold."""

    sealed: bytes
    commitment: bytes


class ContentPart(Part, frozen=True, kw_only=True):
    """A part that says something of one category; `basis` at collection decides whether it is kept."""

    category: CategoryId
    content: object
    """The plain content, an `ingest.facts.ContentBody`: never stored as it stands."""
    account: bytes = b""
    """Of what is said of an account that somebody belongs to: the keyed hash of its name."""
    carried: PurposeMask | None = None
    """Of content that is read back: the purposes that carry it still."""


class Reading(Struct, frozen=True, kw_only=True):
    """Which records of an imported file a fact settles: from `first` to before `next`.

    The commit that holds the fact also moves the file's progress, so that an import which is killed goes on
    exactly behind what is durable.
    """

    file: bytes
    first: int
    next: int
    refused: Mapping[str, int] = {}
    """How many of them, by code, made no fact: counted with the commit too, once."""


class Remain(Struct, frozen=True, kw_only=True):
    """What an erasure leaves of an earlier entry's payload: sealed, and whose it is now; or nothing."""

    entry: EntryIndex
    sealed: bytes | None = None
    owner: IdentifierId = IdentifierId(0)
    is_retained: bool = False
    """Not before what the law keeps of it has ended."""


class Fact(Struct, frozen=True, kw_only=True):
    """One thing that happened, ready to become an entry."""

    kind: EntryKind
    role: str
    """Who says so: the role of the key, or `subject`."""
    body: object
    """One of the bodies of `ingest.facts`."""
    refs: tuple[Ref, ...] = ()
    """The identifiers the body names, in its order."""
    who: Part
    contents: tuple[ContentPart, ...] = ()
    purpose: str | None = None
    source: str = ""
    message_key: bytes | None = None
    """Keyed hash of (source, messageId): the same key is taken once in 35 days."""
    reading: Reading | None = None
    remains: tuple[Remain, ...] = ()
    """Of an erasure: what the payloads of earlier entries become."""
    erasing: UUID | None = None
    """Of one that is more than a commit may do: under which number that is kept, to be done in chunks."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one fact.

    `index` is its entry, the first one when it had been taken before; None with no `code` means that nothing
    was to be kept: no purpose permitted it.
    """

    index: EntryIndex | None = None
    code: str | None = None
    repeated: bool = False
    """Whether it had been taken before."""


class Appended(Struct, frozen=True, kw_only=True):
    """The answer to one append, in the order of its facts; durable when it is given."""

    revision: Revision
    outcomes: tuple[Outcome, ...]


class Append(Protocol):
    """Takes facts for good."""

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        """Return once every fact is durable or refused.

        Raises OverCapacity when too much waits already, Unavailable when the database cannot be reached; then
        none of what was not answered counts as taken, and sending it again with its message key is safe.
        """
        ...
