"""A new policy over many people while decisions and events go on; and trying one out, in how much memory.

People are planted as rows, each a browser with an account, copied from one who agreed over HTTP: made by
requests, a million of them would take an hour. Those who are decided about came by requests.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from msgspec import Struct

from assent.resources import policies_folder
from tests.benchmarks import people, planned
from tests.benchmarks.client import Driven, drive
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.world import Controller, Served, World, ready

NAME: Final = "policies"

_PURPOSE: Final = "personalisation"
_VISITORS: Final = 200
_CONNECTIONS: Final = 4
_PAUSE_S: Final = 0.03
"""Between an answer and the next request: a service that has something to do, and something to spare."""
_LONGEST_S: Final = 3_600.0
_STATEMENTS_EACH: Final = len(people.PURPOSES)


class Tried(Struct, frozen=True, kw_only=True):
    """One `assent policy simulate` in a process of its own."""

    seconds: float
    peak_mib: float


async def run(world: World, plan: Plan) -> Result:
    """Measure activations beside decisions, then simulations of a tenth and of all."""
    with world.serving("assent") as served:
        await ready(served)
        began = perf_counter()
        small = await _planted(world, served, "small", plan.planned_identifiers // 10)
        large = await _planted(world, served, "large", plan.planned_identifiers)
        planting = perf_counter() - began
        alone: list[Driven] = []
        beside: list[Driven] = []
        took: list[float] = []
        waited: list[float] = []
        asked: list[int] = []
        for turn in range(plan.long_rounds):
            alone.append(await _decisions(served, large, seconds=max(plan.seconds, 2.0)))
            seconds, decided, longest = await _activated(world, served, large, turn)
            asked.append(await planned.verify_permits(world, large, plan.planned_identifiers))
            beside.append(decided)
            took.append(seconds)
            waited.append(longest)
    tried_small = [await _simulated(world, small) for _ in range(plan.long_rounds)]
    tried_large = [await _simulated(world, large) for _ in range(plan.long_rounds)]
    per_second = plan.planned_identifiers / sorted(took)[len(took) // 2]
    return Result(
        name=NAME,
        rounds=plan.long_rounds,
        figures=(*_latencies(beside, alone), *_memory(tried_large, tried_small)),
        checked=(
            "every decision during an activation showed the person asked for, with values",
            f"after each activation {asked[0]} answers of `decide` about some people were as permitted",
            "simulated, that consents lapse earlier takes from exactly those whom SQL counts, and from all",
        ),
        details={
            "identifiers": plan.planned_identifiers,
            "statements": plan.planned_identifiers * _STATEMENTS_EACH,
            "seconds planting took": round(planting, 1),
            "seconds an activation took": [round(one, 1) for one in took],
            "identifiers a second": round(per_second),
            "longest an event waited during an activation, ms": [round(one, 1) for one in waited],
            "seconds a simulation took": [round(one.seconds, 1) for one in tried_large],
            "its peak memory, MiB": [round(one.peak_mib) for one in tried_large],
        },
    )


async def _planted(world: World, served: Served, name: str, number: int) -> Controller:
    controller = await world.controller(served, name)
    await world.settle(served, controller, _VISITORS)
    await planned.plant(world, controller, number)
    return controller


async def _decisions(
    served: Served, controller: Controller, *, seconds: float | None = None, over: asyncio.Event | None = None
) -> Driven:
    """Ask for decisions for so long, or until something is over."""
    requests = people.decisions(_VISITORS, controller.engine, _PURPOSE)
    return await drive(
        served.port,
        requests if over is None else takewhile(lambda _: not over.is_set(), requests),
        connections=_CONNECTIONS,
        seconds=seconds,
        pause_s=_PAUSE_S,
        check=lambda status, body: status == 200 and b'"subject":"' in body and b'"features":{"' in body,
        within_s=_LONGEST_S,
    )


async def _activated(
    world: World, served: Served, controller: Controller, turn: int
) -> tuple[float, Driven, float]:
    """Return how long an activation took, the decisions meanwhile, and how long one event waited at most."""
    over = asyncio.Event()

    async def activate() -> float:
        began = perf_counter()
        with _policies("Showing what suits you", f"Title {turn}") as folder:
            try:
                await asyncio.to_thread(_command, world, "activate", controller.name, folder)
            finally:
                over.set()
        return perf_counter() - began

    events = people.single(people.Shop(range(_VISITORS), f"turn-{turn}").events(), controller.collector)
    seconds, decided, written = await asyncio.gather(
        activate(),
        _decisions(served, controller, over=over),
        drive(
            served.port,
            takewhile(lambda _: not over.is_set(), events),
            connections=1,
            pause_s=_PAUSE_S,
            check=lambda status, _: status == 200,
            within_s=_LONGEST_S,
        ),
    )
    return seconds, decided, written.latencies_us[-1] / 1e3


async def _simulated(world: World, controller: Controller) -> Tried:
    """Try out that consents to personalisation lapse after half the time: everybody who gave one loses."""
    people = await planned.people_by_purpose(world, controller)
    words = 'notice = "personalisation"\nvalidity = "{}"'
    with _policies(words.format("P1Y"), words.format("P6M")) as folder:
        began = perf_counter()
        said, peak_kib = await asyncio.to_thread(
            _command, world, "simulate", controller.name, folder, "--json"
        )
    tried = Tried(seconds=perf_counter() - began, peak_mib=peak_kib / 1024)
    found = json.loads(said)
    counted = {one["purpose"]: one for one in found["purposes"] if one["before"] or one["after"]}
    expected = {
        name: {"before": number, "after": number, "gains": 0, "loses": number if name == _PURPOSE else 0}
        for name, number in people.items()
    }
    seen = {name: {key: one[key] for key in expected.get(name, {})} for name, one in counted.items()}
    rows = await planned.rows(world, controller)
    if (found["identifiers"], found["statements"], seen) != (*rows, expected):
        message = f"a simulation counted {found}, expected {rows} and {expected}"
        raise AssertionError(message)
    return tried


@contextmanager
def _policies(said: str, instead: str) -> Iterator[str]:
    """Yield a folder of the shipped policies, in which something is said otherwise."""
    with TemporaryDirectory() as folder:
        policies = Path(folder) / "policies"
        shutil.copytree(policies_folder(), policies)
        purposes = policies / "purposes.toml"
        text = purposes.read_text()
        if said not in text:
            message = f"expected the shipped policies to say {said}"
            raise AssertionError(message)
        purposes.write_text(text.replace(said, instead))
        yield str(policies)


def _command(world: World, *arguments: str) -> tuple[str, int]:
    """Run `assent policy` beside the service; return what it said, and the most memory it took, in KiB."""
    command, controller, *rest = arguments
    process = Popen(
        [sys.executable, "-m", "assent.cli", "policy", command, "--controller", controller, *rest],
        env={**os.environ, "ASSENT_FOLDER": str(world.folder)},
        stdout=PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"assent policy {command} ended with {process.returncode}"
        raise AssertionError(message)
    return said, used.ru_maxrss


def _latencies(beside: Sequence[Driven], alone: Sequence[Driven]) -> list[Figure]:
    return [
        figure(
            f"latency of a decision, p{percent}",
            "µs",
            [one.percentile(percent) for one in beside],
            "the same without an activation",
            [one.percentile(percent) for one in alone],
        )
        for percent in (50, 99)
    ]


def _memory(large: Sequence[Tried], small: Sequence[Tried]) -> list[Figure]:
    peer = "a simulation over a tenth of the people"
    return [
        figure("peak memory", "MiB", [one.peak_mib for one in large], peer, [one.peak_mib for one in small]),
        figure("time", "s", [one.seconds for one in large], peer, [one.seconds for one in small]),
    ]
