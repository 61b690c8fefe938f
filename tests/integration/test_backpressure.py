"""Far past capacity: what is let in waits behind a bound, the rest is told to come again, nothing is lost."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from assent.cli.serving import DRAIN_S, SERVING
from assent.http.intake import MOST_BYTES, MOST_REQUESTS
from assent.ingest.committer import MOST_WAITING
from tests.support.database import TestDatabase, run
from tests.support.service import bearer, statement, subject

CLIENTS: Final = 48
EVENTS: Final = 400
"""In one batch. All clients together hold twice what may wait."""

AGAIN_S: Final = 0.05
"""Who is sent away comes again much too soon: some hundred times what can be taken is asked for."""

MESSAGES: Final = "SELECT count(*) FROM ledger.message"
EVENT_ENTRIES: Final = "SELECT count(*) FROM ledger.entry WHERE entry_index > 0"


class Load:
    """What became of the batches of all clients."""

    def __init__(self, port: int, key: str, name: str) -> None:
        self.port = port
        self.key = key
        self.name = name
        self.closing = False
        self.accepted = 0
        self.refused = 0
        self.unanswered = 0
        self.sent = 0
        self.wrong: list[str] = []
        self.full = asyncio.Event()
        """Some batches were taken, and some were sent away."""
        self.cut_off = asyncio.Event()

    def batch(self) -> bytes:
        """Return a request that holds a batch which nobody sent before."""
        self.sent += 1
        item = '{"type":"track","event":"Order Completed","userId":"u%d","messageId":"%s-%d-%d"}'
        items = ",".join(item % (n % 7, self.name, self.sent, n) for n in range(EVENTS))
        body = f'{{"batch":[{items}]}}'
        return (
            f"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def send(self, most: int | None = None) -> None:
        """Send batches over one connection, so many, or until told to end or cut off."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while not self.closing and most != 0:
                most = None if most is None else most - 1
                batch = self.batch()
                self.unanswered += 1
                writer.write(batch)
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
                body = await reader.readexactly(int(headers["content-length"]))
                self.unanswered -= 1
                self.answered(int(head[9:12]), headers, json.loads(body))
                if int(head[9:12]) != 200:
                    await asyncio.sleep(AGAIN_S)
        except (OSError, asyncio.IncompleteReadError):
            self.closing = True
            self.cut_off.set()
        finally:
            writer.close()

    def answered(self, status: int, headers: dict[str, str], document: dict[str, Any]) -> None:
        match status:
            case 200 if document["accepted"] == EVENTS:
                self.accepted += 1
            case 429 | 503 if "retry-after" in headers and "accepted" not in document:
                self.refused += 1
            case _:
                self.wrong.append(f"{status} {document}")
        if self.accepted and self.refused:
            self.full.set()


class Serving:
    """`assent run` with slow commits, in a process of its own."""

    def __init__(self, folder: Path, database: TestDatabase, bound: str) -> None:
        self.port, admin = free_port(), free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
        environment |= {
            "ASSENT_FOLDER": str(folder),
            "ASSENT_DATABASE_URL": database.dsn(),
            "ASSENT_PORT": str(self.port),
            "ASSENT_ADMIN_PORT": str(admin),
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.support.loaded", bound],
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.keys: dict[str, str] = {}
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            if line.startswith("export "):
                name, _, key = line.removeprefix("export ").strip().partition("=")
                self.keys[name] = key
            if line.startswith(SERVING):
                break

    def load(self, name: str) -> Load:
        return Load(self.port, self.keys["COLLECTOR_KEY"], name)

    def ended(self) -> tuple[int, dict[str, int]]:
        """Ask it to end; return its exit code and how deep its queue was."""
        self.popen.send_signal(signal.SIGTERM)
        said, _ = self.popen.communicate(timeout=DRAIN_S + 10)
        return self.popen.returncode, json.loads(said.splitlines()[-1])


@contextmanager
def serving(folder: Path, database: TestDatabase, bound: str = "bounded") -> Iterator[Serving]:
    one = Serving(folder, database, bound)
    try:
        yield one
    finally:
        one.popen.kill()
        one.popen.wait()
        if one.popen.stdout is not None:
            one.popen.stdout.close()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def overload(load: Load, seconds: float) -> None:
    """Let all clients send for so long, and have their last answers."""
    async with asyncio.timeout(seconds + 40), asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(load.send())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(load.cut_off.wait(), seconds)
        load.closing = True


def withdraw(one: Serving) -> int:
    """Withdraw a consent; return the status of the answer."""
    body = {"subject": subject("user_id:u1"), "statements": [statement("personalisation", "withdrawn")]}
    return httpx.post(
        f"http://127.0.0.1:{one.port}/v1/consents",
        json=body,
        headers=bearer(one.keys["COLLECTOR_KEY"]),
        timeout=20,
        trust_env=False,
    ).status_code


def test_past_capacity_waiting_is_bounded_and_nothing_is_lost(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async def day(one: Serving, load: Load) -> list[int]:
        full = asyncio.create_task(overload(load, 3.0))
        await asyncio.wait_for(load.full.wait(), 30)
        withdrawals = [await asyncio.to_thread(withdraw, one) for _ in range(3)]
        await full
        return withdrawals

    with serving(folder, fresh_database) as one:
        load = one.load("first")
        assert asyncio.run(day(one, load)) == [201] * 3, "events kept a withdrawal out"
        assert load.wrong == []
        assert load.unanswered == 0
        assert load.refused > load.accepted > 0
        # Recovery by itself: the very next batch is taken.
        after = one.load("after")
        asyncio.run(after.send(1))
        assert after.accepted == 1
        taken = (load.accepted + after.accepted) * EVENTS
        assert run(fresh_database.dsn(), MESSAGES) == [taken]
        # Beside the orders: the policy is entry 0, and the withdrawals.
        assert run(fresh_database.dsn(), EVENT_ENTRIES) == [taken + 3]
        code, deepest = one.ended()
        assert code == 0
        assert MOST_WAITING // 2 < deepest["facts"] <= MOST_WAITING, "the queue was never full, or too deep"
        assert deepest["requests"] <= MOST_REQUESTS
        assert deepest["bytes"] <= MOST_BYTES


def test_an_end_under_load_keeps_every_acknowledged_event(fresh_database: TestDatabase, folder: Path) -> None:
    async def until_cut_off(one: Serving, load: Load) -> None:
        full = asyncio.create_task(overload(load, 30.0))
        await asyncio.wait_for(load.full.wait(), 30)
        one.popen.send_signal(signal.SIGTERM)
        await full

    with serving(folder, fresh_database) as one:
        load = one.load("last")
        began = time.monotonic()
        asyncio.run(until_cut_off(one, load))
        assert one.popen.wait(DRAIN_S + 10) == 0
        assert time.monotonic() - began < DRAIN_S + 10
        assert load.wrong == []
        (messages,) = run(fresh_database.dsn(), MESSAGES)
        # A batch is durable as a whole, even if its answer did not reach its sender.
        assert messages % EVENTS == 0
        assert load.accepted <= messages // EVENTS <= load.accepted + load.unanswered


def test_a_lifted_bound_would_be_noticed(fresh_database: TestDatabase, folder: Path) -> None:
    # The canary of the bound.
    with serving(folder, fresh_database, "lifted") as one:
        load = one.load("all")
        asyncio.run(overload(load, 1.5))
        assert load.wrong == []
        assert load.refused == 0
        code, deepest = one.ended()
        assert code == 0
        assert deepest["facts"] > MOST_WAITING
