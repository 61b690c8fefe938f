"""Assent-At-Least: no answer from before what the caller was told, and no hint of what it may not know."""

import asyncio

import httpx
import pytest

from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
PURPOSE = "personalisation"
BUYERS = {"op": "ge", "feature": "order_count", "value": 1}
MALFORMED: list[str | bytes] = [
    "",
    "17",
    "l:",
    "l:-1",
    "l:1.0",
    "l: 1",
    "L:1",
    "l:01",
    "l:\u0661".encode(),
    "x:1",
    "l:1,p:1",
    "l:" + "9" * 19,
]

OF_THE_LEDGER: list[tuple[str, str, Json, str]] = [
    ("GET", "/v1/me/preferences", None, "person"),
    ("GET", "/v1/audiences", None, "admin"),
    ("GET", "/v1/audiences/buyers", None, "dpo"),
    ("GET", "/checkpoint", None, "collector"),
    ("GET", "/v1/audit/summary", None, "dpo"),
    ("POST", "/v1/audit/decide", {"question": {"subject": subject(ANNA), "purpose": PURPOSE}}, "dpo"),
    ("POST", "/v1/identities/resolve", {"subject": subject(ANNA)}, "dpo"),
]

OF_A_PURPOSE: list[tuple[str, Json]] = [
    ("/v1/decisions", {"purpose": PURPOSE, "subjects": [subject(ANNA)]}),
    ("/v1/audiences/buyers/count", {"purpose": PURPOSE}),
    ("/v1/audiences/preview", {"purpose": PURPOSE, "rule": BUYERS}),
    ("/v1/audiences/overlap", {"purpose": PURPOSE, "audiences": ["buyers"]}),
    ("/v1/audiences/buyers/members", {"purpose": PURPOSE}),
]


async def populated(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 10)
    await shop.save("buyers", BUYERS, PURPOSE)


async def read(
    shop: Shop, method: str, path: str, body: Json, by: str, at_least: str | bytes
) -> httpx.Response:
    if by == "person":
        by = await shop.token(ANNA)
    return await shop.ask(method, path, body, by=by, headers={"Assent-At-Least": at_least})


@pytest.mark.parametrize(("method", "path", "body", "by"), OF_THE_LEDGER)
async def test_a_revision_that_was_reached_is_answered_and_one_ahead_refused(
    shop: Shop, method: str, path: str, body: Json, by: str
) -> None:
    await populated(shop)
    revision = await shop.revision()
    for at_least in (0, 1, revision):
        response = await read(shop, method, path, body, by, f"l:{at_least}")
        assert response.status_code == 200, response.text
        assert response.headers["assent-revision"] == str(revision)
        assert "assent-sequence" not in response.headers
    refused(await read(shop, method, path, body, by, f"l:{revision + 1}"), 409, "revision_ahead")
    refused(await read(shop, method, path, body, by, "p:1"), 400, "unreadable_body")
    for malformed in MALFORMED:
        refused(await read(shop, method, path, body, by, malformed), 400, "unreadable_body")


@pytest.mark.parametrize(("path", "body"), OF_A_PURPOSE)
async def test_a_sequence_that_was_reached_is_answered_and_one_ahead_refused(
    shop: Shop, path: str, body: Json
) -> None:
    await populated(shop)
    by = f"engine:{PURPOSE}"
    response = await shop.ask("POST", path, body, by=by)
    sequence = int(response.headers["assent-sequence"])
    assert "assent-revision" not in response.headers
    for at_least in (0, sequence):
        response = await read(shop, "POST", path, body, by, f"p:{at_least}")
        assert (response.status_code, response.headers["assent-sequence"]) == (200, str(sequence))
    recorded = await records(shop)
    refused(await read(shop, "POST", path, body, by, f"p:{sequence + 1}"), 409, "revision_ahead")
    assert await records(shop) == recorded, "an answer that was not given was recorded"
    for malformed in MALFORMED:
        refused(await read(shop, "POST", path, body, by, malformed), 400, "unreadable_body")


@pytest.mark.parametrize(("path", "body"), OF_A_PURPOSE)
async def test_an_engine_cannot_find_out_how_large_the_ledger_is(shop: Shop, path: str, body: Json) -> None:
    await populated(shop)
    by = f"engine:{PURPOSE}"
    for at_least in ("l:1", "l:999999999999"):
        assert (await read(shop, "POST", path, body, by, at_least)).status_code == 200
    refused(await shop.ask("GET", "/checkpoint", by=by), 403, "forbidden")


async def test_one_ahead_does_not_stop_those_asked_together(shop: Shop) -> None:
    await populated(shop)
    await shop.key(f"engine:{PURPOSE}")
    (path, body), *_ = OF_A_PURPOSE
    asked = [read(shop, "POST", path, body, f"engine:{PURPOSE}", f"p:{n}") for n in (0, 999, 1, 999)]
    answers = await asyncio.gather(*asked)
    assert [one.status_code for one in answers] == [200, 409, 200, 409]


async def records(shop: Shop) -> Json:
    async with shop.service.database.auditor.acquire() as connection:
        return await connection.fetchval(
            "SELECT count(*) FROM ledger.release WHERE controller_id = $1", shop.controller_id
        )
