"""One person as the person and the data protection officer see them: statements, decisions, conflicts.

Reads the same components the fold reads, and asks `decide`: nothing is decided here. Never for an engine.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct, structs

from assent.consent.asking import Asking, may_ask
from assent.consent.decide import decide
from assent.consent.permit import Permit
from assent.consent.question import Bond, Cluster, Decision, Question
from assent.consent.statement import NARROWING, WIDENING, Statement
from assent.core.ids import (
    IDENTIFIERS_PER_ENTRY,
    RESOLUTION,
    ControllerId,
    EntryIndex,
    IdentifierId,
    PurposeId,
)
from assent.core.policy import LegalBasis, LinkKind, LinkUse, Policy
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.features.accumulate import merge
from assent.gate.profile import tier
from assent.identity.resolve import Node
from assent.identity.store import known_by_ref
from assent.identity.views import cut
from assent.ingest.component import Component, Derived, bonds_of, derive, heard, resolution_of
from assent.ingest.facts import Body, Identifier, identifier_at, open_body, open_content
from assent.ingest.fold import load_states
from assent.ingest.loading import load_components
from assent.ledger.append import Ref
from assent.ledger.keyring import KeyRing

_SQL = load("ledger")

_CONTROLS = {
    LegalBasis.CONSENT: ("give", "withdraw"),
    LegalBasis.EXPLICIT_CONSENT: ("give", "withdraw"),
    LegalBasis.LEGITIMATE_INTERESTS: ("object",),
    LegalBasis.CONTRACT: (),
    LegalBasis.LEGAL_OBLIGATION: (),
}


_FIRM = LinkUse(kinds=frozenset({LinkKind.OBSERVED, LinkKind.ASSERTED}))
"""Evidence of somebody who keeps a secret. What a public key claims opens nothing to a person."""


class Person(Struct, frozen=True, kw_only=True):
    """The identifiers of one resolution, with everything said about them."""

    policy: Policy
    now: Instant
    asked: tuple[IdentifierId, ...]
    cluster: Cluster
    history: tuple[Statement, ...]
    permits: dict[IdentifierId, tuple[Permit, ...]]
    component: Component
    derived: Derived
    by_ref: dict[Ref, IdentifierId]
    own: frozenset[IdentifierId]
    """Those of the members that no claim alone links to the one asked about: what the person may see."""
    is_known: bool
    """Whether the ledger knows any of the identifiers asked about."""
    tier: str


class Standing(Struct, frozen=True, kw_only=True):
    """Where a person stands with one purpose."""

    purpose: PurposeId
    decision: Decision
    state: str
    since: Instant | None
    until: Instant | None
    asking: Asking
    controls: tuple[str, ...]


async def find_person(
    connection: Connection, controller_id: ControllerId, policy: Policy, refs: Sequence[Ref], now: Instant
) -> Person:
    """Return the person that identifiers name; when none of them is known, one who said nothing yet."""
    known = await known_by_ref(connection, controller_id, refs)
    if not known:
        nobody = IdentifierId(0)
        component = Component(nodes={nobody: Node(id=nobody, namespace=refs[0].namespace, key=b"")})
        return person_of(component, derive(component, policy, now), policy, (nobody,), now)
    loaded = await load_components(connection, controller_id, policy, known)
    asked = tuple(loaded.identifiers[ref] for ref in refs if ref in loaded.identifiers)
    component = next(part for part in loaded.components if asked[0] in part.nodes)
    derived = derive(component, policy, now)
    person = person_of(component, derived, policy, asked, now)
    packed = await load_states(connection, controller_id, person.cluster.members)
    kinds = [
        policy.namespaces[component.nodes[one].namespace].kind
        for one in person.cluster.members
        if component.nodes[one].namespace in policy.namespaces
    ]
    return structs.replace(
        person, by_ref=loaded.identifiers, is_known=True, tier=tier(kinds, len(merge(packed).sessions))
    )


async def values_of(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, ids: Iterable[IdentifierId]
) -> dict[IdentifierId, Identifier]:
    """Return the plain values of identifiers, from the payload of the entry that first named each.

    An identifier whose payload was erased is missing.
    """
    wanted = {one: divmod(one, IDENTIFIERS_PER_ENTRY) for one in ids}
    entries = {EntryIndex(entry) for entry, _ in wanted.values()}
    bodies = await bodies_of(connection, ring, controller_id, entries)
    found = {
        one: identifier_at(bodies[EntryIndex(entry)], position)
        for one, (entry, position) in wanted.items()
        if entry in bodies
    }
    return {one: value for one, value in found.items() if value is not None}


async def bodies_of(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, entries: Collection[EntryIndex]
) -> dict[EntryIndex, Body]:
    """Return what the payloads of entries say. An erased one is missing."""
    rows = await connection.fetch(_SQL.payloads_of, controller_id, sorted(entries))
    return {row["entry_index"]: open_body(ring, controller_id, row["sealed"]) for row in rows}


async def belongings_of(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, ids: Iterable[IdentifierId]
) -> list[tuple[IdentifierId, Identifier, Instant]]:
    """Return the accounts that identifiers are kept to belong to, since when, in order of event time."""
    found = []
    for one, at, sealed in await connection.fetch(_SQL.told_contents, controller_id, sorted(ids)):
        content = open_content(ring, controller_id, sealed)
        if content.account is not None and not content.data:
            found.append((one, content.account, Instant(at)))
    return found


def person_of(
    component: Component, derived: Derived, policy: Policy, asked: tuple[IdentifierId, ...], now: Instant
) -> Person:
    """Return the person whom the first of `asked` names, in the one resolution."""
    members = derived.members(RESOLUTION, asked[0])
    inside = frozenset(members)
    kept = resolution_of(component, policy, now).kept
    bonds: tuple[Bond, ...] = tuple(bond for bond in bonds_of(kept) if bond.low in inside)
    groups = cut(members, [link for link in kept if link.low in inside], _FIRM, frozenset(), frozenset())
    return Person(
        policy=policy,
        now=now,
        asked=asked,
        cluster=Cluster(members=members, bonds=bonds),
        history=heard(component, policy, members),
        permits={one: derived.permits[one] for one in members},
        component=component,
        derived=derived,
        by_ref={},
        own=frozenset(one for group in groups if asked[0] in group for one in group),
        is_known=False,
        tier="anonymous",
    )


def standings(person: Person, identifier: IdentifierId | None = None) -> tuple[Standing, ...]:
    """Return where the person stands with every purpose, by the identifier asked about first or by this."""
    found = []
    first = person.asked[0] if identifier is None else identifier
    for purpose in person.policy.purposes.values():
        question = Question(identifier=first, purpose=purpose.id, at=person.now, known_at=person.now)
        decision = _shown(person, decide(person.history, person.cluster, person.policy, question))
        open_now = [
            permit
            for permit in person.permits[first]
            if permit.purpose == purpose.id and permit.since <= person.now < permit.until
        ]
        until = max((permit.until for permit in open_now), default=None)
        found.append(
            Standing(
                purpose=purpose.id,
                decision=decision,
                state=_state(person, purpose.id, decision),
                since=min((permit.since for permit in open_now), default=None),
                until=until,
                asking=may_ask(purpose, decision, own_words(person, purpose.id), until=until, now=person.now),
                controls=_CONTROLS[purpose.legal_basis],
            )
        )
    return tuple(found)


def _shown(person: Person, decision: Decision) -> Decision:
    """Return the decision without the entry when somebody else's statement, joined by a claim, decided."""
    others = {said.entry for said in person.history if said.identifier not in person.own}
    return structs.replace(decision, entry=None) if decision.entry in others else decision


