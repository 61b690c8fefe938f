"""The committer: one bad fact does not stop the others, and a lost connection loses and doubles nothing."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest

from assent.app import open_service
from assent.core.errors import DatabaseUnavailable, OverCapacity
from assent.core.ids import ControllerId
from assent.core.policy import LinkKind, Policy
from assent.core.time import FOREVER
from assent.database.types import Connection
from assent.http.wiring import Service
from assent.ingest import committer as committer_module
from assent.ingest.committer import Committer, _Item
from assent.ingest.controllers import create_controller
from assent.ingest.facts import (
    AudienceBody,
    ContentBody,
    Draft,
    EventBody,
    Identifier,
    PolicyBody,
    make_facts,
)
from assent.ledger.append import Appended, Fact, Outcome
from tests.support.database import TestDatabase
from tests.support.policy_documents import shipped


class World:
    """A running service without HTTP, one controller with the shipped policy."""

    def __init__(self, wired: Service, controller_id: ControllerId, policy: Policy) -> None:
        self.wired = wired
        self.controller_id = controller_id
        self.policy = policy

    @property
    def committer(self) -> Committer:
        assert isinstance(self.wired.ledger, Committer)
        return self.wired.ledger

    def order(self, who: str, message: str | None = None) -> Draft:
        """Return an order, which the contract permits to keep."""
        ring = self.wired.ring
        return Draft(
            body=EventBody(
                identifiers=(Identifier(self.policy.namespace_ids["user_id"], who),),
                link=LinkKind.OBSERVED,
                at=FOREVER,
                call="track",
            ),
            role="collector",
            source="test",
            message_key=ring.message_key(self.controller_id, "test", message) if message else None,
            contents=(
                (
                    self.policy.category_ids["orders"],
                    ContentBody(kind="event", name="Order Completed", data={"revenue": 1}),
                ),
            ),
        )

    def poison(self) -> Draft:
        """Return a fact that no text column takes."""
        body = AudienceBody(audience="bad", title="a\x00b", purposes=("service",), rule=None)
        return Draft(body=body, role="admin")

    def facts(self, *drafts: Draft) -> tuple[Fact, ...]:
        return make_facts(self.wired.ring, os.urandom, self.controller_id, drafts)

    async def append(self, *drafts: Draft) -> Appended:
        return await self.wired.ledger.append(self.controller_id, self.facts(*drafts))

    async def entries(self) -> int:
        count: int = await self.wired.database.auditor.fetchval(
            "SELECT count(*) FROM ledger.entry WHERE controller_id = $1", self.controller_id
        )
        return count


@asynccontextmanager
async def world(database: TestDatabase, folder: Path) -> AsyncIterator[World]:
    async with open_service(database.settings(folder)) as wired:
        async with wired.database.writer.acquire() as connection:
            controller_id = await create_controller(connection, wired.ring, "test", wired.clock())
        text = msgspec.json.encode(shipped()).decode()
        drafts = [Draft(body=PolicyBody(documents=text), role="admin")]
        await wired.ledger.append(controller_id, make_facts(wired.ring, os.urandom, controller_id, drafts))
        yield World(wired, controller_id, await wired.policies.refreshed(controller_id))


async def test_a_poisoned_fact_is_refused_alone(fresh_database: TestDatabase, folder: Path) -> None:
    async with world(fresh_database, folder) as it:
        drafts = [it.order(f"u{n}") for n in range(9)]
        drafts.insert(4, it.poison())
        appended = await it.append(*drafts)
        codes = [outcome.code for outcome in appended.outcomes]
        assert codes == [None] * 4 + ["fact_rejected"] + [None] * 5
        indexes = [outcome.index for outcome in appended.outcomes if outcome.code is None]
        assert len(set(indexes)) == 9
        assert None not in indexes
        assert appended.revision == await it.entries() == 10


async def test_facts_that_take_long_are_committed_a_few_at_a_time_and_in_order(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(fresh_database, folder) as it:
        monkeypatch.setattr(committer_module, "LONGEST_S", 0.0)
        found = await asyncio.gather(
            it.append(*(it.order(f"u{n}") for n in range(3))),
            it.append(it.order("v0", "m1"), it.order("v1", "m1"), it.order("v2")),
        )
        indexes = [[outcome.index for outcome in appended.outcomes] for appended in found]
        assert indexes == [[1, 2, 3], [4, 4, 5]]
        assert [one.revision for one in found] == [4, 6]
        monkeypatch.undo()
        commits = "SELECT count(*) FROM ledger.batch WHERE controller_id = $1"
        assert await it.wired.database.auditor.fetchval(commits, it.controller_id) == 6
        # What one fact spoils is halved, and no half is put back before another.
        monkeypatch.setattr(committer_module, "LONGEST_S", 0.0)
        appended = await it.append(it.poison(), *(it.order(f"w{n}") for n in range(7)))
        assert [one.index for one in appended.outcomes] == [None, *range(6, 13)]


async def test_without_halving_the_good_facts_would_be_lost(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary of the test above: a committer that refuses the whole batch is told apart."""

    async def refuse_all(self: Committer, batch: Sequence[_Item]) -> None:
        try:
            await self._durably(batch)
        except Exception:  # noqa: BLE001 the planted fault
            for item in batch:
                outcome = Outcome(code="fact_rejected")
                item.waiting.answer(item.place, outcome, item.waiting.revision)

    monkeypatch.setattr(Committer, "_commit", refuse_all)
    async with open_service(fresh_database.settings(folder)) as wired:
        async with wired.database.writer.acquire() as connection:
            controller_id = await create_controller(connection, wired.ring, "test", wired.clock())
        it = World(wired, controller_id, await wired.policies.refreshed(controller_id))
        appended = await it.append(it.poison(), it.poison())
        assert [outcome.code for outcome in appended.outcomes] == ["fact_rejected"] * 2
        assert await it.entries() == 0


