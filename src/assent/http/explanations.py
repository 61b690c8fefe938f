"""Why two identifiers are, or are not, one person, for the officer who must be able to say; drawn, too."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from litestar import Response, post
from msgspec import Struct

from assent.consent.permit import stances
from assent.consent.statement import WIDENING
from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LinkKind, Policy, Purpose
from assent.core.time import format_time
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.consents import SubjectReference
from assent.http.keys import Role
from assent.http.moment import Moment, moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest
from assent.identity.explain import Tie, explain, ties
from assent.identity.picture import Drawn, picture
from assent.identity.store import denial_of, known_by_ref
from assent.ingest.component import resolution_of
from assent.ingest.evidence import Evidence, evidence_of
from assent.ingest.facts import Identifier
from assent.ingest.person import Person, values_of
from assent.ledger.append import Ref


class ExplainBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """Two identifiers, and the purpose in whose view they are looked at; without one, the one resolution."""

    start: SubjectReference
    end: SubjectReference
    purpose: str | None = None


class PictureBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose graph to draw, and in which purpose's view; without one, the one resolution."""

    subject: SubjectReference
    purpose: str | None = None


@post(
    "/v1/identities/explain",
    status_code=200,
    opt=shape(by="dpo, admin", body=ExplainBody, answer=dict[str, Any], at_least=True),
)
async def explanation(request: AnyRequest) -> Response[bytes]:
    """Return the chain of links between two identifiers, with evidence, times, basis and entries.

    `denied` says when, and by which entry, somebody said that they are not one person.
    """
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, ExplainBody)
    async with moment(request, who) as present:
        purpose = present.purpose(body.purpose)
        ends = present.ref(body.start, "/from"), present.ref(body.end, "/to")
        document, named = await _explained(present, purpose, ends)
        await accessed(request, who, present, "identities/explain", named)
    return answer(document, headers=at_revision(present.revision))


@post(
    "/v1/identities/picture",
    status_code=200,
    opt=shape(by="dpo, admin", body=PictureBody, answer=str, media_type="image/svg+xml", at_least=True),
)
async def drawing(request: AnyRequest) -> Response[bytes]:
    """Return an SVG of all that evidence connects with the subject: what counts, what does not, and why."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, PictureBody)
    async with moment(request, who) as present:
        purpose = present.purpose(body.purpose)
        person = await present.person([present.ref(body.subject, "/subject")])
        values = await values_of(
            present.connection, present.ring, present.controller_id, person.component.nodes
        )
        await accessed(request, who, present, "identities/picture", values.keys())
    # Laying out a large graph takes a second or two, in which engines go on being answered.
    svg = await asyncio.to_thread(_svg, person, values, purpose)
    return Response(svg, media_type="image/svg+xml", headers={**at_revision(present.revision), **_INERT})


_INERT: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""A picture opened by itself runs and loads nothing, whatever a label says."""


def ties_of(person: Person, purpose: Purpose | None) -> tuple[Tie, ...]:
    """Return every link around a person, with its fault in the resolution or in a purpose's view."""
    component, policy = person.component, person.policy
    resolution = resolution_of(component, policy, person.now)
    if purpose is None:
        return ties(resolution)
    said = [one for statements in component.statements.values() for one in statements]
    denies, agrees = stances(said, policy, person.now)
    return ties(resolution, policy.views[purpose.view], denies, agrees)


async def _explained(
    present: Moment, purpose: Purpose | None, ends: tuple[Ref, Ref]
) -> tuple[dict[str, Any], set[IdentifierId]]:
    """Return the answer, and whom it is about."""
    of = present.connection, present.ring, present.controller_id
    known = await known_by_ref(present.connection, present.controller_id, ends)
    ids = {Ref(namespace=one.node.namespace, lookup=one.node.key): one.node.id for one in known}
    start, end = ids.get(ends[0]), ids.get(ends[1])
    if start is None or end is None:
        # Never seen: of that there is no evidence.
        return {"together": False, "chain": None, "denied": None}, {*ids.values()}
    person = await present.person([ends[0]])
    found = explain(ties_of(person, purpose), start, end)
    chain = found.chain or ()
    denial = await denial_of(present.connection, present.controller_id, start, end)
    steps_of = {one for tie in chain for one in (tie.link.low, tie.link.high)}
    named = _Names(present.policy, await values_of(*of, steps_of))
    said_by = {one for tie in chain for one in (tie.link.first_entry, tie.link.last_entry)}
    proofs = await evidence_of(*of, said_by | ({denial[1]} if denial else set()))
    steps = [
        _step(named, person, purpose, tie, place, proofs)
        for place, tie in zip(_walk(chain, start), chain, strict=True)
    ]
    document = {
        "together": found.together,
        "chain": None if found.chain is None else steps,
        "denied": denial and {"at": format_time(denial[0]), "evidence": _evidence(denial[1], proofs)},
    }
    return document, steps_of | {start, end}


