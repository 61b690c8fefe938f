"""A person's own view: what each purpose may do, since when and why, and the means to change it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Response, post, put
from msgspec import Meta, Struct

from assent.consent.statement import EVERY, NoticeReference, StatementBody
from assent.core.errors import NotVerified, UnknownPurpose
from assent.core.policy import LegalBasis, Policy, Purpose
from assent.core.time import Instant
from assent.http.access import Subject, subject
from assent.http.at_least import revision_asked
from assent.http.bodies import answer, at_revision, body_of, reading
from assent.http.consents import Stated, append_statements, stated
from assent.http.idempotency import once
from assent.http.own import asking, is_person, own
from assent.http.problems import problem
from assent.http.purposes_shown import asks_of, devices_of, language_for, purposes_of
from assent.http.schema import PERSON, shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.facts import Draft, Identifier
from assent.ingest.person import conflicts

MECHANISM = "preference_centre"

_NARROW: Mapping[LegalBasis, Literal["withdrawn", "objected"]] = {
    LegalBasis.CONSENT: "withdrawn",
    LegalBasis.EXPLICIT_CONSENT: "withdrawn",
    LegalBasis.LEGITIMATE_INTERESTS: "objected",
}
"""How a person says no, by legal basis (Art. 7(3), 21); a contract is ended otherwise."""


class PreferencesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person chooses (API.md, Person)."""

    purposes: Annotated[
        dict[str, Literal["given", "refused", "withdrawn", "objected", "renewed", "deferred"]],
        Meta(min_length=1),
    ]
    scope: Literal["person", "device"] | None = None
    notice: NoticeReference | None = None


@reading("/v1/me/preferences", opt=shape(by=PERSON, answer=dict[str, Any], at_least=True))
async def preferences(request: AnyRequest) -> Response[bytes]:
    """Return where the person stands with every purpose, and why."""
    wired, found = service(request), subject(request)
    return await _preferences(wired, found, accepted(request), at_least=revision_asked(request))


@reading("/v1/me/asks", opt=shape(by=PERSON, answer=dict[str, Any], at_least=True))
async def asks(request: AnyRequest) -> Response[bytes]:
    """Return which purposes the person may be asked about now, so that a banner leaves them alone."""
    found = subject(request)
    async with own(service(request), found, "me/asks", revision_asked(request)) as opened:
        language = language_for(accepted(request), opened.present.policy)
        purposes = asks_of(opened.person, language)
    revision = opened.present.revision
    document = {"purposes": purposes, "revision": revision}
    return answer(document, headers={**at_revision(revision), **spoken_in(language)})


@put("/v1/me/preferences", opt=shape(by=PERSON, body=PreferencesBody, answer=dict[str, Any], once=True))
async def choose(request: AnyRequest) -> Response[bytes]:
    """Take the person's choices; when this answers, every gate has them."""
    found = subject(request)
    body = await body_of(request, PreferencesBody)
    return await once(request, found, partial(_choose, found, body, accepted(request)))


