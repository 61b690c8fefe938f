"""What came of an audience: its goals, in treatment and control, and what sets its members apart."""

from typing import Annotated

from litestar import Response, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from assent.audiences.answers import Goals, Standout
from assent.http.access import caller
from assent.http.asking import PurposeRequest, asking_for
from assent.http.bodies import answer, at_sequence, body_of
from assent.http.keys import Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service


class DistinctiveRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which purpose, and how many values at most."""

    purpose: str
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 50


@post(
    "/v1/audiences/{audience:str}/goals",
    status_code=200,
    opt=shape(by="engine", body=PurposeRequest, answer=Goals, at_least=True),
)
async def goals(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Count who reached the goals of an audience, among those who are treated and those who are held out."""
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, PurposeRequest)
    asking = await asking_for(request, who, body.purpose)
    counted = await service(request).audiences.goals(asking, audience)
    return answer(counted, headers=at_sequence(counted.sequence))


@post(
    "/v1/audiences/{audience:str}/distinctive",
    status_code=200,
    opt=shape(by="engine", body=DistinctiveRequest, answer=Standout, at_least=True),
)
async def distinctive(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Return the values that members have more often than the population, the most telling first."""
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, DistinctiveRequest)
    asking = await asking_for(request, who, body.purpose)
    found = await service(request).audiences.distinctive(asking, audience, body.limit)
    return answer(found, headers=at_sequence(found.sequence))


HANDLERS = [goals, distinctive]
