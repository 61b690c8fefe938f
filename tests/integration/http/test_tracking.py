"""Tracking calls: how they are read, whose key they bring, what is taken and what is refused."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from assent.ingest.tracking import PATHS
from tests.integration.http.shop import Json, Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = "anonymous_id:zebra-17"
VIEWED: dict[str, Any] = {
    "anonymousId": "zebra-17",
    "event": "Product Viewed",
    "properties": {"category": "shoes"},
}


async def viewed(shop: Shop) -> int:
    """Return how many views the shop has counted."""
    features = (await shop.decision("personalisation", WHO))["features"]
    return int(features["products_viewed"])


async def raw(shop: Shop, path: str, content: Json, **headers: str) -> httpx.Response:
    return await shop.ask("POST", path, by="collector", content=content, headers=headers)


async def refusals(shop: Shop, *items: dict[str, Any]) -> list[tuple[int, str]]:
    """Send a batch; return what was refused of it."""
    response = await shop.track("batch", batch=list(items))
    assert response.status_code == 200
    document = response.json()
    assert document["accepted"] == len(items) - len(document["refused"])
    return [(one["index"], one["code"]) for one in document["refused"]]


# What is taken.


async def test_an_event_is_answered_as_the_contract_says(shop: Shop) -> None:
    await shop.given(WHO, "personalisation")
    response = await shop.track("track", **VIEWED)
    revision = await shop.revision()
    assert response.json() == {"success": True, "accepted": 1, "refused": [], "revision": revision}
    assert response.headers["assent-revision"] == str(revision)
    assert await viewed(shop) == 1


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_of_the_contract_takes_its_call(shop: Shop, path: str) -> None:
    one = {"type": "track", "userId": "u-1", "previousId": "p-1", "event": "Product Viewed"}
    body = one if PATHS[path] is not None else {"batch": [one]}
    response = await shop.track(path, **body)
    assert (response.status_code, response.json()["accepted"]) == (200, 1)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_a_body_is_read_by_its_content_whatever_its_content_type(shop: Shop, kind: str) -> None:
    await shop.given(WHO, "personalisation")
    response = await raw(shop, "/v1/t", json.dumps(VIEWED), **{"Content-Type": kind})
    assert response.json()["accepted"] == 1
    assert await viewed(shop) == 1


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {}])
async def test_gzip_is_read_with_and_without_its_header(shop: Shop, headers: dict[str, str]) -> None:
    await shop.given(WHO, "personalisation")
    body = gzip.compress(json.dumps({"batch": [{"type": "track", **VIEWED}] * 3}).encode())
    response = await raw(shop, "/v1/batch", body, **headers)
    assert response.json()["accepted"] == 3
    assert await viewed(shop) == 3


async def test_an_event_that_no_purpose_permits_is_accepted_and_not_stored(shop: Shop) -> None:
    before = await shop.revision()
    response = await shop.track("track", **VIEWED)
    assert (response.json()["accepted"], response.json()["revision"]) == (1, before)
    await shop.given(WHO, "personalisation")
    assert await viewed(shop) == 0


async def test_a_message_sent_twice_counts_once(shop: Shop) -> None:
    await shop.given(WHO, "personalisation")
    first = await shop.track("track", messageId="m-1", **VIEWED)
    again = await shop.track("track", messageId="m-1", **VIEWED)
    assert first.json() == again.json()
    assert await viewed(shop) == 1
    # The same id under another key is another message.
    await shop.track("track", by="browser", messageId="m-1", **VIEWED)
    assert await viewed(shop) == 2


async def test_a_message_sent_twice_in_one_batch_counts_once(shop: Shop) -> None:
    await shop.given(WHO, "personalisation")
    item = {"type": "track", "messageId": "m-1", **VIEWED}
    assert await refusals(shop, item, item) == []
    assert await viewed(shop) == 1


async def test_a_retry_is_recognised_for_35_days(shop: Shop) -> None:
    await shop.given(WHO, "personalisation")
    day = 86_400_000_000
    for pause, count in [(0, 1), (34 * day, 1), (2 * day, 2), (34 * day, 2)]:
        shop.clock.step(pause)
        await shop.track("track", messageId="m-1", **VIEWED)
        assert await viewed(shop) == count


# Whose key it is.


async def test_a_key_may_come_as_bearer_as_basic_and_in_the_body(shop: Shop) -> None:
    await shop.given(WHO, "personalisation")
    key = await shop.key("browser")
    basic = base64.b64encode(f"{key}:".encode()).decode()
    for headers, more in [
        ({"Authorization": f"Bearer {key}"}, {}),
        ({"Authorization": f"Basic {basic}"}, {}),
        ({}, {"writeKey": key}),
    ]:
        response = await shop.http.post("/v1/track", json={**VIEWED, **more}, headers=headers)
        assert response.status_code == 200, response.text
    assert await viewed(shop) == 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer assent_collector_of-nobody"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \u00e9".encode("latin-1")},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"nobody:").decode()},
        {"Authorization": "Digest assent"},
    ],
)
async def test_a_wrong_key_is_refused(http: httpx.AsyncClient, headers: dict[str, Any]) -> None:
    response = await http.post("/v1/track", json=VIEWED, headers=headers)
    refused(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_of_another_role_may_not_collect(shop: Shop) -> None:
    for by in ("engine:personalisation", "issuer", "dpo", "admin"):
        refused(await shop.track("track", by=by, **VIEWED), 403, "forbidden")


# What is refused of a request, item by item.


def of(**more: Json) -> dict[str, Any]:
    return {"type": "identify", **more}


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (
            of(userId="u-1", context={"externalIds": [{"id": "u-2", "type": "user_id"}]}),
            "ambiguous_identifier",
        ),
        (of(userId="null"), "blocked_identifier"),
        (of(userId="[object Object]"), "blocked_identifier"),
        (of(anonymousId="00000000-0000"), "blocked_identifier"),
        (of(userId="u-1", traits={"email": "noreply@example.org"}), "blocked_identifier"),
        (of(userId="u-1", traits={"email": "anna at example.org"}), "malformed_identifier"),
        (of(userId="u-1", traits={"email": "anna@"}), "malformed_identifier"),
        (of(userId="u-1", traits={"phone": "12"}), "malformed_identifier"),
        (of(userId="u-1", traits={"phone": "call me"}), "malformed_identifier"),
        (of(userId={"$oid": "1"}), "malformed_identifier"),
        (of(userId=1.5), "malformed_identifier"),
        (of(traits={"country": "IT"}), "malformed_identifier"),
        (of(userId="u-1", context={"externalIds": [{"id": "x", "type": "loyalty"}]}), "unknown_namespace"),
        ({"type": "alias", "userId": "u-1"}, "malformed_identifier"),
        ({"type": "track", "userId": "u-1"}, "unreadable_body"),
        ({"type": "dance", "userId": "u-1"}, "unreadable_body"),
        (of(userId="u-1", timestamp="yesterday"), "unreadable_body"),
        (of(userId="u-1", timestamp="2026-03-01T12:00:00"), "unreadable_body"),
        (of(userId="u-1", traits={"name": "x" * 40_000}), "body_too_large"),
    ],
)
async def test_a_faulty_item_is_refused_alone_with_its_place(
    shop: Shop, item: dict[str, Any], code: str
) -> None:
    await shop.given(WHO, "personalisation")
    good = {"type": "track", **VIEWED}
    assert await refusals(shop, good, item, good) == [(1, code)]
    assert await viewed(shop) == 2


async def test_a_public_key_does_not_learn_whether_a_strangers_event_was_kept(shop: Shop) -> None:
    await shop.given(WHO, "personalisation")
    key = await shop.key("browser")
    for stranger in ("zebra-17", "zebra-18"):
        before = await shop.revision()
        call = {"event": "Product Viewed", "anonymousId": stranger}
        tracked = await shop.track("track", by="browser", **call)
        shared: dict[str, Any] = {"event": "Product Viewed", "distinct_id": stranger}
        shared["properties"] = {"$process_person_profile": False}
        captured = await shop.ask("POST", "/capture", {**shared, "api_key": key}, by="browser")
        nothing = await shop.track("identify", by="browser", userId="null")
        # The canary: the ledger itself tells the two apart.
        assert (await shop.revision() > before) == (stranger == "zebra-17")
        for response, accepted in ((tracked, 1), (captured, 1), (nothing, 0)):
            assert (response.status_code, response.json()["accepted"]) == (200, accepted)
            assert response.json()["revision"] == 0
            assert "assent-revision" not in response.headers


async def test_when_all_is_refused_the_answer_still_says_where_the_ledger_stands(shop: Shop) -> None:
    response = await shop.track("identify", userId="null")
    assert response.json() == {
        "success": True,
        "accepted": 0,
        "refused": [{"index": 0, "code": "blocked_identifier"}],
        "revision": await shop.revision(),
    }


# What is refused as a whole.


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"batch": {}}',
        b'{"batch": [], "sentAt": "noon"}',
        b'{"batch": [1,]}',
        gzip.compress(b'{"batch": []}', mtime=0)[:-4],
        gzip.compress(b'{"batch": []}', mtime=0) + b"more",
        gzip.compress(b"[" * 100_000, mtime=0),
        b'{"batch": [' + b"[" * 100_000 + b"]",
    ],
)
async def test_an_unreadable_body_is_refused_whole(shop: Shop, content: bytes) -> None:
    refused(await raw(shop, "/v1/batch", content), 400, "unreadable_body")


async def test_an_encoding_we_do_not_know_is_refused(shop: Shop) -> None:
    response = await raw(shop, "/v1/batch", b"{}", **{"Content-Encoding": "br"})
    refused(response, 400, "unreadable_body")


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    """Send a body whose length nobody announces."""
    yield b'{"batch": ["'
    for _ in range(count):
        yield b"x" * size
    yield b'"]}'


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/track", json.dumps({**VIEWED, "context": "x" * 33_000}).encode()),
        ("/v1/batch", json.dumps({"batch": ["x" * 30_000] * 20}).encode()),
        ("/v1/batch", json.dumps({"batch": [1] * 2_501}).encode()),
        ("/v1/batch", gzip.compress(b'{"batch": ["' + b"x" * 100_000_000 + b'"]}', 1, mtime=0)),
        ("/v1/batch", chunks(10_000, 60)),
        ("/v1/batch", chunks(100_000, 2_000)),
    ],
    ids=["item", "batch", "items", "bomb", "chunked", "endless"],
)
async def test_an_oversized_body_is_refused_whole(shop: Shop, path: str, content: Json) -> None:
    await shop.given(WHO, "personalisation")
    refused(await raw(shop, path, content), 413, "body_too_large")
