"""A service of the demo's own: a real process on a free port, with a fresh folder, ended whatever happens.

Raises StartupRefused when it does not start or another one uses the folder, and DemoFailed for an answer that
was not expected.
"""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click
import httpx
from msgspec import Struct

from assent.cli.serving import SERVING
from assent.core.errors import StartupRefused
from assent.database.embedded import EmbeddedPostgres, embedded_postgres

_START_WITHIN_S: Final = 120
_STOP_WITHIN_S: Final = 30
_AT_ONCE: Final = 32
"""Requests under way: enough for the committer to fill its batches."""


class DemoFailed(click.ClickException):
    """The service answered otherwise than the demo expects."""


class RunningService:
    """The running service as its callers see it: an address and keys."""

    def __init__(
        self, client: httpx.AsyncClient, keys: Mapping[str, str], environment: dict[str, str]
    ) -> None:
        self.keys = keys
        self._client = client
        self._environment = environment
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(
        self, method: str, path: str, key: str, body: object = None, *, token: str | None = None
    ) -> httpx.Response:
        """Ask with one of the keys, or with a subject token, and return the answer. Raises DemoFailed."""
        headers = {"Authorization": f"Bearer {token or self.keys[key]}"}
        async with self._slots:
            response = await self._client.request(method, path, json=body, headers=headers)
        if response.is_error:
            raise DemoFailed(f"{method} {path} was answered {response.status_code}: {response.text[:300]}")
        return response

    async def read(
        self, method: str, path: str, key: str, body: object = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """Ask, and return the JSON of the answer."""
        document: dict[str, Any] = (await self.ask(method, path, key, body, token=token)).json()
        return document

    async def command(self, *arguments: str) -> None:
        """Run another command of ours beside the service. Raises DemoFailed when it fails."""
        process = await _started(arguments, self._environment)
        try:
            code = await process.wait()
        finally:
            await _ended(process)
        if code != 0:
            raise DemoFailed(f"`assent {arguments[0]}` ended with {code}")


class Demonstrated(Struct, frozen=True, kw_only=True):
    """What the demo shows: a service, and a file with how to read it."""

    service: RunningService
    data: Path
    mapping: Path


@asynccontextmanager
async def running_service(folder: Path, *, keep: bool) -> AsyncIterator[RunningService]:
    """Yield a service in a fresh folder. At the end its process and its PostgreSQL are gone."""
    _empty(folder)
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
    environment |= {
        "ASSENT_FOLDER": str(folder),
        "ASSENT_PORT": str(port),
        "ASSENT_ADMIN_PORT": str(_free_port()),
    }
    process = await _started(("run",), environment, stdout=asyncio.subprocess.PIPE)
    try:
        keys = await _announced(process)
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, timeout=120, trust_env=False) as client:
            yield RunningService(client, keys, environment)
    finally:
        await _ended(process)
        _empty(folder, but_keep=keep)


async def _announced(process: asyncio.subprocess.Process) -> dict[str, str]:
    """Return the keys that the first start shows, once it says that it serves."""
    keys: dict[str, str] = {}
    if process.stdout is None:
        raise StartupRefused
    try:
        async with asyncio.timeout(_START_WITHIN_S):
            while line := (await process.stdout.readline()).decode():
                name, _, key = line.removeprefix("export ").strip().partition("=")
                if line.startswith("export "):
                    keys[name] = key
                if line.startswith(SERVING):
                    return keys
    except TimeoutError:
        raise StartupRefused(f"the demo's service did not start within {_START_WITHIN_S} seconds") from None
    raise StartupRefused("the demo's service did not start: what it says stands above")


async def _started(
    arguments: Sequence[str], environment: dict[str, str], stdout: int | None = None
) -> asyncio.subprocess.Process:
    # In a session of its own: Ctrl-C reaches the demo alone, which then ends it in order.
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "assent.cli", *arguments),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        start_new_session=True,
    )


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _empty(folder: Path, *, but_keep: bool = False) -> None:
    """Stop a PostgreSQL that a killed service left in the folder, and delete the folder."""
    if EmbeddedPostgres(folder).pid is not None:
        left = embedded_postgres(folder)
        if not left.stop():
            raise StartupRefused(f"another service uses {folder}: end it first")
    if not but_keep:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
