"""The whole retail file, killed ten times with kill -9 and once by the database: as if it never was.

The file is not shipped: RETAIL_FILE names it (tests/support/retail_file.py).
"""

import asyncio
import gzip
import os
import random
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from assent.app import ring_path
from assent.config import Settings
from assent.database.embedded import embedded_postgres
from assent.ledger.keyring import create_ring
from tests.integration.test_import import (
    begun,
    committing,
    held_by,
    killed_on_its_way,
    prepared,
    progress,
)
from tests.support.order_file import BLOCKED
from tests.support.retail_file import VARIABLE, whole_file

pytestmark = pytest.mark.full

KILLS = 10
RECORDS = 25_900
"""Invoices of the file."""

SEED = 541_909


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """The whole file, with lines among it that cannot be read and orders of nobody, which it has none of."""
    found = whole_file()
    if found is None:
        pytest.skip(f"needs the whole retail file: {VARIABLE}=path names it")
    path = tmp_path / "orders.csv.gz"
    with gzip.open(found, "rt", newline="") as source, gzip.open(path, "wt", 1, newline="") as target:
        for number, line in enumerate(source, start=1):
            target.write(line)
            if number % 10_000 == 0:
                target.write(f"9{number},X,BROKEN,many,2011-03-01 09:00:00,1.00,17850.0,Italy\n")
                target.write(f"8{number},X,NOBODY,1,2011-03-01 09:00:00,1.00,{BLOCKED},Italy\n")
    return path


def settings_of(folder: Path, ring: Path) -> Settings:
    """Return settings of a service with a PostgreSQL of its own, which this test may kill."""
    settings = Settings(folder=folder)
    ring_path(settings).parent.mkdir(mode=0o700, parents=True)
    ring_path(settings).write_bytes(ring.read_bytes())
    ring_path(settings).chmod(0o600)
    return settings


def finished(settings: Settings, orders: Path, rejected: Path) -> str:
    """Run an import to its end; return what it said."""
    process = begun(settings, orders, "--rejected", str(rejected))
    said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    return said


async def loses_its_database(settings: Settings, dsn: str, orders: Path, dice: random.Random) -> None:
    """Kill the server's process that commits for an import: the whole server goes down and comes up again."""
    connection = await asyncpg.connect(dsn)
    process = begun(settings, orders)
    target = await progress(connection) + dice.randrange(100, 1_000)
    while process.poll() is None and await progress(connection) < target:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    backend = None
    while backend is None and process.poll() is None:
        backend = await committing(connection)
    assert backend is not None, "the import ended before its database could be killed"
    os.kill(backend, signal.SIGKILL)
    connection.terminate()
    said = (await asyncio.to_thread(process.communicate))[0].decode()
    # It goes on by itself, or ends and says in a line that it is to be run again.
    assert process.returncode in {0, 1}, said
    assert "Traceback" not in said
    sys.stdout.write(f"database killed behind record {target}: the import ended with {process.returncode}\n")


def test_the_whole_file_killed_ten_times_ends_as_if_it_never_was(
    folder: Path, orders: Path, tmp_path: Path
) -> None:
    ring = tmp_path / "ring.json"
    create_ring(ring, origin="test.local")
    calm, stormy = (settings_of(folder / name, ring) for name in ("1", "2"))
    with embedded_postgres(calm.folder) as server:
        asyncio.run(prepared(calm))
        account = finished(calm, orders, tmp_path / "calm.ndjson")
        expected = asyncio.run(held_by(server.dsn(), ring))
    assert "541,909" not in account  # the lines put among them are told too
    assert f"{RECORDS:,}  records kept" in account
    assert "54  lines rejected: wrong_type" in account
    assert "54  records refused: blocked_identifier" in account
    with embedded_postgres(stormy.folder) as server:
        asyncio.run(prepared(stormy))
        killed = asyncio.run(
            killed_on_its_way(stormy, server.dsn(), orders, kills=KILLS, records=RECORDS * 3 // 4, seed=SEED)
        )
        asyncio.run(loses_its_database(stormy, server.dsn(), orders, random.Random(SEED)))
        server.ensure_running()
        finished(stormy, orders, tmp_path / "stormy.ndjson")
        found = asyncio.run(held_by(server.dsn(), ring))
    assert len(killed) == KILLS
    assert sum(kill.inside for kill in killed) >= KILLS // 2
    assert 0 < killed[0].records < killed[-1].records < RECORDS
    for name, rows in expected.items():
        assert found[name] == rows, name
    assert (tmp_path / "stormy.ndjson").read_bytes() == (tmp_path / "calm.ndjson").read_bytes()
