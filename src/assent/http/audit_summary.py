"""The counts an officer begins with: people per tier, consent per purpose, what was not kept."""

from typing import Any

import msgspec
from litestar import Response

from assent.core.time import Instant, format_time
from assent.http.access import caller
from assent.http.at_least import refuse_ahead, revision_asked
from assent.http.bodies import answer, at_revision, reading
from assent.http.keys import Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service
from assent.ingest.models import models
from assent.ingest.report import report
from assent.ledger.store import read_head


@reading("/v1/audit/summary", opt=shape(by="dpo, admin", answer=dict[str, Any], at_least=True))
async def summary(request: AnyRequest) -> Response[bytes]:
    """Return the counts of the key's controller, all of one moment, and its models; no row of one person."""
    wired = service(request)
    who = await caller(request, Role.DPO, Role.ADMIN)
    async with (
        wired.database.auditor.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        head = await read_head(connection, who.controller_id)
        refuse_ahead(revision_asked(request), head.revision)
        policy = await wired.policies.version(who.controller_id, head.policy_version)
        now = Instant(max(wired.clock(), head.at))
        counted = await report(connection, who.controller_id, policy, now)
    document = {
        "at": format_time(now),
        "entries": head.revision,
        "policy_version": head.policy_version,
        **msgspec.to_builtins(counted),
        "models": msgspec.to_builtins(models(policy)),
    }
    return answer(document, headers=at_revision(head.revision))


HANDLERS = [summary]
