"""A real import and then anything at all, thousands of times: rebuilding the ledger gives what stands.

Beside customers who ordered: browsers, a shop's telephone, links stated, denied, proposed, taken back and
lifted, consents given and withdrawn, restrictions, and time in which consents lapse and links end. The month
that is shipped and some hundred facts each time; more of them, and the whole file (RETAIL_FILE) with 100,000,
in `make test-full`.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from msgspec import structs

from assent.app import open_service, ring_path
from assent.consent.store import load_policy
from assent.core.ids import ControllerId
from assent.core.policy import LinkKind
from assent.core.time import DAY, FOREVER, HOUR, SECOND, Instant
from assent.ingest.expiring import Expiry
from assent.ingest.facts import Draft, Identifier, LinkBody, UnlinkBody
from assent.ingest.importer import import_file
from assent.ingest.rebuild import rebuild
from assent.ingest.records import read_mapping
from assent.ingest.upkeep import Upkeep
from assent.ledger.keyring import load_ring
from tests.support.database import TestDatabase
from tests.support.importing import importing_into
from tests.support.ledger import SOURCES, Bench
from tests.support.order_file import MAPPING
from tests.support.policy_documents import Documents, changed, shipped
from tests.support.retail_file import SAMPLE, VARIABLE, whole_file
from tests.support.service import set_up

SEED = 541_909
FACTS = int(os.environ.get("RANDOM_FACTS", "100000"))
"""Fewer while looking for something."""

OFTEN = 3
"""After so many commits what is due is done, where a rebuild is also held against what waits."""

AT_ONCE = 60
"""Facts of a commit, at most."""

NEWCOMERS, CUSTOMERS = 40, 25
"""Of a neighbourhood."""

NUMBERS = range(12_346, 18_288)
"""Of the file's customers; the first lines are of number 17,850."""

KINDS = (
    *(["seen"] * 8 + ["seen together"] * 5 + ["said"] * 5),
    *("linked", "linked", "denied", "proposed", "taken back", "lifted", "marked"),
    *("unproven", "unproven"),
)


def crowded() -> Documents:
    """Return the shipped policy, but that ten links are too many and models are followed."""
    return changed(shipped(), "identity", "links_per_identifier = 10\nprobable_threshold = 0.7")


def expiring() -> Documents:
    """Return the same, with devices that link nobody whom they were not seen with for 20 days."""
    return changed(crowded(), "identity", 'namespaces.device_id.lifetime = "P20D"')


