"""Links are seen, stated, denied, taken back and over by time in three processes at once, one killed amid it.

No deadlock: every call is answered. No lost update: every event acknowledged is one message, the last word on
a pair stands. And what stands is what a rebuild makes of the ledger, with nobody who is two people.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path

import asyncpg
import httpx
import pytest

from assent.app import open_service, ring_path
from assent.core.documents import parse_policy
from assent.ingest.expiring import Expiry
from assent.ingest.rebuild import rebuild
from assent.ingest.upkeep import keep_up
from assent.ledger.keyring import load_ring
from tests.integration.guarantees.till import EXPECTED, faults_of
from tests.support.database import TestDatabase
from tests.support.policy_documents import Documents, changed, shipped
from tests.support.service import (
    Keys,
    Process,
    bearer,
    processes,
    set_up,
    settings_for,
    subject,
)

LASTS_S = 5.0
WITHIN_S = 60.0
"""A call, a deadlock found by PostgreSQL included: it looks for one after a second."""

AT_LEAST = 20
"""Events: less would say nothing."""

PEOPLE = [f"user_id:u{number}" for number in range(5)]
COOKIES = [f"anonymous_id:a{number}" for number in range(6)]
PAIRS = list(product(PEOPLE, COOKIES))


def expiring() -> Documents:
    """Links of browsers are over after a second in which nobody saw them."""
    return changed(shipped(), "identity", 'namespaces.anonymous_id.lifetime = "PT1S"')


def crowded() -> Documents:
    """Three links are too many for an identifier: all else is derived piece by piece."""
    return changed(shipped(), "identity", "links_per_identifier = 3")


_TWO_PEOPLE = """
SELECT count(*) FROM (
    SELECT c.profile_id FROM projection.cluster AS c
    INNER JOIN projection.identifier AS i USING (controller_id, identifier_id)
    WHERE c.view_id > 0 AND i.namespace_id = (
        SELECT i2.namespace_id FROM projection.identifier AS i2 WHERE i2.lookup = $1
    )
    GROUP BY c.view_id, c.profile_id HAVING count(*) > 1
) AS two
"""
_DENIED_AND_JOINED = """
SELECT count(*) FROM projection.denied_link AS d
INNER JOIN projection.cluster AS l ON l.identifier_id = d.low_id AND l.view_id > 0
INNER JOIN projection.cluster AS h ON h.identifier_id = d.high_id AND h.view_id = l.view_id
WHERE l.profile_id = h.profile_id AND 2 = (
    SELECT count(*) FROM projection.cluster AS c WHERE c.view_id = l.view_id AND c.profile_id = l.profile_id
)
"""


class Crowd:
    """Clients that see, state, deny and take back, each repeating what was not answered."""

    def __init__(self, http: httpx.AsyncClient, running: list[Process], keys: Keys, seed: int) -> None:
        self.http = http
        self.urls = [one.url for one in running]
        self.keys = keys
        self.dice = random.Random(seed)
        self.closing = False
        self.events = 0
        self.said: dict[tuple[str, str], str] = {}
        self.found: list[str] = []

    async def send(self, path: str, key: str, body: object, claim: str = "") -> None:
        """Return once it is acknowledged, by whoever is there."""
        headers = {**bearer(key), **({"Idempotency-Key": claim} if claim else {})}
        while True:
            try:
                url = self.dice.choice(self.urls)
                answer = await self.http.post(f"{url}{path}", json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if answer.is_success:
                return
            if answer.status_code not in EXPECTED | {409, 422}:
                self.found.append(f"{answer.status_code} {answer.text}")
                return
            if answer.status_code == 422:  # nothing to lift yet
                return
            await asyncio.sleep(0.05)

    async def see(self, name: str) -> None:
        """Bring events of people with browsers, several browsers and people at times."""
        while not self.closing:
            batch = []
            for _ in range(self.dice.randrange(1, 6)):
                who, browser = self._seen()
                event = {"type": "track", "event": "Order Completed", "properties": {"revenue": 1}}
                self.events += 1
                batch.append(
                    {
                        **event,
                        "userId": who.partition(":")[2],
                        "anonymousId": browser.partition(":")[2],
                        "messageId": f"{name}-{self.events}",
                    }
                )
            await self.send("/v1/batch", self.keys.collector, {"batch": batch})

    def _seen(self) -> tuple[str, str]:
        """Return two people of the moment's, mostly with a browser of their own; the others are not seen."""
        place = (int(asyncio.get_running_loop().time()) + self.dice.randrange(2)) % len(PEOPLE)
        browser = self.dice.choice(COOKIES) if self.dice.random() < 0.15 else COOKIES[place]
        return PEOPLE[place], browser

    async def state(self, pairs: list[tuple[str, str]]) -> None:
        """Say of pairs that are nobody else's that they are one person, are not, or say nothing of them."""
        turn = 0
        while not self.closing:
            turn += 1
            start, end = self.dice.choice(pairs)
            kind = self.dice.choice(("asserted", "denied", "retracted", "retracted"))
            body = {"links": [{"from": subject(start), "to": subject(end), "kind": kind}]}
            self.said.pop((start, end), None)
            await self.send("/v1/identities/links", self.keys.dpo, body, f"{start}-{end}-{turn}")
            self.said[start, end] = kind

    async def lift(self) -> None:
        """Begin anew with a browser now and then."""
        turn = 0
        while not self.closing:
            turn += 1
            await asyncio.sleep(0.2)
            one = self.dice.choice(COOKIES)
            await self.send("/v1/identities/lift", self.keys.dpo, {"subject": subject(one)}, f"lift-{turn}")

    async def lived(self, amid: Callable[[], Awaitable[None]]) -> None:
        """Do all of it at once, and `amid` it what is given."""
        async with asyncio.timeout(WITHIN_S):
            tasks = [asyncio.create_task(self.see(f"till-{number}")) for number in range(3)]
            tasks += [asyncio.create_task(self.state(PAIRS[number::3])) for number in range(3)]
            tasks.append(asyncio.create_task(self.lift()))
            await asyncio.sleep(LASTS_S / 2)
            await amid()
            await asyncio.sleep(LASTS_S / 2)
            self.closing = True
            await asyncio.gather(*tasks)


