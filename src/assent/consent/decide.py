"""Decide whether one purpose may use one person's data, from what the person said.

Pure and total: the caller brings the history, the resolution, the policy and the instant. Nothing is read,
nothing is remembered. The answer always names the step, the article and the entry that decided it.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from assent.consent.statement import NARROWING, WIDENING, Statement, legal_basis
from assent.core.ids import CategoryId, EntryIndex, IdentifierId, PurposeId
from assent.core.policy import LegalBasis, Policy
from assent.core.time import FOREVER, Instant


class Reason(StrEnum):
    """Why the answer is what it is; for the person and the data protection officer, never for an engine."""

    PERMITTED = "permitted"
    UNKNOWN_PURPOSE = "unknown_purpose"
    CATEGORY = "category_not_declared"
    STRANGER = "not_of_this_person"
    REFUSED = "refused"
    SILENT = "no_statement"


class Bond(Struct, frozen=True, kw_only=True):
    """Two identifiers held to be one person, in the one resolution."""

    low: IdentifierId
    high: IdentifierId
    first_at: Instant
    """The first evidence since the last unlink."""
    until: Instant = FOREVER
    """When the link was undone or denied."""


class Cluster(Struct, frozen=True, kw_only=True):
    """The identifiers of one person, in the one resolution. Denials travel along its bonds."""

    members: tuple[IdentifierId, ...]
    bonds: tuple[Bond, ...] = ()


class Question(Struct, frozen=True, kw_only=True):
    """Whether a purpose may use an identifier's data at `at`, by what was known at `known_at`."""

    identifier: IdentifierId
    purpose: PurposeId
    at: Instant
    known_at: Instant
    category: CategoryId | None = None
    """None asks about the purpose as a whole."""
    address: IdentifierId | None = None
    vendor: int | None = None
    sources: tuple[IdentifierId, ...] = ()
    """Whose data it is; empty is the identifier's own."""


class Decision(Struct, frozen=True, kw_only=True):
    """The answer, and what it rests on."""

    allowed: bool
    reason: Reason
    step: int
    article: str
    entry: EntryIndex | None = None


def decide(history: Sequence[Statement], cluster: Cluster, policy: Policy, question: Question) -> Decision:
    """Answer one question."""
    purpose = policy.purposes.get(question.purpose)
    if purpose is None:
        return Decision(allowed=False, reason=Reason.UNKNOWN_PURPOSE, step=1, article="6(1)")
    if question.category is not None and not purpose.categories >> question.category & 1:
        return Decision(allowed=False, reason=Reason.CATEGORY, step=2, article="5(1)(c)")
    if legal_basis(purpose, question.at) in (LegalBasis.CONTRACT, LegalBasis.LEGAL_OBLIGATION):
        return Decision(allowed=True, reason=Reason.PERMITTED, step=4, article="6(1)(b)")
    if question.identifier not in cluster.members:
        return Decision(allowed=False, reason=Reason.STRANGER, step=3, article="5(2)")
    heard = [
        said
        for said in history
        if said.purpose == purpose.id and said.acted_at <= question.at and said.known_at <= question.known_at
    ]
    newest: dict[IdentifierId, Statement] = {}
    for said in sorted(
        heard, key=lambda said: (said.acted_at, said.state in NARROWING, said.entry, said.position)
    ):
        if said.state in NARROWING or said.state in WIDENING:
            newest[said.identifier] = said
    for said in newest.values():
        if said.state in NARROWING:
            return Decision(allowed=False, reason=Reason.REFUSED, step=5, article="7(3)", entry=said.entry)
    own = newest.get(question.identifier)
    if own is None:
        return Decision(allowed=False, reason=Reason.SILENT, step=6, article="7(1)")
    return Decision(allowed=True, reason=Reason.PERMITTED, step=7, article="6(1)(a)", entry=own.entry)
