"""Mint subject tokens: an issuer says who is in front of the screen, and whether it verified them."""

from typing import Annotated

from litestar import Response, post
from msgspec import Meta, Struct

from assent.core.errors import UnreadableBody
from assent.core.time import Instant, parse_duration, shifted
from assent.http.access import LONGEST_TOKEN, Subject, caller, mint
from assent.http.bodies import answer, body_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.keys import Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service


class TokenBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a token is to name."""

    sub_ids: Annotated[tuple[tuple[str, str], ...], Meta(min_length=1, max_length=16)]
    verified: bool = False
    lifetime: str = "PT15M"


@post("/v1/subjects/token", status_code=201, opt=shape(by="issuer", body=TokenBody, answer=dict[str, str]))
async def mint_token(request: AnyRequest) -> Response[bytes]:
    """Return a token that lets a person see and change what concerns these identifiers."""
    wired = service(request)
    who = await caller(request, Role.ISSUER)
    body = await body_of(request, TokenBody)
    policy = await wired.policies.current(who.controller_id)
    for place, (namespace, value) in enumerate(body.sub_ids):
        reference = SubjectReference(namespace=namespace, value=value)
        identifier_of(policy, reference, f"/sub_ids/{place}", members=("0", "1"))
    try:
        lifetime = shifted(Instant(0), parse_duration(body.lifetime))
    except ValueError as error:
        raise UnreadableBody("Expected an ISO 8601 duration.", pointer="/lifetime") from error
    if not 0 < lifetime <= LONGEST_TOKEN:
        raise UnreadableBody("A token lives 15 minutes at most.", pointer="/lifetime")
    subject = Subject(controller_id=who.controller_id, identifiers=body.sub_ids, verified=body.verified)
    return answer({"token": mint(wired, subject, lifetime)}, status=201)


HANDLERS = [mint_token]
