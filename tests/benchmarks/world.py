"""What every benchmark stands on: a PostgreSQL of its own with fsync on, and processes that serve from it."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path

import asyncpg
import msgspec
from msgspec import Struct

from assent.app import open_service, system_clock
from assent.config import Settings
from assent.database.embedded import EmbeddedPostgres, embedded_postgres
from assent.http.keys import NewKey, Role
from assent.ingest.controllers import create_controller
from assent.policies import read_folder
from tests.benchmarks import people
from tests.benchmarks.client import HOST, Check, ask, drive, get, post

OUTPUT = Path(".assent") / "bench"

_CHECKOUT = Path(__file__).resolve().parents[2]
_STOPS_WITHIN_S = 30
_LOADING_CONNECTIONS = 64
_BATCH = 100


class Served(Struct, frozen=True, kw_only=True):
    """A process that serves."""

    pid: int
    port: int


class Controller(Struct, frozen=True, kw_only=True):
    """A controller with its policy in force, and keys to collect and to decide."""

    id: int
    name: str
    collector: str
    engine: str


class World(Struct, frozen=True, kw_only=True):
    """A database, a connection that may read everything in it, and the key of its first administrator."""

    folder: Path
    server: EmbeddedPostgres
    connection: "asyncpg.Connection[asyncpg.Record]"
    admin: str

    @contextmanager
    def serving(self, variant: str) -> Iterator[Served]:
        """Serve a variant in a process of its own; end it after."""
        with socket.create_server((HOST, 0), backlog=1024) as listening:
            handle = listening.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.served", variant, str(self.folder), str(handle)],
                pass_fds=[handle],
                cwd=_CHECKOUT,
            )
            port = listening.getsockname()[1]
        try:
            yield Served(pid=process.pid, port=port)
        finally:
            process.terminate()
            process.wait(_STOPS_WITHIN_S)

    async def controller(self, served: Served, name: str) -> Controller:
        """Make a controller with the shipped policy in force."""
        made = await ask(served.port, post("/v1/controllers", self.admin, _json({"name": name})), status=201)
        documents = json.loads(json.dumps(read_folder(Settings().policies), default=str))
        body = _json({"documents": documents, "activate": True})
        await ask(served.port, post("/v1/policies", made["key"], body))

        async def key(**wanted: object) -> str:
            answer = await ask(served.port, post("/v1/keys", made["key"], _json(wanted)), status=201)
            text: str = answer["key"]
            return text

        return Controller(
            id=made["controller"],
            name=name,
            collector=await key(role="collector"),
            engine=await key(role="engine", purposes=["personalisation"]),
        )

    async def settle(self, served: Served, controller: Controller, number: int) -> people.Shop:
        """Let so many people agree and do one thing each; return the shop they go on visiting."""
        before = await self.size(controller)
        statements = await self.agree(served, controller, range(number))
        shop = people.Shop(range(number), "loading")
        bodies = people.batches(shop.events(), controller.collector, of=_BATCH)
        await drive(
            served.port,
            (body for body, _ in islice(bodies, number // _BATCH)),
            connections=4,
            check=all_accepted(_BATCH),
        )
        await self.verify(controller, statements + number // _BATCH * _BATCH, since=before)
        return shop

    async def agree(self, served: Served, controller: Controller, who: Sequence[int]) -> int:
        """Let people agree to every purpose; return how many statements that took."""
        await drive(
            served.port,
            people.consents(who, controller.collector),
            connections=_LOADING_CONNECTIONS,
            check=lambda status, body: status == 201 and b'"refused":[]' in body,
        )
        return len(list(people.identifiers(who))) * len(people.PURPOSES)

    async def size(self, controller: Controller) -> int:
        """Return how many entries a controller's ledger says it holds."""
        found: int = await self.connection.fetchval(
            "SELECT revision FROM ledger.head WHERE controller_id = $1", controller.id
        )
        return found

    async def verify(self, controller: Controller, expected: int, *, since: int) -> None:
        """Raise AssertionError unless exactly as many entries as were acknowledged stand from `since` on."""
        found = await self.connection.fetchval(
            "SELECT count(*) FROM ledger.entry WHERE controller_id = $1 AND entry_index >= $2",
            controller.id,
            since,
        )
        if found != expected or await self.size(controller) != since + found:
            message = f"{expected} entries were acknowledged, the ledger holds {found}"
            raise AssertionError(message)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Yield a database of its own beside the results, on the disk that the service uses; remove it after."""
    (_CHECKOUT / OUTPUT).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=_CHECKOUT / OUTPUT))
    try:
        settings = Settings(folder=folder)
        with embedded_postgres(folder) as server:
            async with open_service(settings) as service:
                async with service.database.writer.acquire() as connection:
                    first = await create_controller(connection, service.ring, "first", system_clock())
                _, admin = await service.keys.create(first, NewKey(role=Role.ADMIN))
            connected = await asyncpg.connect(server.dsn())
            try:
                yield World(folder=folder, server=server, connection=connected, admin=admin)
            finally:
                await connected.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def ready(served: Served) -> None:
    """Return once a process answers."""
    for _ in range(200):
        try:
            await ask(served.port, get("/health/live"))
        except ConnectionError:
            await asyncio.sleep(0.05)
        else:
            return
    message = "a served variant did not come up"
    raise TimeoutError(message)


def all_accepted(number: int) -> Check:
    """Return a check that a tracking answer accepted so many items and refused none."""
    begins = b'{"success":true,"accepted":%d,"refused":[],' % number

    def check(status: int, body: bytes) -> bool:
        return status == 200 and body.startswith(begins)

    return check


async def environment(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, object]:
    """Return what the figures were taken on, none of which is a result."""
    settings = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": sys.version.split()[0],
        "postgresql": {
            name: await connection.fetchval("SELECT current_setting($1)", name) for name in settings
        },
    }


def _json(document: object) -> bytes:
    return msgspec.json.encode(document)
