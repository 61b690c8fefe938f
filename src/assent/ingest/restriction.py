"""Restriction of processing (GDPR Art. 18): stored, used for nothing, deleted by nobody but the person.

Whose data is restricted decides step 5 of `decide`; here is what it means for deletion. While it stands,
nothing of the person is deleted, whatever lapses or is withdrawn; when it is lifted, that is made up for.

Pure. Raises UnknownPurpose for a finding about no purpose of the policy.
"""

from collections.abc import Iterable, Iterator

from msgspec import structs

from assent.consent.statement import MARKS, NARROWING, State, Statement
from assent.core.errors import UnknownPurpose
from assent.core.ids import RESOLUTION, EntryIndex, IdentifierId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.ingest.closing import Closing, closings
from assent.ingest.component import Component, Derived, deniers_of, derive, heard
from assent.ingest.facts import FindingBody, MarkBody


def mark_of(
    body: MarkBody | FindingBody, policy: Policy, identifier: IdentifierId, now: Instant, entry: EntryIndex
) -> Statement:
    """Return the statement that a mark makes: a restriction is of everything, a finding of one purpose."""
    made = Statement(
        identifier=identifier,
        purpose=None,
        state=State.FINDING,
        acted_at=now,
        known_at=now,
        entry=entry,
        actor="system",
    )
    if isinstance(body, MarkBody):
        return structs.replace(
            made,
            state=State(body.state),
            authenticated=body.authenticated,
            actor="subject",
            mechanism=body.ground,
        )
    if body.purpose not in policy.purpose_ids:
        raise UnknownPurpose(pointer="/purpose")
    return structs.replace(made, purpose=policy.purpose_ids[body.purpose], mechanism=body.finding)


def standing_marks(said: Iterable[Statement]) -> tuple[Statement, ...]:
    """Return the restrictions of one person that stand: of each identifier the newest; a tie restricts."""
    newest: dict[tuple[int, int | None], Statement] = {}
    for one in said:
        if one.state in MARKS:
            held = newest.get((one.identifier, one.purpose))
            if held is None or _rank(one) > _rank(held):
                newest[one.identifier, one.purpose] = one
    return tuple(one for one in newest.values() if one.state is State.RESTRICTED)


def unrestricted(
    due: Iterable[Closing], component: Component, after: Derived, policy: Policy
) -> Iterator[Closing]:
    """Yield what may be deleted now: nothing of a person whose data is restricted."""
    marked = any(one.state in MARKS for said in component.statements.values() for one in said)
    for closing in due:
        members = after.members(RESOLUTION, closing.identifier) if marked else ()
        if not (marked and standing_marks(heard(component, policy, members))):
            yield closing


def lifted(
    before: Component, component: Component, after: Derived, policy: Policy, said: Statement
) -> Iterator[Closing]:
    """Yield what ended while the restriction stood that `said` lifts: what was lapsed or denied meanwhile."""
    members = {each for one in _held_by(said, before, policy) for each in after.members(RESOLUTION, one)}
    marks = standing_marks(one for each in members for one in before.statements.get(each, ()))
    if not marks:
        return
    since = min(one.known_at for one in marks)
    calm = structs.replace(
        component,
        statements={
            one: kept
            for one, each in component.statements.items()
            if (kept := tuple(old for old in each if old.known_at <= since and old.state not in MARKS))
        },
    )
    denied = any(
        one.state in NARROWING and one.known_at > since
        for each in members
        for one in component.statements.get(each, ())
    )
    for closing in closings(derive(calm, policy, since), after, said.known_at, negative=denied):
        if closing.identifier in members:
            yield closing


def _held_by(said: Statement, component: Component, policy: Policy) -> Iterator[IdentifierId]:
    """Yield whose mark it was, and who heard of it though parted from them."""
    yield said.identifier
    for one, others in deniers_of(component, policy).items():
        if any(other == said.identifier for other, *_ in others):
            yield one


def _rank(said: Statement) -> tuple[int, bool, int]:
    return said.acted_at, said.state is State.RESTRICTED, said.entry