async def _choose(found: Subject, body: PreferencesBody, accepted: str, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(found.controller_id)
    language = language_for(accepted, policy)
    statements = []
    for name, state in body.purposes.items():
        purpose_id = policy.purpose_ids.get(name)
        if purpose_id is None:
            raise UnknownPurpose(pointer="/purposes")  # never what the caller wrote there
        statements.append(_choice(policy.purposes[purpose_id], state, body.notice, language, wired.clock()))
    return await _say(wired, found, policy, statements, body.scope, accepted)


@post("/v1/me/withdraw-all", status_code=200, opt=shape(by=PERSON, answer=dict[str, Any], once=True))
async def withdraw_all(request: AnyRequest) -> Response[bytes]:
    """Say no to everything that rests on the person's choice, in one call."""
    found = subject(request)
    return await once(request, found, partial(_withdraw_all, found, accepted(request)))


async def _withdraw_all(found: Subject, accepted: str, wired: Service) -> Response[bytes]:
    policy = await wired.policies.current(found.controller_id)
    language = language_for(accepted, policy)
    statements = [
        _choice(purpose, _NARROW[purpose.legal_basis], None, language, wired.clock())
        for purpose in policy.purposes.values()
        if purpose.legal_basis in _NARROW
    ]
    # And from whatever the policy does not declare now: a purpose that comes back finds it said.
    statements.append(StatementBody(purpose=EVERY, state="withdrawn", mechanism=MECHANISM, channel="web"))
    return await _say(wired, found, policy, statements, None, accepted)


async def _say(
    wired: Service,
    found: Subject,
    policy: Policy,
    statements: list[StatementBody],
    scope: Literal["person", "device"] | None,
    accepted: str,
) -> Response[bytes]:
    speaking = _speaking(found, policy, scope)
    drafts: list[Draft] = []
    for identifier in speaking:
        person = is_person(policy, identifier)
        drafts += [
            stated(one, [identifier], role="subject", authenticated=found.verified, person=person)
            for one in statements
        ]
    taken = await append_statements(wired, found.controller_id, policy, drafts)
    if taken.refused and not taken.receipts:
        return _nothing_taken(taken)
    return await _preferences(wired, found, accepted, taken.refused)


def _nothing_taken(taken: Stated) -> Response[bytes]:
    """Return a problem document. A fault of the notice is pointed at; every other is of the choice itself."""
    places = {
        (one.pointer if one.pointer.startswith("/notice") else "/purposes", one.code) for one in taken.refused
    }
    errors = tuple({"pointer": pointer, "code": code} for pointer, code in sorted(places))
    return problem(422, errors[0]["code"], "No choice could count.", errors)


def _speaking(found: Subject, policy: Policy, scope: Literal["person", "device"] | None) -> list[Identifier]:
    """Return the identifiers a choice is made for: all of the token's, or its devices and cookies alone.

    Nobody but a verified person speaks for a person.
    """
    if scope == "person" and not found.verified:
        raise NotVerified
    identifiers = asking(found, policy)
    if scope == "device":
        identifiers = [one for one in identifiers if not is_person(policy, one)]
        if not identifiers:
            raise NotVerified
    return identifiers


def _choice(
    purpose: Purpose, state: str, notice: NoticeReference | None, language: str, now: Instant
) -> StatementBody:
    """Return the statement of one choice, made in front of the notice in force unless another is named."""
    if notice is None and purpose.notice:
        versions = [one.version for one in purpose.notices if one.at <= now]
        notice = NoticeReference(
            id=purpose.notice, version=versions[-1] if versions else 1, language=language
        )
    return StatementBody(
        purpose=purpose.name,
        state=state,  # type: ignore[arg-type]
        mechanism=MECHANISM,
        notice=notice,
        channel="web",
        explicit=purpose.legal_basis is LegalBasis.EXPLICIT_CONSENT,
    )


async def _preferences(
    wired: Service, found: Subject, accepted: str, refused: Sequence[object] = (), *, at_least: int = 0
) -> Response[bytes]:
    async with own(wired, found, "me/preferences", at_least) as opened:
        person, policy, revision = opened.person, opened.present.policy, opened.present.revision
        language = language_for(accepted, policy)
        document: dict[str, Any] = {
            "purposes": purposes_of(person, language),
            "conflicts": [policy.purposes[one].name for one in conflicts(person)],
            "devices": devices_of(person),
            "revision": revision,
        }
    if refused:
        document["refused"] = refused
    return answer(document, headers={**at_revision(revision), **spoken_in(language)})


def spoken_in(language: str) -> dict[str, str]:
    """Return the headers of an answer in a language that was negotiated."""
    return {"Content-Language": language, "Vary": "Accept-Language"}


def accepted(request: AnyRequest) -> str:
    """Return the languages that a person reads, as their browser says it."""
    return ",".join(request.headers.getall("accept-language", []))


HANDLERS = [preferences, asks, choose, withdraw_all]
