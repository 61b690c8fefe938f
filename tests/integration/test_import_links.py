"""Files of links: pairs become entries through the same importer, and a dry run says what they would do."""

from pathlib import Path

import asyncpg
import pytest

from assent.app import open_service, ring_path
from assent.core.ids import ControllerId
from assent.core.policy import LinkKind
from assent.core.time import FOREVER
from assent.http.wiring import Service
from assent.ingest.facts import Draft, Identifier, LinkBody, make_facts
from assent.ingest.importer import Summary, import_file, try_file
from assent.ingest.reading import Importing
from assent.ingest.rebuild import rebuild
from assent.ingest.records import read_mapping
from assent.ingest.rows import Rejected
from assent.ledger.keyring import load_ring
from assent.resources import policies_folder
from tests.support.database import TestDatabase
from tests.support.importing import importing_into
from tests.support.service import set_up

MAPPING = policies_folder() / "imports" / "identifier-pairs.toml"

HUB = "desk@example.org"
"""An address that a counter writes down for everybody."""


def write(path: Path, pairs: list[tuple[str, str]]) -> Path:
    lines = [f"{customer},{email},2025-01-02 03:04:05" for customer, email in pairs]
    path.write_text("\n".join(["customer,email,since", *lines]) + "\n", encoding="utf-8")
    return path


async def bring(
    service: Service, path: Path, heard: list[Rejected], *, dry_run: bool = False
) -> tuple[Summary, Importing]:
    importing = await importing_into(service, ControllerId(1))
    taking = try_file if dry_run else import_file
    return await taking(importing, path, read_mapping(MAPPING), lambda *_: None, hear=heard.append), importing


async def clusters(database: TestDatabase) -> list[int]:
    """Return the sizes of the profiles of two and more, of the one resolution."""
    connection = await asyncpg.connect(database.dsn())
    try:
        rows = await connection.fetch(
            "SELECT count(*) FROM projection.cluster WHERE view_id = 1 GROUP BY profile_id"
        )
        return sorted(row["count"] for row in rows)
    finally:
        await connection.close()


async def test_pairs_become_links_once_and_a_dry_run_said_so(
    fresh_database: TestDatabase, folder: Path, tmp_path: Path
) -> None:
    couples = [(f"{n}", f"p{n // 2}@example.org") for n in range(2, 42)]
    own = [(f"{n}", f"own{n}@example.org") for n in range(100, 150)]
    crowd = [(f"{n}", HUB) for n in range(1_000, 1_300)]
    nobody = [("null", "a@example.org"), ("7", "at home")]
    path = write(tmp_path / "pairs.csv", [*couples, *own, *crowd, *nobody, own[0]])
    settings = fresh_database.settings(folder)
    async with open_service(settings) as service:
        await set_up(service)
        heard: list[Rejected] = []
        dry, _ = await bring(service, path, heard, dry_run=True)
        assert dry.people is not None
        # Two customers with one address: the address is between them; the counter's is past a cap.
        assert (dry.people.profiles, dry.people.largest) == (50, 2)
        assert (dry.people.shared, dry.people.generic) == (20, 1)
        assert dry.people.dropped == {"shared": 40, "generic": 300}
        assert dry.people.unread == 0
        assert (dry.fit, dry.kept) == (391, 0)
        assert await service.database.auditor.fetchval("SELECT count(*) FROM ledger.entry") == 1
        summary, _ = await bring(service, path, heard)
        assert (summary.lines, summary.kept, summary.people) == (393, 391, None)
        assert summary.refused == {"blocked_identifier": 1, "malformed_identifier": 1}
        again, _ = await bring(service, path, heard)
        assert (again.earlier, again.kept) == (393, 0)
        assert await clusters(fresh_database) == [2] * dry.people.profiles
    connection = await asyncpg.connect(fresh_database.dsn())
    try:
        found = await rebuild(connection, load_ring(ring_path(settings)))
        assert (found.differences, found.faults) == ((), ())
    finally:
        await connection.close()


async def test_a_file_takes_back_no_denial(
    fresh_database: TestDatabase, folder: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "pairs.csv", [("7", "ada@example.org"), ("8", "bob@example.org")])
    async with open_service(fresh_database.settings(folder)) as service:
        await set_up(service)
        policy = await service.policies.refreshed(ControllerId(1))
        ends = (
            Identifier(policy.namespace_ids["customer_id"], "7"),
            Identifier(policy.namespace_ids["email"], "ada@example.org"),
        )
        body = LinkBody(identifiers=ends, link=LinkKind.ASSERTED, at=FOREVER, denied=True)
        facts = make_facts(service.ring, service.random, ControllerId(1), [Draft(body=body, role="dpo")])
        await service.ledger.append(ControllerId(1), facts)
        await bring(service, path, [])
        assert await clusters(fresh_database) == [2]


async def test_bounds_are_said(
    fresh_database: TestDatabase, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assent.ingest.together.MOST_PAIRS", 3)
    path = write(tmp_path / "pairs.csv", [(f"{n}", f"own{n}@example.org") for n in range(1, 6)])
    async with open_service(fresh_database.settings(folder)) as service:
        await set_up(service)
        dry, _ = await bring(service, path, [], dry_run=True)
        assert dry.people is not None
        assert (dry.people.profiles, dry.people.unread) == (3, 2)
