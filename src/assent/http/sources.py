"""How collection goes, source by source, for administrators and data protection officers.

What one source proved of who is one person can be taken back.
"""

import re
from datetime import date, timedelta
from typing import Annotated, Final

from litestar import Response, post
from msgspec import Meta, Struct, field

from assent.core.errors import UnreadableBody
from assent.core.time import DAY
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of, parameter, reading, revision_of
from assent.http.keys import ONE_LINE, Role
from assent.http.schema import DAY_ASKED, Parameter, shape
from assent.http.wiring import AnyRequest, service
from assent.ingest import sources as counting
from assent.ingest.retracting import Retracted, Retracting

_EPOCH: Final = date(1970, 1, 1)
_USUALLY: Final = timedelta(days=29)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Sources(Struct, frozen=True, kw_only=True):
    """What came through each source on these days of receipt, both included, in UTC."""

    first: date = field(name="from")
    last: date = field(name="to")
    sources: tuple[counting.Source, ...]


@reading(
    "/v1/sources",
    opt=shape(
        by="admin, dpo",
        answer=Sources,
        query=(Parameter(name="from", kind=DAY_ASKED), Parameter(name="to", kind=DAY_ASKED)),
    ),
)
async def sources(request: AnyRequest) -> Response[bytes]:
    """Count what each source sent and what became of it, on the days `from` to `to`, else the last 30."""
    wired = service(request)
    who = await caller(request, Role.ADMIN, Role.DPO)
    first, last = _days(request, _EPOCH + timedelta(days=wired.clock() // DAY))
    # What this process counted within the last second is told too.
    await wired.counts.flush()
    async with wired.database.auditor.acquire() as connection:
        found = await counting.sources(
            connection, who.controller_id, (first - _EPOCH).days, (last - _EPOCH).days
        )
    return answer(Sources(first=first, last=last, sources=found))


class RetractBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source as `/v1/sources` lists it (`key:3`, `import:…`), or what keys are for (`till 3`)."""

    source: Annotated[str, Meta(min_length=1, max_length=64, pattern=ONE_LINE)]


@post(
    "/v1/identities/sources/retract",
    status_code=200,
    opt=shape(by="dpo, admin", body=RetractBody, answer=Retracted),
)
async def retract(request: AnyRequest) -> Response[bytes]:
    """Take back what a source proved of who is one person; what other sources prove too stands.

    Neither its events nor its statements are touched, and what it proves from now on counts. One call takes
    back as much as somebody can wait for: ask again until the answer is `complete`.
    """
    wired = service(request)
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, RetractBody)
    retracting = Retracting(
        pool=wired.database.auditor, ring=wired.ring, ledger=wired.ledger, random=wired.random
    )
    named = await retracting.sources_named(who.controller_id, body.source)
    done = await retracting.retract(who.controller_id, named, who.role.value)
    return answer(done, headers=at_revision(await revision_of(wired, who.controller_id)))


def _days(request: AnyRequest, today: date) -> tuple[date, date]:
    if set(request.query_params) - {"from", "to"}:
        raise UnreadableBody("expected no parameters but from and to")
    begin, end = parameter(request, "from"), parameter(request, "to")
    last = today if end is None else _day(end)
    first = last - _USUALLY if begin is None else _day(begin)
    if first > last:
        raise UnreadableBody("expected from to be no later than to")
    return first, last


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day < _EPOCH:
        raise UnreadableBody("expected a day such as 2026-03-01")
    return day


HANDLERS = [sources, retract]
