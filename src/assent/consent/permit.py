"""Say who may be used for what, from when, until when: `decide`, for every instant from now on.

Pure. The gate joins on permits; nothing sweeps, so time alone opens and closes them.
"""

from collections.abc import Sequence

from msgspec import Struct

from assent.consent.decide import Cluster, Question, decide
from assent.consent.statement import NARROWING, WIDENING, Statement
from assent.core.ids import CategoryMask, IdentifierId, PurposeId
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Instant


class Standing(Struct, frozen=True, array_like=True):
    """A permit that every identifier has without having said anything (a contract, a legal obligation)."""

    purpose: PurposeId
    categories: CategoryMask
    since: Instant
    until: Instant


class Permit(Struct, frozen=True, array_like=True):
    """One identifier may be used for one purpose's categories in [since, until)."""

    identifier: IdentifierId
    purpose: PurposeId
    categories: CategoryMask
    since: Instant
    until: Instant
    entry: int
    """The deciding entry, -1 when no statement decided."""


def permits(
    history: Sequence[Statement], cluster: Cluster, policy: Policy, now: Instant
) -> tuple[Permit, ...]:
    """Return every member's permits that are not over at `now`, sorted."""
    found = []
    for identifier in cluster.members:
        for purpose in policy.purposes.values():
            question = Question(identifier=identifier, purpose=purpose.id, at=now, known_at=now)
            answer = decide(history, cluster, policy, question)
            if answer.allowed:
                said = [s.acted_at for s in history if s.entry == answer.entry]
                since = max(said) if said else BEGINNING
                entry = -1 if answer.entry is None else answer.entry
                found.append(Permit(identifier, purpose.id, purpose.categories, since, FOREVER, entry))
    return tuple(found)


def standing(policy: Policy) -> tuple[Standing, ...]:
    """Return the permits that hold without any statement."""
    nobody = IdentifierId(0)
    alone = Cluster(members=(nobody,))
    return tuple(
        Standing(permit.purpose, permit.categories, permit.since, permit.until)
        for permit in permits((), alone, policy, Instant(0))
    )


def stances(
    history: Sequence[Statement], policy: Policy, now: Instant
) -> tuple[frozenset[IdentifierId], frozenset[IdentifierId]]:
    """Return who denies and who agrees to `identity_linking`, each by its own newest statement."""
    newest: dict[IdentifierId, Statement] = {}
    for said in sorted(history, key=lambda said: (said.acted_at, said.state in NARROWING)):
        if said.purpose == policy.linking and said.acted_at <= now and said.state in NARROWING | WIDENING:
            newest[said.identifier] = said
    return (
        frozenset(identifier for identifier, said in newest.items() if said.state in NARROWING),
        frozenset(identifier for identifier, said in newest.items() if said.state in WIDENING),
    )
