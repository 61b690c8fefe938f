"""How many people an audience holds, several hold together, and a rule would that is only tried."""

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath
from msgspec import Meta, Raw, Struct

from assent.audiences.answers import Count
from assent.audiences.derive import needed_by_all
from assent.audiences.rule import Rule
from assent.core.policy import Policy
from assent.http.access import caller
from assent.http.asking import PurposeRequest, asking_for
from assent.http.bodies import answer, at_sequence, body_of
from assent.http.keys import Caller, Role
from assent.http.rules import said_rule
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service


class PreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule to try."""

    purpose: str
    rule: Raw


class OverlapRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Audiences whose common members to count."""

    purpose: str
    audiences: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]


@post(
    "/v1/audiences/{audience:str}/count",
    status_code=200,
    opt=shape(by="engine", body=PurposeRequest, answer=Count, at_least=True),
)
async def count(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Count the members of an audience; without the right to members, floored.

    A rule that names people singly is then not counted (403). Floors do not hide a single person from who
    compares many rules that differ by ordinary facts.
    """
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, PurposeRequest)
    asking = await asking_for(request, who, body.purpose)
    counted = await wired.audiences.count(asking, audience)
    return answer(counted, headers=at_sequence(counted.sequence))


@post(
    "/v1/audiences/preview",
    status_code=200,
    opt=shape(by="engine", body=PreviewRequest, answer=dict[str, Any], at_least=True),
)
async def preview(request: AnyRequest) -> Response[bytes]:
    """Count those for whom a rule is true that is not saved.

    Without the right to members, floored; and not at all where the rule names people singly (403).
    """
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, PreviewRequest)
    asking = await asking_for(request, who, body.purpose)
    policy = await wired.policies.current(who.controller_id)
    with said_rule(body.rule) as rule:
        needs = await wired.audiences.needs(asking, policy, rule)
    await _try(wired, who, policy, rule)
    counted = await wired.audiences.preview(asking, rule)
    document = msgspec.to_builtins(counted) | {"needs": needs}
    return answer(document, headers=at_sequence(counted.sequence))


async def _try(wired: Service, who: Caller, policy: Policy, rule: Rule) -> None:
    """Keep what a rule asks of events for as long as somebody tries it."""
    saved = await wired.audiences.shelf.all(who.controller_id)
    in_force = needed_by_all([each for one in saved.values() for each in one.rules], policy)
    tried = needed_by_all([rule], policy)
    await wired.derivations.make_room(who.controller_id, tried, in_force, who.role.value)
    await wired.derivations.ensure(who.controller_id, tried, who.role.value)


@post(
    "/v1/audiences/overlap",
    status_code=200,
    opt=shape(by="engine", body=OverlapRequest, answer=Count, at_least=True),
)
async def overlap(request: AnyRequest) -> Response[bytes]:
    """Count the common members of several audiences."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, OverlapRequest)
    asking = await asking_for(request, who, body.purpose)
    counted = await wired.audiences.overlap(asking, body.audiences)
    return answer(counted, headers=at_sequence(counted.sequence))


HANDLERS = [count, preview, overlap]
