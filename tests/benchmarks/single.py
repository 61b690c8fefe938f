"""Durable single events: batching by itself against one transaction per request, and against no database."""

from typing import Final

from tests.benchmarks import people
from tests.benchmarks.client import Driven, drive
from tests.benchmarks.figures import Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.usage import Used, shares, so_far
from tests.benchmarks.usage import used as used_between
from tests.benchmarks.world import Controller, Served, World, all_accepted, ready

NAME: Final = "single"

_VARIANTS: Final = ("assent", "one_by_one", "without_database")
_PEERS: Final = {
    "one_by_one": "one transaction per request",
    "without_database": "the same without a database",
}
_PEOPLE: Final = 500


async def run(world: World, plan: Plan) -> Result:
    """Measure POST /v1/track and its sisters, one event each, over so many connections."""
    with (
        world.serving("assent") as ours,
        world.serving("one_by_one") as one_by_one,
        world.serving("without_database") as without_database,
    ):
        served = dict(zip(_VARIANTS, (ours, one_by_one, without_database), strict=True))
        for each in served.values():
            await ready(each)
        controllers = {"assent": await world.controller(ours, "single")}
        controllers["one_by_one"] = await world.controller(one_by_one, "single, one by one")
        controllers["without_database"] = controllers["assent"]
        found: dict[tuple[str, int], list[tuple[Driven, Used]]] = {}
        for variant in ("assent", "one_by_one"):
            await world.settle(served[variant], controllers[variant], _PEOPLE)
        for turn in range(-1, plan.rounds):
            for connections in plan.connections:
                for variant in _VARIANTS:
                    name = f"{variant}-{turn}-{connections}"
                    turned = await _round(
                        world,
                        served[variant],
                        controllers[variant],
                        name,
                        connections,
                        plan,
                        kept=variant != "without_database",
                    )
                    if turn >= 0:  # the first turn warms up
                        found.setdefault((variant, connections), []).append(turned)
    figures = []
    for connections in plan.connections:
        us = found["assent", connections]
        for variant, peer in _PEERS.items():
            them = found[variant, connections]
            figures.append(
                figure(
                    f"requests a second, c={connections}",
                    "/s",
                    [one.per_second for one, _ in us],
                    peer,
                    [one.per_second for one, _ in them],
                )
            )
            figures += [
                figure(
                    f"latency p{percent}, c={connections}",
                    "µs",
                    [one.percentile(percent) for one, _ in us],
                    peer,
                    [one.percentile(percent) for one, _ in them],
                )
                for percent in (50, 99)
            ]
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=tuple(figures),
        checked=("after every round the ledger held one entry more for each event that was acknowledged",),
        details={
            f"processor time, c={connections}": shares(used for _, used in found["assent", connections])
            for connections in plan.connections
        },
    )


async def _round(
    world: World,
    served: Served,
    controller: Controller,
    name: str,
    connections: int,
    plan: Plan,
    *,
    kept: bool,
) -> tuple[Driven, Used]:
    before = await world.size(controller)
    began = await so_far(world, [served.pid])
    shop = people.Shop(range(_PEOPLE), name)
    driven = await drive(
        served.port,
        people.single(shop.events(), controller.collector),
        connections=connections,
        seconds=plan.seconds,
        check=all_accepted(1),
    )
    used = used_between(began, await so_far(world, [served.pid]), driven.answers, driven.seconds)
    await world.verify(controller, driven.answers if kept else 0, since=before)
    return driven, used