class _Lossy:
    """A connection that loses its answer to one COMMIT: before it was done, or after."""

    def __init__(self, connection: Connection, *, committed: bool) -> None:
        self._connection = connection
        self._committed = committed

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        transaction = self._connection.transaction()
        await transaction.start()
        yield
        await (transaction.commit() if self._committed else transaction.rollback())
        raise asyncpg.ConnectionDoesNotExistError("the answer to COMMIT was lost")


@pytest.mark.parametrize("committed", [True, False])
async def test_a_lost_answer_to_commit_is_looked_up(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    async with world(fresh_database, folder) as it:
        before = await it.entries()
        original = Committer._connected
        lossy = [True]

        async def connected(self: Committer) -> object:
            connection = await original(self)
            return _Lossy(connection, committed=committed) if lossy and lossy.pop() else connection

        monkeypatch.setattr(Committer, "_connected", connected)
        appended = await it.append(it.order("u1"), it.order("u2"))
        assert not lossy
        assert [outcome.index for outcome in appended.outcomes] == [before, before + 1]
        assert await it.entries() == before + 2


async def test_a_batch_that_is_not_looked_up_would_be_answered_wrongly(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary: the batch's id keeps it from being applied twice, not from being answered wrongly."""
    async with world(fresh_database, folder) as it:
        before = await it.entries()
        original = Committer._connected
        lossy = [True]

        async def connected(self: Committer) -> object:
            connection = await original(self)
            return _Lossy(connection, committed=True) if lossy and lossy.pop() else connection

        async def never(*_: object) -> bool:
            return False

        monkeypatch.setattr(Committer, "_connected", connected)
        monkeypatch.setattr(committer_module, "was_committed", never)
        appended = await it.append(it.order("u1"))
        assert [outcome.code for outcome in appended.outcomes] == ["fact_rejected"]
        assert await it.entries() == before + 1


async def test_a_message_is_taken_once(fresh_database: TestDatabase, folder: Path) -> None:
    async with world(fresh_database, folder) as it:
        first = await it.append(it.order("u1", "m1"), it.order("u1", "m1"))
        again = await it.append(it.order("u1", "m1"))
        assert again.revision == first.revision == await it.entries()


async def test_past_capacity_callers_are_sent_away_and_nothing_is_lost(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "MOST_WAITING", 10)
    async with world(fresh_database, folder) as it:
        before = await it.entries()
        calls = [it.append(*(it.order(f"u{n}") for n in range(4))) for _ in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        taken = [answer for answer in answers if isinstance(answer, Appended)]
        assert any(isinstance(answer, OverCapacity) for answer in answers)
        assert await it.entries() == before + 4 * len(taken)


async def test_an_unreachable_database_answers_unavailable(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(fresh_database, folder) as it:

        async def unreachable(_: Committer) -> object:
            raise ConnectionRefusedError

        with monkeypatch.context() as patched:
            patched.setattr(committer_module, "_RETRY_S", (0.01,))
            patched.setattr(Committer, "_connected", unreachable)
            with pytest.raises(DatabaseUnavailable):
                await it.append(it.order("u1"))
        assert (await it.append(it.order("u1"))).outcomes[0].index is not None
