"""The counts an officer begins with: people per tier, consent per purpose, what was not kept."""

from typing import Any

import msgspec
from litestar import Response

from assent.core.time import format_time
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, reading
from assent.http.keys import Role
from assent.http.moment import moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest
from assent.ingest.models import models
from assent.ingest.report import report


@reading("/v1/audit/summary", opt=shape(by="dpo, admin", answer=dict[str, Any], at_least=True))
async def summary(request: AnyRequest) -> Response[bytes]:
    """Return the counts of the key's controller, all of one moment, and its models; no row of one person."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    async with moment(request, who) as present:
        counted = await report(present.connection, who.controller_id, present.policy, present.now)
        await accessed(request, who, present, "audit/summary", ())
    document = {
        "at": format_time(present.now),
        "entries": present.revision,
        "policy_version": present.policy.version,
        **msgspec.to_builtins(counted),
        "models": msgspec.to_builtins(models(present.policy)),
    }
    return answer(document, headers=at_revision(present.revision))


HANDLERS = [summary]
