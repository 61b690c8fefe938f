"""Consent strings of IAB's frameworks, handed over by a server key or an issuer for the person.

What a string states becomes ordinary statements, each through the one door, with the string as its proof. The
same string for the same identifier is one message, however often pages send it.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct, structs

from assent.consent.carriers.carried import Carried
from assent.consent.carriers.gpp import decode_gpp
from assent.consent.carriers.gpp_statements import gpp_statements
from assent.consent.carriers.shown import Shown, shown_gpp, shown_tcf
from assent.consent.carriers.tcf import LONGEST, decode_tcf
from assent.consent.carriers.tcf_statements import tcf_statements
from assent.core.errors import Forbidden, MalformedSignal
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of, revision_of
from assent.http.consents import (
    Receipt,
    RefusedStatement,
    Stated,
    SubjectReference,
    append_statements,
    identifier_of,
    stated,
)
from assent.http.idempotency import once
from assent.http.keys import Caller, Role
from assent.http.schema import shape
from assent.http.signals import Signals, header_values
from assent.http.wiring import AnyRequest, Service
from assent.ingest.facts import Draft, Identifier

BY = "collector with trust server, issuer"

Read = Callable[[str, Policy, Instant], tuple[Shown, tuple[Carried, ...]]]


class CarrierBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A consent string, and whose it is."""

    subject: SubjectReference
    string: Annotated[str, Meta(min_length=1, max_length=LONGEST)]


class CarrierStated(Struct, frozen=True, kw_only=True):
    """What became of what a string states, by purpose; `decoded` is all that it says."""

    revision: int
    receipts: tuple[Receipt, ...]
    refused: tuple[RefusedStatement, ...]
    decoded: dict[str, Any]


@post(
    "/v1/consents/tcf",
    status_code=201,
    opt=shape(by=BY, body=CarrierBody, answer=CarrierStated, once=True),
)
async def tcf(request: AnyRequest) -> Response[bytes]:
    """Take a TC string; what it states of mapped purposes is receipted, or refused with its code."""
    return await _taken(request, "tcf", _read_tcf)


@post(
    "/v1/consents/gpp",
    status_code=201,
    opt=shape(by=BY, body=CarrierBody, answer=CarrierStated, once=True),
)
async def gpp(request: AnyRequest) -> Response[bytes]:
    """Take a GPP string; what it states of mapped purposes is receipted, or refused with its code."""
    return await _taken(request, "gpp", _read_gpp)


def _read_tcf(text: str, policy: Policy, now: Instant) -> tuple[Shown, tuple[Carried, ...]]:
    said = decode_tcf(text)
    return shown_tcf(said), tcf_statements(said, text, policy, now=now)


def _read_gpp(text: str, policy: Policy, now: Instant) -> tuple[Shown, tuple[Carried, ...]]:
    said = decode_gpp(text)
    return shown_gpp(said), gpp_statements(said, text, policy, now=now)


async def _taken(request: AnyRequest, carrier: str, read: Read) -> Response[bytes]:
    who = await caller(request, Role.COLLECTOR, Role.ISSUER)
    if not who.server:
        raise Forbidden
    body = await body_of(request, CarrierBody)
    return await once(request, who, partial(_state, who, body, header_values(request), carrier, read))


async def _state(
    who: Caller, body: CarrierBody, headers: Sequence[str], carrier: str, read: Read, wired: Service
) -> Response[bytes]:
    policy = await wired.policies.current(who.controller_id)
    subject = identifier_of(policy, body.subject, "/subject")
    try:
        decoded, carried = read(body.string, policy, wired.clock())
    except MalformedSignal as refusal:
        refusal.pointer = "/string"
        raise
    places = [place for place, each in enumerate(carried) if each.refusal is None]
    drafts = [_draft(wired, who, subject, carrier, body.string, carried[place]) for place in places]
    signals = Signals(wired, who, policy, headers, wired.clock()).of_header([subject])
    taken = await append_statements(wired, who.controller_id, policy, drafts, signals=signals)
    revision = taken.revision or await revision_of(wired, who.controller_id)
    document = CarrierStated(
        revision=revision,
        receipts=taken.receipts,
        refused=_refused(carried, places, taken),
        decoded=decoded,
    )
    return answer(document, status=201 if taken.receipts else 200, headers=at_revision(revision))


def _draft(
    wired: Service, who: Caller, subject: Identifier, carrier: str, text: str, carried: Carried
) -> Draft:
    channel = carried.body.channel or who.declared.get("channel", "")
    draft = stated(
        structs.replace(carried.body, channel=channel),
        [subject],
        role=who.role.value,
        authenticated=False,
        person=False,
    )
    return structs.replace(
        draft,
        body=structs.replace(draft.body, vendors=carried.vendors),
        message_key=_message_key(wired, who.controller_id, subject, carrier, text, carried),
    )


def _message_key(
    wired: Service,
    controller_id: ControllerId,
    subject: Identifier,
    carrier: str,
    text: str,
    carried: Carried,
) -> bytes:
    """Return the key of what a string says of one purpose about one identifier."""
    body = carried.body
    version = body.notice.version if body.notice else 0
    said = f"{body.purpose} {body.state} {version} {hashlib.sha256(text.encode()).hexdigest()}"
    about = f"carrier {carrier} {subject.namespace} {subject.value}"
    return wired.ring.message_key(controller_id, about, said)


def _refused(
    carried: Sequence[Carried], places: Sequence[int], taken: Stated
) -> tuple[RefusedStatement, ...]:
    """Return what was refused, by the place among all that the string states."""
    at_door = [structs.replace(one, index=places[one.index]) for one in taken.refused]
    before = [
        RefusedStatement(
            index=place,
            code=each.refusal.code,
            article=each.refusal.article,
            pointer=each.refusal.pointer,
        )
        for place, each in enumerate(carried)
        if each.refusal is not None
    ]
    return tuple(sorted([*at_door, *before], key=lambda one: one.index))


HANDLERS = [tcf, gpp]
