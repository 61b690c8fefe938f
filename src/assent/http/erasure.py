"""Erasure on request (GDPR Art. 17): a verified person's of themselves, or the data protection officer's."""

from functools import partial
from typing import Literal

from litestar import Response, delete, post
from msgspec import Struct

from assent.core.errors import NotVerified
from assent.core.policy import IdentifierKind, Policy
from assent.core.time import format_time
from assent.http.access import Subject, caller, verified_subject
from assent.http.bodies import answer, at_revision, body_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.idempotency import once
from assent.http.keys import Caller, Role
from assent.http.own import identifiers_of
from assent.http.schema import PERSON, shape
from assent.http.wiring import AnyRequest, Service
from assent.ingest.erasure import Erased, Eraser
from assent.ingest.facts import refs
from assent.ingest.person import find_person
from assent.ledger.store import read_head


class EraseBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to erase: the person, or this one identifier of theirs."""

    subject: SubjectReference
    scope: Literal["person", "identifier"] = "person"


class SharedIdentifier(Struct, frozen=True, kw_only=True):
    """An identifier that others use too, so it was not taken along."""

    namespace: str
    id: str


class RetainedCategory(Struct, frozen=True, kw_only=True):
    """What the law keeps, restricted, and when the last of it goes (Art. 17(3))."""

    category: str
    ground: str
    title: str
    until: str
    entries: int


class Erasure(Struct, frozen=True, kw_only=True):
    """What was erased, and what was not."""

    identifiers: int
    entries: int
    shared: tuple[SharedIdentifier, ...]
    retained: tuple[RetainedCategory, ...]
    suppressed: bool
    """Whether a token of the objection to direct marketing stays, and nothing else of whom it is about."""
    revision: int


@delete("/v1/me", status_code=200, opt=shape(by=PERSON, answer=Erasure, once=True))
async def forget_me(request: AnyRequest) -> Response[bytes]:
    """Erase the person: nothing of them can be read once this answers."""
    found = verified_subject(request)
    return await once(request, found, partial(_forget_me, found))


async def _forget_me(found: Subject, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(found.controller_id)
    named = identifiers_of(found, policy)
    if not any(policy.namespaces[one.namespace].kind is IdentifierKind.PERSON for one in named):
        await _refuse_named(wired, found, policy)
    erased = await _eraser(wired).erase(
        found.controller_id, policy, named, role="subject", despite_restriction=True
    )
    return _told(erased, policy)


async def _refuse_named(wired: Service, found: Subject, policy: Policy) -> None:
    """Raise NotVerified where devices alone name a person: whoever holds a device need not be that person."""
    async with wired.database.auditor.acquire() as connection:
        head = await read_head(connection, found.controller_id)
        for ref in refs(wired.ring, found.controller_id, identifiers_of(found, policy)):
            person = await find_person(connection, found.controller_id, policy, [ref], head.at)
            if person.is_known and person.tier == "named":
                raise NotVerified


@post(
    "/v1/audit/erase", status_code=200, opt=shape(by="dpo, admin", body=EraseBody, answer=Erasure, once=True)
)
async def erase(request: AnyRequest) -> Response[bytes]:
    """Erase a person, or one identifier of theirs; refused while their data is restricted."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, EraseBody)
    return await once(request, who, partial(_erase, who, body))


async def _erase(who: Caller, body: EraseBody, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    named = [identifier_of(policy, body.subject, "/subject")]
    alone = body.scope == "identifier"
    erased = await _eraser(wired).erase(who.controller_id, policy, named, role=who.role.value, alone=alone)
    return _told(erased, policy)


def _eraser(wired: Service) -> Eraser:
    return Eraser(wired.database, wired.ledger, wired.hold_back, wired.ring, wired.random, wired.clock)


def _told(erased: Erased, policy: Policy) -> Response[bytes]:
    document = Erasure(
        identifiers=erased.identifiers,
        entries=erased.entries,
        shared=tuple(SharedIdentifier(namespace=name, id=f"i:{one}") for name, one in erased.shared),
        retained=tuple(
            RetainedCategory(
                category=policy.categories[one.category].name,
                ground=policy.retained[one.category].ground,
                title=policy.retained[one.category].title,
                until=format_time(one.until),
                entries=one.number,
            )
            for one in erased.kept
        ),
        suppressed=erased.suppressed,
        revision=erased.revision,
    )
    return answer(document, headers=at_revision(erased.revision))


HANDLERS = [forget_me, erase]
