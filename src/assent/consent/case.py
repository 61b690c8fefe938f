"""One question about one source's data, laid out for the steps of `decide`.

Pure. A case only gathers: the purpose with its ancestors, the basis at the instant, the identifiers that were
one person then, and what of the history speaks to the question at all.
"""

from msgspec import Struct

from assent.consent.duties import basis_at
from assent.consent.history import History
from assent.consent.question import Decision, Question, Reason
from assent.consent.statement import NARROWING, Statement
from assent.core.ids import CategoryId, EntryIndex, IdentifierId, PurposeId
from assent.core.policy import LegalBasis, Policy, Purpose
from assent.core.time import Instant


class Case(Struct, frozen=True, kw_only=True):
    """What every step may look at."""

    history: History
    policy: Policy
    question: Question
    source: IdentifierId
    purpose: Purpose
    lineage: tuple[Purpose, ...]
    """The purpose, its parent, and so on."""
    basis: LegalBasis
    basis_since: Instant
    assessed: bool
    person: frozenset[IdentifierId]
    said: tuple[Statement, ...]
    """What had been said about the purpose, an ancestor or everything, and touches the category."""
    asking: frozenset[PurposeId]
    """Purposes being judged, so that requirements which go in circles end, closed."""

    @property
    def at(self) -> Instant:
        """The instant asked about."""
        return self.question.at

    @property
    def category(self) -> CategoryId | None:
        """The category asked about."""
        return self.question.category

    @property
    def special(self) -> bool:
        """Whether the data is of a special category (Art. 9)."""
        return self.category is not None and self.policy.categories[self.category].special

    @property
    def explicit(self) -> bool:
        """Whether a give must be explicit (Art. 9(2)(a), 22(2)(c))."""
        return self.basis is LegalBasis.EXPLICIT_CONSENT or self.purpose.automated_significant or self.special

    def binds(self, said: Statement) -> bool:
        """Return whether a statement bound to an address is bound to the one asked about."""
        return said.address in (self.question.address, self.source)

    def is_own(self, said: Statement) -> bool:
        """Return whether the source itself said it: what one identifier permits does not travel."""
        if said.address is None:
            return said.identifier == self.source
        return self.binds(said) and said.identifier in (self.source, said.address)

    def speaks_for_source(self, said: Statement) -> bool:
        """Return whether the person, authenticated, spoke for all that was theirs, the source among it."""
        return (
            said.authenticated
            and said.person_scope
            and said.address is None
            and self.source in self.history.person(said.identifier, self.at, said.acted_at)
        )

    def is_whole(self, said: Statement) -> bool:
        """Return whether a statement about some categories answers one about the purpose as a whole."""
        if self.category is not None or not said.categories:
            return True
        return said.categories & self.purpose.categories == self.purpose.categories


def open_case(
    history: History,
    policy: Policy,
    question: Question,
    source: IdentifierId,
    purpose: Purpose,
    *,
    asking: frozenset[PurposeId] = frozenset(),
) -> Case:
    """Lay out one source's case for one declared purpose."""
    basis, since, assessed = basis_at(purpose, question.at)
    line = lineage(policy, purpose)
    heard = history.heard((*(each.id for each in line), None), question.at)
    return Case(
        history=history,
        policy=policy,
        question=question,
        source=source,
        purpose=purpose,
        lineage=line,
        basis=basis,
        basis_since=since,
        assessed=assessed,
        person=history.person(question.identifier, question.at),
        said=tuple(
            said for said in heard if _touches(said, question.category) and _covers(said, question.vendor)
        ),
        asking=asking | {purpose.id},
    )


def _touches(said: Statement, category: CategoryId | None) -> bool:
    return not said.categories or category is None or bool(said.categories >> category & 1)


def _covers(said: Statement, vendor: int | None) -> bool:
    """What was given to some vendors opens nothing to another; whatever denies, denies to all."""
    if vendor is None or said.vendors is None or said.state in NARROWING:
        return True
    return bool(int(said.vendors, 16) >> vendor & 1)


def lineage(policy: Policy, purpose: Purpose) -> tuple[Purpose, ...]:
    """Return the purpose and its ancestors, nearest first; a circle ends where it closes."""
    line = [purpose]
    while (parent := line[-1].parent) is not None:
        above = policy.purposes.get(parent)
        if above is None or above in line:
            break
        line.append(above)
    return tuple(line)


def no(step: int, reason: Reason, article: str, entry: EntryIndex | None = None) -> Decision:
    """Return a refusal."""
    return Decision(allowed=False, reason=reason, step=step, article=article, entry=entry)


def yes(step: int, article: str, entry: EntryIndex | None = None) -> Decision:
    """Return a permission."""
    return Decision(allowed=True, reason=Reason.PERMITTED, step=step, article=article, entry=entry)
