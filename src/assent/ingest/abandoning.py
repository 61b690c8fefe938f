"""End what is prepared of a policy: nothing of it comes into force, and what stands apart for it is swept.

Who ends it may be who prepared it, an operator while another process prepares it (which finds out with its
next chunk, and gives up), or the upkeep, when nobody has gone on with it for an hour: until then the same
documents go on where it stopped, and every commit notes whom it changed.

Only who is alone sweeps: what another one prepares meanwhile would be swept with the rest. Raises
ActivationUnderWay (`alone`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from assent.consent.store import load_policy
from assent.core.errors import ActivationUnderWay
from assent.core.ids import ControllerId, ViewId
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.core.time import HOUR, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest import preparation
from assent.ingest.preparation import Preparation
from assent.ledger.store import lock_head, read_head

_SQL = load("activation")

PATIENCE: Final = HOUR
"""How long a preparation may stand still before it is ended."""

_SWEPT: Final = 5_000

_LINK_USES: Final = 32
"""Two stances on agreement for every set of four kinds of link: a policy has no more views than that."""

_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.1
"""The session of a process that was killed ends a moment after it."""


@asynccontextmanager
async def alone(connection: Connection, controller_id: ControllerId) -> AsyncIterator[None]:
    """Let nobody else activate a policy of this controller; the database ends that with the session."""
    for turn in range(_TRIES):
        if await connection.fetchval(_SQL.try_activating, controller_id):
            break
        if turn == _TRIES - 1:
            raise ActivationUnderWay
        await asyncio.sleep(_BETWEEN_TRIES_S)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(_SQL.stop_activating, controller_id)


async def abandon(connection: Connection, controller_id: ControllerId) -> Preparation | None:
    """End what is being prepared, whoever does; return what it was, None when it was nothing."""
    left = await end(connection, controller_id)
    if left is not None:
        # Whoever still works on it sweeps when they give up.
        with suppress(ActivationUnderWay):
            async with alone(connection, controller_id):
                await sweep_all(connection, controller_id)
    return left


async def end_forgotten(connection: Connection, controller_id: ControllerId, now: Instant) -> bool:
    """End a preparation that nobody has gone on with for an hour; return whether there was one."""
    left = await preparation.read(connection, controller_id)
    if left is None or now - left.moved_at < PATIENCE:
        return False
    with suppress(ActivationUnderWay):
        async with alone(connection, controller_id):
            await end(connection, controller_id)
            await sweep_all(connection, controller_id)
            return True
    return False


async def end(connection: Connection, controller_id: ControllerId) -> Preparation | None:
    """Let commits note nobody any longer, and forget what waited; what stands apart is still to be swept."""
    async with connection.transaction():
        await lock_head(connection, controller_id)
        left = await preparation.read(connection, controller_id)
        if left is not None:
            await preparation.abandon(connection, controller_id)
    return left


async def sweep_all(connection: Connection, controller_id: ControllerId) -> None:
    """Sweep what does not belong to the policy in force."""
    head = await read_head(connection, controller_id)
    in_force, names = await load_policy(connection, controller_id, head.policy_version)
    await sweep(connection, controller_id, in_force, names)


async def sweep(
    connection: Connection, controller_id: ControllerId, in_force: Policy, names: NameBook
) -> None:
    """Remove what stands beside the policy in force, of the one before or of one that never came to be.

    `names` has the views that were ever given a number.
    """
    highest = max(names.view.values(), default=1) + _LINK_USES
    gone = [ViewId(number) for number in range(2, highest + 1) if number not in in_force.views]
    version = in_force.version
    for since, until in ((0, version), (version + 1, 1 << 30)):
        while await preparation.sweep_permits(connection, controller_id, since, until, _SWEPT):
            pass
    while gone and await preparation.sweep_clusters(connection, controller_id, gone, _SWEPT):
        pass
