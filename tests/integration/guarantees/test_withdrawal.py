"""(person, purpose) is a register: what one process acknowledged is what every process answers after it."""

import asyncio
import random
from pathlib import Path

import httpx
import msgspec
import pytest

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
RULE = {"op": "ge", "feature": "order_count", "value": 1}
PEOPLE = 8
CHOICES = 12
"""How often each of them changes their mind."""


class Person:
    """Somebody with an order, who gives and withdraws. `turn` is odd while one of both is under way."""

    def __init__(self, number: int) -> None:
        self.name = f"user_id:w{number}"
        self.pairwise = ""
        self.gave = False
        self.turn = 0


class Shop:
    """Requests to several processes of one service, and the answers that were not as acknowledged."""

    def __init__(self, http: httpx.AsyncClient, urls: list[str], keys: Keys, seed: int) -> None:
        self.http = http
        self.urls = urls
        self.keys = keys
        self.dice = random.Random(seed)
        self.people = [Person(number) for number in range(PEOPLE)]
        self.found: list[str] = []

    async def send(self, method: str, path: str, key: str, body: object, url: str = "") -> httpx.Response:
        url = url or self.dice.choice(self.urls)
        answer = await self.http.request(method, url + path, json=body, headers=bearer(key))
        answer.raise_for_status()
        return answer

    async def open(self) -> None:
        """Let everybody order and agree, and learn their names."""
        saved = {"title": "buyers", "purposes": [PURPOSE], "rule": RULE}
        await self.send("PUT", "/v1/audiences/buyers", self.keys.admin, saved)
        for person in self.people:
            order = {
                "event": "Order Completed",
                "userId": person.name.partition(":")[2],
                "properties": {"revenue": 5},
            }
            await self.send("POST", "/v1/track", self.keys.collector, order)
            await self.state(person, gives=True)
            (seen,) = (await self.decide(person, self.urls[0])).json()["decisions"]
            person.pairwise = seen["subject"]
        for (
            url
        ) in self.urls:  # every process holds a population, and answers from an audience at most a second old
            await asyncio.sleep(1.1)
            await self.look_at_members(self.people[0], url)

    async def state(self, person: Person, *, gives: bool) -> None:
        """Say it in one of the ways there are, to one of the processes; return when it is acknowledged."""
        person.turn += 1
        way = self.dice.choice(("statement", "preferences", "all"))
        if way == "statement" or (gives and way == "all"):
            said = [statement(PURPOSE, "given" if gives else "withdrawn")]
            body: object = {"subject": subject(person.name), "authenticated": True, "statements": said}
            await self.send("POST", "/v1/consents", self.keys.collector, body)
        else:
            named = {"sub_ids": [person.name.split(":")], "verified": True}
            token = (await self.send("POST", "/v1/subjects/token", self.keys.issuer, named)).json()["token"]
            if way == "all":
                await self.send("POST", "/v1/me/withdraw-all", token, {})
            else:
                chosen = {"purposes": {PURPOSE: "given" if gives else "withdrawn"}}
                await self.send("PUT", "/v1/me/preferences", token, chosen)
        person.gave = gives
        person.turn += 1

    async def decide(self, person: Person, url: str = "") -> httpx.Response:
        body = {"purpose": PURPOSE, "subjects": [subject(person.name)], "audiences": ["*"]}
        return await self.send("POST", "/v1/decisions", self.keys.engines[PURPOSE], body, url)

    async def look_at(self, person: Person) -> None:
        answer = (await self.decide(person)).json()["decisions"][0]
        if (answer["subject"] is not None) != person.gave:
            self.found.append(f"decision: {answer['subject']} after gave={person.gave}")

    def settled(self) -> list[tuple[Person, int, bool]]:
        """Return those whose last word is acknowledged: an answer says it if their turn is the same after."""
        return [(person, person.turn, person.gave) for person in self.people if person.turn % 2 == 0]

    async def look_at_count(self, _: Person) -> None:
        before = self.settled()
        answer = await self.send(
            "POST", "/v1/audiences/buyers/count", self.keys.engines[PURPOSE], {"purpose": PURPOSE}
        )
        settled = [gave for person, turn, gave in before if person.turn == turn]
        lowest, highest = sum(settled), PEOPLE - settled.count(False)
        if not lowest <= answer.json()["count"] <= highest:
            self.found.append(f"count: {answer.json()['count']} is not in {lowest}..{highest}")

    async def look_at_members(self, _: Person, url: str = "") -> None:
        before = self.settled()
        engine = self.keys.engines[PURPOSE]
        answer = await self.send("POST", "/v1/audiences/buyers/members", engine, {"purpose": PURPOSE}, url)
        *lines, end = (msgspec.json.decode(line) for line in answer.text.splitlines())
        named = {line["subject"] for line in lines}
        for person, turn, gave in before:
            if person.turn == turn and gave != (person.pairwise in named) and not end.get("restart"):
                self.found.append(f"members: {person.pairwise} is in={not gave} after gave={gave}")

    async def live(self, person: Person, choices: int) -> None:
        """Change one's mind again and again, and look at the answers each time, while others do."""
        for _ in range(choices):
            if self.found:
                return
            await self.state(person, gives=not person.gave)
            for look in self.dice.sample((self.look_at, self.look_at_count, self.look_at_members), 2):
                await look(person)

    async def lived(self) -> list[str]:
        await self.open()
        await asyncio.gather(*(self.live(person, CHOICES) for person in self.people))
        return self.found


@pytest.fixture
def shared(fresh_database: TestDatabase, folder: Path) -> tuple[TestDatabase, Path, Keys]:
    return fresh_database, folder, asyncio.run(set_up_once(settings_for(folder, fresh_database.dsn())))


def lived(running: list[Process], keys: Keys, seed: int) -> list[str]:
    async def live() -> list[str]:
        async with httpx.AsyncClient(timeout=30) as http:
            return await Shop(http, [one.url for one in running], keys, seed).lived()

    return asyncio.run(live())


def test_what_one_process_acknowledged_is_what_the_other_answers(
    shared: tuple[TestDatabase, Path, Keys],
) -> None:
    database, folder, keys = shared
    with processes(folder, database.dsn(), None, None) as running:
        assert lived(running, keys, 1) == []


@pytest.mark.parametrize(("fault", "where"), [("stale_population", "count"), ("kept_snapshot", "decision")])
def test_a_process_that_answers_from_before_is_found(
    shared: tuple[TestDatabase, Path, Keys], fault: str, where: str
) -> None:
    database, folder, keys = shared
    with processes(folder, database.dsn(), None, fault) as running:
        found = lived(running, keys, 2)
    assert any(one.startswith(where) for one in found)
