"""An import takes each record once: through kill -9 at any point, a crash behind a commit, two at a time."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from msgspec import Struct

from assent.app import open_service, ring_path
from assent.config import Settings
from assent.core.errors import FactRejected, PolicyInvalid, UnreadableBody
from assent.core.ids import ControllerId
from assent.database.embedded import EmbeddedPostgres
from assent.http.wiring import Service
from assent.ingest import batch, importer
from assent.ingest.export import export
from assent.ingest.importer import Summary, import_file
from assent.ingest.records import file_digest, read_mapping
from assent.ledger.keyring import KeyRing, create_ring, load_ring
from tests.support.database import TestDatabase, clone
from tests.support.importing import importing_into
from tests.support.order_file import MAPPING, write_orders
from tests.support.service import SteppedClock, bearer, in_process, set_up, subject

INVOICES = 4_000

FOLDED = {
    "identifier": "identifier_id, namespace_id, lookup, denies",
    "link": "low_id, high_id, kind, first_at, last_at, first_entry, last_entry",
    "cluster": "view_id, identifier_id, profile_id",
    "statement": "identifier_id, entry_index, position, purpose_id, state, acted_at",
    "feature_state": "identifier_id, category_id, basis, state",
    "feature_item": "identifier_id, feature_id, entry_index, category_id, basis, at, value",
    "permit": "identifier_id, purpose_id, categories, since, until",
    "ledger.content": "identifier_id, entry_index, part, category_id, basis",
    "ledger.message": "message_key",
    "ledger.batch": "sum(size)",
    "ledger.refusal": "code, sum(refused)",
    "ledger.import_progress": "file_digest, next_record",
}
"""What must be the same, however often an import was interrupted. Sealed bytes and commits' times differ."""

_SEARCH_PATH = {"search_path": "projection, pg_temp"}


async def folded(dsn: str) -> dict[str, list[Any]]:
    """Return everything of FOLDED that a database holds, in one order."""
    connection = await asyncpg.connect(dsn, server_settings=_SEARCH_PATH)
    try:
        held = {}
        for table, columns in FOLDED.items():
            grouped = " GROUP BY code" if table == "ledger.refusal" else ""
            rows = await connection.fetch(f"SELECT {columns} FROM {table}{grouped}")
            held[table] = sorted(map(tuple, rows), key=repr)
        return held
    finally:
        await connection.close()


async def entries(dsn: str, ring: Path) -> list[bytes]:
    """Return a digest of each entry with its index, its body and its contents in plain, without its time."""
    connection = await asyncpg.connect(dsn, server_settings=_SEARCH_PATH)
    try:
        found = []
        async for lines, _, _ in export(connection, load_ring(ring), ControllerId(1)):
            for line in lines.splitlines():
                said = msgspec.json.decode(line)
                said.pop("at", None)
                found.append(hashlib.sha256(msgspec.json.encode(said)).digest())
        return found
    finally:
        await connection.close()


async def held_by(dsn: str, ring: Path) -> dict[str, list[Any]]:
    """Return all that must be the same: the rows, and what every entry says."""
    return {**await folded(dsn), "entries": await entries(dsn, ring)}


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_orders(tmp_path_factory.mktemp("orders") / "orders.csv", INVOICES)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key ring for all ledgers here, so that their keyed hashes can be compared."""
    path = tmp_path_factory.mktemp("ring") / "ring.json"
    create_ring(path, origin="test.local")
    return path


def settings_with(database: TestDatabase, folder: Path, ring: Path) -> Settings:
    settings = database.settings(folder)
    ring_path(settings).parent.mkdir(mode=0o700, parents=True)
    ring_path(settings).write_bytes(ring.read_bytes())
    ring_path(settings).chmod(0o600)
    return settings


@asynccontextmanager
async def shop(settings: Settings) -> AsyncIterator[Service]:
    """Open a service with the controller `default` in it, made when it is missing."""
    async with open_service(settings) as service:
        if not await service.database.auditor.fetch("SELECT 1 FROM ledger.controller"):
            await set_up(service, name="default")
        yield service


async def imported(service: Service, orders: Path) -> Summary:
    importing = await importing_into(service, ControllerId(1))
    return await import_file(importing, orders, read_mapping(MAPPING), lambda _records, _summary: None)


@pytest.fixture(scope="module")
def uninterrupted(
    postgres: EmbeddedPostgres,
    template_database: str,
    orders: Path,
    ring: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, list[Any]], Summary]]:
    """What one run leaves that nothing disturbs."""

    async def run(settings: Settings, dsn: str) -> tuple[dict[str, list[Any]], Summary]:
        async with shop(settings) as service:
            summary = await imported(service, orders)
        return await held_by(dsn, ring), summary

    with clone(postgres, template_database) as database:
        settings = settings_with(database, tmp_path_factory.mktemp("service"), ring)
        yield asyncio.run(run(settings, database.dsn()))


def test_every_line_is_accounted_for(
    uninterrupted: tuple[dict[str, list[Any]], Summary], orders: Path
) -> None:
    held, summary = uninterrupted
    assert summary.lines == len(orders.read_text().splitlines()) - 1
    assert summary.records + summary.rejected.total() >= INVOICES
    assert summary.records == summary.kept + summary.not_kept + summary.refused.total()
    assert summary.refused == {"blocked_identifier": INVOICES // 100}
    assert set(summary.rejected) == {"wrong_type"}
    assert (summary.earlier, summary.not_kept) == (0, 0)
    # The policy and every record that was kept.
    assert held["ledger.batch"] == [(summary.kept + 1,)]


def begun(settings: Settings, orders: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Start `assent import` in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
    environment["ASSENT_FOLDER"] = str(settings.folder)
    if settings.database_url:
        environment["ASSENT_DATABASE_URL"] = settings.database_url.reveal()
    command = [sys.executable, "-m", "assent.cli", "import", str(orders), "--mapping", str(MAPPING), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


async def progress(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    return await connection.fetchval("SELECT max(next_record) FROM ledger.import_progress") or 0


async def committing(connection: "asyncpg.Connection[asyncpg.Record]") -> int | None:
    """Return the server's process that has written in a transaction that is not committed yet, if any."""
    found: int | None = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND usename = 'assent_writer' AND backend_xid IS NOT NULL LIMIT 1"
    )
    return found


