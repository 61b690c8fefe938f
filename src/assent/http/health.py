"""Whether the service lives and can serve; its newest checkpoint; what it does about privacy signals."""

from typing import Final

from litestar import Response

from assent.core.errors import DatabaseUnavailable, Forbidden
from assent.http.access import caller
from assent.http.at_least import refuse_ahead, revision_asked
from assent.http.bodies import answer, at_revision, reading
from assent.http.keys import Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service
from assent.ledger.store import read_head

GPC: Final = {"gpc": True, "lastUpdate": "2026-11-21"}
"""Global Privacy Control, section 4: whether this server abides by `Sec-GPC`, and since when it says so.

Every collection call does, for the purposes that the controller's signals.toml names.
"""


@reading("/health/live", opt=shape(answer=dict[str, str]))
async def live() -> Response[bytes]:
    """Answer: the process runs."""
    return answer({"status": "live"})


@reading("/health/ready", opt=shape(answer=dict[str, str]))
async def ready(request: AnyRequest) -> Response[bytes]:
    """Answer once the database answers."""
    if not await service(request).pulse.beats():
        raise DatabaseUnavailable
    return answer({"status": "ready"})


@reading("/.well-known/gpc.json", opt=shape(answer=dict[str, bool | str]))
async def gpc() -> Response[bytes]:
    """Return what this server does about Global Privacy Control."""
    return answer(GPC)


@reading(
    "/checkpoint",
    opt=shape(
        by="collector with trust server, issuer, dpo, admin",
        answer=str,
        media_type="text/plain",
        at_least=True,
    ),
)
async def checkpoint(request: AnyRequest) -> Response[bytes]:
    """Return the newest signed checkpoint of the key's controller (C2SP tlog-checkpoint)."""
    wired = service(request)
    # Not an engine's: the size counts what no purpose of its may use.
    who = await caller(request, Role.COLLECTOR, Role.ISSUER, Role.DPO, Role.ADMIN)
    if not who.server:
        # Nor anybody's who reads the key in a page: the size tells whether an event sent in a stranger's name
        # was kept, and so what the stranger agreed to.
        raise Forbidden
    async with wired.database.auditor.acquire() as connection:
        head = await read_head(connection, who.controller_id)
    refuse_ahead(revision_asked(request), head.revision)
    return Response(
        head.checkpoint.encode(),
        media_type="text/plain",
        headers=at_revision(head.revision),
    )


HANDLERS = [live, ready, gpc, checkpoint]
