"""Statements of consent, said by a server key or an issuer for the person."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from litestar import Response, post
from msgspec import Meta, Struct
from msgspec.structs import replace

from assent.consent.statement import EVERY, StatementBody, check
from assent.core.errors import (
    BlockedIdentifier,
    FactRejected,
    Forbidden,
    MalformedIdentifier,
    UnknownNamespace,
)
from assent.core.ids import ControllerId, EntryIndex
from assent.core.policy import IdentifierKind, Policy
from assent.core.time import Instant
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.idempotency import once
from assent.http.keys import Caller, Role
from assent.http.problems import problem
from assent.http.schema import shape
from assent.http.signals import Signals, header_values
from assent.http.wiring import AnyRequest, Service
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


class Receipt(Struct, frozen=True, kw_only=True):
    """One statement that counts, and the entry that proves it."""

    id: str
    purpose: str
    state: str
    index: int


class RefusedStatement(Struct, frozen=True, kw_only=True):
    """One statement that could not count: its place, a code of the wire, the article it offends."""

    index: int
    code: str
    article: str
    pointer: str


class Stated(Struct, frozen=True, kw_only=True):
    """What became of statements; `revision` is 0 when none was taken."""

    revision: int
    receipts: tuple[Receipt, ...]
    refused: tuple[RefusedStatement, ...]


@post(
    "/v1/consents",
    status_code=201,
    opt=shape(by="collector with trust server, issuer", body=ConsentsBody, answer=Stated, once=True),
)
async def state(request: AnyRequest) -> Response[bytes]:
    """Append statements; each is receipted, or refused with its code and the article it offends."""
    who = await caller(request, Role.COLLECTOR, Role.ISSUER)
    if not who.server:
        raise Forbidden
    body = await body_of(request, ConsentsBody)
    return await once(request, who, partial(_state, who, body, header_values(request)))


async def _state(who: Caller, body: ConsentsBody, headers: Sequence[str], wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    subject = identifier_of(policy, body.subject, "/subject")
    identifiers = [subject]
    if body.address is not None:
        identifiers.append(identifier_of(policy, body.address, "/address"))
    person = policy.namespaces[subject.namespace].kind is IdentifierKind.PERSON
    drafts = [
        stated(
            statement if statement.channel else replace(statement, channel=who.declared.get("channel", "")),
            identifiers,
            role=who.role.value,
            authenticated=body.authenticated,
            person=person,
        )
        for statement in body.statements
    ]
    signals = Signals(wired, who, policy, headers, wired.clock()).of_header([subject])
    taken = await append_statements(wired, who.controller_id, policy, drafts, signals=signals)
    if not taken.receipts:
        return _nothing_taken(taken)
    return answer(taken, status=201, headers=at_revision(taken.revision))


def _nothing_taken(taken: Stated) -> Response[bytes]:
    """Return a problem document, with what a partial answer would say."""
    places = tuple(
        {"pointer": f"/statements/{one.index}{one.pointer}", "code": one.code} for one in taken.refused
    )
    title = "No statement could count."
    return problem(422, taken.refused[0].code, title, places, refused=taken.refused, receipts=())


def identifier_of(
    policy: Policy,
    reference: SubjectReference,
    pointer: str,
    *,
    members: tuple[str, str] = ("namespace", "value"),
) -> Identifier:
    """Return a normalised identifier; `pointer` says where it stands, `members` where in it its parts do.

    Raises UnknownNamespace, MalformedIdentifier, BlockedIdentifier.
    """
    number = policy.namespace_ids.get(reference.namespace)
    namespace = None if number is None else policy.namespaces.get(number)
    if namespace is None:
        raise UnknownNamespace(pointer=f"{pointer}/{members[0]}")
    try:
        return Identifier(namespace.id, normalise(namespace, reference.value))
    except (MalformedIdentifier, BlockedIdentifier) as refusal:
        refusal.pointer = f"{pointer}/{members[1]}"
        raise


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
        purpose=None if statement.purpose == EVERY else statement.purpose,
    )


async def append_statements(
    wired: Service,
    controller_id: ControllerId,
    policy: Policy,
    drafts: list[Draft],
    *,
    signals: Sequence[Draft] = (),
) -> Stated:
    """Append what may be said; return what became of each statement.

    `signals` are what the request said beside them: stated first, and not receipted.
    """
    let_in, refused = _let_in(policy, drafts, wired.clock())
    receipts: list[Receipt] = []
    revision = 0
    if let_in or signals:
        said = [*signals, *(draft for _, draft, _ in let_in)]
        facts = make_facts(wired.ring, wired.random, controller_id, said)
        appended = await wired.ledger.append(controller_id, facts)
        revision = appended.revision
        for (index, _, statement), outcome in zip(let_in, appended.outcomes[len(signals) :], strict=True):
            if outcome.index is None:
                code = outcome.code or FactRejected.code
                refused.append(RefusedStatement(index=index, code=code, article="", pointer=""))
            else:
                receipts.append(_receipt(statement, outcome.index))
    refused.sort(key=lambda one: one.index)
    return Stated(revision=revision, receipts=tuple(receipts), refused=tuple(refused))


def _let_in(
    policy: Policy, drafts: list[Draft], now: Instant
) -> tuple[list[tuple[int, Draft, StatementBody]], list[RefusedStatement]]:
    """Return the statements that could count, with their places, and why the others could not."""
    let_in: list[tuple[int, Draft, StatementBody]] = []
    refused: list[RefusedStatement] = []
    for index, draft in enumerate(drafts):
        statement = draft.body.statement if isinstance(draft.body, StatedBody) else None
        if statement is None:
            continue
        refusal = check(statement, policy, now=now)
        if refusal is None:
            let_in.append((index, draft, statement))
        else:
            refused.append(
                RefusedStatement(
                    index=index, code=refusal.code, article=refusal.article, pointer=refusal.pointer
                )
            )
    return let_in, refused


def _receipt(statement: StatementBody, index: EntryIndex) -> Receipt:
    return Receipt(id=f"s:{index}", purpose=statement.purpose, state=statement.state, index=index)


HANDLERS = [state]
