"""Delete in time: what lapsed or was closed, what its category or the law keeps no longer, old message keys.

For each controller, one worker at a time over all processes (a lease): (0) links that are over join nobody
any more, which an entry says (`expiring`); (1) what only permits that time ended carried goes, as a
withdrawal takes it, and so does (2) what the policy lets a purpose use of nobody any more; (3) what was
closed and too much for the commit that closed it (`deleting`), and who was known by it; (4) content older
than its category's `retention`, with the items and states made of it, and who was known by it; (5) what
Art. 17(3) kept; (6) message keys beyond their window; (7) a policy that was being prepared, and that nobody
goes on with. Chunk by chunk, each a transaction of its own that holds the head: a worker that is killed
leaves whole chunks, and whoever is next finds what is left. Nothing of a person whose data is restricted is
touched.

No entry says the rest, because none is needed: what is deleted follows from entries, policy and time, and a
rebuild folds the content that is left, carried by no more purposes than it is carried by.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import structlog

from assent.consent.store import load_policy
from assent.core.errors import OverCapacity, Unavailable
from assent.core.ids import CategoryId, ControllerId, EntryIndex, IdentifierId
from assent.core.time import BEGINNING, FOREVER, HOUR, MINUTE, Instant, kept_since
from assent.database.lost import LOST
from assent.database.statements import load
from assent.database.types import Connection, Pool
from assent.identity.lifetime import lifetimes
from assent.identity.store import known_by_id
from assent.ingest.abandoning import end_forgotten
from assent.ingest.accounts import show
from assent.ingest.batch import save_changes, save_contents
from assent.ingest.board import Board
from assent.ingest.board_parts import Told
from assent.ingest.closing import Closing, closings
from assent.ingest.component import derive
from assent.ingest.deleting import delete_chunk, noted_after, put_off
from assent.ingest.erasure_chunks import finish, forget_left_behind
from assent.ingest.expiring import Expiry
from assent.ingest.fold import save, states_of, told_of
from assent.ingest.lapsing import covered, grace, narrow_seen, remake, spared, uncovered
from assent.ingest.loading import load_components
from assent.ingest.refold import refold
from assent.ingest.restriction import unrestricted
from assent.ingest.seen import known_by_what_is_left, named_beside, parted_from
from assent.ledger.keyring import KeyRing
from assent.ledger.store import MESSAGE_WINDOW, lock_head, sequences_of

_SQL = load("upkeep")
_ERASURE = load("erasure")

EVERY_S: Final = 60.0

_LEASE: Final = 5 * MINUTE
_PEOPLE: Final = 200
"""Identifiers of one chunk."""
_ROWS: Final = 10_000
"""Rows of one chunk where rows are alone."""

_FROM_HERE_ON: Final = EntryIndex((1 << 62) - 1)

Count = Callable[[str, int], None]
"""Called with a kind of work, and how much of it was done."""

_log = structlog.get_logger()


@asynccontextmanager
async def keeping_up(
    pool: Pool, ring: KeyRing, clock: Callable[[], Instant], count: Count, expiry: Expiry
) -> AsyncIterator[None]:
    """Delete in time while the context is open; the chunk under way is finished when it closes."""
    closing = asyncio.Event()

    async def work() -> None:
        while not closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), EVERY_S)
            if closing.is_set():
                return
            try:
                for kind, number in (await keep_up(pool, ring, clock, closing, expiry=expiry)).items():
                    count(kind, number)
            except (*LOST, asyncpg.PostgresError, OverCapacity, Unavailable) as error:
                _log.warning("deleting waits", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 a fault in one run must not be the end of all deleting
                _log.error("deleting failed", error=type(error).__name__)  # its text may quote a payload

    task = asyncio.create_task(work(), name="upkeep")
    try:
        yield
    finally:
        closing.set()
        await task


async def keep_up(
    pool: Pool,
    ring: KeyRing,
    clock: Callable[[], Instant],
    closing: asyncio.Event | None = None,
    *,
    expiry: Expiry,
) -> Counter[str]:
    """Delete everything that is due now, of every controller; return how much of each kind."""
    done = Counter[str]()
    async with pool.acquire() as connection:
        for (controller_id,) in await connection.fetch(_SQL.controllers):
            upkeep = Upkeep(connection, ring, controller_id, clock, closing or asyncio.Event(), expiry)
            done += await upkeep.run()
    return done


class Upkeep:
    """One run for one controller."""

    def __init__(
        self,
        connection: Connection,
        ring: KeyRing,
        controller_id: ControllerId,
        clock: Callable[[], Instant],
        closing: asyncio.Event,
        expiry: Expiry | None = None,
    ) -> None:
        self._connection = connection
        self._ring = ring
        self._controller_id = controller_id
        self._clock = clock
        self._closing = closing
        self._expiry = expiry
        self.done = Counter[str]()

    async def run(self) -> Counter[str]:
        """Do what is due, unless somebody else does."""
        began = self._clock()
        taken = await self._connection.fetchval(_SQL.take_lease, self._controller_id, began, began + _LEASE)
        if taken is None:
            return self.done
        try:
            await self._expires()
            await self._lapses()
            await self._uncovered()
            await self._erasures()
            await self._deletions()
            await self._retention()
            await self._retained()
            await self._messages()
            await self._forgotten()
        finally:
            with suppress(*LOST):
                await self._progress("lease", Instant(0))
        return +self.done

    async def _progress(self, task: str, until: Instant) -> None:
        await self._connection.execute(_SQL.set_progress, self._controller_id, task, until)

    @asynccontextmanager
    async def _chunk(
        self, ids: Collection[IdentifierId] = (), *, parted: bool = False, moving: bool = True
    ) -> AsyncIterator[Board | None]:
        """Hold the head with a board of these people; None when there is no policy yet.

        `parted`: and of whoever was linked to them once. Unless `moving`, nothing is changed that anybody
        keeps in memory, but for who may know of whom.
        """
        async with self._connection.transaction():
            head = await lock_head(self._connection, self._controller_id)
            if head is None or head.policy_version == 0:
                yield None
                return
            now = Instant(max(self._clock(), head.at + 1))
            policy, names = await load_policy(self._connection, self._controller_id, head.policy_version)
            others = await parted_from(self._connection, self._controller_id, ids) if parted else {}
            everybody = set(ids).union(*others.values())
            known = await known_by_id(self._connection, self._controller_id, everybody)
            loaded = await load_components(self._connection, self._controller_id, policy, known)
            loaded.states = await states_of(self._connection, self._controller_id, list(loaded.denies))
            loaded.told = await told_of(self._connection, self._controller_id, loaded.denies)
            loaded.sequences = await sequences_of(self._connection, self._controller_id)
            board = Board(policy, names, now, loaded)
            yield board
            if board.strips or board.has_changes or board.dirty_states or board.new_masks:
                await put_off(self._connection, self._controller_id, board, head.revision)
                await save(self._connection, self._controller_id, board)
                await save_contents(self._connection, self._controller_id, board)
                await save_changes(self._connection, self._controller_id, board)
            if moving or board.new_masks:
                await self._connection.execute(_SQL.move_time, self._controller_id, now)

    # (0) links that are over

    async def _expires(self) -> None:
        version = await self._version()
        policy, _ = await load_policy(self._connection, self._controller_id, version)
        if self._expiry is None or not lifetimes(policy):
            return
        # Of another version of the policy nothing was looked at: lifetimes may be new.
        task, until = f"expiry:{version}", self._clock()
        since = await self._connection.fetchval(_SQL.progress, self._controller_id, task)
        self.done["expired"] += await self._expiry.expire(
            self._connection, self._controller_id, policy, since or BEGINNING, until
        )
        await self._progress(task, until)

    # (1) what time ended

    async def _lapses(self) -> None:
        since = await self._connection.fetchval(_SQL.progress, self._controller_id, "lapses")
        until, after = self._clock(), IdentifierId(-1)
        version = await self._version()
        while not self._closing.is_set():
            rows = await self._connection.fetch(
                _SQL.lapsed, self._controller_id, version, since or 0, until, after, _PEOPLE
            )
            if not rows:
                await self._progress("lapses", until)
                return
            ids = [row["identifier_id"] for row in rows]
            async with self._chunk(ids) as board:
                if board is not None:
                    await self._close(board)
            after = ids[-1]

    async def _close(self, board: Board) -> None:
        due: list[Closing] = []
        for component, before in board.components():
            after = derive(component, board.policy, board.now)
            ended = closings(before, after, board.now, negative=False)
            due += unrestricted(ended, component, after, board.policy)
        for closing in due:
            if board.carries(closing):
                board.strip(closing)
                self.done["lapsed"] += 1

    # (2) what the policy lets a purpose use no longer, of nobody; not before a mistake could be noticed

    async def _uncovered(self) -> None:
        policy, _ = await load_policy(self._connection, self._controller_id, await self._version())
        task, until, after = f"policy:{policy.version}", self._clock(), IdentifierId(-1)
        due = await self._connection.fetchval(_SQL.progress, self._controller_id, task)
        if due is None:
            await self._progress(task, Instant(until + grace(policy, until)))
            return
        if until < due:
            return
        categories, carried = covered(policy)
        waits = False
        while not self._closing.is_set():
            rows = await self._connection.fetch(
                _SQL.uncovered, self._controller_id, categories, carried, after, _PEOPLE
            )
            if not rows:
                # Whose data is restricted keeps it until that is lifted: they are looked for again.
                await self._progress(task, Instant(until + HOUR) if waits else FOREVER)
                return
            ids = [row["identifier_id"] for row in rows]
            async with self._chunk(ids) as board:
                if board is not None:
                    restricted = spared(board, ids)
                    waits = waits or bool(restricted)
                    for closing in uncovered(board, set(ids) - restricted):
                        board.strip(closing)
                        self.done["uncovered"] += 1
            after = ids[-1]

    # (3) whoever is erased, and was too much for one commit

    async def _erasures(self) -> None:
        await forget_left_behind(self._connection, self._controller_id, self._clock())
        self.done["erased"] += await finish(self._connection, self._controller_id, self._closing)

    # (3) what is closed already, and was too much for the commit that closed it

    async def _deletions(self) -> None:
        after = (Instant(0), IdentifierId(-1))
        while not self._closing.is_set():
            noted = await noted_after(self._connection, self._controller_id, after, _PEOPLE)
            if not noted:
                return
            for _, one in noted:
                await self._delete(one)
            after = noted[-1]

    async def _delete(self, one: IdentifierId) -> None:
        done = False
        while not (done or self._closing.is_set()):
            async with self._chunk([one], parted=True, moving=False) as board:
                if board is None or spared(board, [one]):
                    return
                deleted, done = await delete_chunk(self._connection, self._controller_id, one)
                if done:
                    await self._narrow(board, [one])
            self.done["deleted"] += deleted
            await asyncio.sleep(0)  # commits that wait for the head go first

    # (4) what a category keeps no longer

    async def _retention(self) -> None:
        policy, _ = await load_policy(self._connection, self._controller_id, await self._version())
        for category in policy.categories.values():
            if category.retention is not None:
                await self._outlived(category.id, kept_since(self._clock(), category.retention))

    async def _outlived(self, category: CategoryId, before: Instant) -> None:
        after = IdentifierId(-1)
        while not self._closing.is_set():
            rows = await self._connection.fetch(
                _SQL.outlived, self._controller_id, category, before, after, _PEOPLE
            )
            if not rows:
                return
            ids = [row["identifier_id"] for row in rows]
            async with self._chunk(ids, parted=True) as board:
                if board is not None:
                    await self._forget(board, ids, category, before)
            after = ids[-1]

    async def _forget(
        self, board: Board, ids: Sequence[IdentifierId], category: CategoryId, before: Instant
    ) -> None:
        due = sorted(set(ids) - spared(board, ids))
        gone = await self._connection.fetch(
            _SQL.delete_old_contents, self._controller_id, due, category, before
        )
        items = await self._connection.fetch(
            _SQL.delete_old_items, self._controller_id, due, category, before
        )
        for one, account, _, basis in items:
            if account is not None:
                show(board, one, Told(account, category, basis), gone=True)
        left = await refold(self._connection, self._ring, self._controller_id, due, _FROM_HERE_ON)
        for one in due:
            made = {key: state for key, state in left.states[one].items() if key[0] == category}
            remake(board, one, category, made)
        await self._narrow(board, due)
        self.done["outlived"] += len(gone)

    async def _narrow(self, board: Board, ids: Collection[IdentifierId]) -> None:
        """Let no purpose know of these, or of whom their entries named, by data that is gone."""
        beside = await named_beside(self._connection, self._controller_id, board, ids)
        named = set[IdentifierId]().union(*beside.values())
        masks = await known_by_what_is_left(self._connection, self._ring, self._controller_id, board, named)
        narrow_seen(board, masks)

    # (5) what the law kept until today

    async def _retained(self) -> None:
        while not self._closing.is_set():
            async with self._connection.transaction():
                head = await lock_head(self._connection, self._controller_id)
                now = self._clock() if head is None else max(self._clock(), head.at)
                rows = await self._connection.fetch(_SQL.retained_ended, self._controller_id, now, _ROWS)
                if not rows:
                    return
                entries = [row["entry_index"] for row in rows]
                parts = [row["part"] for row in rows]
                owners = [row["identifier_id"] for row in rows]
                await self._connection.execute(_SQL.delete_parts, self._controller_id, owners, entries, parts)
                over = await self._connection.fetch(_SQL.delete_retained, self._controller_id, entries, parts)
                for entry, erased_by, remain, owner in over:
                    await self._connection.execute(
                        _ERASURE.erase, self._controller_id, erased_by, [entry], [remain], [owner]
                    )
            self.done["retained"] += len(rows)

    # (6) message keys

    async def _messages(self) -> None:
        while not self._closing.is_set():
            rows = await self._connection.fetch(
                _SQL.delete_old_messages, self._controller_id, self._clock() - MESSAGE_WINDOW, _ROWS
            )
            self.done["messages"] += len(rows)
            if len(rows) < _ROWS:
                return

    async def _forgotten(self) -> None:
        ended = await end_forgotten(self._connection, self._controller_id, self._clock())
        self.done["forgotten"] += ended

    async def _version(self) -> int:
        version = await self._connection.fetchval(_SQL.policy_in_force, self._controller_id)
        return version or 0