class Dice:
    """Facts about whom an import brought, and about others who come and go.

    They happen within neighbourhoods, so that what hangs together is as large as it is among people: linked
    at random among everybody, half of the world would be one component. Desks are everybody's.
    """

    def __init__(self, bench: Bench, seed: int, neighbourhoods: int) -> None:
        self.bench = bench
        self.dice = random.Random(seed)
        self.desks = [bench.identifier("phone", f"+44207183875{one}") for one in range(3)]
        self.places = [self._neighbourhood(place) for place in range(neighbourhoods)]
        self.order = self.places[0]
        self.stated = [name for name in bench.policy.purpose_ids if name != "service"]

    def _neighbourhood(self, place: int) -> tuple[list[Identifier], ...]:
        """Return identifiers of customers and newcomers, first those to whom events belong first."""
        named = self.bench.identifier
        few = range(place * NEWCOMERS, (place + 1) * NEWCOMERS)
        first = NUMBERS.index(17_850) + place * CUSTOMERS
        customers = [NUMBERS[one % len(NUMBERS)] for one in range(first, first + CUSTOMERS)]
        return (
            [named("customer_id", str(one)) for one in customers]
            + [named("user_id", f"u{one}") for one in few],
            [named("email", f"p{one}@example.com") for one in few],
            self.desks,
            [named("device_id", f"d{one}") for one in few],
            [named("anonymous_id", f"a{one}") for one in few],
        )

    def one(self) -> Identifier:
        """Return somebody: mostly one of a few, whom much happens to."""
        among = self.dice.choices(self.order, (6, 2, 0.2, 2, 4))[0]
        few = among if self.dice.random() < 0.3 else among[: max(3, len(among) // 20)]
        return self.dice.choice(few)

    def several(self) -> list[Identifier]:
        """Return one to three, in the order in which an event belongs to them; people at a desk at times."""
        found = {self.one() for _ in range(self.dice.randrange(1, 4))}
        if self.dice.random() < 0.1:
            found.add(self.dice.choice(self.desks))
        places = {space: place for place, part in enumerate(self.order) for space in {part[0].namespace}}
        return sorted(found, key=lambda each: (places.get(each.namespace, -1), each.value))

    def draft(self) -> Draft:
        """Return any fact."""
        bench, dice = self.bench, self.dice
        self.order = dice.choice(self.places)
        one, other = self.one(), self.one()
        while other == one:
            other = self.one()
        match dice.choice(KINDS):
            case "seen":
                return bench.event("Order Completed", [one], revenue=dice.randrange(1, 100))
            case "seen together":
                seen = self.several()
                if dice.random() < 0.5:
                    return bench.event("Product Viewed", seen, category=dice.choice("xyz"))
                return bench.event("Order Completed", seen, revenue=dice.randrange(1, 100))
            case "said":
                state = dice.choice(("given", "given", "given", "withdrawn", "refused"))
                by_person = dice.random() < 0.3
                return bench.stated(one, dice.choice(self.stated), state, by_person=by_person)
            case "linked" | "denied" as kind:
                return bench.link(one, other, denied=kind == "denied")
            case "proposed":
                said = LinkBody(
                    identifiers=(one, other),
                    link=LinkKind.PROBABLE,
                    at=FOREVER,
                    weight=dice.choice((500_000, 800_000)),
                    model="m-1",
                )
                return Draft(body=said, role="dpo")
            case "taken back" | "unproven" | "lifted" as kind:
                pair = (one,) if kind == "lifted" else (one, other)
                gone = dice.choice((SOURCES[:1], SOURCES)) if kind == "unproven" else ()
                return Draft(body=UnlinkBody(identifiers=pair, sources=gone), role="dpo")
            case _:
                return bench.mark(one, dice.choice(("restricted", "unrestricted")))

    def commits(self, facts: int, pauses: Sequence[int]) -> Iterator[tuple[int, list[Draft]]]:
        """Yield commits, each after a pause."""
        while facts > 0:
            size = min(facts, self.dice.randrange(1, AT_ONCE))
            facts -= size
            pause = self.dice.choice(pauses)
            yield (
                pause,
                [structs.replace(self.draft(), source=self.dice.choice(SOURCES)) for _ in range(size)],
            )


async def imported(database: TestDatabase, folder: Path, orders: Path, documents: Documents) -> None:
    """Bring the orders in."""
    async with open_service(database.settings(folder)) as service:
        await set_up(service, name="default", documents=documents)
        importing = await importing_into(service, ControllerId(1))
        await import_file(importing, orders, read_mapping(MAPPING), lambda _records, _summary: None)


async def tend(bench: Bench) -> None:
    """Do what is due in time."""
    expiry = Expiry(bench.ring, bench, os.urandom)
    ended = asyncio.Event()
    await Upkeep(bench.connection, bench.ring, bench.controller_id, lambda: bench.now, ended, expiry).run()


async def waits(bench: Bench) -> bool:
    """Say whether something closed waits to be deleted, by which somebody may still be known."""
    return bool(await bench.connection.fetchval("SELECT count(*) FROM ledger.deletion"))


async def anything(
    database: TestDatabase,
    folder: Path,
    facts: int,
    neighbourhoods: int,
    pauses: Sequence[int] = (SECOND, SECOND, HOUR, HOUR, 6 * HOUR, DAY),
    *,
    tended: int = 25,
) -> list[str]:
    """Commit random facts upon what is there, tend at times, and rebuild; return what is wrong."""
    ring = load_ring(ring_path(database.settings(folder)))
    connection = await asyncpg.connect(database.dsn(), server_settings={"search_path": "projection, pg_temp"})
    try:
        bench = Bench(connection, ring, ControllerId(1))
        bench.policy, _ = await load_policy(connection, bench.controller_id, 1)
        bench.now = Instant(await connection.fetchval("SELECT at FROM ledger.head") + DAY)
        dice = Dice(bench, SEED, neighbourhoods)
        early = ["nothing waits"] if tended == OFTEN else []
        for place, (pause, drafts) in enumerate(dice.commits(facts, pauses)):
            bench.now = Instant(bench.now + pause)
            await bench.commit(*drafts)
            if place % tended == 0:
                if early and await waits(bench):
                    early = list(map(repr, (await rebuild(bench.connection, ring)).differences))
                await tend(bench)
        await tend(bench)  # nothing closed waits to be deleted, of which a rebuild would say less
        rows = {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("cluster", "denied_link", "former_link", "statement", "permit")
        }
        rebuilt = await rebuild(connection, ring)
        empty = [f"no {table}" for table, count in rows.items() if not count]
        return [*early, *empty, *rebuilt.faults, *map(repr, rebuilt.differences)]
    finally:
        await connection.close()


@pytest.mark.full
@pytest.mark.parametrize("policy", [crowded, expiring])
def test_a_month_of_orders_and_anything_after_are_rebuilt(
    fresh_database: TestDatabase, folder: Path, policy: Callable[[], Documents]
) -> None:
    asyncio.run(imported(fresh_database, folder, SAMPLE, policy()))
    assert asyncio.run(anything(fresh_database, folder, facts=1_200, neighbourhoods=1)) == []


def test_what_time_and_unlinks_close_is_rebuilt(fresh_database: TestDatabase, folder: Path) -> None:
    asyncio.run(imported(fresh_database, folder, SAMPLE, expiring()))
    pauses = (SECOND, HOUR, DAY, 20 * DAY, 40 * DAY)
    wrong = anything(fresh_database, folder, facts=600, neighbourhoods=2, pauses=pauses, tended=OFTEN)
    assert asyncio.run(wrong) == []


@pytest.mark.full
def test_all_orders_and_a_hundred_thousand_facts_are_rebuilt(
    fresh_database: TestDatabase, folder: Path
) -> None:
    orders = whole_file()
    if orders is None:
        pytest.skip(f"needs the whole retail file: {VARIABLE}=path names it")
    asyncio.run(imported(fresh_database, folder, orders, expiring()))
    assert asyncio.run(anything(fresh_database, folder, facts=FACTS, neighbourhoods=200)) == []
