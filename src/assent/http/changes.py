"""The stored change feed of an audience: who entered and left, for one purpose and one consumer."""

import asyncio
import re
from contextlib import suppress
from typing import Final

from litestar import Response
from litestar.params import FromPath
from msgspec import Struct

from assent.audiences.answers import Asking
from assent.core.errors import UnreadableBody
from assent.core.time import format_time
from assent.gate.feeds import Line
from assent.http.access import caller, may_use
from assent.http.at_least import sequence_asked
from assent.http.bodies import answer, at_sequence, page_asked, parameter, reading
from assent.http.keys import Role
from assent.http.schema import FROM_ONE, NUMBER, TEXT, Parameter, shape
from assent.http.wiring import AnyRequest, service

MOST: Final = 10_000
LONGEST_WAIT_S: Final = 30

_LOOK_EVERY_S: Final = 0.5
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


class ChangeLine(Struct, frozen=True, kw_only=True):
    """One change (API.md, Engine)."""

    seq: int
    subject: str
    kind: str
    into: str | None
    at: str
    bucket: str | None
    """Of who entered or left an audience that held somebody out then; `entered` again tells another one."""


class Changes(Struct, frozen=True, kw_only=True):
    """A page of a feed; `next` is what to ask `after` next."""

    changes: tuple[ChangeLine, ...]
    next: int


@reading(
    "/v1/audiences/{audience:str}/changes",
    opt=shape(
        by="engine with the members right",
        answer=Changes,
        at_least=True,
        query=(
            Parameter(name="purpose", kind=TEXT, required=True),
            Parameter(name="after", kind=NUMBER),
            Parameter(name="limit", kind=FROM_ONE | {"maximum": MOST}),
            Parameter(name="wait", kind=NUMBER | {"maximum": LONGEST_WAIT_S}),
        ),
    ),
)
async def changes(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Return who entered and left an audience after a change; `wait` for one up to 30 seconds."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    who.require_members()
    purpose = parameter(request, "purpose") or ""
    may_use(who, await wired.policies.current(who.controller_id), purpose)
    asking = Asking(
        controller_id=who.controller_id,
        purpose=purpose,
        consumer=who.consumer,
        exact=True,
        at_least=sequence_asked(request),
    )
    after = _number(request, "after", 0, (1 << 62) - 1)
    limit = page_asked(request, MOST, 1_000)
    looks = _number(request, "wait", 0, LONGEST_WAIT_S) / _LOOK_EVERY_S
    found, sequence = await wired.following.read(asking, audience, after=after, limit=limit)
    while not found.lines and looks > 0 and not wired.stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(wired.stopping.wait(), _LOOK_EVERY_S)
        looks -= 1
        # What is read is recorded as an answer: until there is something, or it is the last, nothing is.
        if looks <= 0 or await wired.following.is_ahead(asking, audience, after):
            found, sequence = await wired.following.read(asking, audience, after=after, limit=limit)
    document = Changes(changes=tuple(map(_line, found.lines)), next=found.next)
    return answer(document, headers=at_sequence(sequence))


def _line(one: Line) -> ChangeLine:
    return ChangeLine(
        seq=one.seq,
        subject=one.subject,
        kind=one.kind,
        into=one.into,
        at=format_time(one.at),
        bucket=one.bucket,
    )


def _number(request: AnyRequest, name: str, default: int, most: int) -> int:
    text = parameter(request, name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or int(text) > most:
        message = f"{name}: expected a number up to {most}."
        raise UnreadableBody(message)
    return int(text)


HANDLERS = [changes]
