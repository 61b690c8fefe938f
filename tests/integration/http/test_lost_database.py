"""A database that is killed or frozen: 503 promptly and everywhere, then on as before, and nothing lost."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
import uvicorn
from litestar import Litestar
from litestar.routes import HTTPRoute

from assent.app import create_app
from assent.config import Secret, Settings
from assent.database.embedded import EmbeddedPostgres, embedded_postgres
from assent.http.keys import NewKey, Role
from assent.ingest.controllers import create_controller
from tests.integration.http.shop import Json, Shop, refused, statement, subject
from tests.support.service import SteppedClock

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTLY_S: Final = 10.0
PURPOSE: Final = "personalisation"
ANNA: Final = "user_id:anna-0001"
BRUNO: Final = "user_id:bruno-0002"
"""About whom everything is asked that is refused: a 503 does not say whether it was taken."""
NEEDS_NO_DATABASE: Final = {
    "/health/live",
    "/schema",
    "/.well-known/gpc.json",
    "/.well-known/jwks.json",
    "/v1/schemas/consent-record.json",
    "/v1/schemas/consent-receipt.json",
}


Asked = tuple[str, str, Json, str]
"""Method, path, body, whose key."""


class Running(Shop):
    """A shop on a socket, by the wall clock."""

    app: Litestar


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Running]:
    """Serve on a socket of this process, with one controller set up."""
    app = create_app(settings)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:
        assert not serving.done(), "the service did not start"
        await asyncio.sleep(0.02)
    service = app.state["service"]
    async with service.database.writer.acquire() as connection:
        first = await create_controller(connection, service.ring, "first", service.clock())
    key = (await service.keys.create(first, NewKey(role=Role.ADMIN)))[1]
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        shop = Running(http, service, SteppedClock(), key)
        shop.app, shop.controller_id = app, first
        await shop.open()
        await shop.given(ANNA, PURPOSE)
        await shop.save("buyers", {"op": "ge", "feature": "order_count", "value": 1}, PURPOSE)
        for by in ("issuer", "browser", f"engine:{PURPOSE}", "dpo"):
            await shop.key(by)
        try:
            yield shop
        finally:
            server.should_exit = True
            await serving


def requests_of_every_kind(token: str) -> list[Asked]:
    """Return a request that would be answered, with whom it is for, for each kind of route."""
    order = {"userId": "bruno-0002", "event": "Order Completed"}
    engine = f"engine:{PURPOSE}"
    purpose = {"purpose": PURPOSE}
    rule = {"op": "ge", "feature": "order_count", "value": 1}
    audience = {"title": "Buyers", "purposes": [PURPOSE], "rule": rule}
    link = {"from": subject(BRUNO), "to": subject("anonymous_id:zebra-17"), "kind": "asserted"}
    return [
        ("POST", "/v1/track", order, "collector"),
        ("POST", "/v1/batch", {"batch": [{"type": "track", **order}]}, "browser"),
        (
            "POST",
            "/v1/consents",
            {"subject": subject(BRUNO), "statements": [statement(PURPOSE, "given")]},
            "collector",
        ),
        ("GET", "/v1/me/preferences", None, token),
        ("PUT", "/v1/me/preferences", {"purposes": {"analytics": "refused"}}, token),
        ("POST", "/v1/me/withdraw-all", None, token),
        ("POST", "/v1/decisions", {**purpose, "subjects": [subject(BRUNO)]}, engine),
        ("GET", "/v1/audiences", None, "admin"),
        ("GET", "/v1/audiences/{audience}", None, "admin"),
        ("PUT", "/v1/audiences/{audience}", audience, "admin"),
        ("DELETE", "/v1/audiences/{audience}", None, "admin"),
        ("POST", "/v1/audiences/{audience}/count", purpose, engine),
        ("POST", "/v1/audiences/{audience}/members", purpose, engine),
        ("POST", "/v1/audiences/preview", {**purpose, "rule": rule}, engine),
        ("POST", "/v1/audiences/overlap", {**purpose, "audiences": ["buyers"]}, engine),
        ("POST", "/v1/audit/decide", {"question": {**purpose, "subject": subject(BRUNO)}}, "dpo"),
        ("GET", "/v1/audit/summary", None, "dpo"),
        ("GET", "/v1/sources", None, "dpo"),
        ("POST", "/v1/identities/resolve", {"subject": subject(BRUNO)}, "dpo"),
        ("POST", "/v1/identities/links", {"links": [link]}, "dpo"),
        ("POST", "/v1/policies", {"documents": {}}, "dpo"),
        ("POST", "/v1/keys", {"role": "dpo"}, "admin"),
        ("POST", "/v1/keys/revoke", {"key_id": 1 << 40}, "admin"),
        ("POST", "/v1/controllers", {"name": "another"}, "admin"),
        ("GET", "/checkpoint", None, "dpo"),
        ("GET", "/health/ready", None, "dpo"),
    ]


def filled(path: str) -> str:
    """Return a path with something that is, or could be, where it has a place for it."""
    return path.replace("{audience}", "buyers").replace("links/{id}", "links/l:1-2").replace("{id}", "s:1")


async def requests_of_every_route(shop: Running, token: str) -> list[Asked]:
    """Return at least one request for every route that needs the database."""
    asked = requests_of_every_kind(token)
    known = {(method, path) for method, path, *_ in asked}
    for route in shop.app.routes:
        assert isinstance(route, HTTPRoute)
        path = route.path_format
        preflight = await shop.http.options(filled(path))
        # Tracking paths read the body first, which may hold the key: those of the list stand for all of them.
        if path in NEEDS_NO_DATABASE or "access-control-allow-origin" in preflight.headers:
            continue
        for method in sorted(set(route.methods) - {"OPTIONS", "HEAD"}):
            if (method, path) not in known:
                # A person's token is checked without the database, a key is not.
                asked.append((method, path, {}, token if path.startswith("/v1/me") else "admin"))
    return asked


async def refused_everywhere(shop: Running, asked: list[Asked]) -> None:
    """Assert that every request is answered 503, and promptly."""

    async def one(method: str, path: str, body: Json, by: str) -> None:
        began = time.monotonic()
        response = await shop.ask(method, filled(path), body, by=by)
        assert response.status_code == 503, f"{method} {path}: {response.text}"
        refused(response, 503, "unavailable")
        assert time.monotonic() - began < PROMPTLY_S, f"{method} {path} was not prompt"

    await asyncio.gather(*(one(*request) for request in asked))
    for path in NEEDS_NO_DATABASE:
        assert (await shop.http.get(path)).status_code == 200


async def recovered(shop: Running, within_s: float = 30.0) -> None:
    """Return once the service is ready again. Nobody asks it for anything else meanwhile."""
    async with asyncio.timeout(within_s):
        while (await shop.http.get("/health/ready")).status_code != 200:  # noqa: ASYNC110 - it is on a socket
            await asyncio.sleep(0.1)


async def orders(shop: Running) -> int:
    features = (await shop.decision(PURPOSE, ANNA))["features"]
    return int(features["order_count"])


async def order(shop: Running, number: int) -> httpx.Response:
    return await shop.track("track", userId="anna-0001", event="Order Completed", messageId=f"order-{number}")


def processes_of(server: EmbeddedPostgres) -> list[int]:
    pid = server.pid
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *map(int, children)]


def kill(server: EmbeddedPostgres) -> None:
    """End every process of a server, as kill -9 does."""
    for pid in processes_of(server):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server that the tests end and start, as an operator would."""
    folder = Path(tempfile.mkdtemp(prefix="assent-lost-"))
    with embedded_postgres(folder) as started:
        yield started
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lost_settings(server: EmbeddedPostgres, folder: Path) -> Settings:
    return Settings(folder=folder, database_url=Secret(server.dsn()))


