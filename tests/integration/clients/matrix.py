"""What every client's row is tested by: a story told through it, and faults on its way."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import httpx
from msgspec import Struct

from tests.integration.clients.serving import HERE, Served
from tests.integration.clients.story import (
    FEATURES,
    SERVER_PURPOSES,
    TIMES,
    Act,
    People,
    faulty,
    people,
    right_now,
    story,
    told,
)
from tests.support.service import CHECKOUT, bearer, statement, subject
from tests.support.unreliable import FAILURES, Fault, Seen, Unreliable, unreliable

WITHIN_S: Final = 40.0
"""Longer than any client takes to give up; a test that waits this long has failed."""

_CONSENTED: Final = ("analytics", "personalisation")


class Work(Struct, frozen=True, kw_only=True):
    """What a client is told to do: each group of acts is sent by a client of its own."""

    url: str
    key: str
    groups: list[list[Act]]
    options: Mapping[str, Any] = {}
    delivered: asyncio.Event | None = None
    """Set once everything has arrived: for a client that cannot say so itself, a page that lies open."""


class Ended(Struct, frozen=True, kw_only=True):
    """How a client's process ended."""

    status: int
    output: str
    errors: str


class Client(Protocol):
    """A client that a test can make send."""

    @property
    def name(self) -> str:
        """Return what tells its events from those of others."""
        ...

    async def send(self, work: Work) -> Ended:
        """Send, and return once everything was delivered or given up."""
        ...


class Program(Struct, frozen=True, kw_only=True):
    """A client in a process of its own, which is handed its work on its standard input."""

    name: str
    command: tuple[str, ...]

    async def send(self, work: Work) -> Ended:
        """Run the program to its end."""
        text = json.dumps({"url": work.url, "key": work.key, "groups": work.groups, "options": work.options})
        process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=CHECKOUT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                output, errors = await process.communicate(text.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Ended(status=process.returncode or 0, output=output.decode(), errors=errors.decode())


def python_client(name: str, module: str) -> Program:
    """Return a client for Python, by the module that drives it."""
    return Program(name=name, command=(sys.executable, "-m", f"tests.integration.clients.python.{module}"))


def node_client(name: str, script: str) -> Program:
    """Return a client for Node, by the script that drives it."""
    return Program(name=name, command=("node", str(HERE / "node" / script)))


async def the_story_makes_the_profile(
    served: Served,
    client: Client,
    *,
    key: str = "",
    purposes: Sequence[str] = SERVER_PURPOSES,
    **options: object,
) -> list[Seen]:
    """Let a client tell the story, compare what the purposes see of it; return the client's requests."""
    who, now = people(client.name), right_now()
    await _consent(served, who, now)
    acts = story(who, now)
    async with unreliable(served.url) as proxy:
        arrived = proxy.arrived(len(acts), WITHIN_S)
        ended = await _sent(
            client, proxy, arrived, key=key or served.keys.collector, groups=[acts], options=options
        )
    assert ended.status == 0, ended.errors
    for purpose in purposes:
        # A browser alone opens nobody's orders: the service asks for the account.
        opening = who.subjects[:1] if purpose == "service" else who.subjects
        for features in await _decided(served, opening, purpose):
            assert told(features, now) == (FEATURES[purpose], TIMES[purpose])
    return proxy.seen


async def retries_apply_nothing_twice(
    served: Served, client: Client, *, key: str = "", **options: object
) -> list[Seen]:
    """Let a client meet every fault; each event must be seen to fail, and count once; return its requests."""
    who, now = people(client.name), right_now()
    await _consent(served, who, now)
    groups, words = faulty(who, now)
    async with unreliable(served.url) as proxy:
        settled = proxy.settled(words, WITHIN_S)
        ended = await _sent(
            client, proxy, settled, key=key or served.keys.collector, groups=groups, options=options
        )
    assert ended.status == 0, ended.errors
    (features,) = await _decided(served, who.subjects[:1], "analytics")
    assert (features["order_count"], features["order_value"]) == (len(Fault), 2 ** len(Fault) - 1)
    assert len([seen for seen in proxy.seen if seen.status != 200]) >= FAILURES * len(Fault)
    return proxy.seen


async def _sent(
    client: Client,
    proxy: Unreliable,
    everything_arrived: Awaitable[None],
    *,
    key: str,
    groups: list[list[Act]],
    options: Mapping[str, object],
) -> Ended:
    """Let a client send, see that everything arrives, and then that the client ends."""
    delivered = asyncio.Event()
    work = Work(url=proxy.url, key=key, groups=groups, options=options, delivered=delivered)
    sending = asyncio.create_task(client.send(work))
    await everything_arrived
    delivered.set()
    return await sending


async def _consent(served: Served, who: People, now: datetime) -> None:
    """Say that they all consented an hour before the story is told."""
    before = (now - timedelta(hours=1)).isoformat()
    past = {"imported": True, "event_time": before, "evidence": {"banner": "b1"}}
    async with httpx.AsyncClient(base_url=served.url, headers=bearer(served.keys.collector)) as http:
        for name in who.subjects:
            statements = [statement(purpose, "given", **past) for purpose in _CONSENTED]
            answer = await http.post(
                "/v1/consents", json={"subject": subject(name), "statements": statements}
            )
            assert answer.status_code == 201, answer.text
            assert answer.json()["refused"] == []


async def _decided(served: Served, names: Sequence[str], purpose: str) -> list[dict[str, Any]]:
    """Return what a purpose sees by each of these identifiers, which must open one and the same person."""
    question = {"purpose": purpose, "subjects": [subject(name) for name in names]}
    async with httpx.AsyncClient(base_url=served.url, headers=bearer(served.keys.engines[purpose])) as http:
        answer = await http.post("/v1/decisions", json=question)
    assert answer.status_code == 200, answer.text
    decisions = answer.json()["decisions"]
    assert len({decision["subject"] for decision in decisions}) == 1
    return [decision["features"] for decision in decisions]