class Kill(Struct, frozen=True):
    """Where an import was killed: behind so many records, and whether inside a commit."""

    records: int
    inside: bool


async def killed_on_its_way(
    settings: Settings, dsn: str, orders: Path, *, kills: int, records: int, seed: int
) -> list[Kill]:
    """Import and kill so often, at random points, every other time inside a commit; return where."""
    dice = random.Random(seed)
    connection = await asyncpg.connect(dsn)
    found = []
    try:
        for kill in range(kills):
            process = begun(settings, orders)
            # Somewhere behind what is durable so far.
            target = await progress(connection) + dice.randrange(1, records // kills)
            while process.poll() is None and await progress(connection) < target:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            await asyncio.sleep(dice.random() * 0.03)
            inside = await committing(connection) is not None
            while kill % 2 and not inside and process.poll() is None:
                await asyncio.sleep(0.001)
                inside = await committing(connection) is not None
            process.kill()
            process.communicate()
            found.append(Kill(records=await progress(connection), inside=inside))
    finally:
        await connection.close()
    sys.stdout.write(f"seed {seed}: {found}\n")
    return found


def test_killed_again_and_again_it_ends_as_if_it_never_was(
    fresh_database: TestDatabase,
    folder: Path,
    ring: Path,
    orders: Path,
    uninterrupted: tuple[dict[str, list[Any]], Summary],
) -> None:
    settings, dsn = settings_with(fresh_database, folder, ring), fresh_database.dsn()
    asyncio.run(prepared(settings))
    killed = asyncio.run(killed_on_its_way(settings, dsn, orders, kills=3, records=INVOICES, seed=20110301))
    last = begun(settings, orders)
    said = last.communicate()[0].decode()
    assert last.returncode == 0, said
    assert "records that an earlier run settled" in said
    assert 0 < killed[0].records < INVOICES
    assert any(kill.inside for kill in killed)
    assert [kill.records for kill in killed] == sorted(kill.records for kill in killed)
    assert asyncio.run(held_by(dsn, ring)) == uninterrupted[0]


async def prepared(settings: Settings) -> None:
    """Make the controller, before anything is imported."""
    async with shop(settings):
        pass


class Crash(Exception):
    """The process is gone."""


@pytest.mark.parametrize("sound", [True, False], ids=["as-it-is", "with-progress-behind-the-commit"])
async def test_a_crash_right_behind_a_commit_doubles_nothing(
    fresh_database: TestDatabase,
    folder: Path,
    ring: Path,
    orders: Path,
    uninterrupted: tuple[dict[str, list[Any]], Summary],
    monkeypatch: pytest.MonkeyPatch,
    sound: bool,
) -> None:
    # A planted fault: progress is moved once the answer is there, and messages are not recognised.
    if not sound:
        monkeypatch.setattr(batch, "_save_progress", _nothing)
        monkeypatch.setattr(KeyRing, "message_key", lambda *_: uuid4().bytes)
    settings = settings_with(fresh_database, folder, ring)
    async with shop(settings) as service:
        with monkeypatch.context() as crashing:
            crashing.setattr(importer, "_move", _crash)
            with pytest.raises(Crash):
                await imported(service, orders)
        await imported(service, orders)
    assert (await held_by(fresh_database.dsn(), ring) == uninterrupted[0]) == sound


async def _crash(*_: object) -> None:
    raise Crash


async def _nothing(*_: object) -> None:
    pass


async def test_two_at_once_take_each_record_once(
    fresh_database: TestDatabase,
    folder: Path,
    ring: Path,
    orders: Path,
    uninterrupted: tuple[dict[str, list[Any]], Summary],
) -> None:
    async with shop(settings_with(fresh_database, folder, ring)) as service:
        one, other = await asyncio.gather(imported(service, orders), imported(service, orders))
    # Whichever of the two was first: both are answered with the entry that a record became.
    assert (one.kept, other.kept) == (uninterrupted[1].kept,) * 2
    held = await folded(fresh_database.dsn())
    for table in ("feature_state", "feature_item", "ledger.batch", "ledger.import_progress"):
        assert held[table] == uninterrupted[0][table], table


async def test_a_file_imported_whole_brings_nothing_new_and_no_other_mapping(
    fresh_database: TestDatabase, folder: Path, ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = write_orders(tmp_path / "few.csv", 20)
    async with shop(settings_with(fresh_database, folder, ring)) as service:
        first = await imported(service, orders)
        # Longer ago than messages are remembered: progress alone must know.
        await service.database.writer.execute("DELETE FROM ledger.message")
        again = await imported(service, orders)
        assert (first.kept, again.kept) == (19, 0)
        assert again.earlier == again.records == first.records
        other = tmp_path / "other.toml"
        other.write_text(MAPPING.read_text().replace("open = 8", "open = 9"))
        monkeypatch.setattr(sys.modules[__name__], "MAPPING", other)
        with pytest.raises(FactRejected, match="another mapping"):
            await imported(service, orders)


async def test_a_mapping_may_be_corrected_while_no_record_is_settled(
    fresh_database: TestDatabase, folder: Path, ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = write_orders(tmp_path / "few.csv", 20)
    mistaken, text = tmp_path / "mistaken.toml", MAPPING.read_text()
    async with shop(settings_with(fresh_database, folder, ring)) as service:
        with monkeypatch.context() as mistaking:
            mistaking.setattr(sys.modules[__name__], "MAPPING", mistaken)
            mistaken.write_text(text.replace("%Y-%m-%d %H:%M:%S", "%d.%m.%Y"))
            unread = await imported(service, orders)
            mistaken.write_text(text.replace('"customer_id"', '"custmer_id"'))
            with pytest.raises(PolicyInvalid, match="namespace"):
                await imported(service, orders)
        read = await imported(service, orders)
    assert (unread.kept, unread.records, set(unread.unfit)) == (0, 0, {"InvoiceDate"})
    assert read.kept == 19


async def test_a_file_that_is_still_written_to_is_noticed(
    fresh_database: TestDatabase, folder: Path, ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = write_orders(tmp_path / "few.csv", 20)

    def digested(path: Path) -> bytes:
        found = file_digest(path)
        with path.open("a") as file:
            file.write("5999,S,LANTERN,1,2011-03-02 09:00:00,1.00,17.0,Italy\n")
        return found

    async with shop(settings_with(fresh_database, folder, ring)) as service:
        monkeypatch.setattr(importer, "file_digest", digested)
        with pytest.raises(UnreadableBody, match="changed while it was read"):
            await imported(service, orders)
        kept = await service.database.auditor.fetchval("SELECT count(*) FROM ledger.entry")
    assert kept == 1  # the policy


async def test_events_happened_when_the_file_says(fresh_database: TestDatabase, tmp_path: Path) -> None:
    orders = tmp_path / "one.csv"
    orders.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,LANTERN,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
        "536365,71053,LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom\n"
        "C536379,D,Discount,-1,2010-12-01 09:41:00,27.50,17850.0,United Kingdom\n"
    )
    async with in_process(fresh_database.settings(tmp_path), SteppedClock()) as running:
        await imported(running.service, orders)
        decided = await running.http.post(
            "/v1/decisions",
            json={"purpose": "service", "subjects": [subject("customer_id:17850")]},
            headers=bearer(running.keys.engines["service"]),
        )
    features = decided.json()["decisions"][0]["features"]
    assert features["last_order"] == "2010-12-01T08:26:00Z"
    assert (features["order_count"], features["order_value"]) == (1, 35.64)
    assert (features["refund_count"], features["refund_value"]) == (1, -27.5)


async def test_what_no_purpose_permits_is_counted_and_not_kept(
    fresh_database: TestDatabase, folder: Path, ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = tmp_path / "unheard.toml"
    text = MAPPING.read_text().replace('country = "Country"', "")
    mapping.write_text(text.replace('name = "Order Completed"', 'name = "Never Heard Of"'))
    monkeypatch.setattr(sys.modules[__name__], "MAPPING", mapping)
    orders = write_orders(tmp_path / "few.csv", 30)
    async with shop(settings_with(fresh_database, folder, ring)) as service:
        summary = await imported(service, orders)
        counted = await service.database.auditor.fetch(
            "SELECT source, code, refused FROM ledger.refusal ORDER BY code DESC"
        )
    assert (summary.kept, summary.not_kept) == (0, 29)
    (source, code, refused), (_, *blocked) = counted
    assert (code, refused) == ("not_permitted", 29)
    assert blocked == ["blocked_identifier", 1]
    # The name of a file could be personal.
    assert source.startswith("import:")
    assert "few" not in source
