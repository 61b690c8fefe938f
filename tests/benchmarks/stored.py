"""Batches with everything on where no event is stored, and where two million are: throughput is to be flat.

Two databases side by side, a service before each, measured in turn. In both, half of a round's people agreed
before the service was started, so that it must look for them, and half are new to it. The peer, COPY of the
bare rows, has a table of its own in each database, which holds as many rows as events are stored there.
Autovacuum is off in both: it would come once in a while, to one of them.
"""

from itertools import islice
from random import Random
from time import perf_counter
from typing import Final

from msgspec import Struct

from tests.benchmarks import batch, copying, people
from tests.benchmarks.figures import Result
from tests.benchmarks.plan import Plan
from tests.benchmarks.planting import plant
from tests.benchmarks.usage import Used, shares, so_far
from tests.benchmarks.world import Controller, Served, World, ready, world

NAME: Final = "stored"

_KIND: Final = "text"
_NEWCOMERS: Final = 1 << 30
"""The number of the first person who is new; below stand those who were there before."""

_PER_PERSON: Final = 10
"""Events of a round per person in it, on average: as many as each planted person has."""


class _Side(Struct, kw_only=True):
    """One database, and what was measured in it."""

    world: World
    controller: Controller
    known: list[int]
    """People who agreed before the service was started, in an order that seems random; each is used once."""
    ours: list[Used] = []
    theirs: list[Used] = []


async def run(empty: World, plan: Plan) -> Result:
    """Measure POST /v1/batch, 100 events a body, at 0 events stored and at `plan.stored_events`."""
    details: dict[str, object] = {}
    async with world() as full:
        for database in (empty, full):
            await database.connection.execute("ALTER SYSTEM SET autovacuum = off")
            await database.connection.execute("SELECT pg_reload_conf()")
        known = _visitors(plan) // 2 * (plan.long_rounds + 1)
        sides = [await _agreed(empty, known), await _planted(full, plan, known, details)]
        with empty.serving("assent") as before_one, full.serving("assent") as before_other:
            served = [before_one, before_other]
            for one in served:
                await ready(one)
            for turn in range(-1, plan.long_rounds):
                # Who goes first changes, so that neither always finds the machine as the other left it.
                for place in (0, 1) if turn % 2 else (1, 0):
                    await _round(sides[place], served[place], plan, turn)
    at_0, at_many = sides
    many = f"{plan.stored_events:,} events stored"
    return Result(
        name=NAME,
        rounds=plan.long_rounds,
        figures=(
            *batch.figures_of(at_many.ours, "the same at 0 events stored", at_0.ours),
            *batch.figures_of(at_0.ours, "COPY of the bare rows, at 0", at_0.theirs),
            *batch.figures_of(at_many.ours, f"COPY of the bare rows, at {many}", at_many.theirs),
        ),
        checked=(
            "after every round each ledger held one entry, and one content or more, for each event sent",
            "no event made a second identifier for somebody who was there before",
            f"the peers held the same events {copying.PASSES} times, copied in commits of the same sizes",
        ),
        details=details
        | {
            "processor time at 0": shares(at_0.ours),
            f"processor time at {many}": shares(at_many.ours),
        },
    )


def _visitors(plan: Plan) -> int:
    return plan.long_batches * batch.PER_BODY // _PER_PERSON


async def _agreed(empty: World, known: int) -> _Side:
    with empty.serving("assent") as served:
        await ready(served)
        controller = await empty.controller(served, NAME)
        await empty.agree(served, controller, range(known))
    await copying.make_table(empty, _KIND)
    return _Side(world=empty, controller=controller, known=Random(3).sample(range(known), known))


async def _planted(full: World, plan: Plan, known: int, details: dict[str, object]) -> _Side:
    copies = plan.stored_events // plan.planted_events - 1
    with full.serving("assent") as served:
        await ready(served)
        controller = await full.controller(served, NAME)
        await full.agree(served, controller, range(plan.planted_people))
        shop = people.Shop(range(plan.planted_people), "planted")
        drawn = islice(
            people.batches(shop.events(), controller.collector, of=batch.PER_BODY),
            plan.planted_events // batch.PER_BODY,
        )
        bodies, together = zip(*drawn, strict=True)
        await batch.through_the_service(full, [served], controller, bodies)
    began = perf_counter()
    number = await plant(full, controller, plan.planted_people, copies)
    details["filled in"] = f"{perf_counter() - began:.0f} s"
    entries = await full.size(controller)
    details["stored"] = f"{plan.stored_events:,} events of {number:,} people, {entries:,} entries in all"
    size = (await so_far(full)).bytes_stored
    details["bytes per stored event"] = (
        f"{size / plan.stored_events:,.0f}, what its people agreed to included"
    )
    await copying.make_table(full, _KIND)
    events = [event for events in together for event in events]
    await copying.fill(full, controller, _KIND, events, copies)
    strangers = range(plan.planted_people, number)
    return _Side(world=full, controller=controller, known=Random(3).sample(strangers, known))


async def _round(side: _Side, served: Served, plan: Plan, turn: int) -> None:
    half = _visitors(plan) // 2
    returning = [side.known.pop() for _ in range(half)]
    newcomers = range(_NEWCOMERS + (turn + 1) * half, _NEWCOMERS + (turn + 2) * half)
    await side.world.agree(served, side.controller, newcomers)
    visitors = Random(turn).sample([*returning, *newcomers], 2 * half)
    shop = people.Shop(visitors, f"round{turn}")
    drawn = list(
        islice(people.batches(shop.events(), side.controller.collector, of=batch.PER_BODY), plan.long_batches)
    )
    identifiers = await _identifiers(side)
    used, commits = await batch.through_the_service(
        side.world, [served], side.controller, [body for body, _ in drawn]
    )
    if await _identifiers(side) != identifiers:
        message = "an event of somebody known made a new identifier"
        raise AssertionError(message)
    events = [event for _, together in drawn for event in together]
    copied = await copying.copy(side.world, side.controller, _KIND, events, commits)
    if turn >= 0:  # the first turn warms up
        side.ours.append(used)
        side.theirs.append(copied)


async def _identifiers(side: _Side) -> int:
    found: int = await side.world.connection.fetchval(
        "SELECT count(*) FROM projection.identifier WHERE controller_id = $1", side.controller.id
    )
    return found
