"""Statements of consent, said by a server key or an issuer for the person."""

from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct

from assent.consent.statement import StatementBody, check
from assent.core.errors import Forbidden, UnknownNamespace
from assent.core.ids import ControllerId
from assent.core.policy import IdentifierKind, Policy
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.keys import Role
from assent.http.problems import MEDIA_TYPE
from assent.http.wiring import AnyRequest, Service, service
from assent.identity.normalise import normalise
from assent.ingest.facts import Draft, Identifier, StatedBody, make_facts


class SubjectReference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identifier on the wire."""

    namespace: str
    value: str


class ConsentsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody stated (API.md, Consent)."""

    subject: SubjectReference
    statements: Annotated[tuple[StatementBody, ...], Meta(min_length=1, max_length=100)]
    authenticated: bool = False
    address: SubjectReference | None = None


@post("/v1/consents", status_code=201)
async def state(request: AnyRequest) -> Response[bytes]:
    """Append statements; each is receipted, or refused with its code and the article it offends."""
    wired = service(request)
    who = await caller(request, Role.COLLECTOR, Role.ISSUER)
    if not who.server:
        raise Forbidden
    body = await body_of(request, ConsentsBody)
    policy = await wired.policies.current(who.controller_id)
    subject = identifier_of(policy, body.subject, "/subject")
    identifiers = [subject]
    if body.address is not None:
        identifiers.append(identifier_of(policy, body.address, "/address"))
    person = policy.namespaces[subject.namespace].kind is IdentifierKind.PERSON
    drafts = [
        stated(statement, identifiers, role=who.role.value, authenticated=body.authenticated, person=person)
        for statement in body.statements
    ]
    document, revision = await append_statements(wired, who.controller_id, policy, drafts)
    if not document["receipts"]:
        # Nothing was taken: a problem document, with what a partial answer would say.
        first = document["refused"][0]
        places = [
            {"pointer": f"/statements/{one['index']}{one['pointer']}", "code": one["code"]}
            for one in document["refused"]
        ]
        title = "No statement could count."
        document |= {
            "type": "about:blank",
            "title": title,
            "status": 422,
            "code": first["code"],
            "errors": places,
        }
        return answer(document, status=422, media_type=MEDIA_TYPE)
    return answer(document, status=201, headers=at_revision(revision))


def identifier_of(policy: Policy, reference: SubjectReference, pointer: str) -> Identifier:
    """Return a normalised identifier. Raises UnknownNamespace, MalformedIdentifier, BlockedIdentifier."""
    number = policy.namespace_ids.get(reference.namespace)
    namespace = None if number is None else policy.namespaces.get(number)
    if namespace is None:
        raise UnknownNamespace(pointer=f"{pointer}/namespace")
    return Identifier(namespace.id, normalise(namespace, reference.value))


def stated(
    statement: StatementBody,
    identifiers: list[Identifier],
    *,
    role: str,
    authenticated: bool,
    person: bool,
) -> Draft:
    """Return the fact of one statement."""
    return Draft(
        body=StatedBody(
            identifiers=tuple(identifiers),
            statement=statement,
            authenticated=authenticated,
            person_scope=authenticated and person,
        ),
        role=role,
        purpose=statement.purpose,
    )


async def append_statements(
    wired: Service, controller_id: ControllerId, policy: Policy, drafts: list[Draft]
) -> tuple[dict[str, Any], int]:
    """Append what may be said; return the answer's document and the revision."""
    now = wired.clock()
    refused: list[dict[str, Any]] = []
    let_in: list[tuple[int, Draft, StatementBody]] = []
    for index, draft in enumerate(drafts):
        statement = draft.body.statement if isinstance(draft.body, StatedBody) else None
        if statement is None:
            continue
        refusal = check(statement, policy, now=now)
        if refusal is None:
            let_in.append((index, draft, statement))
        else:
            refused.append(
                {"index": index, "code": refusal.code, "article": refusal.article, "pointer": refusal.pointer}
            )
    receipts = []
    revision = 0
    if let_in:
        facts = make_facts(wired.ring, wired.random, controller_id, [draft for _, draft, _ in let_in])
        appended = await wired.ledger.append(controller_id, facts)
        revision = appended.revision
        for (index, _, statement), outcome in zip(let_in, appended.outcomes, strict=True):
            if outcome.index is None:
                refused.append({"index": index, "code": outcome.code, "article": "", "pointer": ""})
                continue
            receipts.append(
                {
                    "id": f"s:{outcome.index}",
                    "purpose": statement.purpose,
                    "state": statement.state,
                    "index": outcome.index,
                }
            )
    return {"revision": revision, "receipts": receipts, "refused": refused}, revision


HANDLERS = [state]
