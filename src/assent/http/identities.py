"""Who belongs together, for the person who must be able to explain it; and links that somebody states."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, assert_never

from litestar import Response, post
from msgspec import Meta, Struct

from assent.core.errors import FactRejected, MalformedIdentifier, UnreadableBody
from assent.core.ids import RESOLUTION, IdentifierId
from assent.core.policy import LinkKind, Policy
from assent.core.time import FOREVER, Instant
from assent.features.catalogue import MILLIONTHS
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.idempotency import once
from assent.http.keys import Caller, Role
from assent.http.moment import moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service
from assent.ingest.component import Component, resolution_of
from assent.ingest.facts import Draft, Identifier, LinkBody, UnlinkBody, make_facts
from assent.ingest.person import values_of


class ResolveBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose profile to return: in the one resolution, or in a purpose's view of it."""

    subject: SubjectReference
    purpose: str | None = None


class LinkStatement(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}
):
    """Two identifiers that are, are not, or by a model's guess may be, one person.

    `retracted` takes back what was stated or proposed about them, a denial too; what was observed stands. A
    proposal names its `model` and how sure that is (`weight`, above 0 and up to 1).
    """

    start: SubjectReference
    end: SubjectReference
    kind: Literal["asserted", "denied", "retracted", "probable"]
    weight: Annotated[float, Meta(gt=0, le=1)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class LinksBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Links to state."""

    links: Annotated[tuple[LinkStatement, ...], Meta(min_length=1, max_length=100)]


@post(
    "/v1/identities/resolve",
    status_code=200,
    opt=shape(by="dpo, admin", body=ResolveBody, answer=dict[str, Any], at_least=True),
)
async def show(request: AnyRequest) -> Response[bytes]:
    """Return the identifiers held to be one person with the subject, and those that are nobody's."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, ResolveBody)
    async with moment(request, who) as present:
        policy = present.policy
        purpose = present.purpose(body.purpose)
        view = RESOLUTION if purpose is None else purpose.view
        person = await present.person([present.ref(body.subject, "/subject")])
        members = person.derived.members(view, person.asked[0]) if person.is_known else ()
        shared, generic = _nobodys(policy, person.component, person.now)
        everybody = {*members, *shared, *generic}
        values = await values_of(present.connection, present.ring, who.controller_id, everybody)
        await accessed(request, who, present, "identities/resolve", everybody)
    document = {
        "identifiers": _documents(policy, values, members),
        "shared": _documents(policy, values, shared),
        "generic": _documents(policy, values, generic),
        "tier": person.tier,
    }
    return answer(document, headers=at_revision(present.revision))


@post(
    "/v1/identities/links",
    status_code=201,
    opt=shape(by="dpo, admin", body=LinksBody, answer=dict[str, Any], once=True),
)
async def state_links(request: AnyRequest) -> Response[bytes]:
    """State that identifiers are, or are not, one person. A denial voids what linked them so far."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, LinksBody)
    return await once(request, who, partial(_state_links, who, body))


class LiftBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identifier to begin anew with."""

    subject: SubjectReference


@post(
    "/v1/identities/lift",
    status_code=201,
    opt=shape(by="dpo, admin", body=LiftBody, answer=dict[str, Any], once=True),
)
async def lift(request: AnyRequest) -> Response[bytes]:
    """Void all evidence so far about a shared or generic identifier: what comes from now on links it."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, LiftBody)
    return await once(request, who, partial(_lift, who, body))


async def _lift(who: Caller, body: LiftBody, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    subject = identifier_of(policy, body.subject, "/subject")
    draft = Draft(body=UnlinkBody(identifiers=(subject,)), role=who.role.value)
    facts = make_facts(wired.ring, wired.random, who.controller_id, [draft])
    appended = await wired.ledger.append(who.controller_id, facts)
    (outcome,) = appended.outcomes
    if outcome.code is not None:
        raise FactRejected("Nothing links an identifier that was never seen.", pointer="/subject")
    document = {"index": outcome.index, "revision": appended.revision}
    return answer(document, status=201, headers=at_revision(appended.revision))


async def _state_links(who: Caller, body: LinksBody, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    drafts = []
    for place, link in enumerate(body.links):
        start = identifier_of(policy, link.start, f"/links/{place}/from")
        end = identifier_of(policy, link.end, f"/links/{place}/to")
        if start == end:
            raise MalformedIdentifier("Two identifiers were expected.", pointer=f"/links/{place}/to")
        drafts.append(Draft(body=stated(link, (start, end), f"/links/{place}"), role=who.role.value))
    facts = make_facts(wired.ring, wired.random, who.controller_id, drafts)
    appended = await wired.ledger.append(who.controller_id, facts)
    document = {
        "links": [{"index": outcome.index, "code": outcome.code} for outcome in appended.outcomes],
        "revision": appended.revision,
    }
    return answer(document, status=201, headers=at_revision(appended.revision))


def stated(link: LinkStatement, ends: tuple[Identifier, Identifier], pointer: str) -> LinkBody | UnlinkBody:
    """Return what a statement about two identifiers says. Raises UnreadableBody, below `pointer`."""
    proposal = link.kind == "probable"
    for name, value in (("weight", link.weight), ("model", link.model)):
        if (value is None) is proposal:
            said = "Expected of a proposal." if proposal else "Expected of a proposal alone."
            raise UnreadableBody(said, pointer=f"{pointer}/{name}")
    match link.kind:
        case "retracted":
            return UnlinkBody(identifiers=ends)
        case "asserted" | "denied":
            denied = link.kind == "denied"
            return LinkBody(identifiers=ends, link=LinkKind.ASSERTED, at=FOREVER, denied=denied)
        case "probable":
            return LinkBody(
                identifiers=ends,
                link=LinkKind.PROBABLE,
                at=FOREVER,
                weight=max(1, round((link.weight or 0) * MILLIONTHS)),
                model=link.model or "",
            )
    assert_never(link.kind)


def _nobodys(
    policy: Policy, component: Component, now: Instant
) -> tuple[tuple[IdentifierId, ...], tuple[IdentifierId, ...]]:
    """Return the shared and the generic identifiers around the subject."""
    resolution = resolution_of(component, policy, now)
    return tuple(sorted(resolution.shared)), tuple(sorted(resolution.generic))


def _documents(
    policy: Policy, values: Mapping[IdentifierId, Identifier], ids: tuple[IdentifierId, ...]
) -> list[dict[str, str | None]]:
    """Return those whose values are kept. What the policy declares no more has no namespace to name."""
    names = {number: namespace.name for number, namespace in policy.namespaces.items()}
    return [
        {"namespace": names.get(values[one].namespace), "value": values[one].value}
        for one in ids
        if one in values
    ]


HANDLERS = [show, state_links, lift]
