"""The policies in force, kept at hand by each process.

A version never changes, so it is kept for good, with the derived features of the newest catalogue that was
asked for: they come and go with rules and previews. Which version is in force is read again once a second:
whoever must know exactly (the gate, the committer) reads it in its own transaction and asks for that
version.
"""

from collections.abc import Callable
from typing import Final

from assent.consent.store import load_policy
from assent.core.errors import Unauthorized
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import SECOND, Instant
from assent.database.statements import load
from assent.database.types import Pool

_SQL = load("ledger")

_FRESH: Final = SECOND


class PolicyShelf:
    """Policies by controller and version."""

    def __init__(self, pool: Pool, clock: Callable[[], Instant]) -> None:
        self._pool = pool
        self._clock = clock
        self._versions: dict[tuple[ControllerId, int], tuple[int, Policy]] = {}
        self._current: dict[ControllerId, tuple[Instant, Policy]] = {}

    async def current(self, controller_id: ControllerId) -> Policy:
        """Return the policy in force, at most a second old. Raises Unauthorized: no such controller."""
        kept = self._current.get(controller_id)
        if kept is not None and 0 <= self._clock() - kept[0] < _FRESH:
            return kept[1]
        return await self.refreshed(controller_id)

    async def refreshed(self, controller_id: ControllerId) -> Policy:
        """Return the policy in force now."""
        row = await self._pool.fetchrow(_SQL.head, controller_id)
        if row is None:
            raise Unauthorized
        policy = await self.version(controller_id, row["policy_version"], row["catalogue"])
        self._current[controller_id] = (self._clock(), policy)
        return policy

    async def version(self, controller_id: ControllerId, version: int, catalogue: int = -1) -> Policy:
        """Return one version of a controller's policy, its derived features as of `catalogue` at least."""
        kept = self._versions.get((controller_id, version))
        if kept is not None and kept[0] >= catalogue:
            return kept[1]
        async with self._pool.acquire() as connection:
            policy, _ = await load_policy(connection, controller_id, version)
        # Another reader may have kept a newer one meanwhile.
        kept = self._versions.get((controller_id, version))
        if kept is None or kept[0] <= catalogue:
            self._versions[controller_id, version] = (catalogue, policy)
        return policy
