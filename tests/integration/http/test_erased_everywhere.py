"""Once an erasure answers: no value, keyed hash or data key of the person in any dump, log or metric."""

import asyncio
from collections.abc import Iterable, Iterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from assent.config import Settings
from assent.core.ids import ControllerId
from assent.database import embedded
from assent.http.metrics import metrics_app
from assent.ingest import deleting, erasure_chunks, erasure_plan
from assent.ledger.keyring import KeyRing
from tests.integration.http.shop import Shop, refused, subject
from tests.integration.http.test_erasure import erase, live, named
from tests.support.service import statement

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(params=["at once", "in chunks"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Erase in one commit, or as what is more than one commit may do."""
    if request.param == "in chunks":
        monkeypatch.setattr(erasure_plan, "MOST_ENTRIES", 1)
        monkeypatch.setattr(erasure_chunks, "CHUNK", 2)
        monkeypatch.setattr(deleting.delete_chunk, "__defaults__", (2,))
    return str(request.param)


async def dumped(settings: Settings) -> bytes:
    """Return a dump of the whole database, as an administrator takes it."""
    assert settings.database_url is not None
    dump = await asyncio.create_subprocess_exec(
        embedded._programs() / "bin" / "pg_dump",
        settings.database_url.reveal(),
        stdout=asyncio.subprocess.PIPE,
    )
    text, _ = await dump.communicate()
    assert dump.returncode == 0
    return text


def spellings(needle: bytes) -> Iterator[bytes]:
    """Yield how a dump may spell some bytes."""
    yield needle
    yield needle.hex().encode()


def found(needles: Iterable[bytes], *places: bytes) -> list[bytes]:
    """Return which of the needles stand in one of the places."""
    return [one for one in needles if any(form in place for form in spellings(one) for place in places)]


def data_keys(ring: KeyRing, sealed: bytes) -> tuple[bytes, bytes]:
    """Return the data key of a sealed value, as it stands there and in the clear."""
    head, nonce, wrapped = sealed[:5], sealed[5:17], sealed[17:65]
    wrapping = ring._sealer._wrapping[int.from_bytes(head[1:], "big")]
    return wrapped, wrapping.decrypt(nonce, wrapped, head)


async def needles_of(shop: Shop, settings: Settings, values: dict[str, str]) -> list[bytes]:
    """Return what must be gone of a person: values, keyed hashes, the data keys of all that names them."""
    assert settings.database_url is not None
    ring, controller = shop.service.ring, ControllerId(shop.controller_id)
    policy = await shop.service.policies.current(controller)
    needles = [value.encode() for value in values.values()]
    needles += [ring.lookup(controller, policy.namespace_ids[name], one) for name, one in values.items()]
    connection = await asyncpg.connect(settings.database_url.reveal())
    try:
        for table in ("payload", "content", "idempotency"):
            column = "body" if table == "idempotency" else "sealed"
            rows = await connection.fetch(
                f"SELECT * FROM ledger.{table} WHERE controller_id = $1 AND {column} IS NOT NULL",
                shop.controller_id,
            )
            for row in rows:
                aad = b"assent/payload@1 %d" % shop.controller_id
                if table == "idempotency":
                    needles += data_keys(ring, row["body"])
                elif any(value.encode() in ring.open(row["sealed"], aad) for value in values.values()):
                    needles += data_keys(ring, row["sealed"])
    finally:
        await connection.close()
    return needles


async def test_nothing_is_left_in_any_dump_log_or_metric(
    shop: Shop, settings: Settings, size: str, capfd: pytest.CaptureFixture[str]
) -> None:
    who, browser = named(), uuid4().hex
    value = who.partition(":")[2]
    values = {"user_id": value, "anonymous_id": browser, "email": f"{value}@example.com"}
    await live(shop, who, browser)
    said = {"subject": subject(who), "statements": [statement("analytics", "given")]}
    headers = {"Idempotency-Key": uuid4().hex}
    given = await shop.ask("POST", "/v1/consents", said, by="collector", headers=headers)
    assert given.status_code == 201, given.text
    await shop.decision("personalisation", who)
    needles = await needles_of(shop, settings, values)
    # The search finds what is there: hashes and wrapped keys while they stand, and a value that leaks.
    before = found(needles, await dumped(settings))
    assert len(before) >= 3 + 6
    assert found(needles, f"POST /v1/consents {value}".encode()) == [value.encode()]

    told = await erase(shop, who)
    assert told["identifiers"] == 3, size
    transport = httpx.ASGITransport(app=metrics_app(shop.service))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as http:
        metrics = await http.get("/metrics")
    assert metrics.status_code == 200
    out, err = capfd.readouterr()
    assert found(needles, await dumped(settings), metrics.content, out.encode(), err.encode()) == []
    # The answer that was kept is gone, and who repeats its request states nothing anew.
    repeated = await shop.ask("POST", "/v1/consents", said, by="collector", headers=headers)
    refused(repeated, 410, "erased")
    assert (await shop.decision("personalisation", who))["subject"] is None


async def test_other_answers_are_given_again_after_an_erasure(shop: Shop, size: str) -> None:
    who, other = named(), named()
    await shop.given(who, "personalisation")
    said = {"subject": subject(other), "statements": [statement("analytics", "given")]}
    headers = {"Idempotency-Key": uuid4().hex}
    first = await shop.ask("POST", "/v1/consents", said, by="collector", headers=headers)
    await erase(shop, who)
    again = await shop.ask("POST", "/v1/consents", said, by="collector", headers=headers)
    assert (again.status_code, again.json()) == (201, first.json()), size


async def test_an_erasure_is_answered_again_by_its_key(shop: Shop, size: str) -> None:
    who = named()
    await shop.given(who, "personalisation")
    await shop.bought(who, 5)
    headers = {"Idempotency-Key": uuid4().hex}
    token = await shop.token(who)
    first = await shop.ask("DELETE", "/v1/me", by=token, headers=headers)
    assert first.json()["identifiers"] == 1, size
    again = await shop.ask("DELETE", "/v1/me", by=token, headers=headers)
    assert again.json() == first.json()
