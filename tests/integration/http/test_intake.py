"""What is not admitted is not read; what is read is held within a bound, and let go with the answer."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import cast

import pytest
from litestar.types import HTTPScope, Message

from assent.core.errors import OverCapacity
from assent.http import intake as intake_module
from assent.http.intake import Intake
from assent.ingest.committer import Committer
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop, bearer, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATHS = ("/v1/batch", "/v1/track", "/batch", "/i/v0/e")
ORDER = {"type": "track", "event": "Order Completed", "userId": "anna-0001"}


def admitting() -> None:
    pass


def full() -> None:
    raise OverCapacity


@pytest.mark.parametrize("path", PATHS)
async def test_a_full_service_answers_before_it_reads(
    shop: Shop, installation: Installation, path: str
) -> None:
    answers: list[Message] = []

    async def unread() -> Message:
        pytest.fail("the body was read")

    async def answer(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop"), (b"content-length", b"400000")],
        "client": None,
        "server": None,
    }
    with installation.changed(intake=Intake(full)):
        await installation.app(cast("HTTPScope", scope), unread, answer)  # type: ignore[arg-type]
    begun = answers[0]
    assert begun["type"] == "http.response.start"
    assert begun["status"] == 429
    assert (b"retry-after", b"1") in list(begun["headers"])


async def test_a_service_that_ends_says_that_it_is_unavailable(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    committer = installation.service.ledger
    assert isinstance(committer, Committer)
    await shop.key("collector")
    with monkeypatch.context() as patched:
        patched.setattr(committer, "_closing", True)
        refused(await shop.track("track", **ORDER), 503, "unavailable")
        refused(await shop.state("user_id:anna-0001", "personalisation", "given"), 503, "unavailable")
    assert (await shop.track("track", **ORDER)).status_code == 200


@pytest.mark.parametrize("packed", [False, True])
async def test_bytes_held_are_bounded_as_they_unpack(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(intake_module, "MOST_BYTES", 20_000)
    revision = await shop.revision()
    body = json.dumps({"batch": [ORDER] * 500}).encode()
    sent = gzip.compress(body) if packed else body
    intake = installation.service.intake
    key = await shop.key("collector")
    refused(await shop.http.post("/v1/batch", content=sent, headers=bearer(key)), 429, "over_capacity")
    assert (intake.requests, intake.bytes) == (0, 0)
    assert await shop.revision() == revision
    assert (await shop.track("batch", batch=[ORDER] * 50)).json()["accepted"] == 50


async def test_requests_held_are_bounded_and_let_go_with_their_answers(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "MOST_REQUESTS", 2)
    await shop.track("track", **ORDER)
    answers = await asyncio.gather(*(shop.track("track", **ORDER) for _ in range(10)))
    statuses = [one.status_code for one in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 2
    assert (installation.service.intake.requests, installation.service.intake.bytes) == (0, 0)
    assert (await shop.track("track", **ORDER)).status_code == 200


async def test_a_body_that_does_not_arrive_is_let_go(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"event":'
        await asyncio.sleep(5)

    monkeypatch.setattr(intake_module, "WITHIN_S", 0.05)
    key = await shop.key("collector")
    refused(await shop.http.post("/v1/track", content=dripping(), headers=bearer(key)), 429, "over_capacity")
    assert (installation.service.intake.requests, installation.service.intake.bytes) == (0, 0)


async def test_an_unread_request_holds_nothing() -> None:
    intake = Intake(admitting)
    with intake.admitted():
        assert (intake.requests, intake.bytes) == (0, 0)
