"""A start is refused beside another's key ring, beside none, and on a database older than what was kept."""

import asyncio
import shutil
from pathlib import Path

import pytest

from assent.app import ORIGIN, open_service, ring_path
from assent.config import Settings
from assent.core.errors import AssentError, KeyMismatch, LedgerRolledBack
from assent.ledger.keyring import create_ring
from tests.support.database import TestDatabase, clone, run
from tests.support.service import Keys, SteppedClock, bearer, in_process, settings_for


async def ordered(settings: Settings, orders: int, keys: Keys | None = None) -> Keys:
    """Let a service take some orders, and end."""
    async with in_process(settings, SteppedClock(), keys=keys) as service:
        for _ in range(orders):
            order = {"event": "Order Completed", "userId": "c1"}
            sent = await service.http.post("/v1/track", json=order, headers=bearer(service.keys.collector))
            assert sent.json()["accepted"] == 1
        return service.keys


async def started(settings: Settings) -> AssentError | None:
    """Start a service; return what it refuses with."""
    try:
        async with open_service(settings):
            return None
    except AssentError as refusal:
        return refusal


@pytest.fixture
def settings(fresh_database: TestDatabase, folder: Path) -> Settings:
    """A ledger of three orders and the files beside it."""
    made = settings_for(folder, fresh_database.dsn())
    asyncio.run(ordered(made, 3))
    return made


def test_a_start_beside_ones_own_files_is_let(settings: Settings) -> None:
    assert asyncio.run(started(settings)) is None


def test_another_ring_is_refused(settings: Settings) -> None:
    ring_path(settings).unlink()
    create_ring(ring_path(settings), origin=ORIGIN)
    refusal = asyncio.run(started(settings))
    assert isinstance(refusal, KeyMismatch)
    assert refusal.code == "key_mismatch"


def test_a_ledger_without_its_ring_is_refused_and_no_ring_is_made(settings: Settings) -> None:
    ring_path(settings).unlink()
    assert isinstance(asyncio.run(started(settings)), KeyMismatch)
    assert not ring_path(settings).exists()


def test_a_ring_is_made_beside_an_empty_ledger(fresh_database: TestDatabase, folder: Path) -> None:
    made = settings_for(folder, fresh_database.dsn())
    assert asyncio.run(started(made)) is None
    assert ring_path(made).stat().st_mode & 0o777 == 0o600


def test_a_database_restored_to_an_older_state_is_refused(fresh_database: TestDatabase, folder: Path) -> None:
    settings = settings_for(folder, fresh_database.dsn())
    keys = asyncio.run(ordered(settings, 1))
    with clone(fresh_database.server, fresh_database.name) as backup:
        asyncio.run(ordered(settings, 2, keys))
        restored = settings_for(folder, backup.dsn())
        refusal = asyncio.run(started(restored))
        assert isinstance(refusal, LedgerRolledBack)
        assert refusal.code == "ledger_rolled_back"
        # The canary: it is the checkpoint kept outside the database that tells.
        shutil.rmtree(folder / "checkpoints")
        assert asyncio.run(started(restored)) is None


def test_an_entry_changed_since_the_checkpoint_is_refused(
    settings: Settings, fresh_database: TestDatabase
) -> None:
    run(fresh_database.dsn(), "UPDATE ledger.entry SET leaf = leaf || '\\x00' WHERE entry_index = 1")
    assert isinstance(asyncio.run(started(settings)), LedgerRolledBack)


def test_an_empty_database_in_place_of_the_ledger_is_refused(
    settings: Settings, fresh_database: TestDatabase, template_database: str
) -> None:
    with clone(fresh_database.server, template_database) as empty:
        replaced = settings_for(settings.folder, empty.dsn())
        assert isinstance(asyncio.run(started(replaced)), LedgerRolledBack)
