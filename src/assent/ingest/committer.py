"""Make facts durable: one task per process that takes whatever waits, and commits it as one transaction.

    async with Committer(...) as committer:
        appended = await committer.append(controller_id, facts)

(1) lock the controller's head; (2) load what the facts touch; (3) apply them; (4) write the projections; (5)
append entries, extend the tree, sign the checkpoint, move the heads; (6) commit, keep the checkpoint outside
the database, answer. Nothing is answered before (6). A crash before it leaves nothing; a crash after it
leaves a commit whose callers ask again and are recognised by their message keys.

A batch that fails is rolled back and tried again in halves; a fact that fails alone is refused. After a lost
connection the batch's id says whether it was committed.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

import structlog
from msgspec import Struct

from assent.core.errors import DatabaseUnavailable, FactRejected, OverCapacity, Unavailable
from assent.core.ids import ControllerId, Revision
from assent.core.time import Instant
from assent.database.lost import LOST
from assent.database.pool import Database
from assent.database.statistics import Statistics
from assent.database.types import Connection
from assent.ingest.batch import Committed, commit_batch, was_committed
from assent.ingest.counts import Counts
from assent.ingest.facts import ErasureBody, FindingBody, MarkBody, PolicyBody, StatedBody
from assent.ingest.memory import Memory
from assent.ledger.append import Appended, Fact, Outcome, Ref
from assent.ledger.store import Log, Trees
from assent.ledger.witness import Witness

if TYPE_CHECKING:
    import asyncpg

MOST_FACTS: Final = 1_024
"""Facts in one transaction (DESIGN section 4)."""

LONGEST_S: Final = 1.0
"""How long facts of one commit are applied: some thousand times as long as one usually takes.

Where people hang together by the thousand a single fact may take half a second, and a thousand of them would
keep everybody waiting: this process, and the others for the head. What is left is committed next.
"""

MOST_WAITING: Final = 8 * MOST_FACTS
"""Facts that may wait, about a second of work; past it callers are told to come again.

