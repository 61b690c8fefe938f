"""Release a page of a stored feed: what stands in it, as far as it may be used now.

Numbered as in `door.py`, whose (1) to (3) the caller has taken. (4) a feed that lacks something that became
narrower is not read at all; (5) a page ends before whoever may not be used now, whom the writer has yet to
stop; (6) the page is recorded, and how far the consumer was given the feed. Committed by the caller, and
only then does it leave. A feed that was written meanwhile fails the read (PostgreSQL's 40001).

Raises RevisionAhead.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from assent.core.errors import RevisionAhead
from assent.core.ids import ControllerId, ProfileId, PurposeId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.door import Door, Record

_SQL = load("gate")

STOP: Final = "stop"


class Line(Struct, frozen=True, kw_only=True):
    """One change, as it leaves."""

    seq: int
    subject: str
    kind: str
    into: str | None
    bucket: str | None
    at: Instant


class Page(Struct, frozen=True, kw_only=True):
    """Changes in order, and where to go on; `last` is the feed's newest change."""

    lines: tuple[Line, ...]
    next: int
    last: int


class Wanted(Struct, frozen=True, kw_only=True):
    """Which feed, from where, how much."""

    controller_id: ControllerId
    audience: str
    consumer: str
    rules: str
    after: int
    limit: int


async def page(door: Door, connection: Connection, purpose: PurposeId, wanted: Wanted) -> Page | None:
    """Return a page, recorded; None while the feed lacks something that became narrower, or is not begun."""
    # (4) where the feed stands
    standing = await connection.fetchrow(_SQL.feed, wanted.audience, wanted.consumer)
    if standing is None or standing["behind"]:
        return None
    if wanted.after > standing["seq"]:
        raise RevisionAhead
    # (5) as far as everybody in it may be used
    rows = _usable(await connection.fetch(_SQL.feed_page, standing["feed_id"], wanted.after, wanted.limit))
    following = rows[-1]["seq"] if rows else wanted.after
    # (6) record
    who = tuple(dict.fromkeys(ProfileId(row["profile_id"]) for row in rows if row["profile_id"] is not None))
    record = Record(
        kind="changes", consumer=wanted.consumer, rules=wanted.rules, profiles=who, number=len(rows)
    )
    await door.record(connection, wanted.controller_id, purpose, [record])
    await connection.execute(_SQL.feed_deliver, standing["feed_id"], following)
    return Page(lines=tuple(map(_line, rows)), next=following, last=standing["seq"])


def _usable(rows: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    for place, row in enumerate(rows):
        if row["kind"] != STOP and row["profile_id"] is None:
            return rows[:place]
    return rows


def _line(row: asyncpg.Record) -> Line:
    return Line(
        seq=row["seq"],
        subject=row["subject"],
        kind=row["kind"],
        into=row["into_subject"],
        bucket=row["bucket"],
        at=row["at"],
    )
