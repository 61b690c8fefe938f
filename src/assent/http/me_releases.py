"""Which answers about a person left the service: to whom, for which purpose, when (GDPR Art. 15(1)(c))."""

from typing import Any, Final

import asyncpg
from litestar import Response

from assent.core.policy import Policy
from assent.core.time import format_time
from assent.http.access import subject
from assent.http.at_least import revision_asked
from assent.http.bodies import answer, at_revision, number, number_asked, page_asked, reading
from assent.http.own import own
from assent.http.schema import PERSON, paged, shape
from assent.http.wiring import AnyRequest, service
from assent.ingest.log_pages import Wanted
from assent.ingest.own_releases import releases_about

MOST: Final = 200


@reading(
    "/v1/me/releases",
    opt=shape(by=PERSON, answer=dict[str, Any], at_least=True, query=paged(MOST, "after")),
)
async def releases(request: AnyRequest) -> Response[bytes]:
    """Return the answers that the person was in, oldest first: `?limit=` of them, `?after=` one.

    A page may hold fewer, even none, and still name a `next`: the log is looked through a part at a time.
    """
    found = subject(request)
    limit, after = page_asked(request, MOST, 50), number_asked(request, "after")
    async with own(service(request), found, "me/releases", revision_asked(request)) as opened:
        present = opened.present
        page = await releases_about(
            present.connection,
            present.ring,
            present.controller_id,
            present.policy,
            opened.ids,
            Wanted(access=False, after=after or 0, limit=limit),
            whole=opened.whole,
        )
    document = {
        "releases": [_document(present.policy, row) for row in page.releases],
        "next": None if page.next is None else number(page.next),
        "revision": present.revision,
    }
    return answer(document, headers=at_revision(present.revision))


def _document(policy: Policy, row: asyncpg.Record) -> dict[str, object]:
    """Say nothing of how many others were in it. A purpose no longer declared keeps its number."""
    purpose = policy.purposes.get(row["purpose_id"])
    return {
        "release": f"r:{row['reference'] or row['release_id']}",
        "at": format_time(row["at"]),
        "kind": row["kind"],
        "consumer": row["consumer"],
        "purpose": row["purpose_id"] if purpose is None else purpose.name,
        "policy_version": row["policy_version"],
        "rules": row["rules"],
        "commitment": row["commitment"].hex(),
        "index": None if row["leaf_index"] is None else number(row["leaf_index"]),
    }


HANDLERS = [releases]
