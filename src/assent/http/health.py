"""Whether the service lives, and whether it can serve; the newest checkpoint, for anyone."""

import asyncpg
from litestar import Response, get

from assent.core.errors import DatabaseUnavailable
from assent.http.access import caller
from assent.http.at_least import refuse_ahead, revision_asked
from assent.http.bodies import answer, at_revision
from assent.http.keys import Role
from assent.http.wiring import AnyRequest, service
from assent.ledger.store import read_head


@get("/health/live")
async def live() -> Response[bytes]:
    """Answer: the process runs."""
    return answer({"status": "live"})


@get("/health/ready")
async def ready(request: AnyRequest) -> Response[bytes]:
    """Answer once the database answers."""
    try:
        await service(request).database.reader.fetchval("SELECT 1", timeout=2.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable from error
    return answer({"status": "ready"})


@get("/checkpoint")
async def checkpoint(request: AnyRequest) -> Response[bytes]:
    """Return the newest signed checkpoint of the key's controller (C2SP tlog-checkpoint)."""
    wired = service(request)
    # Not an engine's: the size counts what no purpose of its may use.
    who = await caller(request, Role.COLLECTOR, Role.ISSUER, Role.DPO, Role.ADMIN)
    async with wired.database.auditor.acquire() as connection:
        head = await read_head(connection, who.controller_id)
    refuse_ahead(revision_asked(request), head.revision)
    return Response(
        head.checkpoint.encode(),
        media_type="text/plain; charset=utf-8",
        headers=at_revision(head.revision),
    )


HANDLERS = [live, ready, checkpoint]
