"""Consent as an officer watches it: over time, about to lapse, and where people's identifiers disagree."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from litestar import Response, post
from msgspec import Meta, Struct

from assent.core.errors import FutureTime, UnreadableBody
from assent.core.policy import Policy
from assent.core.time import BEGINNING, Duration, Instant, format_time, parse_duration, shifted, to_instant
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.keys import Role
from assent.http.moment import moment
from assent.http.officer import PAGE, Limit, accessed, purposes
from assent.http.schema import shape
from assent.http.wiring import AnyRequest
from assent.ingest.consent_report import (
    Conflict,
    Interval,
    Lapsing,
    consent_over_time,
    disagreements,
    lapsing,
)

Time = Annotated[datetime, Meta(tz=True)]
Place = Annotated[str, Meta(max_length=100)]
Aspect = Literal["notice_version", "language", "channel", "jurisdiction"]

MOST_INTERVALS: Final = 400
"""A year by days, and some."""

_PLACE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.-?(?:0|[1-9][0-9]{0,18}))*", re.ASCII)
_LAPSING_KEY: Final = 4
_CONFLICT_KEY: Final = 2


class OverTimeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """Intervals of `every` from `from` until `to` (now), told apart `by` aspects of what was said."""

    start: Time
    every: str
    to: Time | None = None
    known_at: Time | None = None
    purpose: str | None = None
    by: tuple[Aspect, ...] = ()
    after: Annotated[int, Meta(ge=0)] = 0
    limit: Limit = PAGE


class LapsingBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose permits end by themselves within a duration."""

    within: str
    purpose: str | None = None
    after: Place | None = None
    limit: Limit = PAGE


class ConflictsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose identifiers said opposite things last."""

    purpose: str | None = None
    after: Place | None = None
    limit: Limit = PAGE


@post(
    "/v1/audit/consents",
    status_code=200,
    opt=shape(by="dpo, admin", body=OverTimeBody, answer=dict[str, Any], at_least=True),
)
async def over_time(request: AnyRequest) -> Response[bytes]:
    """Return what was said in each interval, and what stood at its end, as known at `known_at`; no person."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, OverTimeBody)
    async with moment(request, who) as present:
        bounds = _bounds(body, present.now)
        known_at = _past(body.known_at, present.now, "/known_at")
        found = await consent_over_time(
            present.connection,
            who.controller_id,
            purposes(present, body.purpose),
            bounds,
            known_at,
            body.by,
        )
        await accessed(request, who, present, "audit/consents", ())
    page = found[body.after : body.after + body.limit]
    more = body.after + body.limit < len(found)
    document = {
        "known_at": format_time(known_at),
        "intervals": [_interval(present.policy, bounds, one) for one in page],
        "next": body.after + body.limit if more else None,
    }
    return answer(document, headers=at_revision(present.revision))


@post(
    "/v1/audit/lapsing",
    status_code=200,
    opt=shape(by="dpo, admin", body=LapsingBody, answer=dict[str, Any], at_least=True),
)
async def ending(request: AnyRequest) -> Response[bytes]:
    """Return the permits that end by themselves within a duration, the next to end first."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, LapsingBody)
    async with moment(request, who) as present:
        until = _later(present.now, body.within)
        after = _place(body.after, _LAPSING_KEY)
        found = await lapsing(
            present.connection,
            who.controller_id,
            present.policy.version,
            purposes(present, body.purpose),
            present.now,
            until,
            None if after is None else (after[0], after[1], after[2], after[3]),
            body.limit + 1,
        )
        page = found[: body.limit]
        release = await accessed(request, who, present, "audit/lapsing", {one.identifier for one in page})
    document = {
        "at": format_time(present.now),
        "until": format_time(until),
        "lapsing": [_lapse(present.policy, one) for one in page],
        "next": ".".join(map(str, page[-1].key)) if len(found) > body.limit else None,
        "release": release,
    }
    return answer(document, headers=at_revision(present.revision))


@post(
    "/v1/audit/conflicts",
    status_code=200,
    opt=shape(by="dpo, admin", body=ConflictsBody, answer=dict[str, Any], at_least=True),
)
async def conflicting(request: AnyRequest) -> Response[bytes]:
    """Return people whose identifiers said opposite things last, with what each said: a denial closes all."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, ConflictsBody)
    async with moment(request, who) as present:
        after = _place(body.after, _CONFLICT_KEY)
        found = await disagreements(
            present.connection,
            who.controller_id,
            purposes(present, body.purpose),
            None if after is None else (after[0], after[1]),
            body.limit + 1,
        )
        page = found[: body.limit]
        release = await accessed(
            request, who, present, "audit/conflicts", {word.identifier for one in page for word in one.words}
        )
    document = {
        "conflicts": [_conflict(present.policy, one) for one in page],
        "next": f"{page[-1].profile}.{page[-1].purpose}" if len(found) > body.limit else None,
        "release": release,
    }
    return answer(document, headers=at_revision(present.revision))


