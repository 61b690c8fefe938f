"""What is asked of the history, and what is answered: the structs that `decide` takes and returns."""

from enum import StrEnum

from msgspec import Struct

from assent.core.ids import CategoryId, EntryIndex, IdentifierId, PurposeId
from assent.core.time import FOREVER, Instant


class Reason(StrEnum):
    """Why the answer is what it is; for the person and the data protection officer, never for an engine."""

    PERMITTED = "permitted"
    UNKNOWN_PURPOSE = "unknown_purpose"
    CATEGORY = "category_not_declared"
    STRANGER = "not_of_this_person"
    ERASED = "erased"
    RESTRICTED = "restricted"
    FINDING = "finding"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    GPC = "gpc"
    REQUIRED = "required_purpose_closed"
    ALSO = "also_purpose_closed"
    SPECIAL = "special_category"
    AUTOMATED = "automated_decision"
    UNASSESSED = "not_assessed"
    NOT_INFORMED = "notice_not_shown"
    NOT_FREE = "not_freely_given"
    HARD_TO_WITHDRAW = "harder_to_withdraw_than_to_give"
    SILENT = "no_statement"
    NOT_COVERED = "declared_later"
    NO_ACT = "no_affirmative_act"
    UNPROVEN = "no_notice_named"
    AGE = "age"
    UNCONFIRMED = "not_confirmed"
    NOT_EXPLICIT = "not_explicit"
    STALE_NOTICE = "stale_notice"
    EXPIRED = "expired"


class Bond(Struct, frozen=True, kw_only=True):
    """Two identifiers held to be one person, in the one resolution."""

    low: IdentifierId
    high: IdentifierId
    first_at: Instant
    """The first evidence since the last unlink."""
    until: Instant = FOREVER
    """When the link was undone or denied."""


class Cluster(Struct, frozen=True, kw_only=True):
    """The identifiers of one person, in the one resolution. Denials travel along its bonds.

    A member that no bond names is held to belong to all the others, always: what is not known to be apart
    is closed together.
    """

    members: tuple[IdentifierId, ...]
    bonds: tuple[Bond, ...] = ()


class Question(Struct, frozen=True, kw_only=True):
    """Whether a purpose may use an identifier's data at `at`, by what was known at `known_at`."""

    identifier: IdentifierId
    purpose: PurposeId
    at: Instant
    known_at: Instant
    category: CategoryId | None = None
    """None asks about the purpose as a whole: a part given does not open it, a part refused closes it."""
    address: IdentifierId | None = None
    """The address that would be written to; statements bound to another one say nothing."""
    vendor: int | None = None
    sources: tuple[IdentifierId, ...] = ()
    """Whose data it is, all of which must be open; empty is the identifier's own."""


class Decision(Struct, frozen=True, kw_only=True):
    """The answer, and what it rests on: a step of `decide`, a GDPR article and, where one spoke, an entry."""

    allowed: bool
    reason: Reason
    step: int
    article: str
    entry: EntryIndex | None = None
