"""Every form of a file folds the same; consent columns count; a dry run and a backup change nothing."""

import asyncio
import gzip
import json
import lzma
import stat
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import polars as pl
import pytest

from assent.cli.private_file import open_private
from assent.config import Settings
from assent.core.ids import ControllerId
from assent.database.embedded import EmbeddedPostgres
from assent.http.wiring import Service
from assent.ingest.export import export
from assent.ingest.importer import Summary, import_file, try_file
from assent.ingest.reading import Hear, unheard
from assent.ingest.records import read_mapping
from assent.ledger.keyring import create_ring
from tests.integration.test_cli import Assent, environment_of
from tests.integration.test_import import folded, settings_with, shop
from tests.support.database import TestDatabase, clone
from tests.support.importing import importing_into
from tests.support.order_file import MAPPING, write_orders
from tests.support.service import SteppedClock, bearer, in_process, subject

if TYPE_CHECKING:
    from assent.ingest.rows import Rejected

CONTROLLER = ControllerId(1)

CONSENTS = """
format = "assent/import@1"
title = "Newsletter"
time_zone = "Europe/London"
time_format = "%Y-%m-%d %H:%M:%S"
identifiers = [{ namespace = "customer_id", column = "who" }]

[columns]
who = "identifier"
wants = "text"
chosen = "time"
mail = "text"

[group]
by = "who"
time = "chosen"
open = 4

[consent.personalisation]
column = "wants"
given = ["yes"]
refused = ["no"]
withdrawn = ["out"]
time = "chosen"
notice = { id = "personalisation", version = 1, language = "en" }
mechanism = "checkbox"
channel = "web"
evidence = { mail = { column = "mail" } }
"""

CHOICES = """who,wants,chosen,mail
7,yes,2025-10-01 10:00:00,secret-1
8,yes,2025-10-01 10:00:00,
9,yes,2025-10-01 10:00:00,secret-3
9,out,2025-10-05 10:00:00,
10,dunno,2025-10-01 10:00:00,secret-4
11,,,
"""


async def brought(
    service: Service, path: Path, mapping: Path, *, dry_run: bool = False, hear: Hear = unheard
) -> Summary:
    importing = await importing_into(service, CONTROLLER)
    bring = try_file if dry_run else import_file
    return await bring(importing, path, read_mapping(mapping), lambda *_: None, hear=hear)


def forms(orders: Path) -> list[Path]:
    """Return the same lines as CSV, packed NDJSON and Parquet; the lines are all of their types."""
    rows = list(pl.read_csv(orders, infer_schema=False).iter_rows(named=True))
    folder = orders.parent
    ndjson, parquet = folder / "orders.ndjson.xz", folder / "orders.parquet"
    ndjson.write_bytes(lzma.compress("\n".join(map(json.dumps, rows)).encode()))
    pl.DataFrame(
        [
            row
            | {
                "Quantity": int(row["Quantity"]),
                "UnitPrice": Decimal(row["UnitPrice"]),
                "InvoiceDate": datetime.fromisoformat(row["InvoiceDate"]),
            }
            for row in rows
        ]
    ).write_parquet(parquet)
    return [orders, ndjson, parquet]


def test_every_form_of_a_file_folds_the_same(
    postgres: EmbeddedPostgres, template_database: str, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "orders.csv", 40)
    ring = tmp_path / "ring.json"
    create_ring(ring, origin="test.local")

    async def fold(settings: Settings, dsn: str, path: Path) -> dict[str, list[Any]]:
        async with shop(settings) as service:
            summary = await brought(service, path, MAPPING)
        assert summary.kept == 39
        return await folded(dsn)

    held = []
    for number, path in enumerate(forms(orders)):
        with clone(postgres, template_database) as database:
            settings = settings_with(database, tmp_path / f"service-{number}", ring)
            held.append(asyncio.run(fold(settings, database.dsn(), path)))
            # Which file it was differs, so do its keys; how far it was read does not.
            del held[-1]["ledger.message"]
            held[-1]["ledger.import_progress"] = [row[1:] for row in held[-1]["ledger.import_progress"]]
    assert held[0] == held[1] == held[2]
    assert held[0]["feature_state"]


