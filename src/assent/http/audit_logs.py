"""What was released to whom, who read what, and the headers of the ledger's entries: in order, page by page.

No page names anybody: records and headers hold no identifier. That somebody read them is recorded too.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from litestar import Response, post
from msgspec import Meta, Struct, structs

from assent.core.ids import IdentifierId
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, format_time, to_instant
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of, number
from assent.http.consents import SubjectReference
from assent.http.keys import ONE_LINE, Role
from assent.http.moment import Moment, moment
from assent.http.officer import PAGE, Limit, accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest
from assent.ingest.log_pages import Wanted, entries_page, newest_release, releases_page
from assent.ingest.own_releases import Page, releases_about
from assent.ledger.entries import Entry

Time = Annotated[datetime, Meta(tz=True)]
Place = Annotated[int, Meta(ge=0, lt=1 << 62)]
Walk = Annotated[str, Meta(pattern=r"^[0-9]{1,18}\.[0-9]{1,18}$")]


class AccessBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """Which readings: about a subject, of a consumer, between two times, after the last of the page before.

    About a subject the log is looked through in parts: a page may hold fewer and still name a `next`. That
    one says where the log ended when the first page was asked for, since every page is a reading of its own.
    """

    subject: SubjectReference | None = None
    consumer: Annotated[str, Meta(max_length=200, pattern=ONE_LINE)] | None = None
    since: Time | None = None
    to: Time | None = None
    after: Place | Walk = 0
    limit: Limit = PAGE


class ReleasesBody(AccessBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which releases: besides, for a purpose, and called so by who received it."""

    purpose: str | None = None
    release: Annotated[str, Meta(pattern=r"^r:[1-9][0-9]{0,17}$")] | None = None


class EntriesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries: from an index on."""

    first: Place = 0
    limit: Limit = PAGE


@post(
    "/v1/audit/releases",
    status_code=200,
    opt=shape(by="dpo, admin", body=ReleasesBody, answer=dict[str, Any], at_least=True),
)
async def releases(request: AnyRequest) -> Response[bytes]:
    """Return what was released to engines: to whom, for what, when, under which policy and rules."""
    return await _records(request, "releases", await body_of(request, ReleasesBody))


@post(
    "/v1/audit/access",
    status_code=200,
    opt=shape(by="dpo, admin", body=AccessBody, answer=dict[str, Any], at_least=True),
)
async def access(request: AnyRequest) -> Response[bytes]:
    """Return what people, officers and administrators read of somebody's data."""
    return await _records(request, "access", await body_of(request, AccessBody))


@post(
    "/v1/audit/entries",
    status_code=200,
    opt=shape(by="dpo, admin", body=EntriesBody, answer=dict[str, Any], at_least=True),
)
async def entries(request: AnyRequest) -> Response[bytes]:
    """Return the public headers of the ledger's entries: kind, minute, role, purpose, policy version."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, EntriesBody)
    async with moment(request, who) as present:
        # The snapshot ends where its head says, whatever is appended while it is read.
        limit = max(0, min(body.limit, present.revision - body.first))
        found = await entries_page(present.connection, who.controller_id, body.first, limit)
        await accessed(request, who, present, "audit/entries", ())
    after = body.first + len(found)
    document = {
        "entries": [_header(index, entry) for index, entry in found],
        "next": number(after) if found and after < present.revision else None,
    }
    return answer(document, headers=at_revision(present.revision))


async def _records(request: AnyRequest, name: str, body: AccessBody) -> Response[bytes]:
    who = await caller(request, Role.DPO, Role.ADMIN)
    async with moment(request, who) as present:
        purpose = present.purpose(body.purpose) if isinstance(body, ReleasesBody) else None
        called = body.release if isinstance(body, ReleasesBody) else None
        after, _, ended = str(body.after).partition(".")
        last = int(ended) if ended else await newest_release(present.connection, who.controller_id)
        wanted = Wanted(
            access=name == "access",
            after=int(after),
            last=last,
            purpose=None if purpose is None else purpose.id,
            consumer=body.consumer,
            reference=None if called is None else int(called.removeprefix("r:")),
            since=BEGINNING if body.since is None else to_instant(body.since),
            until=FOREVER if body.to is None else to_instant(body.to),
            limit=body.limit,
        )
        page, ids = await _page(present, wanted, body.subject)
        await accessed(request, who, present, f"audit/{name}", ids)
    document = {
        name: [_record(present.policy, row) for row in page.releases],
        "next": None if page.next is None else f"{page.next}.{last}",
    }
    return answer(document, headers=at_revision(present.revision))


async def _page(
    present: Moment, wanted: Wanted, subject: SubjectReference | None
) -> tuple[Page, Collection[IdentifierId]]:
    """Return records, and about whom they were asked for."""
    if subject is None:
        more = structs.replace(wanted, limit=wanted.limit + 1)
        found = await releases_page(present.connection, present.controller_id, more)
        page = tuple(found[: wanted.limit])
        return Page(releases=page, next=page[-1]["release_id"] if len(found) > wanted.limit else None), ()
    person = await present.person([present.ref(subject, "/subject")])
    ids = person.cluster.members if person.is_known else ()
    of = present.connection, present.ring, present.controller_id, present.policy
    return await releases_about(*of, ids, wanted), ids


def _record(policy: Policy, row: asyncpg.Record) -> dict[str, object]:
    """A purpose that the policy no longer declares keeps its number."""
    purpose = policy.purposes.get(row["purpose_id"])
    numbered = row["purpose_id"] or None
    return {
        # Readings have the log's number; whoever received a release knows it by this one, and its purpose.
        "release": f"r:{row['reference'] or row['release_id']}",
        "at": format_time(row["at"]),
        "kind": row["kind"],
        "consumer": row["consumer"],
        "purpose": numbered if purpose is None else purpose.name,
        "sequence": number(row["purpose_seq"]),
        "revision": number(row["revision"]),
        "policy_version": row["policy_version"],
        "rules": row["rules"],
        "number": number(row["number"]),
        "commitment": row["commitment"].hex(),
        "index": None if row["leaf_index"] is None else number(row["leaf_index"]),
    }


def _header(index: int, entry: Entry) -> dict[str, object]:
    return {
        "index": number(index),
        "kind": entry.header.kind.value,
        "time": format_time(entry.header.minute),
        "role": entry.header.role,
        "purpose": entry.header.purpose,
        "policy_version": entry.header.policy_version,
        "commitments": [one.hex() for one in entry.commitments],
    }


HANDLERS = [releases, access, entries]