What is let in waits behind this many and the commit under way, however many more are sent away.
"""

MOST_URGENT: Final = 4 * MOST_FACTS
"""Facts that may wait beyond it when one of them is a withdrawal: no load of events shuts those out."""

ALONE: Final = (PolicyBody, ErasureBody)
"""A policy changes what everybody may, an erasure names people by their ids: each is a commit of its own."""

_RETRY_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)

_log = structlog.get_logger()


class _Waiting:
    """One call of `append`, and what is answered so far."""

    __slots__ = ("answered", "controller_id", "facts", "future", "outcomes", "revision", "taken")

    def __init__(self, controller_id: ControllerId, facts: Sequence[Fact]) -> None:
        self.controller_id = controller_id
        self.facts = facts
        self.taken = 0
        self.answered = 0
        self.outcomes: list[Outcome] = [Outcome()] * len(facts)
        self.revision = Revision(0)
        self.future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()

    def answer(self, place: int, outcome: Outcome, revision: Revision) -> None:
        self.outcomes[place] = outcome
        self.revision = max(self.revision, revision)
        self.answered += 1
        if self.answered == len(self.facts) and not self.future.done():
            self.future.set_result(Appended(revision=self.revision, outcomes=tuple(self.outcomes)))

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Item(Struct, frozen=True):
    """One fact of a batch, and whose it is."""

    waiting: _Waiting
    place: int
    fact: Fact


class Committer:
    """The one writer of this process."""

    def __init__(
        self,
        database: Database,
        trees: Trees,
        witness: Callable[[ControllerId, Log], Witness],
        clock: Callable[[], Instant],
        random: Callable[[int], bytes],
        counts: Counts,
    ) -> None:
        self._database = database
        self._trees = trees
        self._witness = witness
        self._clock = clock
        self._random = random
        self._counts = counts
        self._urgent: deque[_Waiting] = deque()
        self._ordinary: deque[_Waiting] = deque()
        self._held: list[tuple[ControllerId, frozenset[Ref]]] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._memories = dict[ControllerId, Memory]()
        self._statistics = Statistics(database.writer)
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="committer")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commit what waits, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._release()
        await self._statistics.stop()

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        """Return once every fact is durable or refused; see `ledger.append.Append`."""
        if not facts:
            message = "there is nothing to append"
            raise ValueError(message)
        urgent = any(_is_urgent(fact) for fact in facts)
        self._let_in(len(facts), MOST_WAITING + MOST_URGENT if urgent else MOST_WAITING)
        waiting = _Waiting(controller_id, facts)
        lane = self._urgent if urgent else self._ordinary
        lane.append(waiting)
        self._waiting += len(facts)
        self._wake.set()
        # A caller that goes away does not take its facts back.
        return await asyncio.shield(waiting.future)

    @contextlib.contextmanager
    def holding_back(self, controller_id: ControllerId, refs: Collection[Ref]) -> Iterator[None]:
        """Let facts that name one of these wait, erasures excepted, while the context is open.

        For who works something out that is taken only if nothing is said meanwhile. Other processes go on.
        """
        held = controller_id, frozenset(refs)
        self._held.append(held)
        try:
            yield
        finally:
            self._held.remove(held)
            self._wake.set()

    def _is_held(self, waiting: _Waiting) -> bool:
        # Who stops waits for nobody: what was let in is committed.
        return not self._closing and any(
            controller_id == waiting.controller_id
            and any(
                not refs.isdisjoint(fact.refs)
                for fact in waiting.facts[waiting.taken :]
                if not isinstance(fact.body, ErasureBody)
            )
            for controller_id, refs in self._held
        )

    def admits(self) -> None:
        """Raise what `append` would raise of one more fact: so that nobody reads what cannot be taken."""
        self._let_in(1, MOST_WAITING)

    def _let_in(self, number: int, most: int) -> None:
        if self._closing:
            raise Unavailable
        # Where nothing waits there is room for any number: else a long list would never be taken.
        if self._waiting and self._waiting + number > most:
            raise OverCapacity

    async def _work(self) -> None:
        while True:
            batch = self._next()
            if batch:
                await self._commit(batch)
                continue
            if self._closing:
                return
            self._wake.clear()
            await self._wake.wait()

    def _next(self) -> list[_Item]:
        """Take what waits for one controller, withdrawals first; a policy goes alone."""
        batch: list[_Item] = []
        controller_id: ControllerId | None = None
        for lane in (self._urgent, self._ordinary):
            kept: deque[_Waiting] = deque()
            while lane and len(batch) < MOST_FACTS:
                waiting = lane.popleft()
                if self._is_held(waiting):
                    kept.append(waiting)
                    continue
                controller_id = waiting.controller_id if controller_id is None else controller_id
                alone = isinstance(waiting.facts[0].body, ALONE)
                if waiting.controller_id != controller_id or (alone and batch):
                    kept.append(waiting)
                    if alone:
                        break
                    continue
                end = min(len(waiting.facts), waiting.taken + MOST_FACTS - len(batch))
                batch += [_Item(waiting, place, waiting.facts[place]) for place in range(waiting.taken, end)]
                waiting.taken = end
                if end < len(waiting.facts):
                    kept.append(waiting)
                if alone:
                    break
            lane.extendleft(reversed(kept))
            if batch and isinstance(batch[0].fact.body, ALONE):
                break
        self._waiting -= len(batch)
        return batch

    def _put_back(self, items: Sequence[_Item]) -> None:
        """Let what a commit had no time for wait again, before everything that came after it."""
        first: dict[int, _Item] = {}
        for item in items:
            first.setdefault(id(item.waiting), item)
        for item in reversed(first.values()):
            waiting = item.waiting
            waiting.taken = item.place
            lane = self._urgent if any(_is_urgent(fact) for fact in waiting.facts) else self._ordinary
            if waiting not in lane:
                lane.appendleft(waiting)
        self._waiting += len(items)

    async def _commit(self, batch: Sequence[_Item], longest_s: float | None = None) -> None:
        try:
            committed = await self._durably(batch, LONGEST_S if longest_s is None else longest_s)
        except Unavailable as error:
            for item in batch:
                item.waiting.fail(error)
        except Exception as error:  # noqa: BLE001 whatever one fact provokes must not stop the others
            if len(batch) > 1:
                half = len(batch) // 2
                # Each half whole: what follows must not be committed before what went back.
                await self._commit(batch[:half], inf)
                await self._commit(batch[half:], inf)
                return
            _log.error("fact rejected", error=type(error).__name__)
            (item,) = batch
            # Counts that the commit kept were rolled back with it.
            self._counts.refused(item.waiting.controller_id, item.fact.source, [FactRejected.code])
            item.waiting.answer(item.place, Outcome(code=FactRejected.code), item.waiting.revision)
        else:
            done = batch[: len(committed.outcomes)]
            settled = zip([item.fact for item in done], committed.outcomes, strict=True)
            self._counts.settled(batch[0].waiting.controller_id, settled, committed.now)
            for item, outcome in zip(done, committed.outcomes, strict=True):
                item.waiting.answer(item.place, outcome, committed.revision)
            self._put_back(batch[len(done) :])

    async def _durably(self, batch: Sequence[_Item], longest_s: float = inf) -> Committed:
        """Commit a batch once, over as many connections as that takes."""
        controller_id = batch[0].waiting.controller_id
        batch_id = UUID(bytes=self._random(16), version=4)
        committed: Committed | None = None
        for pause_s in (*_RETRY_S, None):
            try:
                connection = await self._connected()
                if committed is not None and await was_committed(connection, controller_id, batch_id):
                    break
                committed = None
                async with connection.transaction():
                    committed = await commit_batch(
                        connection,
                        controller_id,
                        [item.fact for item in batch],
                        trees=self._trees,
                        clock=self._clock,
                        batch_id=batch_id,
                        # Taken out: only what was committed is put back.
                        memory=self._memories.pop(controller_id, None),
                        longest_s=longest_s,
                    )
            except LOST as error:
                await self._release()
                if pause_s is None:
                    raise DatabaseUnavailable from error
                await asyncio.sleep(pause_s)
                with contextlib.suppress(Exception):
                    await self._database.revive()
            else:
                break
        if committed is None:
            raise DatabaseUnavailable
        self._keep(controller_id, committed)
        return committed

    def _keep(self, controller_id: ControllerId, committed: Committed) -> None:
        if committed.memory is not None:
            self._memories[controller_id] = committed.memory
        if committed.tree is None:
            return
        self._statistics.grown(len(committed.outcomes))
        self._trees.kept(controller_id, Log.FACTS, committed.tree)
        try:
            self._witness(controller_id, Log.FACTS).keep(committed.checkpoint.encode(), committed.now)
        except OSError as error:
            # The facts are durable: failing now would commit them once more. The next checkpoint covers them.
            _log.error("a checkpoint is not kept outside the database", error=type(error).__name__)

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await self._database.writer.acquire()
        return self._connection

    async def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*LOST, TimeoutError):
                await self._database.writer.release(connection, timeout=1.0)


def _is_urgent(fact: Fact) -> bool:
    """Whether a person says no. A client's signal comes with every call: it would make all of them urgent."""
    body = fact.body
    return isinstance(body, ErasureBody | MarkBody | FindingBody) or (
        isinstance(body, StatedBody)
        and not body.signal
        and body.statement.state in ("withdrawn", "refused", "objected")
    )
