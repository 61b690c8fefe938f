"""Erase somebody: once this returns, nothing of them can be read.

What it takes is worked out from one snapshot (`erasure_plan`); one entry says it, taken only if nothing was
said or seen of these people meanwhile: else it is worked out again, and what this process is told of them
waits for it, so that nobody is kept from being erased by whoever goes on talking of them. Its commit deletes
all of it or, where that is more than one commit may do, closes all of it, and `erasure_chunks` deletes the
rest before anybody is answered.

Leaves of the log stay as they are, so proofs over them hold. Raises Forbidden, OverCapacity.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import Final
from uuid import UUID

from msgspec import Struct

from assent.core.errors import OverCapacity
from assent.core.ids import ControllerId, IdentifierId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.pool import Database
from assent.ingest import erasure_chunks
from assent.ingest.erasure_plan import Kept, Plan, Planning
from assent.ingest.erasure_reading import Reading
from assent.ingest.facts import Draft, Identifier, Random, make_facts, refs
from assent.ledger.append import Append, Appended, Ref
from assent.ledger.keyring import KeyRing
from assent.ledger.store import read_head

_ATTEMPTS: Final = 5
"""The first two are disturbed by anybody, the others by other processes alone."""

HoldBack = Callable[[ControllerId, Collection[Ref]], AbstractContextManager[None]]
"""Lets what is said of these identifiers wait while it is open (`Committer.holding_back`)."""


class Erased(Struct, frozen=True, kw_only=True):
    """What an erasure did."""

    revision: int
    identifiers: int
    entries: int
    shared: tuple[tuple[str, IdentifierId], ...] = ()
    """Namespaces and ids of those that others use too."""
    kept: tuple[Kept, ...] = ()
    suppressed: bool = False


class Eraser:
    """Erases people of one controller."""

    def __init__(
        self,
        database: Database,
        ledger: Append,
        hold_back: HoldBack,
        ring: KeyRing,
        random: Random,
        clock: Callable[[], Instant],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._hold_back = hold_back
        self._ring = ring
        self._random = random
        self._clock = clock

    async def erase(
        self,
        controller_id: ControllerId,
        policy: Policy,
        named: Sequence[Identifier],
        *,
        role: str,
        alone: bool = False,
        despite_restriction: bool = False,
    ) -> Erased:
        """Erase whom the identifiers name; with `alone`, these identifiers and nobody they are linked to.

        Raises Forbidden while the person is restricted, unless it is they who ask.
        """
        before: Reading | None = None
        with ExitStack() as held:
            for _ in range(_ATTEMPTS):
                # (1) what was closed before this is done first: who asked for it may be asking again
                await self._finish(controller_id)
                # (2) what it takes
                revision, now, plan = await self._planned(
                    controller_id, policy, named, before, alone=alone, despite_restriction=despite_restriction
                )
                if plan is None:
                    return Erased(revision=revision, identifiers=0, entries=0)
                # (3) one entry; (4) and the rest of it, where that was not all
                appended = await self._appended(controller_id, plan, now, role)
                if appended.outcomes[0].index is not None:
                    held.close()
                    if plan.is_large:
                        await self._finish(controller_id)
                    return _told(appended.revision, plan)
                before = plan.reading
                # What was on its way already may disturb once more; nothing after it does.
                around = refs(self._ring, controller_id, tuple(before.everybody))
                held.enter_context(self._hold_back(controller_id, around))
        raise OverCapacity

    async def _appended(self, controller_id: ControllerId, plan: Plan, now: Instant, role: str) -> Appended:
        async with self._staged(controller_id, plan, now) as erasing:
            draft = Draft(body=plan.body, role=role, remains=plan.remains, erasing=erasing)
            facts = make_facts(self._ring, self._random, controller_id, [draft])
            return await self._ledger.append(controller_id, facts)

    async def _planned(
        self,
        controller_id: ControllerId,
        policy: Policy,
        named: Sequence[Identifier],
        before: Reading | None,
        *,
        alone: bool,
        despite_restriction: bool,
    ) -> tuple[int, Instant, Plan | None]:
        async with (
            self._database.auditor.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            head = await read_head(connection, controller_id)
            now = Instant(max(self._clock(), head.at))
            planning = Planning(connection, self._ring, self._random, controller_id, policy, now, before)
            plan = await planning.plan(
                head.revision, named, alone=alone, despite_restriction=despite_restriction
            )
        return head.revision, now, plan

    @asynccontextmanager
    async def _staged(
        self, controller_id: ControllerId, plan: Plan, now: Instant
    ) -> AsyncIterator[UUID | None]:
        """Keep what a large erasure will do; what is not closed at the end is forgotten."""
        if not plan.is_large:
            yield None
            return
        erasing = UUID(bytes=self._random(16), version=4)
        async with self._database.preparer.acquire() as connection:
            try:
                body = plan.body
                await erasure_chunks.stage(
                    connection, controller_id, erasing, now, body.erased, plan.remains, body.parts
                )
                yield erasing
            finally:
                await erasure_chunks.drop_unclosed(connection, controller_id, erasing)

    async def _finish(self, controller_id: ControllerId) -> None:
        async with self._database.preparer.acquire() as connection:
            await erasure_chunks.finish(connection, controller_id)


def _told(revision: int, plan: Plan) -> Erased:
    return Erased(
        revision=revision,
        identifiers=len(plan.body.erased),
        entries=len(plan.remains),
        shared=plan.shared,
        kept=plan.kept,
        suppressed=bool(plan.body.suppressed),
    )
