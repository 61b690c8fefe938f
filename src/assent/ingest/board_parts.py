"""What a batch loads for a board, and what a board keeps of its facts, for whoever writes it down.

Structs alone; nothing here raises.
"""

from typing import NamedTuple

from msgspec import Struct

from assent.core.ids import CategoryId, EntryIndex, FeatureId, IdentifierId, PurposeId, PurposeMask
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.features.accumulate import Item, State
from assent.ingest.component import Component, Derived
from assent.ingest.facts import AudienceBody
from assent.ledger.append import ContentPart, Ref

StateKey = tuple[CategoryId, PurposeMask]


class Told(NamedTuple):
    """Something that an identifier told of an account: of which, in which category, carried for whom."""

    account: bytes
    category: CategoryId
    basis: PurposeMask


class Loaded(Struct, kw_only=True):
    """What the database holds of everything a batch may touch."""

    identifiers: dict[Ref, IdentifierId]
    denies: dict[IdentifierId, PurposeMask]
    seen_by: dict[IdentifierId, PurposeMask] = {}
    components: list[Component]
    derived: list[Derived]
    """What stood for each component, in the same order."""
    states: dict[IdentifierId, dict[StateKey, State]]
    told: dict[IdentifierId, set[Told]] = {}
    """What identifiers told of accounts."""
    messages: dict[bytes, EntryIndex]
    """The entries of those messages of the batch that were taken before."""
    sequences: dict[PurposeId, int]
    audience_versions: dict[str, int]
    derivations: dict[str, FeatureId] = {}
    """The derived features asked for, by definition; loaded where a fact asks for others."""
    derivations_given: int = 0
    """How many numbers were given to derived features so far."""
    suppressed: dict[Ref, Instant] = {}
    """Those of the batch who objected to direct marketing, when, and were erased."""
    moved_since: int = -1
    """The newest entry that names anybody an erasure is about."""


class KeptContent(Struct, frozen=True, kw_only=True):
    """A content part that some purpose permitted, with the purposes that did."""

    identifier: IdentifierId
    entry: EntryIndex
    number: int
    """Which of the entry's commitments it opens, from 1."""
    category: CategoryId
    basis: PurposeMask
    at: Instant
    part: ContentPart
    slot: bytes | None = None
    """The place that it takes over from older content; see `keeping.slot_of`."""


class KeptItem(Struct, frozen=True, kw_only=True):
    """An item of a windowed or distinct feature, with the purposes that carry it."""

    identifier: IdentifierId
    category: CategoryId
    basis: PurposeMask
    item: Item
    account: bytes | None = None
    """The keyed hash of the account that it is about."""
    slot: bytes | None = None


class Taken(Struct, frozen=True, kw_only=True):
    """A fact that becomes an entry: who it is about, and the content that is kept."""

    identifier: IdentifierId
    contents: tuple[KeptContent, ...] = ()


class NewAudience(Struct, frozen=True, kw_only=True):
    """A version of an audience."""

    entry: EntryIndex
    version: int
    body: AudienceBody


class Activated(Struct, frozen=True, kw_only=True):
    """A policy that a batch put in force."""

    entry: EntryIndex
    documents: str
    before: Policy
    flips: bool
    """Whether it was prepared: what is on the board is then only what had still to be derived."""
