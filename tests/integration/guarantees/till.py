"""Clients that order through a service which is killed under them, and what its ledger must then hold."""

import asyncio
import os
import random
import signal
from pathlib import Path

import httpx
from msgspec import Struct

from assent.database.embedded import EmbeddedPostgres
from assent.database.types import Connection
from assent.ledger.checkpoint import open_checkpoint
from assent.ledger.keyring import KeyRing
from assent.ledger.store import Log, Trees
from assent.ledger.tree import Frontier, leaf_hash
from tests.support.service import Keys, Process, bearer, subject

BACK_WITHIN_S = 45.0
"""A crashed PostgreSQL replays its log first, on a machine that others use too."""

EXPECTED = {200, 429, 503}
"""What a caller may be answered while things are killed; all else but a lost connection is a fault."""


class Customer(Struct):
    """Somebody who orders: how many of their orders were sent, and how many acknowledged."""

    name: str
    sent: int = 0
    acknowledged: int = 0


class Till:
    """Customers' orders, each repeated with its message id until acknowledged, and at times once more."""

    def __init__(self, http: httpx.AsyncClient, keys: Keys, seed: int, customers: int = 4) -> None:
        self.http = http
        self.keys = keys
        self.dice = random.Random(seed)
        self.customers = [Customer(f"user_id:c{number}") for number in range(customers)]
        self.url = ""
        self.closing = False
        self.unexpected: list[str] = []
        self.wanted = 0
        self.more = asyncio.Event()

    @property
    def acknowledged(self) -> int:
        return sum(one.acknowledged for one in self.customers)

    async def order(self, customer: Customer) -> None:
        """Send orders until the till closes; every one that was sent is acknowledged then."""
        while not self.closing:
            count = self.dice.randrange(1, 12)
            value = customer.name.partition(":")[2]
            batch: list[dict[str, object]] = [
                {
                    "type": "track",
                    "event": "Order Completed",
                    "userId": value,
                    "messageId": f"{value}-{customer.sent + number}",
                    "properties": {"revenue": 1},
                }
                for number in range(count)
            ]
            customer.sent += count
            await self.send(batch)
            customer.acknowledged += count
            if self.acknowledged >= self.wanted:
                self.more.set()
            if self.dice.random() < 0.2:
                # As if the answer had been lost on its way.
                await self.send(batch)

    async def send(self, batch: list[dict[str, object]]) -> None:
        while True:
            url = self.url
            try:
                answer = await self.http.post(
                    f"{url}/v1/batch", json={"batch": batch}, headers=bearer(self.keys.collector)
                )
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200 and answer.json()["accepted"] == len(batch):
                return
            if answer.status_code not in EXPECTED or answer.status_code == 200:
                self.unexpected.append(f"{answer.status_code} {answer.text}")
            await asyncio.sleep(0.05)

    async def counted(self) -> list[str]:
        """Return what is wrong with the orders that the service counts now: some missing, or some twice."""
        answer = await self._ask()
        async with asyncio.timeout(BACK_WITHIN_S):
            while answer is None:
                await asyncio.sleep(0.1)
                answer = await self._ask()
        wrong = []
        for customer, seen, (lowest, _) in answer:
            count = seen["features"].get("order_count", 0)
            if not lowest <= count <= customer.sent:
                wrong.append(f"{count} orders, of {lowest} acknowledged and {customer.sent} sent")
        return wrong

    async def _ask(self) -> list[tuple[Customer, dict[str, dict[str, int]], tuple[int, int]]] | None:
        before = [(one.acknowledged, one.sent) for one in self.customers]
        body = {"purpose": "service", "subjects": [subject(one.name) for one in self.customers]}
        try:
            answer = await self.http.post(
                f"{self.url}/v1/decisions", json=body, headers=bearer(self.keys.engines["service"])
            )
        except httpx.TransportError:
            return None
        if answer.status_code not in EXPECTED:
            self.unexpected.append(f"{answer.status_code} {answer.text}")
        if answer.status_code != 200:
            return None
        return list(zip(self.customers, answer.json()["decisions"], before, strict=True))

    async def until_more(self, acknowledged: int) -> None:
        """Return when that many more orders are acknowledged."""
        self.wanted = self.acknowledged + acknowledged
        self.more.clear()
        async with asyncio.timeout(BACK_WITHIN_S):
            await self.more.wait()


async def killed(till: Till, folder: Path, database_url: str | None, process: Process, what: str) -> Process:
    """Kill the service, its PostgreSQL or both in the middle of work; return the service that goes on."""
    await asyncio.sleep(till.dice.random() * 0.05)
    if "postgres" in what:
        pid = EmbeddedPostgres(folder).pid
        if pid is None:
            message = "the embedded server does not run"
            raise RuntimeError(message)
        os.kill(pid, signal.SIGKILL)
    if "service" in what:
        await asyncio.to_thread(process.kill)
        process = Process(folder, database_url)
        await asyncio.to_thread(process.wait)
        till.url = process.url
    return process


async def business(
    folder: Path,
    database_url: str | None,
    keys: Keys,
    fault: str | None,
    kills: list[str],
    seed: int,
    between: int = 40,
) -> tuple[Till, list[str]]:
    """Take orders while things are killed; return the till and what was found wrong."""
    process = await asyncio.to_thread(Process, folder, database_url, fault)
    try:
        await asyncio.to_thread(process.wait)
        async with httpx.AsyncClient(timeout=20) as http:
            till = Till(http, keys, seed)
            till.url = process.url
            found: list[str] = []
            ordering = [asyncio.create_task(till.order(one)) for one in till.customers]
            await till.until_more(between)
            for what in kills:
                process = await killed(till, folder, database_url, process, what)
                found += await till.counted()
                await till.until_more(between)
            till.closing = True
            await asyncio.gather(*ordering)
            found += await till.counted() + till.unexpected
            return till, found
    finally:
        await asyncio.to_thread(process.stop)


async def faults_of(connection: Connection, ring: KeyRing, keys: Keys) -> list[str]:
    """Return what is wrong with a controller's ledger: gaps, uncovered entries, a root that is another's."""
    entries = await connection.fetch("SELECT entry_index, leaf FROM ledger.entry ORDER BY entry_index")
    batches = await connection.fetch("SELECT first_index, size FROM ledger.batch ORDER BY first_index")
    payloads = await connection.fetch("SELECT entry_index FROM ledger.payload ORDER BY entry_index")
    (head,) = await connection.fetch("SELECT revision, checkpoint FROM ledger.head")
    verifier = Trees(ring).signer(keys.controller, Log.FACTS).verifier
    checkpoint = open_checkpoint(head["checkpoint"].encode(), verifier)
    tree = Frontier().append(leaf_hash(row["leaf"]) for row in entries)
    claims = {
        "indexes have gaps": [row[0] for row in entries] == list(range(len(entries))),
        "an entry has no payload": [row[0] for row in payloads] == [row[0] for row in entries],
        "the head is elsewhere": head["revision"] == len(entries),
        "batches do not cover the entries": _covers([tuple(row) for row in batches], len(entries)),
        "the checkpoint has another root": (checkpoint.size, checkpoint.root) == (len(entries), tree.root()),
    }
    return [claim for claim, holds in claims.items() if not holds]


def _covers(batches: list[tuple[int, int]], size: int) -> bool:
    at = 0
    for first, count in batches:
        if first != at or count < 1:
            return False
        at += count
    return at == size