class _Names:
    """Identifiers as documents; one whose value was erased says only its namespace."""

    def __init__(self, policy: Policy, values: dict[IdentifierId, Identifier]) -> None:
        self._spaces = {number: namespace.name for number, namespace in policy.namespaces.items()}
        self._values = values

    def of(self, one: IdentifierId) -> dict[str, str | None]:
        held = self._values.get(one)
        if held is None:
            return {"namespace": None, "value": None}
        return {"namespace": self._spaces.get(held.namespace), "value": held.value}


def _walk(chain: Sequence[Tie], start: IdentifierId) -> Iterable[tuple[IdentifierId, IdentifierId]]:
    """Yield the two ends of each link, in the direction of the chain."""
    at = start
    for tie in chain:
        following = tie.link.high if at == tie.link.low else tie.link.low
        yield at, following
        at = following


def _step(
    named: _Names,
    person: Person,
    purpose: Purpose | None,
    tie: Tie,
    ends: tuple[IdentifierId, IdentifierId],
    proofs: dict[EntryIndex, Evidence],
) -> dict[str, Any]:
    link = tie.link
    return {
        "from": named.of(ends[0]),
        "to": named.of(ends[1]),
        "kind": LinkKind(link.kind).name.lower(),
        "counts": tie.fault is None,
        "fault": tie.fault,
        "first_at": format_time(link.first_at),
        "last_at": format_time(link.last_at),
        "evidence": [
            _evidence(entry, proofs)
            for entry in dict.fromkeys((link.first_entry, link.last_entry))
            if entry in proofs
        ],
        "basis": None if purpose is None else _basis(person, purpose, tie),
    }


def _evidence(entry: EntryIndex, proofs: Mapping[EntryIndex, Evidence]) -> dict[str, Any]:
    return {"entry": entry, "source": proofs[entry].role, "said": proofs[entry].said}


def _basis(person: Person, purpose: Purpose, tie: Tie) -> dict[str, Any]:
    """Return by what a purpose may use a link: its legal basis and, where it asks for it, who agreed."""
    policy = person.policy
    agreed = [
        said.entry
        for end in (tie.link.low, tie.link.high)
        for said in person.component.statements.get(end, ())
        if said.purpose == policy.linking and said.state in WIDENING
    ]
    asks = policy.views[purpose.view].agreement
    return {
        "legal_basis": purpose.legal_basis,
        "kinds": sorted(LinkKind(kind).name.lower() for kind in policy.views[purpose.view].kinds),
        "agreement": {"asked": asks, "entry": max(agreed) if asks and agreed and tie.fault is None else None},
    }


def _svg(person: Person, values: dict[IdentifierId, Identifier], purpose: Purpose | None) -> bytes:
    title = f"One person, as {purpose.name} sees them" if purpose else "One person, by all evidence"
    return picture(_drawn(person, values), ties_of(person, purpose), person.asked[0], title).encode()


def _drawn(person: Person, values: dict[IdentifierId, Identifier]) -> dict[IdentifierId, Drawn]:
    resolution = resolution_of(person.component, person.policy, person.now)
    found = {}
    for one, node in person.component.nodes.items():
        namespace = person.policy.namespaces.get(node.namespace)
        value = f" {values[one].value}" if one in values else ""
        mark = "shared" if one in resolution.shared else "generic" if one in resolution.generic else None
        found[one] = Drawn(
            label=f"{namespace.name if namespace else 'undeclared'}{value}",
            kind=namespace.kind if namespace else None,
            mark=mark,
        )
    return found


HANDLERS = [explanation, drawing]
