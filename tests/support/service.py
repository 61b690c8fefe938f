"""The service for tests: in this process over ASGI, or in processes of its own over sockets; set up."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
from msgspec import Struct

from assent.app import create_app, open_service
from assent.config import Secret, Settings
from assent.core.ids import ControllerId
from assent.core.time import SECOND, Instant, parse_time
from assent.http.keys import NewKey, Role
from assent.http.wiring import Service
from assent.ingest.controllers import create_controller
from assent.ingest.facts import Draft, PolicyBody, make_facts
from tests.support.policy_documents import Documents, shipped

CHECKOUT = Path(__file__).resolve().parents[2]
START_WITHIN_S = 60.0

ENGINES = ("service", "personalisation", "analytics")
"""Purposes that get an engine with the right to members."""


class SteppedClock:
    """Gives the same instant until it is moved."""

    def __init__(self, now: str = "2026-03-01T12:00:00Z") -> None:
        self.now = parse_time(now)

    def __call__(self) -> Instant:
        return self.now

    def step(self, by: int = SECOND) -> None:
        self.now = Instant(self.now + by)


class Keys(Struct, frozen=True, kw_only=True):
    """The keys of one controller: `collector` is a server's, `browser` is public."""

    controller: ControllerId
    admin: str
    dpo: str
    collector: str
    browser: str
    issuer: str
    engines: dict[str, str]


async def set_up(service: Service, name: str = "shop", documents: Documents | None = None) -> Keys:
    """Make a controller with a policy in force and a key of every kind."""
    async with service.database.writer.acquire() as connection:
        controller = await create_controller(connection, service.ring, name, service.clock())
    text = msgspec.json.encode(shipped() if documents is None else documents, order="sorted").decode()
    draft = Draft(body=PolicyBody(documents=text), role="admin")
    await service.ledger.append(controller, make_facts(service.ring, service.random, controller, [draft]))

    async def key(role: Role, **rights: Any) -> str:  # noqa: ANN401 - what NewKey takes
        return (await service.keys.create(controller, NewKey(role=role, **rights)))[1]

    return Keys(
        controller=controller,
        admin=await key(Role.ADMIN),
        dpo=await key(Role.DPO),
        collector=await key(Role.COLLECTOR),
        browser=await key(Role.COLLECTOR, trust="browser"),
        issuer=await key(Role.ISSUER),
        engines={
            purpose: await key(Role.ENGINE, consumer=f"{purpose}-engine", purposes=(purpose,), members=True)
            for purpose in ENGINES
        },
    )


async def set_up_once(settings: Settings) -> Keys:
    """Set a controller up through a service of its own that is closed again."""
    async with open_service(settings) as service:
        return await set_up(service)


class InProcess(Struct, frozen=True, kw_only=True):
    """A service over ASGI, with its keys and its clock."""

    service: Service
    http: httpx.AsyncClient
    keys: Keys
    clock: SteppedClock


@asynccontextmanager
async def in_process(
    settings: Settings,
    clock: SteppedClock,
    documents: Documents | None = None,
    keys: Keys | None = None,
) -> AsyncIterator[InProcess]:
    """Yield a service in this process, set up; with `keys`, one that was set up before."""
    app = create_app(settings, clock)
    transport = httpx.ASGITransport(app=cast("Any", app))
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        service: Service = app.state["service"]
        keys = keys or await set_up(service, documents=documents)
        yield InProcess(service=service, http=http, keys=keys, clock=clock)


class Process:
    """A service in a process of its own, on a free port of 127.0.0.1; `fault` names one of `planted`."""

    def __init__(self, folder: Path, database_url: str | None = None, fault: str | None = None) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.support.served",
            str(folder),
            database_url or "-",
            fault or "-",
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
        self.popen = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.url = ""

    def wait(self) -> None:
        """Return once it answers on its port. Raises RuntimeError when it ends instead."""
        if self.popen.stdout is None:
            raise RuntimeError
        line = self.popen.stdout.readline()
        if not line:
            message = f"the service ended with {self.popen.wait()}"
            raise RuntimeError(message)
        self.url = f"http://127.0.0.1:{json.loads(line)['port']}"

    def kill(self) -> None:
        """End it as kill -9 does: no line of its code runs any more."""
        self.popen.kill()
        self.popen.wait()
        self._close()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._close()

    def _close(self) -> None:
        if self.popen.stdout is not None:
            self.popen.stdout.close()


@contextmanager
def processes(folder: Path, database_url: str | None, *faults: str | None) -> Iterator[list[Process]]:
    """Yield a running service for each of `faults` (None: a sound one), all on one database."""
    started = [Process(folder, database_url, fault) for fault in faults]
    try:
        for one in started:
            one.wait()
        yield started
    finally:
        for one, fault in zip(started, faults, strict=True):
            if fault is not None:
                one.kill()  # nobody cares how it ends
            one.stop()


def bearer(key: str) -> Mapping[str, str]:
    """Return the header that brings a key."""
    return {"Authorization": f"Bearer {key}"}


def subject(name: str) -> dict[str, str]:
    """Return a subject on the wire from `namespace:value`."""
    namespace, _, value = name.partition(":")
    return {"namespace": namespace, "value": value}


def statement(purpose: str, state: str, **fields: object) -> dict[str, object]:
    """Return a statement made by a click in front of the shipped notice."""
    notice = {"id": purpose, "version": 1, "language": "en"}
    return {
        "purpose": purpose,
        "state": state,
        "mechanism": "click",
        "notice": notice,
        "channel": "web",
        **fields,
    }


def settings_for(folder: Path, database_url: str | None = None) -> Settings:
    """Return the settings of a service that keeps its files in `folder`."""
    return Settings(folder=folder, database_url=None if database_url is None else Secret(database_url))


async def eventually(ask: Callable[[], Any], within_s: float, every_s: float = 0.1) -> Any:  # noqa: ANN401
    """Return what `ask` returns once it raises no connection error."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await ask()
            except (httpx.TransportError, OSError):
                await asyncio.sleep(every_s)