async def business(
    folder: Path, database: TestDatabase, documents: Documents, *faults: str | None
) -> list[str]:
    """Let them at it, against two processes and the upkeep of a third; return what is wrong after."""
    over = 0
    async with open_service(settings_for(folder, database.dsn())) as here:
        keys = await set_up(here, documents=documents)
        ended = asyncio.Event()

        async def tend() -> None:
            nonlocal over
            expiry = Expiry(here.ring, here.ledger, here.random)
            while not ended.is_set():
                done = await keep_up(here.database.eraser, here.ring, here.clock, ended, expiry=expiry)
                over += done["expired"]
                await asyncio.sleep(0.2)

        with processes(folder, database.dsn(), *faults) as running:
            async with httpx.AsyncClient(timeout=20) as http:
                crowd = Crowd(http, running, keys, seed=len(documents))

                async def kill() -> None:
                    await asyncio.to_thread(running[0].kill)
                    crowd.urls = crowd.urls[1:]

                tending = asyncio.create_task(tend())
                try:
                    await crowd.lived(kill)
                    for _ in range(100 if documents == expiring() else 0):
                        if over:  # whoever is quick has to wait for time
                            break
                        await asyncio.sleep(0.1)
                finally:
                    ended.set()
                    await tending
    if documents == expiring() and not over:
        crowd.found.append("nothing was over")
    return crowd.found + await wrong(folder, database, keys, crowd)


async def wrong(folder: Path, database: TestDatabase, keys: Keys, crowd: Crowd) -> list[str]:
    """Return what is wrong with what the ledger and its projections hold."""
    ring = load_ring(ring_path(settings_for(folder)))
    connection = await asyncpg.connect(database.dsn())
    try:
        found = await faults_of(connection, ring, keys)
        events = await connection.fetchval("SELECT count(DISTINCT entry_index) FROM ledger.content")
        if events != crowd.events or events < AT_LEAST:
            found.append(f"{events} events of {crowd.events}")
        rebuilt = await rebuild(connection, ring)
        found += [*rebuilt.faults, *map(repr, rebuilt.differences)]
        somebody = parse_policy(shipped())[0].namespace_ids["user_id"]
        known = ring.lookup(keys.controller, somebody, PEOPLE[0].partition(":")[2])
        two = await connection.fetchval(_TWO_PEOPLE, known)
        joined = await connection.fetchval(_DENIED_AND_JOINED)
        denied = await connection.fetchval("SELECT count(*) FROM projection.denied_link")
        expected = sum(kind == "denied" for kind in crowd.said.values())
        if two or joined:
            found.append(f"{two} profiles of two people, {joined} denied pairs alone in one")
        if denied != expected:
            found.append(f"{denied} denied pairs of {expected}")
        return found
    finally:
        await connection.close()


@pytest.mark.parametrize("policy", [expiring, pytest.param(crowded, marks=pytest.mark.full)])
def test_links_in_three_processes_at_once_lose_nothing_and_make_nobody_two_people(
    fresh_database: TestDatabase, folder: Path, policy: Callable[[], Documents]
) -> None:
    assert asyncio.run(business(folder, fresh_database, policy(), None, None)) == []


@pytest.mark.full
def test_a_process_that_goes_on_with_what_another_changed_is_found(
    fresh_database: TestDatabase, folder: Path
) -> None:
    faults = ("stale_memory", "stale_memory")
    assert asyncio.run(business(folder, fresh_database, crowded(), *faults)) != []
