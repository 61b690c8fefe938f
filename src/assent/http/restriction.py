"""Restriction of processing (GDPR Art. 18), its lifting, and findings against how consent was asked for."""

from functools import partial
from typing import Annotated, Literal

from litestar import Response, post
from msgspec import Meta, Struct

from assent.core.errors import FactRejected, Refused, UnknownPurpose
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.http.access import Subject, caller, verified_subject
from assent.http.bodies import answer, at_revision, body_of, revision_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.idempotency import once
from assent.http.keys import Caller, Role
from assent.http.own import identifiers_of
from assent.http.schema import PERSON, shape
from assent.http.wiring import AnyRequest, Service
from assent.ingest.facts import Draft, FindingBody, Identifier, MarkBody, make_facts, refs
from assent.ingest.person import find_person, values_of
from assent.ingest.restriction import standing_marks
from assent.ledger.store import read_head

Ground = Literal["accuracy", "unlawful", "claims", "objection"]
"""GDPR Art. 18(1)(a) to (d)."""


class RestrictMeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Restrict, and why; or lift."""

    state: Literal["restricted", "lifted"] = "restricted"
    ground: Ground = "accuracy"


class RestrictBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose data to restrict, and why; or lift."""

    subject: SubjectReference
    state: Literal["restricted", "lifted"] = "restricted"
    ground: Ground = "accuracy"


class FindingsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Against whose consent to which purpose, and what was found."""

    subject: SubjectReference
    purpose: str
    finding: Annotated[str, Meta(min_length=1, max_length=200)]


class Marked(Struct, frozen=True, kw_only=True):
    """The entries that say so."""

    indexes: tuple[int, ...]
    revision: int


@post("/v1/me/restrict", status_code=200, opt=shape(by=PERSON, body=RestrictMeBody, answer=Marked, once=True))
async def restrict_me(request: AnyRequest) -> Response[bytes]:
    """Restrict the person's data to storage, or lift it: nothing is used meanwhile, and nothing deleted."""
    found = verified_subject(request)
    body = await body_of(request, RestrictMeBody)
    return await once(request, found, partial(_restrict_me, found, body))


async def _restrict_me(found: Subject, body: RestrictMeBody, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(found.controller_id)
    named = identifiers_of(found, policy)
    return await _mark(wired, found.controller_id, policy, named, body.state, body.ground, "subject")


@post(
    "/v1/audit/restrict",
    status_code=200,
    opt=shape(by="dpo, admin", body=RestrictBody, answer=Marked, once=True),
)
async def restrict(request: AnyRequest) -> Response[bytes]:
    """Restrict a person's data to storage, or lift it; who is restricted is told before (Art. 18(3))."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, RestrictBody)
    return await once(request, who, partial(_restrict, who, body))


async def _restrict(who: Caller, body: RestrictBody, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    named = [identifier_of(policy, body.subject, "/subject")]
    return await _mark(wired, who.controller_id, policy, named, body.state, body.ground, who.role.value)


@post(
    "/v1/audit/findings",
    status_code=201,
    opt=shape(by="dpo, admin", body=FindingsBody, answer=Marked, once=True),
)
async def find_against(request: AnyRequest) -> Response[bytes]:
    """Record a finding against how a consent was asked for: it opens nothing any more."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, FindingsBody)
    return await once(request, who, partial(_find_against, who, body))


async def _find_against(who: Caller, body: FindingsBody, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    if body.purpose not in policy.purpose_ids:
        raise UnknownPurpose(pointer="/purpose")
    named = identifier_of(policy, body.subject, "/subject")
    draft = Draft(
        body=FindingBody(identifiers=(named,), purpose=body.purpose, finding=body.finding),
        role=who.role.value,
        purpose=body.purpose,
    )
    return await _append(wired, who.controller_id, [draft], 201)


async def _mark(
    wired: Service,
    controller_id: ControllerId,
    policy: Policy,
    named: list[Identifier],
    state: str,
    ground: str,
    role: str,
) -> Response[bytes]:
    if state == "lifted":
        named = await _restricted(wired, controller_id, policy, named)
        if not named:
            revision = await revision_of(wired, controller_id)
            return answer(Marked(indexes=(), revision=revision), headers=at_revision(revision))
    drafts = [
        Draft(
            body=MarkBody(
                identifiers=(one,),
                state="unrestricted" if state == "lifted" else "restricted",
                ground=ground,
                authenticated=role == "subject",
            ),
            role=role,
        )
        for one in named
    ]
    return await _append(wired, controller_id, drafts, 200)


async def _restricted(
    wired: Service, controller_id: ControllerId, policy: Policy, named: list[Identifier]
) -> list[Identifier]:
    """Return those of the person's identifiers under which a restriction stands."""
    async with (
        wired.database.auditor.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        head = await read_head(connection, controller_id)
        found = set()
        for ref in refs(wired.ring, controller_id, named):
            person = await find_person(connection, controller_id, policy, [ref], head.at)
            found |= {one.identifier for one in standing_marks(person.history)} & person.own
        values = await values_of(connection, wired.ring, controller_id, found)
    return [values[one] for one in sorted(values)]


async def _append(
    wired: Service, controller_id: ControllerId, drafts: list[Draft], status: int
) -> Response[bytes]:
    facts = make_facts(wired.ring, wired.random, controller_id, drafts)
    appended = await wired.ledger.append(controller_id, facts)
    refused: list[type[Refused]] = [FactRejected for one in appended.outcomes if one.code is not None]
    if refused:
        raise refused[0]
    indexes = tuple(one.index for one in appended.outcomes if one.index is not None)
    marked = Marked(indexes=indexes, revision=appended.revision)
    return answer(marked, status=status, headers=at_revision(appended.revision))


HANDLERS = [restrict_me, restrict, find_against]
