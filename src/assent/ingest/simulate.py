"""Say who would gain and who would lose under another policy, without changing anything.

Everybody is read in order of the lowest identifier of their component, a few hundred at a time, each in a
snapshot of its own: memory does not grow with the ledger, and nothing waits. Who comes or changes meanwhile
is seen as they are when their turn comes.
"""

from msgspec import Struct

from assent.core.ids import ControllerId, IdentifierId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Connection
from assent.ingest import preparation
from assent.ingest.component import derive_prepared
from assent.ingest.fold import load_components
from assent.ingest.gains import Side, tally
from assent.ingest.preparing import CHUNK, Progress, Tally


class Forecast(Struct, frozen=True, kw_only=True):
    """What another policy would mean, counted exactly."""

    tally: Tally
    identifiers: int = 0
    statements: int = 0


async def simulate(
    connection: Connection,
    controller_id: ControllerId,
    in_force: Policy,
    policy: Policy,
    now: Instant,
    progress: Progress | None = None,
) -> Forecast:
    """Return who would gain and lose if `policy` followed the one in force now."""
    last = await preparation.last_identifier(connection, controller_id)
    found: Tally = {}
    after, identifiers, statements = IdentifierId(-1), 0, 0
    while after < last:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            page = await preparation.components_between(connection, controller_id, after, last, CHUNK)
            if not page:
                break
            loaded = await load_components(connection, controller_id, in_force, page)
        after = page[-1].node.id
        for component, before in zip(loaded.components, loaded.derived, strict=True):
            became = Side(policy, derive_prepared(component, policy, now))
            tally(found, Side(in_force, before), became, loaded.seen_by, now)
            statements += sum(map(len, component.statements.values()))
        identifiers += len(loaded.denies)
        if progress is not None:
            progress(after, last)
    return Forecast(tally=found, identifiers=identifiers, statements=statements)