async def test_a_killed_database_is_503_everywhere_and_then_all_goes_on(
    server: EmbeddedPostgres, lost_settings: Settings
) -> None:
    async with served(lost_settings) as shop:
        token = await shop.token(BRUNO)
        kinds, everything = requests_of_every_kind(token), await requests_of_every_route(shop, token)
        for number in range(5):
            assert (await order(shop, number)).status_code == 200
        await asyncio.to_thread(kill, server)
        await refused_everywhere(shop, kinds)  # with keys and policies that are at hand
        await asyncio.sleep(1.1)
        refused(await order(shop, 5), 503, "unavailable")
        await refused_everywhere(shop, everything)  # and when even the key must be looked up

        await asyncio.to_thread(server.ensure_running)
        await recovered(shop)
        assert await orders(shop) == 5
        for number in range(3, 8):  # what was not acknowledged is sent again, and some of what was
            assert (await order(shop, number)).json()["accepted"] == 1
        assert await orders(shop) == 8


async def test_a_frozen_database_is_503_promptly_too(folder: Path) -> None:
    async with served(Settings(folder=folder)) as shop:
        token = await shop.token(BRUNO)
        assert (await order(shop, 0)).status_code == 200
        own = shop.service.database.server
        assert own is not None
        pids = processes_of(own)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await refused_everywhere(shop, requests_of_every_kind(token))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await recovered(shop)
        assert (await order(shop, 0)).status_code == 200
        assert await orders(shop) >= 1

        # Its own server, killed while nobody asks for anything, is started again by the service itself.
        await asyncio.to_thread(kill, own)
        await recovered(shop)
        assert (await order(shop, 100)).status_code == 200
