"""Two processes that serve the same database against one: batches and single events, of one controller.

A controller's commits follow one another, whoever makes them: two processes share the parsing, hashing and
encrypting, and then wait for each other. Whenever the other one committed, a process looks up anew what it
had in memory. On a machine whose cores one process, PostgreSQL and the client keep busy there is little to
gain.
"""

from itertools import islice
from typing import Final

from tests.benchmarks import batch, people
from tests.benchmarks.client import Driven, drive_all
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.usage import Used, shares, so_far
from tests.benchmarks.usage import used as used_between
from tests.benchmarks.world import Controller, Served, World, all_accepted, ready

NAME: Final = "workers"

_PEER: Final = "one process"
_CONNECTIONS: Final = 32
_PEOPLE: Final = 2_000


async def run(world: World, plan: Plan) -> Result:
    """Measure POST /v1/batch and single events through one process and through two, in turn."""
    batches: dict[int, list[Used]] = {1: [], 2: []}
    singles: dict[int, list[tuple[Driven, Used]]] = {1: [], 2: []}
    number = min(_PEOPLE, plan.people)
    with world.serving("assent") as first, world.serving("assent") as second:
        both = [first, second]
        for one in both:
            await ready(one)
        controller = await world.controller(first, NAME)
        await world.settle(first, controller, number)
        for turn in range(-1, plan.long_rounds):
            for processes in (1, 2) if turn % 2 else (2, 1):
                name = f"round{turn}-{processes}"
                shop = people.Shop(range(number), f"{name}-batch")
                bodies = people.batches(shop.events(), controller.collector, of=batch.PER_BODY)
                drawn = [body for body, _ in islice(bodies, plan.long_batches)]
                used, _ = await batch.through_the_service(world, both[:processes], controller, drawn)
                shop = people.Shop(range(number), f"{name}-single")
                single = await _singles(world, both[:processes], controller, shop, plan)
                if turn >= 0:  # the first turn warms up
                    batches[processes].append(used)
                    singles[processes].append(single)
    return Result(
        name=NAME,
        rounds=plan.long_rounds,
        figures=(
            figure(
                "events a second in batches",
                "/s",
                [one.events / one.seconds for one in batches[2]],
                _PEER,
                [one.events / one.seconds for one in batches[1]],
            ),
            *_of_singles([one for one, _ in singles[2]], [one for one, _ in singles[1]]),
        ),
        checked=("after every round the ledger held one entry more for each event that was acknowledged",),
        details={
            "processor time of batches, one process": shares(batches[1]),
            "processor time of batches, two": shares(batches[2]),
            "processor time of single events, one process": shares(used for _, used in singles[1]),
            "processor time of single events, two": shares(used for _, used in singles[2]),
        },
    )


async def _singles(
    world: World, services: list[Served], controller: Controller, shop: people.Shop, plan: Plan
) -> tuple[Driven, Used]:
    pids = [served.pid for served in services]
    before = await world.size(controller)
    began = await so_far(world, pids)
    driven = await drive_all(
        [served.port for served in services],
        people.single(shop.events(), controller.collector),
        connections=_CONNECTIONS,
        seconds=plan.seconds,
        check=all_accepted(1),
    )
    used = used_between(began, await so_far(world, pids), driven.answers, driven.seconds)
    await world.verify(controller, driven.answers, since=before)
    return driven, used


def _of_singles(ours: list[Driven], theirs: list[Driven]) -> list[Figure]:
    return [
        figure(
            f"single events a second, c={_CONNECTIONS}",
            "/s",
            [one.per_second for one in ours],
            _PEER,
            [one.per_second for one in theirs],
        ),
        *(
            figure(
                f"their latency p{percent}",
                "µs",
                [one.percentile(percent) for one in ours],
                _PEER,
                [one.percentile(percent) for one in theirs],
            )
            for percent in (50, 99)
        ),
    ]