def own_words(person: Person, purpose: PurposeId) -> tuple[Statement, ...]:
    """Return what the person's own identifiers stated about a purpose or about everything, oldest first."""
    said = {
        (one.entry, one.position): one
        for one in person.history
        if one.identifier in person.own and one.purpose in (purpose, None)
    }
    return tuple(sorted(said.values(), key=lambda one: (one.acted_at, one.entry, one.position)))


def conflicts(person: Person) -> tuple[PurposeId, ...]:
    """Return the purposes about which the person's identifiers said opposite things last.

    What the person, authenticated, said for all that is theirs settles whatever was said before it.
    """
    newest: dict[tuple[PurposeId, IdentifierId], Statement] = {}
    for said in sorted(person.history, key=lambda said: (said.acted_at, said.state in NARROWING)):
        if said.identifier in person.own and said.purpose is not None and said.state in NARROWING | WIDENING:
            if said.authenticated and said.person_scope and said.address is None:
                for settled in [key for key in newest if key[0] == said.purpose]:
                    del newest[settled]
            newest[said.purpose, said.identifier] = said
    stances: dict[PurposeId, set[bool]] = {}
    for (purpose, _), said in newest.items():
        stances.setdefault(purpose, set()).add(said.state in NARROWING)
    return tuple(sorted(purpose for purpose, stance in stances.items() if len(stance) > 1))


def _state(person: Person, purpose: PurposeId, decision: Decision) -> str:
    """Return the statement that decides, in its own word; without one, whether the purpose may act."""
    own = [
        said for said in person.history if said.identifier in person.own and said.purpose in (purpose, None)
    ]
    for said in own:
        if said.entry == decision.entry:
            return said.state.value
    said_last = [said.state for said in sorted(own, key=lambda said: said.acted_at)]
    if said_last:
        return said_last[-1].value
    return "not_asked" if not decision.allowed else "in_force"
