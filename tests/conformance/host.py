"""The service on a real socket, with a clock that tests step, and one controller per row to talk to.

`hosted` serves the application on 127.0.0.1 at a free port; `Host.controller` makes a controller. All rows
share the application, each has its own span of time: the clock is placed at a row's beginning once, and from
then on moves forward alone. Nothing is asked except through HTTP; only the first administrator's key is made
inside, as an installation makes it.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import httpx
import uvicorn
from msgspec import Struct

from assent.app import create_app
from assent.config import Settings
from assent.core.time import Instant
from assent.http.keys import NewKey, Role
from assent.http.wiring import Service
from assent.ingest.controllers import create_controller

Documents = dict[str, dict[str, Any]]

_WITHIN_S: Final = 60.0


class NoDoor(AssertionError):
    """The service does not (yet) offer what the row needs."""


class SteppedClock:
    """Calling it returns the same instant until it is stepped; only another row may begin earlier."""

    def __init__(self) -> None:
        self._now = Instant(0)

    def __call__(self) -> Instant:
        return self._now

    def begin(self, at: Instant) -> None:
        """Place the clock at the beginning of a row, which has a controller that saw no time yet."""
        self._now = at

    def step_to(self, at: Instant) -> None:
        """Move forward; a step back within a row is a fault of the test."""
        if at < self._now:
            message = "the clock steps forward only"
            raise ValueError(message)
        self._now = at


class Answer(Struct, frozen=True, kw_only=True):
    """An answer as it came."""

    status: int
    body: Any

    @property
    def refused(self) -> str | None:
        """The problem's code, None when it was no refusal."""
        return str(self.body.get("code")) if self.status >= 400 else None


class Controller:
    """A row's controller: its keys, made when first used, and its time."""

    def __init__(self, host: "Host", admin_key: str) -> None:
        self._host = host
        self._keys = {"admin": admin_key}

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "admin",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask with a key of the role, made when first used. Raises NoDoor: there is no such path."""
        if role not in self._keys:
            self.add_key(role)
        return self._host.ask(method, path, body, key=self._keys[role], headers=headers)

    def post(self, path: str, body: object, *, role: str = "admin") -> dict[str, Any]:
        """Post what must be taken, and return the answer's body."""
        answer = self.ask("POST", path, body, role=role)
        assert answer.status < 300, f"{path}: {answer.status} {answer.body}"
        taken: dict[str, Any] = answer.body
        return taken

    def add_key(self, role: str, *, name: str | None = None, **more: object) -> None:
        """Make the key that calls of the role use from now on, or of another name that it is given."""
        self._keys[name or role] = self.post("/v1/keys", {"role": role, **more})["key"]

    def speak_as(self, role: str, token: str) -> None:
        """Use a subject token under a role's name."""
        self._keys[role] = token

    def step_to(self, at: Instant) -> None:
        """Let time pass."""
        self._host.clock.step_to(at)


class Host(Struct, frozen=True, kw_only=True):
    """The running service."""

    clock: SteppedClock
    client: httpx.Client
    admin_key: str

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask, and return what came. Raises NoDoor."""
        response = self.client.request(
            method, path, json=body, headers={"Authorization": f"Bearer {key}", **(headers or {})}
        )
        is_json = (
            "json" in response.headers.get("content-type", "")
            and "ndjson" not in response.headers["content-type"]
        )
        answer = Answer(status=response.status_code, body=response.json() if is_json else response.text)
        if answer.status in {404, 405, 501} and answer.refused != "unknown_audience":
            raise NoDoor(f"{method} {path}: {answer.status}")
        return answer

    def controller(self, at: Instant) -> Controller:
        """Return a new controller, whose time begins now."""
        self.clock.begin(at)
        made = self.ask("POST", "/v1/controllers", {"name": f"row {uuid4().hex}"}, key=self.admin_key)
        assert made.status == 201, made.body
        return Controller(self, made.body["key"])


def activate(controller: Controller, documents: Documents) -> Answer:
    """Put a policy in force, or return its refusal."""
    return controller.ask("POST", "/v1/policies", {"documents": documents, "activate": True})


@contextmanager
def hosted(settings: Settings) -> Iterator[Host]:
    """Serve the application until the block ends."""
    clock = SteppedClock()
    app = create_app(settings, clock)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    # Said to be TCP, or asyncio leaves Nagle's algorithm on and answers wait 40 ms for an acknowledgement.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve(sockets=[listening]))

    thread = threading.Thread(target=serve, name="conformance host", daemon=True)
    thread.start()
    try:
        _wait(server, thread)
        wired = app.state["service"]
        key = asyncio.run_coroutine_threadsafe(_installed(wired), loop).result(_WITHIN_S)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_WITHIN_S) as client:
            yield Host(clock=clock, client=client, admin_key=key)
    finally:
        server.should_exit = True
        thread.join(_WITHIN_S)
        loop.close()


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    pause = threading.Event()
    while not server.started:
        if not thread.is_alive():
            message = "the service did not start"
            raise RuntimeError(message)
        pause.wait(0.02)


async def _installed(wired: Service) -> str:
    """Return the key of the installation's own administrator, whose controller makes the others."""
    async with wired.database.writer.acquire() as connection:
        first = await create_controller(connection, wired.ring, "conformance", wired.clock())
    return (await wired.keys.create(first, NewKey(role=Role.ADMIN)))[1]
