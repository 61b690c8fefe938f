"""Where the time of batch ingestion and of decisions goes. No figure, and not part of `make bench`."""

import os
import signal
from itertools import islice
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks import people
from tests.benchmarks.client import drive
from tests.benchmarks.plan import Plan
from tests.benchmarks.world import World, all_accepted, ready

NAME: Final = "profile"

_ROWS: Final = 40


async def run(world: World, plan: Plan, console: Console) -> None:
    """Profile both, one after the other, and print what cost most."""
    await _profiled(world, plan, console, deciding=False)
    await _profiled(world, plan, console, deciding=True)


async def _profiled(world: World, plan: Plan, console: Console, *, deciding: bool) -> None:
    with world.serving("profiled") as served:
        await ready(served)
        controller = await world.controller(served, f"profiled {deciding}")
        await world.settle(served, controller, plan.people)
        shop = people.Shop(range(plan.people), "profile")
        bodies = people.batches(shop.events(), controller.collector, of=100)
        ready_made = [body for body, _ in islice(bodies, plan.batches * 2)]
        os.kill(served.pid, signal.SIGUSR1)
        if deciding:
            driven = await drive(
                served.port,
                people.decisions(plan.people, controller.engine, "personalisation"),
                connections=32,
                seconds=plan.seconds * 4,
                check=lambda status, _: status == 200,
            )
        else:
            driven = await drive(served.port, iter(ready_made), connections=8, check=all_accepted(100))
    found = msgspec.json.decode((world.folder / "profile.json").read_bytes())
    what = "decisions, c=32" if deciding else "batches of 100, c=8"
    console.rule(f"{what}: {driven.answers} requests in {driven.seconds:.1f} s, observed")
    _samples(console, "own time", found["own"], found["samples"])
    _samples(console, "with what it calls", found["within"], found["samples"])
    table = Table("statement", "runs", "ms each", "share of the time")
    for name, runs, took in found["statements"]:
        table.add_row(name, str(runs), f"{took / runs * 1e3:.2f}", f"{took / driven.seconds:.1%}")
    console.print(table)


def _samples(console: Console, title: str, rows: list[Any], total: int) -> None:
    table = Table(title, "share")
    for name, count in rows[:_ROWS]:
        table.add_row(name, f"{count / total:.1%}")
    console.print(table)
