"""Prepare the next policy beside the one in force, in chunks, each a transaction of its own.

(1) begin: from the next commit on, whoever a commit changes is noted; (2) every component that was there, in
order of its lowest identifier, a few hundred at a time; (3) whoever was noted, until few are left: those the
flip derives itself. Each chunk reads one snapshot, in which what it derives is either still true when it is
written, or noted.

A crash anywhere leaves a preparation that the same documents go on from, and that any others replace. What
follows from a component under the next policy is a function of the component and of the instant at which the
preparation began, so it does not matter when it was derived.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from assent.core.ids import ControllerId, IdentifierId, PurposeId, ViewId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Connection
from assent.identity import store as identity_store
from assent.identity.store import Known
from assent.ingest import preparation
from assent.ingest.alike import Alike
from assent.ingest.board_parts import Loaded
from assent.ingest.fold import load_components
from assent.ingest.gains import Side, tally
from assent.ingest.preparation import Preparation, Prepared, Tallied
from assent.ledger.store import lock_head

CHUNK: Final = 500
"""Components in one transaction: a few thousand rows, a twentieth of what a commit may touch."""

FEW: Final = 100
"""Whoever is still noted when the flip begins is derived in its commit, with writers waiting."""

BREATH: Final = 8
"""Components, about a millisecond of them, between two turns for whoever else this process serves."""

_MOST_ROUNDS: Final = 1_000
"""Where commits change people faster than they are prepared, the flip takes what is left all the same."""

_SWEPT: Final = 5_000

Progress = Callable[[int, int], None]
"""Called with how far a walk has come, and of how much."""

Tally = dict[PurposeId, Tallied]


class Preparing:
    """One preparation under way, on a connection that nobody else uses."""

    def __init__(
        self,
        connection: Connection,
        controller_id: ControllerId,
        in_force: Policy,
        policy: Policy,
        digest: bytes,
    ) -> None:
        self._connection = connection
        self._controller_id = controller_id
        self._in_force = in_force
        self._policy = policy
        self._digest = digest
        self._fresh = frozenset(preparation.new_views(in_force, policy))
        self._like: Alike | None = None

    async def begin(self, now: Instant) -> Instant:
        """Return as of when it is prepared. Nothing is being prepared yet."""
        async with self._connection.transaction():
            head = await lock_head(self._connection, self._controller_id)
            as_of = now if head is None else max(now, head.at)
            await preparation.begin(
                self._connection,
                self._controller_id,
                Preparation(
                    policy_version=self._policy.version,
                    digest=self._digest,
                    as_of=as_of,
                    prepared_to=IdentifierId(-1),
                    last_identifier=await preparation.last_identifier(self._connection, self._controller_id),
                ),
            )
        return as_of

    async def everybody(self, progress: Progress | None = None) -> Tally:
        """Prepare everybody who was there when it began, from where it stands; return who gains and loses."""
        while True:
            async with self._connection.transaction(isolation="repeatable_read"):
                await preparation.lazily(self._connection)
                at = await preparation.read(self._connection, self._controller_id)
                if at is None:
                    message = "a preparation is ended by who began it"
                    raise LookupError(message)
                page = await preparation.components_between(
                    self._connection, self._controller_id, at.prepared_to, at.last_identifier, CHUNK
                )
                to = page[-1].node.id if page else at.last_identifier
                if page:
                    await self._prepare(page, at, at.tally)
                await preparation.move(self._connection, self._controller_id, to, at.tally)
            if progress is not None:
                progress(to, at.last_identifier)
            if to >= at.last_identifier:
                return at.tally

    async def changed(self) -> Tally:
        """Prepare whom commits changed meanwhile, until few are left; return who of them gains and loses."""
        found: Tally = {}
        for _ in range(_MOST_ROUNDS):
            async with self._connection.transaction(isolation="repeatable_read"):
                await preparation.lazily(self._connection)
                at = await preparation.read(self._connection, self._controller_id)
                ids = await preparation.touched(self._connection, self._controller_id, CHUNK + FEW)
                if at is None or len(ids) <= FEW:
                    break
                known = await identity_store.known_by_id(self._connection, self._controller_id, ids)
                await self._prepare(known, at, found, changed=ids)
        return found

    async def _prepare(
        self, known: Sequence[Known], at: Preparation, tallied: Tally, *, changed: Sequence[IdentifierId] = ()
    ) -> None:
        loaded = await load_components(self._connection, self._controller_id, self._in_force, known)
        ids = loaded.denies.keys()
        stale = changed or await preparation.touched_among(self._connection, self._controller_id, ids)
        if stale:
            # Whoever changed may stand in a component that was prepared as it was.
            await preparation.unprepare(
                self._connection, self._controller_id, self._in_force, self._policy, {*stale, *ids}
            )
        derived = await self._derived(loaded, at.as_of, tallied)
        await preparation.write(self._connection, self._controller_id, self._policy, derived)

    async def _derived(self, loaded: Loaded, as_of: Instant, tallied: Tally) -> Prepared:
        prepared = Prepared()
        alike = self._alike(as_of)
        for place, (component, before) in enumerate(zip(loaded.components, loaded.derived, strict=True)):
            if place % BREATH == 0:
                await asyncio.sleep(0)
            followed = alike.followed(component)
            after = followed.derived
            for permits in after.permits.values():
                prepared.permits += permits
            preparation.placed(prepared, before, after, self._fresh)
            prepared.denies |= {
                one: denies for one, denies in followed.denies.items() if denies != loaded.denies[one]
            }
            tally(
                tallied,
                Side(self._in_force, before, loaded.seen_by),
                Side(self._policy, after, loaded.seen_by),
                as_of,
            )
        return prepared

    def _alike(self, as_of: Instant) -> Alike:
        if self._like is None:
            self._like = Alike(self._policy, as_of)
        return self._like

    async def abandon(self) -> None:
        """End it: nothing of it comes into force."""
        async with self._connection.transaction():
            await lock_head(self._connection, self._controller_id)
            await preparation.abandon(self._connection, self._controller_id)


async def sweep(connection: Connection, controller_id: ControllerId, in_force: Policy, views: int) -> None:
    """Remove what stands beside the policy in force, of the one before or of one that never came to be.

    `views` is the highest number of a view that was ever given.
    """
    gone = [ViewId(number) for number in range(2, views + 1) if number not in in_force.views]
    version = in_force.version
    for since, until in ((0, version), (version + 1, 1 << 30)):
        while await preparation.sweep_permits(connection, controller_id, since, until, _SWEPT):
            pass
    while gone and await preparation.sweep_clusters(connection, controller_id, gone, _SWEPT):
        pass


__all__ = ["Preparing", "Progress", "Tally", "sweep"]
