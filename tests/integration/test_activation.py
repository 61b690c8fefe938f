"""A policy prepared in chunks comes into force at once and whole, as one commit would have made it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import msgspec
import pytest

from assent.consent.store import load_policy
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected
from assent.core.ids import ControllerId
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.core.time import DAY, HOUR, Instant
from assent.database.types import Connection
from assent.ingest import preparation, preparing
from assent.ingest.abandoning import abandon, alone, end_forgotten, sweep
from assent.ingest.facts import Draft, PolicyBody
from assent.ingest.preparation import Prepared
from assent.ingest.preparing import Pace, Preparing
from assent.ingest.rebuild import rebuild
from assent.ledger.store import read_head
from tests.integration.test_upkeep import tend
from tests.support.database import TestDatabase
from tests.support.ledger import BEGIN, Bench, open_bench, random_drafts
from tests.support.policy_documents import Documents, changed, shipped

Written = tuple[Connection, ControllerId, Policy, Prepared]


def first() -> Documents:
    """The shipped policy, with consents that lapse within the test."""
    return changed(shipped(), "purposes", '[purposes.personalisation]\nvalidity = "P30D"')


def second() -> Documents:
    """Another in everything that is prepared: permits, views that stay and a new one, denials."""
    documents = changed(
        first(),
        "purposes",
        """
        [purposes.personalisation]
        validity = "P60D"
        categories = ["orders", "browsing"]
        retroactive = []
        [purposes.advertising]
        parent = "personalisation"
        [purposes.analytics]
        links = { kinds = ["asserted"], agreement = true }
        """,
    )
    changed(documents, "purposes", "-purposes.email_marketing")
    return changed(documents, "identity", 'conflict = "last_authenticated"')


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One component at a time, so that a few people make several chunks; nobody is left for the flip."""
    monkeypatch.setattr(preparing, "FEW", 0)


