"""Resolving in bulk against connecting alone, and the worst component at the caps against finding its blocks.

Every turn of these is a process of its own, so that its peak memory is its own. And identifying and linking
through the service, at few and at many identifiers (`linking`).
"""

import asyncio
import json
import sys

from msgspec import Struct

from tests.benchmarks import linking
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.world import World

NAME = "identity"

AT_THE_CAP = 100
"""Identifiers a profile holds, by the shipped policy."""


class _Turn(Struct, frozen=True, kw_only=True):
    seconds: float
    bytes: int
    found: int


async def run(world: World, plan: Plan) -> Result:
    """Measure in turn; all but linking without the database."""
    links, fewer = plan.links, max(1, plan.links // 4)
    figures = [
        *await _against("scipy", links, plan, "connected_components of scipy alone"),
        *await _against("networkx", fewer, plan, "connected_components of networkx"),
    ]
    worst = [(await _turn("worst", AT_THE_CAP), await _turn("blocks", AT_THE_CAP)) for _ in _rounds(plan)]
    figures.append(
        figure(
            "the worst component at the cap",
            "ms",
            [one.seconds * 1e3 for one, _ in worst],
            "biconnected_components of networkx on the same graph",
            [other.seconds * 1e3 for _, other in worst],
        )
    )
    linked, planted = await linking.measure(world, plan)
    figures += linked
    return Result(
        name=NAME,
        rounds=plan.long_rounds,
        figures=tuple(figures),
        checked=(
            "the profiles are those of connecting alone, but for those in which a limit bit",
            "each identify call made one identifier and one link",
        ),
        details={"links": links, "links against networkx": fewer, **planted},
    )


def _rounds(plan: Plan) -> range:
    return range(plan.long_rounds)


async def _against(peer: str, links: int, plan: Plan, words: str) -> list[Figure]:
    turns = []
    for _ in _rounds(plan):
        one, other = await _turn("ours", links), await _turn(peer, links)
        if not other.found <= one.found <= other.found * 1.01 + 10:
            message = f"{one.found} profiles against {other.found} components"
            raise AssertionError(message)
        turns.append((one, other))
    seconds = [(one.seconds, other.seconds) for one, other in turns]
    memory = [(one.bytes / 2**20, other.bytes / 2**20) for one, other in turns]
    return [
        figure(what, unit, [one for one, _ in pairs], words, [other for _, other in pairs])
        for what, unit, pairs in (("time in bulk", "s", seconds), ("peak memory", "MiB", memory))
    ]


async def _turn(who: str, number: int) -> _Turn:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.resolved", who, str(number), stdout=asyncio.subprocess.PIPE
    )
    said = (await process.communicate())[0]
    if process.returncode:
        message = f"{who} ended with {process.returncode}"
        raise AssertionError(message)
    return _Turn(**json.loads(said))
