"""What an officer's questions share: purposes, pages, and the record that they were asked.

Raises UnknownPurpose.
"""

from collections.abc import Collection
from typing import Annotated, Final

from msgspec import Meta

from assent.core.ids import IdentifierId, PurposeId
from assent.http.keys import Caller
from assent.http.moment import Moment
from assent.http.wiring import AnyRequest, service
from assent.ingest.access_log import Access, record_access

Limit = Annotated[int, Meta(ge=1, le=1_000)]
"""How many rows a page may hold."""

PAGE: Final = 100


async def accessed(
    request: AnyRequest, who: Caller, present: Moment, asked: str, identifiers: Collection[IdentifierId]
) -> str:
    """Record that the caller reads about these identifiers; nothing leaves before this returns."""
    wired = service(request)
    access = Access(
        controller_id=who.controller_id,
        at=present.now,
        consumer=who.consumer,
        asked=asked,
        revision=present.revision,
        policy_version=present.policy.version,
        identifiers=identifiers,
    )
    return await record_access(wired.database.writer, wired.ring, wired.random, access)


def purposes(present: Moment, name: str | None) -> list[PurposeId]:
    """Return the purpose asked for, or every one."""
    one = present.purpose(name)
    return sorted(present.policy.purposes) if one is None else [one.id]
