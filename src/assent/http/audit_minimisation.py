"""What an officer may find to be kept for nothing: features that no rule reads, audiences nobody asks for."""

from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct

from assent.core.time import DAY, Instant, format_time
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.keys import Role
from assent.http.moment import moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service
from assent.ingest.minimisation import Unasked, unasked, unread


class MinimisationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many days nobody asked."""

    days: Annotated[int, Meta(ge=1, le=3_650)] = 90


@post(
    "/v1/audit/minimisation",
    status_code=200,
    opt=shape(by="dpo, admin", body=MinimisationBody, answer=dict[str, Any], at_least=True),
)
async def minimisation(request: AnyRequest) -> Response[bytes]:
    """Return the features that no audience reads, and the audiences that nobody asked for; no person."""
    wired = service(request)
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, MinimisationBody)
    wired.audiences.shelf.forget(who.controller_id)  # what is at hand may be a second old
    audiences = await wired.audiences.shelf.all(who.controller_id)
    async with moment(request, who) as present:
        since = Instant(present.now - body.days * DAY)
        found = await unasked(present.connection, who.controller_id, audiences, since)
        features = unread(present.policy, audiences.values())
        await accessed(request, who, present, "audit/minimisation", ())
    document = {
        "at": format_time(present.now),
        "since": format_time(since),
        "features": features,
        "audiences": [_line(one) for one in found],
    }
    return answer(document, headers=at_revision(present.revision))


def _line(one: Unasked) -> dict[str, object]:
    return {
        "audience": one.audience,
        "version": one.version,
        "purposes": one.purposes,
        "saved_at": format_time(one.saved_at),
        "last_asked": None if one.last_asked is None else format_time(one.last_asked),
    }


HANDLERS = [minimisation]
