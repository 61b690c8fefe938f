"""A preparation that dies anywhere is gone on with, or ended, and leaves nothing to any other policy."""

import asyncio
import contextlib
from itertools import cycle
from pathlib import Path

import pytest

from assent.consent.store import load_policy
from assent.core.documents import parse_policy
from assent.core.time import DAY, Instant
from assent.ingest import preparation, preparing
from assent.ingest.abandoning import abandon
from assent.ingest.facts import Identifier
from assent.ingest.rebuild import rebuild
from assent.ledger.store import read_head
from tests.integration.test_activation import Stage, Written, first, prepare, second, staged
from tests.support.database import TestDatabase
from tests.support.policy_documents import Documents, changed


@pytest.fixture(autouse=True)
def nobody_is_left_to_the_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "FEW", 0)


async def after(stage: Stage, documents: Documents) -> Stage:
    """Return the stage of the policy that follows the one in force."""
    bench = stage.bench
    version = (await read_head(bench.connection, bench.controller_id)).policy_version
    before, names = await load_policy(bench.connection, bench.controller_id, version)
    policy, _ = parse_policy(documents, names=names, version=version + 1)
    return Stage(bench, stage.connection, documents, before, policy, names)


async def equal(stage: Stage) -> None:
    rebuilt = await rebuild(stage.bench.connection, stage.bench.ring)
    assert (rebuilt.faults, rebuilt.differences) == ((), ())


@pytest.mark.parametrize("early", [True, False])
async def test_killed_in_every_chunk_with_nothing_said_between(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch, *, early: bool
) -> None:
    """Each process does one chunk and dies in the next, before or after it wrote; days go by."""
    async with staged(fresh_database, folder) as stage:
        as_of = await stage.preparing().begin()
        written, turns = preparation.write, cycle((False, True))

        async def killing(*arguments: *Written) -> None:
            dies = next(turns)
            if not (dies and early):
                await written(*arguments)
            if dies:
                raise asyncio.CancelledError

        killed = -1
        done = False
        with monkeypatch.context() as patched:
            patched.setattr(preparation, "write", killing)
            while not done:
                killed += 1
                with contextlib.suppress(asyncio.CancelledError):
                    await stage.preparing().everybody()
                    done = True
                stage.bench.now = Instant(stage.bench.now + 10 * DAY)
        assert killed >= 2
        await stage.preparing().changed()
        await stage.flip(as_of)
        await equal(stage)


async def linked(stage: Stage) -> tuple[Identifier, Identifier]:
    """Return two newcomers whom every view takes for one."""
    bench = stage.bench
    low, high = (bench.identifier("email", f"end-{number}@example.com") for number in range(2))
    for end in (low, high):
        for purpose in ("personalisation", "identity_linking"):
            await bench.commit(bench.stated(end, purpose, "given"))
    await bench.commit(bench.link(low, high))
    return low, high


class Died(Exception):
    """A process did, between two chunks."""


def dying(*_: int) -> None:
    raise Died


@pytest.mark.parametrize("everybody", [False, True])
async def test_who_is_parted_after_they_were_prepared_together_is_two_people(
    fresh_database: TestDatabase, folder: Path, *, everybody: bool
) -> None:
    """The one who comes later in the order is met again by the walk, or by what it does in the end."""
    async with staged(fresh_database, folder) as stage:
        bench = stage.bench
        low, high = await linked(stage)
        last = "SELECT identifier_id FROM identifier ORDER BY identifier_id DESC LIMIT 2"
        (later,), (sooner,) = await bench.connection.fetch(last)
        as_of, to = await stage.preparing().begin(), -1
        while to < (later if everybody else sooner):
            with contextlib.suppress(Died):
                await stage.preparing().everybody(dying)
            at = await preparation.read(stage.connection, bench.controller_id)
            assert at is not None
            to = at.prepared_to
        assert everybody or to == sooner
        held = "SELECT count(*) FROM cluster WHERE identifier_id = $1 AND view_id = ANY($2)"
        fresh = preparation.new_views(stage.before, stage.policy)
        assert await bench.connection.fetchval(held, later, fresh)
        await bench.commit(bench.link(low, high, denied=True))
        await stage.preparing().everybody()
        await stage.preparing().changed()
        await stage.flip(as_of)
        await equal(stage)


async def test_what_was_abandoned_comes_into_force_with_no_other_policy(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        await prepare(stage)
        waiting = "SELECT count(*) FROM ledger.prepared_cluster"
        assert await stage.bench.connection.fetchval(waiting)
        assert await abandon(stage.connection, stage.bench.controller_id) is not None
        other = await after(stage, changed(first(), "purposes", '[purposes.analytics]\nvalidity = "P60D"'))
        await other.flip(await prepare(other))
        await equal(other)


async def test_a_policy_that_is_prepared_again_finds_nobody_as_they_were(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with staged(fresh_database, folder) as stage:
        low, high = await linked(stage)
        await prepare(stage)
        assert await abandon(stage.connection, stage.bench.controller_id) is not None
        await stage.bench.commit(stage.bench.link(low, high, denied=True))
        again = await after(stage, second())
        await again.flip(await prepare(again))
        await equal(again)
