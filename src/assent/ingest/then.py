"""A person as one purpose could see them at an instant of the past, folded again from the ledger.

(1) links and statements as of then, without what was not known; (2) what follows of them: the purpose's
view, permits; (3) the content of whoever was permitted, read again; (4) the rows that the gate would have
yielded, as the gate's own profile. What was deleted since cannot be read again: the categories that it may
have been of are `lost`, and whoever asks treats them as hidden. Nothing changes. Never for an engine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from assent.consent.question import Cluster
from assent.consent.statement import Statement
from assent.core.ids import IDENTIFIERS_PER_ENTRY, CategoryId, EntryIndex, IdentifierId
from assent.core.policy import Policy, Purpose
from assent.core.time import Instant
from assent.database.statements import load
from assent.features.accumulate import pack, pack_value
from assent.gate.profile import Profile, Row, profiles
from assent.identity.store import known_by_id
from assent.ingest.component import Component, Derived, bonds_of, derive, heard, resolution_of
from assent.ingest.deleted_since import Ledger, Told, known_entries, lost_since
from assent.ingest.facts import ErasureBody, open_body
from assent.ingest.gains import Side, Span
from assent.ingest.past import component_then
from assent.ingest.refold import Refolded, refold

_SQL = load("moments")

_NO_ACCOUNT = (None, None, None)
"""What others say of somebody's accounts is not folded again: it is left out, and that is said."""

Spans = Mapping[IdentifierId, Sequence[Span]]


class Then(Struct, frozen=True, kw_only=True):
    """What a purpose could see of a person, and what that rests on."""

    policy: Policy
    at: Instant
    profile: Profile | None
    """None where it could see nothing of them at all."""
    spans: Spans
    """Whom the purpose held to be this person, each with its permits."""
    cluster: Cluster
    history: tuple[Statement, ...]
    contents: Sequence[Told]
    """The content that it could use."""
    lost: frozenset[CategoryId]
    """Of these something was deleted since: what is left does not say what was there."""
    erased_since: bool
    """Whether somebody whom evidence connects with them was erased since."""


async def person_then(
    ledger: Ledger,
    policy: Policy,
    asked: IdentifierId,
    purpose: Purpose,
    *,
    at: Instant,
    known_at: Instant,
    reading: Callable[[Policy], Policy],
) -> Then | None:
    """Return the person of an identifier as of then; None when nobody knew of it."""
    end = await known_entries(ledger, known_at)
    if asked // IDENTIFIERS_PER_ENTRY >= end:
        return None
    of = ledger.connection, ledger.controller_id
    whole = await component_then(*of, policy, asked, at=at, known_at=known_at)
    then = _as_of(whole, end, at, known_at)  # (1)
    derived = derive(then, policy, at)  # (2)
    inside = derived.members(purpose.view, asked)
    known = await known_by_id(*of, inside)
    side = Side(policy, derived.of(inside), {one.node.id: one.seen_by for one in known})
    shown = side.shown(purpose.id)
    spans = {one: [span for span in shown.get(one, ()) if span[2] > at] for one in inside}
    made = await refold(  # (3)
        ledger.connection, ledger.ring, ledger.controller_id, inside, end, until=at, reading=reading
    )
    rows = [row for one in inside for row in _rows(then, derived, purpose, one, spans[one], made, at)]
    people = resolution_of(then, policy, at)
    cluster = next(group for group in people.clusters if asked in group)
    bonds = tuple(bond for bond in bonds_of(people.kept) if bond.low in cluster)
    return Then(
        policy=policy,
        at=at,
        profile=next(iter(profiles(policy, purpose, rows, at)), None),  # (4)
        spans=spans,
        cluster=Cluster(members=cluster, bonds=bonds),
        history=heard(then, policy, cluster),
        contents=_usable(purpose, spans, made.contents, at),
        lost=await lost_since(ledger, policy, purpose, spans, made.contents, at, end),
        erased_since=await _erased_since(ledger, then, at),
    )


def _as_of(whole: Component, end: EntryIndex, at: Instant, known_at: Instant) -> Component:
    """Return the evidence without what had not happened or was not known."""
    nodes = {one: node for one, node in whole.nodes.items() if one // IDENTIFIERS_PER_ENTRY < end}
    statements = {
        one: tuple(said for said in spoken if said.acted_at <= at and said.known_at <= known_at)
        for one, spoken in whole.statements.items()
        if one in nodes
    }
    links = {
        key: link
        for key, link in whole.links.items()
        if link.first_at <= at and link.low in nodes and link.high in nodes
    }
    spoken = {one: said for one, said in statements.items() if said}
    return Component(nodes=nodes, links=links, denied=whole.denied, statements=spoken)


def _rows(
    then: Component,
    derived: Derived,
    purpose: Purpose,
    one: IdentifierId,
    spans: Sequence[Span],
    made: Refolded,
    at: Instant,
) -> Iterator[Row]:
    """Yield what `gate.released` would have yielded of an identifier (sql/migrations/0003_gate.sql)."""
    node, number, reaching = then.nodes[one], purpose.id, purpose.retroactive
    front = (derived.profile(purpose.view, one), one, node.namespace, node.key)
    for span in spans:
        categories, since, _ = span
        yield (*front, *span, None, 0, None, None, None, *_NO_ACCOUNT)
        if since > at:
            continue
        for (category, basis), state in made.states[one].items():
            if categories >> category & 1 and (basis >> number | reaching >> category) & 1:
                yield (*front, *span, category, 0, None, None, pack(state), *_NO_ACCOUNT)
        for kept in made.items:
            item, category = kept.item, kept.category
            if kept.identifier != one or kept.account is not None or not categories >> category & 1:
                continue
            if (kept.basis >> number & 1 and item.at >= since) or reaching >> category & 1:
                value = pack_value(item.value)
                yield (*front, *span, category, item.feature, item.at, item.entry, value, *_NO_ACCOUNT)


def _usable(purpose: Purpose, spans: Spans, contents: Sequence[Told], at: Instant) -> list[Told]:
    """Return the content that the purpose could use."""
    return [
        (one, basis, content)
        for one, basis, content in contents
        if (basis >> purpose.id | purpose.retroactive >> content.category) & 1
        and any(held >> content.category & 1 and since <= at for held, since, _ in spans[one])
    ]


async def _erased_since(ledger: Ledger, then: Component, at: Instant) -> bool:
    if at >= ledger.now:
        return False
    first = await known_entries(ledger, at)
    for (sealed,) in await ledger.connection.fetch(_SQL.erasures_from, ledger.controller_id, first):
        body = open_body(ledger.ring, ledger.controller_id, sealed)
        if isinstance(body, ErasureBody) and any(one in then.nodes for one, _ in body.stays):
            return True
    return False
