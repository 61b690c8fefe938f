"""Identify-and-link through the service where ten thousand identifiers are, and where a million are: flat.

Two databases side by side, a service before each, measured in turn: people known by an account sign in on a
browser that nobody saw before, 100 calls a body. What is there before is planted (`planting`). Part of the
benchmark `identity`. Raises AssertionError unless each call made one identifier and one link.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from random import Random
from time import perf_counter
from typing import Final

import msgspec
from msgspec import Struct

from tests.benchmarks import batch, people
from tests.benchmarks.client import post
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.planting import plant
from tests.benchmarks.usage import Used
from tests.benchmarks.world import Controller, Served, World, ready, world

_EVENTS: Final = 2
"""Events that each planted person has."""


class _Side(Struct, kw_only=True):
    """One database, and what was measured in it."""

    world: World
    controller: Controller
    accounts: list[int]
    """People with an account, in an order that seems random; each signs in once."""
    identifiers: int
    used: list[Used] = []


async def measure(few: World, plan: Plan) -> tuple[list[Figure], dict[str, object]]:
    """Return calls a second at many identifiers over those at few."""
    details: dict[str, object] = {}
    async with world() as many:
        sides = []
        for there, wanted in ((few, plan.few_identifiers), (many, plan.many_identifiers)):
            began = perf_counter()
            sides.append(await _planted(there, plan, wanted))
            details[f"planting {sides[-1].identifiers:,} identifiers"] = f"{perf_counter() - began:.0f} s"
        with ExitStack() as stack:
            served = [stack.enter_context(side.world.serving("assent")) for side in sides]
            for one in served:
                await ready(one)
            for turn in range(-1, plan.long_rounds):
                for place in (0, 1) if turn % 2 else (1, 0):
                    await _round(sides[place], served[place], plan, turn)
    small, large = sides
    peer = f"the same at {small.identifiers:,}"
    named = f"identify-and-link at {large.identifiers:,} identifiers"
    return [
        figure(
            f"{named}: {what}", unit, [of(one) for one in large.used], peer, [of(one) for one in small.used]
        )
        for what, unit, of in batch.QUANTITIES
        if what in {"events a second", "processor time of all"}
    ], details


async def _planted(there: World, plan: Plan, wanted: int) -> _Side:
    for words in ("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"):
        await there.connection.execute(words)
    with there.serving("assent") as served:
        await ready(served)
        controller = await there.controller(served, "linking")
        await there.agree(served, controller, range(plan.planted_people))
        shop = people.Shop(range(plan.planted_people), "planted")
        bodies = people.batches(shop.events(), controller.collector, of=batch.PER_BODY)
        drawn = islice(bodies, max(1, plan.planted_people * _EVENTS // batch.PER_BODY))
        await batch.through_the_service(there, [served], controller, [body for body, _ in drawn])
    # Of two people three identifiers: each has a browser, every second an account.
    copies = max(1, wanted * 2 // 3 // plan.planted_people) - 1
    number = await plant(there, controller, plan.planted_people, copies)
    accounts = range(0, number, 2)
    drawn_accounts = Random(5).sample(accounts, len(accounts))
    counted = await _count(there, controller, "identifier")
    return _Side(world=there, controller=controller, accounts=drawn_accounts, identifiers=counted)


async def _round(side: _Side, served: Served, plan: Plan, turn: int) -> None:
    bodies = list(islice(_bodies(side, turn), plan.linking_bodies))
    before = [await _count(side.world, side.controller, table) for table in ("identifier", "link")]
    used, _ = await batch.through_the_service(side.world, [served], side.controller, bodies)
    after = [await _count(side.world, side.controller, table) for table in ("identifier", "link")]
    calls = plan.linking_bodies * batch.PER_BODY
    if after != [count + calls for count in before]:
        message = f"{calls} calls made of {before} identifiers and links {after}"
        raise AssertionError(message)
    if turn >= 0:  # the first turn warms up
        side.used.append(used)


def _bodies(side: _Side, turn: int) -> Iterator[bytes]:
    while True:
        calls = [_call(side.accounts.pop(), turn) for _ in range(batch.PER_BODY)]
        yield post("/v1/batch", side.controller.collector, msgspec.json.encode({"batch": calls}))


def _call(account: int, turn: int) -> dict[str, object]:
    return {
        "type": "identify",
        "userId": f"account-{account}",
        "anonymousId": f"new-{turn}-{account}",
        "messageId": f"linking-{turn}-{account}",
        "traits": {"country": "IT", "plan": "free", "language": "en"},
    }


async def _count(there: World, controller: Controller, table: str) -> int:
    found: int = await there.connection.fetchval(
        f"SELECT count(*) FROM projection.{table} WHERE controller_id = $1",
        controller.id,
    )
    return found
