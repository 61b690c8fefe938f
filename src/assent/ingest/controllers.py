"""Make a controller: an empty ledger, an empty release log, and check values of the ring that writes them."""

import asyncpg
import msgspec

from assent.core.errors import FactRejected
from assent.core.ids import ControllerId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ledger.keyring import KeyRing
from assent.ledger.store import Log, Trees
from assent.ledger.tree import TreeState

_SQL = load("ledger")


async def create_controller(connection: Connection, ring: KeyRing, name: str, now: Instant) -> ControllerId:
    """Return a new controller. Raises FactRejected when the name is taken."""
    trees = Trees(ring)
    checks = {key: value.hex() for key, value in ring.check_values().items()}
    empty = TreeState()
    try:
        async with connection.transaction():
            controller_id: ControllerId = await connection.fetchval(
                _SQL.create_controller, name, now, msgspec.json.encode(checks).decode()
            )
            await connection.execute(
                _SQL.create_head,
                controller_id,
                now,
                empty.frontier.to_bytes(),
                trees.sign(controller_id, Log.FACTS, empty),
            )
            await connection.execute(
                _SQL.create_release_head,
                controller_id,
                empty.frontier.to_bytes(),
                trees.sign(controller_id, Log.RELEASES, empty),
            )
    except asyncpg.UniqueViolationError as taken:
        raise FactRejected("A controller of that name exists, or two were made at once.") from taken
    return controller_id