def _bounds(body: OverTimeBody, now: Instant) -> list[Instant]:
    """Return the bounds of the intervals: the last may be shorter, none is left out."""
    every, start, end = _duration(body.every, "/every"), to_instant(body.start), _past(body.to, now, "/to")
    bounds = [start]
    while bounds[-1] < end:
        if len(bounds) > MOST_INTERVALS:
            raise UnreadableBody(f"Expected at most {MOST_INTERVALS} intervals.", pointer="/every")
        # Counted from the start: the end of January does not become the 28th of every month.
        place = len(bounds)
        step = Duration(months=every.months * place, microseconds=every.microseconds * place)
        bounds.append(min(end, _shifted(start, step, "/every")))
    if len(bounds) == 1:  # `from` is not before `to`
        raise UnreadableBody("Expected a time after `from`.", pointer="/to")
    return bounds


def _duration(text: str, pointer: str) -> Duration:
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise UnreadableBody("Expected a duration.", pointer=pointer) from error
    if found.months < 0 or found.microseconds < 0 or found == Duration():
        raise UnreadableBody("Expected a duration longer than nothing.", pointer=pointer)
    return found


def _shifted(at: Instant, by: Duration, pointer: str) -> Instant:
    try:
        return shifted(at, by)
    except (OverflowError, ValueError) as error:
        raise UnreadableBody("Expected a duration that the calendar holds.", pointer=pointer) from error


def _later(now: Instant, within: str) -> Instant:
    return _shifted(now, _duration(within, "/within"), "/within")


def _past(time: datetime | None, now: Instant, pointer: str) -> Instant:
    at = now if time is None else to_instant(time)
    if at > now:
        raise FutureTime(pointer=pointer)
    return at


def _place(after: str | None, numbers: int) -> tuple[int, ...] | None:
    """Return where a page ended, as the answer before said it."""
    if after is None:
        return None
    found = tuple(map(int, after.split("."))) if _PLACE.fullmatch(after) else ()
    # The second is a purpose's number wherever there is one.
    if len(found) != numbers or max(map(abs, found)) >= 1 << 62 or abs(found[1]) >= 1 << 15:
        raise UnreadableBody("Expected the `next` of an answer.", pointer="/after")
    return found


def _interval(policy: Policy, bounds: list[Instant], one: Interval) -> dict[str, object]:
    version = one.aspects.get("notice_version")
    aspects: dict[str, object] = dict(one.aspects)
    if version is not None:
        aspects["notice_version"] = int(version)
    return {
        "from": format_time(bounds[one.place]),
        "to": format_time(bounds[one.place + 1]),
        "purpose": policy.purposes[one.purpose].name,
        **aspects,
        "said": one.said,
        "standing": one.standing,
    }


def _lapse(policy: Policy, one: Lapsing) -> dict[str, object]:
    namespace = policy.namespaces.get(one.namespace)
    return {
        "id": f"i:{one.identifier}",
        "namespace": None if namespace is None else namespace.name,
        "purpose": policy.purposes[one.purpose].name,
        "since": None if one.since == BEGINNING else format_time(one.since),
        "until": format_time(one.until),
        "index": one.entry if one.entry >= 0 else None,
    }


def _conflict(policy: Policy, one: Conflict) -> dict[str, object]:
    return {
        "purpose": policy.purposes[one.purpose].name,
        "said": [
            {
                "id": f"i:{word.identifier}",
                "state": word.state,
                "at": format_time(word.at),
                "index": word.entry,
            }
            for word in one.words
        ],
    }


HANDLERS = [over_time, ending, conflicting]
