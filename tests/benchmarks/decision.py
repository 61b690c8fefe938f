"""Decisions with their release record, against a handler that does nothing under the same server."""

import asyncio
from typing import Final

from tests.benchmarks import people
from tests.benchmarks.client import Driven, drive
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.world import Controller, Served, World, ready

NAME: Final = "decision"

_PEER: Final = "an empty Litestar POST"
_PURPOSE: Final = "personalisation"
_CONNECTIONS: Final = (1, 32)


async def run(world: World, plan: Plan) -> Result:
    """Measure POST /v1/decisions about one person over 1 and 32 connections."""
    with world.serving("assent") as ours, world.serving("empty") as empty:
        await ready(ours)
        await ready(empty)
        controller = await world.controller(ours, "decision")
        await world.settle(ours, controller, plan.people)
        found: dict[int, list[tuple[Driven, Driven]]] = {}
        for turn in range(-1, plan.rounds):
            for connections in _CONNECTIONS:
                decided = await _decided(world, ours, controller, connections, plan)
                answered = await drive(
                    empty.port,
                    people.decisions(plan.people, controller.engine, _PURPOSE),
                    connections=connections,
                    seconds=plan.seconds,
                    check=lambda status, _: status == 200,
                )
                if turn >= 0:  # the first turn warms up
                    found.setdefault(connections, []).append((decided, answered))
        await _sealed(world, controller)
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=tuple(one for connections, rounds in found.items() for one in _figures(connections, rounds)),
        checked=(
            "every answer showed the person asked for, with values",
            "after every round the log held one release more for each answer",
            "a second after the last round every release was sealed into its tree",
        ),
        details={"people in the database": plan.people},
    )


async def _decided(
    world: World, served: Served, controller: Controller, connections: int, plan: Plan
) -> Driven:
    before = await _releases(world, controller)
    driven = await drive(
        served.port,
        people.decisions(plan.people, controller.engine, _PURPOSE),
        connections=connections,
        seconds=plan.seconds,
        check=lambda status, body: status == 200 and b'"subject":"' in body and b'"features":{"' in body,
    )
    found = await _releases(world, controller)
    if found != before + driven.answers:
        message = f"{driven.answers} decisions were answered, {found - before} releases recorded"
        raise AssertionError(message)
    return driven


async def _sealed(world: World, controller: Controller) -> None:
    await asyncio.sleep(1.0)
    size = await world.connection.fetchval(
        "SELECT size FROM ledger.release_head WHERE controller_id = $1", controller.id
    )
    if size != await _releases(world, controller):
        message = "a release was not sealed within a second"
        raise AssertionError(message)


async def _releases(world: World, controller: Controller) -> int:
    found: int = await world.connection.fetchval(
        "SELECT count(*) FROM ledger.release WHERE controller_id = $1", controller.id
    )
    return found


def _figures(connections: int, rounds: list[tuple[Driven, Driven]]) -> list[Figure]:
    ours, theirs = [one for one, _ in rounds], [one for _, one in rounds]
    figures = [
        figure(
            f"requests a second, c={connections}",
            "/s",
            [one.per_second for one in ours],
            _PEER,
            [one.per_second for one in theirs],
        )
    ]
    figures += [
        figure(
            f"latency p{percent}, c={connections}",
            "µs",
            [one.percentile(percent) for one in ours],
            _PEER,
            [one.percentile(percent) for one in theirs],
        )
        for percent in (50, 99)
    ]
    return figures