async def counted(dsn: str) -> list[Any]:
    """Return how many rows each table holds."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_catalog.pg_tables"
            " WHERE schemaname IN ('ledger', 'projection') ORDER BY 1, 2"
        )
        return [
            (*table, await connection.fetchval('SELECT count(*) FROM "{}"."{}"'.format(*table)))
            for table in tables
        ]
    finally:
        await connection.close()


async def test_consent_columns_count_and_what_could_not_is_told(
    fresh_database: TestDatabase, tmp_path: Path
) -> None:
    choices, mapping = tmp_path / "choices.csv", tmp_path / "choices.toml"
    choices.write_text(CHOICES)
    mapping.write_text(CONSENTS)
    dry: list[Rejected] = []
    wet: list[Rejected] = []
    again: list[Rejected] = []
    async with in_process(fresh_database.settings(tmp_path), SteppedClock()) as running:
        before = await counted(fresh_database.dsn())
        tried = await brought(running.service, choices, mapping, dry_run=True, hear=dry.append)
        assert await counted(fresh_database.dsn()) == before
        taken = await brought(running.service, choices, mapping, hear=wet.append)
        repeated = await brought(running.service, choices, mapping, hear=again.append)
        stands = {}
        for who in ("7", "8", "9", "11"):
            asked = await running.http.post(
                "/v1/audit/decide",
                json={
                    "question": {
                        "subject": {"namespace": "customer_id", "value": who},
                        "purpose": "personalisation",
                    }
                },
                headers=bearer(running.keys.dpo),
            )
            stands[who] = asked.json()["decision"]
    assert stands == {"7": "allow", "8": "deny", "9": "deny", "11": "deny"}
    assert dict(taken.stated) == dict(tried.stated) == {"personalisation": 3}
    assert dict(taken.unstated) == dict(tried.unstated)
    assert taken.unstated == {("fact_rejected", "7(1)"): 1, ("wrong_type", "4(11)"): 1}
    assert [(one.line, one.code, one.article) for one in wet] == [
        (3, "fact_rejected", "7(1)"),
        (6, "wrong_type", "4(11)"),
    ]
    # A second run tells of the whole file again, and takes nothing.
    assert dry == wet == again
    assert (sum(repeated.stated.values()), repeated.earlier) == (0, 5)


async def test_an_older_grant_of_a_file_does_not_beat_a_withdrawal(
    fresh_database: TestDatabase, tmp_path: Path
) -> None:
    choices, mapping = tmp_path / "choices.csv", tmp_path / "choices.toml"
    choices.write_text(CHOICES)
    mapping.write_text(CONSENTS)
    async with in_process(fresh_database.settings(tmp_path), SteppedClock()) as running:
        withdrawn = await running.http.post(
            "/v1/consents",
            json={
                "subject": {"namespace": "customer_id", "value": "7"},
                "statements": [{"purpose": "personalisation", "state": "withdrawn"}],
            },
            headers=bearer(running.keys.collector),
        )
        assert withdrawn.status_code == 201
        await brought(running.service, choices, mapping)
        decided = await running.http.post(
            "/v1/decisions",
            json={"purpose": "personalisation", "subjects": [subject("customer_id:7")]},
            headers=bearer(running.keys.engines["personalisation"]),
        )
    assert decided.json()["decisions"][0].get("subject") is None


async def test_an_export_holds_every_entry_and_what_is_kept(
    fresh_database: TestDatabase, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "orders.csv", 12)
    path = tmp_path / "backup.ndjson"
    async with in_process(fresh_database.settings(tmp_path), SteppedClock()) as running:
        summary = await brought(running.service, orders, MAPPING)
        async with running.service.database.auditor.acquire() as connection:
            with open_private(path, replace=False) as file:
                async for lines, _, _ in export(connection, running.service.ring, CONTROLLER):
                    file.write(lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, *entries, last = map(json.loads, path.read_text().splitlines())
    assert (first["format"], first["entries"]) == ("assent/export@1", len(entries))
    assert last == {"end": True, "entries": len(entries), "erased": 0}
    assert [one["index"] for one in entries] == list(range(len(entries)))
    events = [one for one in entries if one["kind"] == "event"]
    assert len(events) == summary.kept
    said = next(one for one in events[0]["contents"] if one["kind"] == "event")
    assert (said["category"], said["name"]) == ("orders", "Order Completed")
    assert said["data"]["order_id"] == "5000"
    assert events[0]["body"]["at"].startswith("2011-03-01T09:")
    assert {one["namespace"] for event in events for one in event["identifiers"]} <= {
        "customer_id",
        "anonymous_id",
    }
    with pytest.raises(FileExistsError), open_private(path, replace=False):
        pass


def test_the_commands_write_for_their_owner_alone(fresh_database: TestDatabase, tmp_path: Path) -> None:
    assent = Assent(environment_of(tmp_path, fresh_database.dsn()))
    running = assent.serve()
    assert running.end() == 0
    choices, mapping, rejected = tmp_path / "choices.csv", tmp_path / "choices.toml", tmp_path / "rejected"
    choices.write_text(CHOICES)
    mapping.write_text(CONSENTS)
    tried = assent("import", choices, "--mapping", mapping, "--dry-run", "--rejected", rejected)
    assert (tried.returncode, tried.stderr) == (0, "")
    assert "nothing was written" in tried.stdout
    assert "1  statements refused: fact_rejected (GDPR Art. 7(1))" in tried.stdout
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    assert [json.loads(line) for line in rejected.read_text().splitlines()] == [
        {"line": 3, "lines": 1, "code": "fact_rejected", "article": "7(1)", "purpose": "personalisation"},
        {"line": 6, "lines": 1, "code": "wrong_type", "article": "4(11)", "purpose": "personalisation"},
    ]
    assert "secret" not in rejected.read_text()
    assert assent("import", choices, "--mapping", mapping).returncode == 0
    backup = tmp_path / "backup.ndjson.gz"
    ended = assent("export", backup)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    lines = gzip.decompress(backup.read_bytes()).splitlines()
    kinds = [json.loads(line).get("kind") for line in lines]
    assert kinds.count("statement") == 3
    statement = next(json.loads(line) for line in lines if json.loads(line).get("kind") == "statement")
    assert statement["body"]["statement"]["evidence"] == {"mail": "secret-1"}
    assert assent("export", backup).returncode == 1
