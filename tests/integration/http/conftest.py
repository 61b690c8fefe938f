"""The service in this process, once per run and worker; a shop of its own for each test that asks for one."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
import pytest_asyncio
from litestar import Litestar

from assent.app import create_app
from assent.config import Settings
from assent.database.embedded import EmbeddedPostgres
from assent.http.keys import NewKey, Role
from assent.http.wiring import Service
from assent.ingest.controllers import create_controller
from assent.ledger.append import Append
from tests.integration.http.shop import Shop, a_name
from tests.support.database import clone
from tests.support.policy_documents import Documents
from tests.support.service import SteppedClock, bearer

OpenShop = Callable[[Documents], Awaitable[Shop]]


class Installation:
    """The running service, and the key of its own administrator, who makes the controllers."""

    def __init__(self, http: httpx.AsyncClient, app: Litestar, clock: SteppedClock, admin_key: str) -> None:
        self.http = http
        self.app = app
        self.clock = clock
        self.admin_key = admin_key

    @property
    def service(self) -> Service:
        service: Service = self.app.state["service"]
        return service

    def appending(self, ledger: Append) -> AbstractContextManager[None]:
        """Hand handlers another way into the ledger for a while."""
        return self.changed(ledger=ledger)

    @contextmanager
    def changed(self, **parts: object) -> Iterator[None]:
        """Hand handlers other parts of the service for a while."""
        service = self.service
        self.app.state["service"] = msgspec.structs.replace(service, **parts)
        try:
            yield
        finally:
            self.app.state["service"] = service

    async def controller(self) -> Shop:
        """Return a new controller without a policy."""
        response = await self.http.post(
            "/v1/controllers", json={"name": a_name()}, headers=bearer(self.admin_key)
        )
        assert response.status_code == 201, response.text
        shop = Shop(self.http, self.service, self.clock, response.json()["key"])
        shop.controller_id = response.json()["controller"]
        return shop


@asynccontextmanager
async def alive(app: Litestar) -> AsyncIterator[None]:
    """Hold the application's lifespan in one task: a fixture ends in another than it began in."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            ready.set()
            await over.wait()

    living = asyncio.create_task(live())
    await asyncio.wait({living, waiting := asyncio.create_task(ready.wait())}, return_when="FIRST_COMPLETED")
    waiting.cancel()
    try:
        yield
    finally:
        over.set()
        await living


@pytest.fixture(scope="session")
def settings(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Settings]:
    """Settings with a database and a folder of this run's own."""
    folder = Path(tempfile.mkdtemp(prefix="assent-http-"))
    with clone(postgres, template_database) as database:
        yield database.settings(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    clock = SteppedClock()
    app = create_app(settings, clock)
    transport = httpx.ASGITransport(app=cast("Any", app))
    async with alive(app), httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        service: Service = app.state["service"]
        async with service.database.writer.acquire() as connection:
            first = await create_controller(connection, service.ring, "first", clock())
        key = (await service.keys.create(first, NewKey(role=Role.ADMIN)))[1]
        yield Installation(http, app, clock, key)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(installation: Installation) -> Shop:
    """A controller with the shipped policy."""
    return await (await installation.controller()).open()


@pytest.fixture
def open_shop(installation: Installation) -> OpenShop:
    """Make a controller with a policy of the test's own."""

    async def opened(documents: Documents) -> Shop:
        return await (await installation.controller()).open(documents)

    return opened


@pytest.fixture
def http(installation: Installation) -> httpx.AsyncClient:
    return installation.http
