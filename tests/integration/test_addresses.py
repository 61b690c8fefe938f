"""A network address that clients send stands nowhere: in no table, no payload once opened, no file beside."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from assent.ingest import contents, context_groups
from assent.ingest.facts import aad
from assent.ledger.keyring import KeyRing
from tests.support.database import TestDatabase
from tests.support.policy_documents import Documents, changed, shipped
from tests.support.service import InProcess, SteppedClock, bearer, in_process, statement, subject

ADDRESSES = ("203.0.113.77", "2001:db8:1234:5678:9abc:def0:1234:5678")
NETWORKS = (b"203.0.113.0/24", b"2001:db8:1234::/48")

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def claiming() -> Documents:
    """Return the shipped policy with the network of whoever calls claimed, as context and as a trait."""
    documents = changed(
        shipped(), "features", 'categories.account.traits = ["country", "plan", "language", "ip"]'
    )
    documents["features"]["categories"]["visit"]["context"].append("ip")
    feature = {"type": "text", "aggregate": "last", "path": "context.ip"}
    documents["features"]["features"] |= {"network": feature, "said": {"type": "text", "trait": "ip"}}
    return documents


async def send(shop: InProcess, address: str) -> None:
    """Send an address in every place where a client may put one, as somebody who agreed to everything."""
    headers = bearer(shop.keys.collector)
    purposes = ("personalisation", "analytics", "advertising", "email_marketing")
    said = {"subject": subject("user_id:u-1"), "statements": [statement(one, "given") for one in purposes]}
    assert (await shop.http.post("/v1/consents", json=said, headers=headers)).status_code == 201
    shop.clock.step()
    named = {"ip": address, "$ip": address, "ip_address": address, "country": "IT"}
    around = {**named, "network": named, "page": {"ip": address, "path": "/"}, "device": {"ip": address}}
    calls: list[dict[str, Any]] = [
        {"type": "track", "event": "Order Completed", "properties": {**named, "revenue": 1}},
        {"type": "page", "name": "Home", "properties": named},
        {"type": "identify", "traits": named},
        {"type": "group", "groupId": "g", "traits": named},
    ]
    batch = [{**call, **named, "userId": "u-1", "context": {**around, "traits": named}} for call in calls]
    forwarded = {**headers, "X-Forwarded-For": address, "Forwarded": f"for={address}", "X-Real-IP": address}
    response = await shop.http.post("/v1/batch", json={"batch": batch, "context": around}, headers=forwarded)
    assert response.json() | {"revision": 0} == {
        "success": True,
        "accepted": len(batch),
        "refused": [],
        "revision": 0,
    }


def texts(value: object) -> Iterator[bytes]:
    """Yield whatever a value of a column says, in bytes."""
    match value:
        case bytes():
            yield value
        case list() | tuple():
            for one in value:
                yield from texts(one)
        case _:
            yield str(value).encode()


async def everything(database: TestDatabase, ring: KeyRing, folder: Path) -> AsyncIterator[tuple[str, bytes]]:
    """Yield all that is kept: every cell of every table, every payload opened, every file beside."""
    connection = await asyncpg.connect(database.dsn())
    try:
        for (table,) in await connection.fetch(TABLES):
            for row in await connection.fetch(f"SELECT * FROM {table}"):
                for column, value in row.items():
                    for text in texts(value):
                        yield f"{table}.{column}", text
                if table in ("ledger.payload", "ledger.content"):
                    yield f"{table}, opened", ring.open(row["sealed"], aad(row["controller_id"]))
    finally:
        await connection.close()
    for name, text in files(folder):
        yield name, text


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.name, file.read_bytes()


async def kept(
    database: TestDatabase, folder: Path, documents: Documents, capsys: pytest.CaptureFixture[str]
) -> dict[str, set[str]]:
    """Return where addresses and networks stand after they were sent, what was printed included."""
    found: dict[str, set[str]] = {}
    async with in_process(database.settings(folder), SteppedClock(), documents) as shop:
        for address in ADDRESSES:
            await send(shop, address)
        ring = shop.service.ring
    wanted = {one: one.encode() for one in ADDRESSES} | {one.decode(): one for one in NETWORKS}
    opened = 0
    async for place, text in everything(database, ring, folder):
        opened += place.endswith("opened")
        for name, one in wanted.items():
            if one in text or one.hex().encode() in text:
                found.setdefault(name, set()).add(place)
    assert opened > 20
    printed = "".join(capsys.readouterr())
    assert not any(one in printed for one in ADDRESSES)
    return found


async def test_by_default_nothing_of_an_address_is_kept(
    fresh_database: TestDatabase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await kept(fresh_database, folder, shipped(), capsys) == {}


async def test_where_a_policy_claims_it_its_network_is_kept_and_never_the_address(
    fresh_database: TestDatabase, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await kept(fresh_database, folder, claiming(), capsys)
    assert found.keys() == {one.decode() for one in NETWORKS}
    assert set.union(*found.values()) == {"ledger.content, opened", "projection.feature_state.state"}


@pytest.mark.parametrize("fault", ["properties", "context"])
async def test_an_address_that_is_kept_is_found(
    fresh_database: TestDatabase,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    if fault == "properties":
        monkeypatch.setattr(contents, "_without_addresses", lambda said: said)
    else:
        monkeypatch.setattr(context_groups, "network", lambda address: address)
    found = await kept(fresh_database, folder, claiming(), capsys)
    for address in ADDRESSES:
        assert "ledger.content, opened" in found[address]
