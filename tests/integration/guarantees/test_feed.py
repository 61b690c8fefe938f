"""A feed that two processes write, one of them killed: read from any, it says each thing once, in order."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assent.audiences.lease import LEASE
from assent.core.time import SECOND
from tests.support.database import TestDatabase
from tests.support.service import (
    Keys,
    Process,
    bearer,
    processes,
    set_up_once,
    settings_for,
    statement,
    subject,
)

PURPOSE = "personalisation"
RULE = {"op": "between", "feature": "order_count", "low": 1, "high": 2}
PEOPLE = 8
STEPS = 40
KILL_AT = 15


class Reader:
    """Who follows the feed: it believes each change and asks any process for the next page."""

    def __init__(self) -> None:
        self.next = 0
        self.inside: set[str] = set()
        self.found: list[str] = []

    def take(self, page: dict[str, Any]) -> None:
        for one in page["changes"]:
            seq, kind, who = one["seq"], one["kind"], one["subject"]
            if seq <= self.next:
                self.found.append(f"{seq} after {self.next}")
            # Who left and then withdraws is stopped too; the others change sides.
            if kind != "stop" and (kind == "entered") == (who in self.inside):
                self.found.append(f"{kind}, inside={who in self.inside}")
            self.inside = self.inside | {who} if kind == "entered" else self.inside - {who}
            self.next = seq
        self.next = max(self.next, page["next"])


class Crowd:
    """People who order, withdraw and agree again, through any of the processes that run."""

    def __init__(self, http: httpx.AsyncClient, running: list[Process], keys: Keys, seed: int) -> None:
        self.http = http
        self.running = running
        self.keys = keys
        self.dice = random.Random(seed)
        self.reader = Reader()
        self.ended = False

    async def send(
        self,
        method: str,
        path: str,
        key: str,
        body: object = None,
        **more: Any,  # noqa: ANN401
    ) -> httpx.Response:
        """Send it until somebody takes it: to another process when one is gone or a lease is not over."""
        async with asyncio.timeout(2 * LEASE / SECOND + 10):
            while True:
                try:
                    url = self.dice.choice(self.running).url
                    answer = await self.http.request(
                        method, url + path, json=body, headers=bearer(key), **more
                    )
                    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                        answer.raise_for_status()
                        return answer
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)

    async def state(self, who: str, state: str) -> None:
        said = {"subject": subject(who), "authenticated": True, "statements": [statement(PURPOSE, state)]}
        await self.send("POST", "/v1/consents", self.keys.collector, said)

    async def order(self, who: str) -> None:
        name = who.partition(":")[2]
        order = {"event": "Order Completed", "userId": name, "properties": {"revenue": 5}}
        await self.send("POST", "/v1/track", self.keys.collector, order)

    async def live(self, restart: Any) -> None:  # noqa: ANN401
        people = [f"user_id:f{number}" for number in range(PEOPLE)]
        for who in people:
            await self.state(who, "given")
        for step in range(STEPS):
            who = self.dice.choice(people)
            if self.dice.random() < 0.5:
                await self.order(who)
            else:
                await self.state(who, self.dice.choice(("given", "withdrawn")))
            if step == KILL_AT:
                await asyncio.to_thread(restart)
        self.ended = True

    async def follow(self) -> None:
        while not self.ended:
            await self.read()
            await asyncio.sleep(0.05)
        await self.read()

    async def read(self) -> None:
        params = {"purpose": PURPOSE, "after": self.reader.next, "limit": 3}
        path, key = "/v1/audiences/some/changes", self.keys.engines[PURPOSE]
        while True:
            before = self.reader.next
            self.reader.take((await self.send("GET", path, key, params={**params, "after": before})).json())
            if self.reader.next == before:
                return

    async def settled(self) -> bool:
        """Whether the feed says who is a member, within two leases: who enters may be told late."""
        for _ in range(2 * LEASE // SECOND):
            await self.read()
            if await self.members() == self.reader.inside:
                return True
            await asyncio.sleep(1)
        return False

    async def members(self) -> set[str]:
        engine = self.keys.engines[PURPOSE]
        answer = await self.send("POST", "/v1/audiences/some/members", engine, {"purpose": PURPOSE})
        *lines, _ = answer.text.splitlines()
        return {line.split('"')[3] for line in lines}


@pytest.fixture
def shared(fresh_database: TestDatabase, folder: Path) -> tuple[TestDatabase, Path, Keys]:
    return fresh_database, folder, asyncio.run(set_up_once(settings_for(folder, fresh_database.dsn())))


@contextmanager
def restarting(running: list[Process], folder: Path, dsn: str) -> Iterator[Any]:
    """Yield what kills the first process and starts another in its place."""
    started: list[Process] = []

    def restart() -> None:
        running[0].kill()
        started.append(Process(folder, dsn))
        started[0].wait()
        running[0] = started[0]

    try:
        yield restart
    finally:
        for one in started:
            one.stop()


def followed(running: list[Process], keys: Keys, seed: int, restart: Any) -> list[str]:  # noqa: ANN401
    async def run() -> list[str]:
        async with httpx.AsyncClient(timeout=30) as http:
            crowd = Crowd(http, running, keys, seed)
            saved = {"title": "some", "purposes": [PURPOSE], "rule": RULE}
            await crowd.send("PUT", "/v1/audiences/some", keys.admin, saved)
            await asyncio.gather(crowd.live(restart), crowd.follow())
            return [*crowd.reader.found, *([] if await crowd.settled() else ["not as the members"])]

    return asyncio.run(run())


def test_a_feed_survives_the_process_that_writes_it(shared: tuple[TestDatabase, Path, Keys]) -> None:
    database, folder, keys = shared
    with (
        processes(folder, database.dsn(), None, None) as running,
        restarting(running, folder, database.dsn()) as restart,
    ):
        assert followed(running, keys, 1, restart) == []


def test_changes_that_are_told_twice_are_found(shared: tuple[TestDatabase, Path, Keys]) -> None:
    database, folder, keys = shared
    with processes(folder, database.dsn(), "feed_told_twice") as running:
        assert followed(running, keys, 2, lambda: None)
