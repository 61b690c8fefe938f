"""Run the benchmarks: `python -m tests.benchmarks [name ...] [--quick]`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import msgspec
import uvloop
from rich.console import Console

from tests.benchmarks import (
    audience,
    batch,
    beside,
    consenting,
    decision,
    figures,
    identity,
    importing,
    overload,
    policies,
    profile,
    restart,
    single,
    stored,
    workers,
)
from tests.benchmarks.plan import FULL, QUICK, Plan
from tests.benchmarks.world import OUTPUT, environment, world

_BENCHMARKS = {
    module.NAME: module.run
    for module in (
        single,
        batch,
        stored,
        workers,
        overload,
        decision,
        importing,
        policies,
        consenting,
        identity,
        audience,
        restart,
        beside,
    )
}

_WIDTH = 120


async def _run(names: Sequence[str], plan: Plan, console: Console) -> None:
    for name in names:
        # Each on a database of its own, so that none finds another's tables grown.
        async with world() as there:
            if name == profile.NAME:
                await profile.run(there, plan, console)
                continue
            taken_on = await environment(there.connection)
            result = await _BENCHMARKS[name](there, plan)
            result = msgspec.structs.replace(result, environment=taken_on)
        figures.show(console, result)
        if plan is not QUICK:
            console.print(f"written to {figures.write(OUTPUT, result)}\n")


def main() -> None:
    """Run what was named, or all benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*_BENCHMARKS, profile.NAME, []], metavar="name")
    parser.add_argument(
        "--quick", action="store_true", help="only show that they run: the figures say nothing"
    )
    parser.add_argument(
        "--full", action="store_true", help="a million identifiers for 20,000, 20 million links for 2"
    )
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    if arguments.full:
        plan = msgspec.structs.replace(
            plan,
            planned_identifiers=1_000_000,
            links=20_000_000,
            many_identifiers=1_000_000,
            audience_people=10_000_000,
            restarted_people=1_000_000,
            beside_people=(10_000, 1_000_000, 10_000_000),
        )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        # A file is as wide as the tables are; a terminal has its own width.
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        runner.run(_run(arguments.names or list(_BENCHMARKS), plan, console))


if __name__ == "__main__":
    main()