class Stage:
    """A bench, and a policy that is prepared on a connection of its own."""

    def __init__(
        self,
        bench: Bench,
        connection: Connection,
        documents: Documents,
        before: Policy,
        policy: Policy,
        names: NameBook,
    ) -> None:
        self.bench = bench
        self.connection = connection
        self.text = msgspec.json.encode(documents, order="sorted").decode()
        self.before = before
        self.policy = policy
        self.names = names

    def preparing(self) -> Preparing:
        return Preparing(
            self.connection,
            self.bench.controller_id,
            self.before,
            self.policy,
            preparation.digest_of(self.text),
            clock=lambda: self.bench.now,
            pace=Pace(components=1),
        )

    async def flip(self, as_of: Instant | None) -> None:
        await self.bench.commit(Draft(body=PolicyBody(documents=self.text, as_of=as_of), role="admin"))
        self.bench.policy = self.policy

    async def write(self, seed: int, count: int) -> None:
        for pause, draft in random_drafts(self.bench, seed, count):
            self.bench.now = Instant(self.bench.now + pause % DAY)
            await self.bench.commit(draft)

    async def in_force(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what the policy in force says of everybody."""
        version = (await read_head(self.bench.connection, self.bench.controller_id)).policy_version
        policy, _ = await load_policy(self.bench.connection, self.bench.controller_id, version)
        asked = {
            "permit": f"SELECT * FROM permit WHERE policy_version = {version} ORDER BY 1, 2, 3, 4, 5, 6",
            "cluster": f"SELECT * FROM cluster WHERE view_id IN (0, 1, {_listed(policy)}) ORDER BY 1, 2, 3",
            "identifier": "SELECT identifier_id, denies FROM identifier ORDER BY 1",
        }
        return {
            name: [tuple(row) for row in await self.bench.connection.fetch(sql)]
            for name, sql in asked.items()
        }


def _listed(policy: Policy) -> str:
    return ",".join(map(str, policy.views))


PROJECTION = {"search_path": "projection, pg_temp"}
CHECKOUT = Path(__file__).resolve().parents[2]


async def joined(connection: Connection) -> Stage:
    """Return what another process sees of a stage: enough to prepare the second policy."""
    controller_id = ControllerId(await connection.fetchval("SELECT controller_id FROM ledger.controller"))
    before, names = await load_policy(connection, controller_id, 1)
    policy, _ = parse_policy(second(), names=names, version=2)
    bench = SimpleNamespace(connection=connection, controller_id=controller_id, now=BEGIN)
    return Stage(cast("Bench", bench), connection, second(), before, policy, names)


@asynccontextmanager
async def staged(database: TestDatabase, folder: Path) -> AsyncIterator[Stage]:
    async with open_bench(database, folder, first()) as bench:
        for pause, draft in random_drafts(bench, 1, 60):
            bench.now = Instant(bench.now + pause)
            await bench.commit(draft)
        before, names = await load_policy(bench.connection, bench.controller_id, 1)
        policy, _ = parse_policy(second(), names=names, version=2)
        connection = await asyncpg.connect(database.dsn(), server_settings=PROJECTION)
        try:
            yield Stage(bench, connection, second(), before, policy, names)
        finally:
            await connection.close()


async def prepare(stage: Stage) -> Instant:
    preparing = stage.preparing()
    as_of = await preparing.begin()
    await preparing.everybody()
    await preparing.changed()
    return as_of


async def test_nothing_of_a_policy_is_in_force_before_the_flip_and_all_of_it_after(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        before = await stage.in_force()
        as_of = await prepare(stage)
        assert await stage.in_force() == before
        await stage.flip(as_of)
        after = await stage.in_force()
        assert all(after[name] != before[name] for name in before)
        rebuilt = await rebuild(stage.bench.connection, stage.bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_committed_between_and_within_chunks_is_in_force_after_the_flip(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Commits come between two chunks, and within one: after it read its snapshot, before it wrote."""
    async with staged(fresh_database, folder) as stage:
        written = preparation.write
        turns = iter(range(seed * 100, seed * 100 + 100))

        async def interrupted(*arguments: *Written) -> None:
            await stage.write(next(turns), 3)
            await written(*arguments)

        preparing = stage.preparing()
        as_of = await preparing.begin()
        await stage.write(next(turns), 3)
        with monkeypatch.context() as patched:
            patched.setattr(preparation, "write", interrupted)
            await preparing.everybody()
        await stage.write(next(turns), 10)
        await preparing.changed()
        await stage.write(next(turns), 10)
        await stage.flip(as_of)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences == ()
        await sweep(stage.connection, stage.bench.controller_id, stage.policy, stage.names)
        await stage.write(next(turns), 30)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences == ()
        versions = await stage.bench.connection.fetch("SELECT DISTINCT policy_version FROM permit")
        assert [row[0] for row in versions] == [2]


async def test_commits_that_note_nobody_would_be_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(fresh_database, folder) as stage:
        as_of = await prepare(stage)

        async def forgotten(*_: object) -> None:
            pass

        monkeypatch.setattr(preparation, "touch", forgotten)
        await stage.write(7, 30)
        await stage.flip(as_of)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences


async def test_a_preparation_that_was_killed_goes_on_where_it_stopped(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(fresh_database, folder) as stage:
        began = stage.preparing()
        as_of = await began.begin()
        written, chunks = preparation.write, iter((True, False))

        async def killed(*arguments: *Written) -> None:
            await written(*arguments)
            if not next(chunks):
                raise asyncio.CancelledError

        with monkeypatch.context() as patched:
            patched.setattr(preparation, "write", killed)
            with pytest.raises(asyncio.CancelledError):
                await began.everybody()
        at = await preparation.read(stage.connection, stage.bench.controller_id)
        assert at is not None
        assert -1 < at.prepared_to < at.last_identifier
        with pytest.raises(FactRejected):
            await stage.flip(as_of)
        await stage.write(8, 10)
        again = stage.preparing()
        await again.everybody()
        await again.changed()
        await stage.flip(as_of)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences == ()


async def test_what_an_abandoned_preparation_left_comes_into_force_with_no_other(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        await prepare(stage)
        with pytest.raises(FactRejected):
            await stage.flip(None)
        assert await abandon(stage.connection, stage.bench.controller_id) is not None
        await stage.write(9, 20)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences == ()
        left = "SELECT count(*) FROM permit WHERE policy_version <> 1"
        assert await stage.bench.connection.fetchval(left) == 0
        await stage.flip(None)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences == ()


async def test_a_preparation_that_an_operator_abandons_gives_up_and_leaves_nothing(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Abandoned within a chunk, which is then not committed, and before the next."""
    async with staged(fresh_database, folder) as stage:
        written, turns = preparation.write, iter((False, True, False))
        operator = stage.bench.connection

        async def abandoned(*arguments: *Written) -> None:
            await written(*arguments)
            if next(turns):
                assert await abandon(operator, stage.bench.controller_id) is not None

        began = stage.preparing()
        as_of = await began.begin()
        with monkeypatch.context() as patched:
            patched.setattr(preparation, "write", abandoned)
            with pytest.raises(FactRejected):
                await began.everybody()
        with pytest.raises(FactRejected):
            await began.changed()
        with pytest.raises(FactRejected):
            await stage.flip(as_of)
        assert await abandon(operator, stage.bench.controller_id) is None
        assert await left_behind(stage) == (0, 0, 0)
        await stage.write(9, 5)
        assert await left_behind(stage) == (0, 0, 0)


async def left_behind(stage: Stage) -> tuple[int, ...]:
    """Return how many notes, preparations and permits of another version there are."""
    counted = (
        "SELECT count(*) FROM ledger.touched",
        "SELECT count(*) FROM ledger.preparation",
        "SELECT count(*) FROM permit WHERE policy_version <> 1",
    )
    return tuple([await stage.bench.connection.fetchval(sql) for sql in counted])


async def test_a_preparation_that_nobody_goes_on_with_is_ended_after_an_hour(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        bench, controller_id = stage.bench, stage.bench.controller_id
        await prepare(stage)
        began = bench.now
        await stage.write(9, 5)
        assert (await left_behind(stage))[0] > 0
        assert not await end_forgotten(bench.connection, controller_id, Instant(began + HOUR - 1))
        async with alone(stage.connection, controller_id):
            later = Instant(began + 2 * HOUR)
            assert not await end_forgotten(bench.connection, controller_id, later), "somebody is at it"
        bench.now = Instant(max(bench.now, later))
        assert (await tend(bench))["forgotten"] == 1
        assert await left_behind(stage) == (0, 0, 0)
        assert "forgotten" not in await tend(bench)


async def test_a_preparation_whose_process_was_killed_lets_the_next_one_in_and_go_on(
    fresh_database: TestDatabase, folder: Path
) -> None:
    """Killed for good: nothing is closed in order, the database finds a session without anybody."""
    script = f"""
import asyncio, asyncpg, os, signal
from pathlib import Path
from assent.ingest import preparation
from assent.ingest.abandoning import alone
from tests.integration import test_activation as tests

async def main():
    connection = await asyncpg.connect({fresh_database.dsn()!r}, server_settings=tests.PROJECTION)
    stage = await tests.joined(connection)
    written, turns = preparation.write, iter((False, True))

    async def killed(*arguments):
        await written(*arguments)
        if next(turns):
            os.kill(os.getpid(), signal.SIGKILL)

    preparation.write = killed
    async with alone(connection, stage.bench.controller_id):
        preparing = stage.preparing()
        await preparing.begin()
        await preparing.everybody()

asyncio.run(main())
"""
    async with staged(fresh_database, folder) as stage:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=CHECKOUT)
        assert await process.wait() == -signal.SIGKILL
        at = await preparation.read(stage.connection, stage.bench.controller_id)
        assert at is not None
        assert -1 < at.prepared_to < at.last_identifier
        assert 0 < at.done < at.identifiers
        await stage.write(8, 10)
        async with alone(stage.connection, stage.bench.controller_id):
            again = stage.preparing()
            await again.everybody()
            await again.changed()
        await stage.flip(at.as_of)
        assert (await rebuild(stage.bench.connection, stage.bench.ring)).differences == ()


async def test_who_gained_before_a_crash_is_known_to_who_goes_on(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        began = stage.preparing()
        await began.begin()
        await began.everybody()
        await stage.write(8, 30)
        found = await began.changed()
        assert any(one.gains for one in found.values()), found
        again = stage.preparing()
        assert await again.everybody() == found
        assert await again.changed() == found


async def test_another_policy_than_the_one_prepared_is_refused(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        as_of = await prepare(stage)
        other = msgspec.json.encode(first(), order="sorted").decode()
        with pytest.raises(FactRejected):
            await stage.bench.commit(Draft(body=PolicyBody(documents=other, as_of=as_of), role="admin"))
