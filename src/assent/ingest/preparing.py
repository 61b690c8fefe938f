"""Prepare the next policy beside the one in force, in chunks, each a transaction of its own.

(1) begin: from the next commit on, whoever a commit changes is noted; (2) every component that was there, in
order of its lowest identifier, a few hundred at a time; (3) whoever was noted, until few are left: those the
flip derives itself. Each chunk reads one snapshot, in which what it derives is either still true when it is
written, or noted.

A crash anywhere leaves a preparation that the same documents go on from, that any others replace, and that is
ended when nobody does either (`abandoning`). What follows from a component under the next policy follows from
it and from the instant at which the preparation began: it does not matter when it was derived.

Raises FactRejected when somebody abandoned it meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from msgspec import Struct, structs

from assent.core.errors import FactRejected
from assent.core.ids import ControllerId, IdentifierId, PurposeId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Connection
from assent.identity import store as identity_store
from assent.identity.store import Known
from assent.ingest import preparation
from assent.ingest.alike import Alike
from assent.ingest.board_parts import Loaded
from assent.ingest.gains import Side, tally
from assent.ingest.loading import load_components
from assent.ingest.preparation import Preparation, Prepared, Tallied
from assent.ledger.store import lock_head


class Pace(Struct, frozen=True, kw_only=True):
    """How a walk over everybody goes: how much it does at once, and how long it rests after."""

    components: int
    """In one transaction."""
    rest: float = 0.0
    """As a share of the time that the transaction took."""


STEADY: Final = Pace(components=500)
"""In a process of its own: a few thousand rows at once, a twentieth of what a commit may touch."""

GENTLE: Final = Pace(components=50, rest=1.0)
"""In a process that serves too: half of the time, and some milliseconds at once."""

FEW: Final = 100
"""Whoever is still noted when the flip begins is derived in its commit, with writers waiting."""

BREATH: Final = 8
"""Components, about a millisecond of them, between two turns for whoever else this process serves."""

_MOST_ROUNDS: Final = 1_000
"""Where commits change people faster than they are prepared, the flip takes what is left all the same."""

_ABANDONED: Final = "what was prepared was abandoned: nothing of it is in force"

Progress = Callable[[int, int], None]
"""Called with how many identifiers a walk has come past, and of how many."""

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
        *,
        clock: Callable[[], Instant],
        pace: Pace,
    ) -> None:
        self._connection = connection
        self._controller_id = controller_id
        self._in_force = in_force
        self._policy = policy
        self._digest = digest
        self._clock = clock
        self._pace = pace
        self._fresh = frozenset(preparation.new_views(in_force, policy))
        self._like: Alike | None = None

    async def begin(self) -> Instant:
        """Return as of when it is prepared. Nothing is being prepared yet."""
        of = self._connection, self._controller_id
        identifiers = await preparation.count_identifiers(*of)
        async with self._connection.transaction():
            head = await lock_head(*of)
            now = self._clock()
            as_of = now if head is None else max(now, head.at)
            await preparation.begin(
                *of,
                Preparation(
                    policy_version=self._policy.version,
                    digest=self._digest,
                    as_of=as_of,
                    prepared_to=IdentifierId(-1),
                    last_identifier=await preparation.last_identifier(*of),
                    identifiers=identifiers,
                    moved_at=now,
                ),
            )
        return as_of

    async def everybody(self, progress: Progress | None = None) -> Tally:
        """Prepare everybody who was there when it began, from where it stands; return who gains and loses."""
        of = self._connection, self._controller_id
        while True:
            async with self._chunk() as at:
                page = await preparation.components_between(
                    *of, at.prepared_to, at.last_identifier, self._pace.components
                )
                to = page[-1].node.id if page else at.last_identifier
                done = at.done + (await self._prepare(page, at) if page else 0)
                await preparation.move(*of, to, structs.replace(at, done=done), self._clock())
            if progress is not None:
                progress(done, max(done, at.identifiers))
            if to >= at.last_identifier:
                return at.tally

    async def changed(self) -> Tally:
        """Prepare whom commits changed meanwhile, until few are left; return who gains and loses by now."""
        of = self._connection, self._controller_id
        for _ in range(_MOST_ROUNDS):
            async with self._chunk() as at:
                ids = await preparation.touched(*of, self._pace.components + FEW)
                if len(ids) > FEW:
                    await self._prepare(await identity_store.known_by_id(*of, ids), at, changed=ids)
                # The tally is kept: who goes on after a crash must know who gained before it.
                await preparation.move(*of, at.prepared_to, at, self._clock())
            if len(ids) <= FEW:
                break
        return at.tally

    @asynccontextmanager
    async def _chunk(self) -> AsyncIterator[Preparation]:
        """One transaction of the preparation, as it stands; then a rest."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with self._connection.transaction(isolation="repeatable_read"):
                await preparation.lazily(self._connection)
                at = await preparation.read(self._connection, self._controller_id)
                if at is None or at.digest != self._digest:
                    raise FactRejected(_ABANDONED)
                yield at
        except asyncpg.SerializationError as cause:
            # Nobody but who ends it writes what this wrote.
            raise FactRejected(_ABANDONED) from cause
        await asyncio.sleep((now() - began) * self._pace.rest)

    async def _prepare(
        self, known: Sequence[Known], at: Preparation, *, changed: Sequence[IdentifierId] = ()
    ) -> int:
        """Return how many identifiers it was; the tally grows."""
        loaded = await load_components(self._connection, self._controller_id, self._in_force, known)
        ids = loaded.denies.keys()
        stale = changed or await preparation.touched_among(self._connection, self._controller_id, ids)
        if stale:
            # Whoever changed may stand in a component that was prepared as it was.
            await preparation.unprepare(
                self._connection, self._controller_id, self._in_force, self._policy, {*stale, *ids}
            )
        derived = await self._derived(loaded, at.as_of, at.tally)
        await preparation.write(self._connection, self._controller_id, self._policy, derived)
        return len(ids)

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


__all__ = ["GENTLE", "STEADY", "Pace", "Preparing", "Progress", "Tally"]
