"""Audiences: count and export of rules over a crowd, one person's change through 100 audiences, and memory.

The engine is filled in bulk with the very structures that single changes make. Every rival holds the same
people and is asked in turn; what it answers is compared with the engine's answer before anything is measured.
"""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Final

import msgspec
import numpy as np

from assent.audiences.engine import Population
from assent.audiences.lately import Lately
from assent.audiences.rows import Ints
from assent.audiences.rule import Rule, children
from tests.benchmarks.changing import AUDIENCES, changed
from tests.benchmarks.crowd import ASKING, NOW, crowd, policy, rules
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.rivals import DuckDB, Polars, PostgreSQL, Rival, Table
from tests.benchmarks.world import World

NAME: Final = "audience"

_LEAST_S: Final = 0.005
"""Whatever takes less is asked more than once: what a clock says of microseconds says little."""
_LIMIT: Final = "reading as many bytes of memory as the rule's bitmaps have"
_NEAR: Final = "reading those bytes again and again, from caches as far as they fit"
_MEMORY: Final = 1 << 26
"""Words read to know what memory allows: half a gigabyte, more than caches hold."""


async def run(world: World, plan: Plan) -> Result:
    """Measure counts and exports of 23 rules, and changes of single people."""
    rounds = plan.long_rounds
    many = crowd(plan.audience_people)
    population = Population(policy(), ASKING)
    began = perf_counter()
    population.fill(many.batch(ASKING))
    filled = perf_counter() - began
    table = Table(many)
    events = many.events / len(many.ids)
    del many
    rivals: list[Rival] = [DuckDB(table), Polars(table)]
    server = PostgreSQL(world.connection)
    await server.load(table)
    asked = rules()
    _agree(population, rivals, asked)
    # Now, as first counts are measured without what questions left behind.
    held = {name: size / len(population) for name, size in population.memory().items()}
    counts, anew, exports = _measured(population, rivals, asked, rounds)
    counts += await _against_server(population, server, asked, rounds)
    changes = await changed(population, server, table.ids, rounds)
    return Result(
        name=NAME,
        rounds=rounds,
        figures=(*_shown(counts), *_shown(anew), *_shown(exports), *changes.figures),
        checked=(
            f"all rivals counted what the engine counted, for each of {len(asked)} rules",
            "DuckDB and polars exported the very ids that the engine exported",
            "PostgreSQL said of people what asking all audiences together said",
            "the counts that followed every change are what the engine counts at the end",
        ),
        details={
            "people": plan.audience_people,
            "people whom the purpose sees": len(population),
            "events a person, in timelines": round(events, 1),
            "bytes a person, every index made": round(sum(held.values()), 1),
            "of which": ", ".join(f"{size:.1f} {name}" for name, size in held.items()),
            f"bytes a person beside, where {AUDIENCES} audiences are followed": changes.bytes_a_person,
            "seconds to fill": round(filled, 2),
            "audiences that a change moved, on average": changes.moved,
        },
    )


def _agree(population: Population, rivals: Sequence[Rival], asked: dict[str, Rule]) -> None:
    for name, rule in asked.items():
        members = population.members(rule, NOW, {})
        for rival in rivals:
            if rival.count(rule) != len(members) or np.any(np.sort(rival.ids(rule)) != members):
                message = f"{rival.name} and the engine disagree about the rule {name!r}"
                raise AssertionError(message)


def _measured(
    population: Population, rivals: Sequence[Rival], asked: dict[str, Rule], rounds: int
) -> tuple[list[Figure], list[Figure], list[Figure]]:
    counts: list[Figure] = []
    anew: list[Figure] = []
    exports: list[Figure] = []
    memory = np.ones(_MEMORY, np.uint64)
    for name, rule in asked.items():
        near = memory[: (1 + _leaves(rule)) * len(population) // 64]
        turns: dict[str, list[float]] = {}
        asks: dict[str, Callable[[], object]] = {
            "count": partial(_count, population, rule),
            "anew": partial(_count, population, rule),
            "memory": memory.sum,
            "near": near.sum,
            "export": partial(_export, population, rule),
        }
        for rival in rivals:
            asks[rival.name] = partial(rival.count, rule)
            asks[f"{rival.name}, ids"] = partial(rival.ids, rule)
        for _ in range(rounds):
            for what, ask in asks.items():
                if what == "anew":
                    _forget(population)
                turns.setdefault(what, []).append(_rate(ask, once=what == "anew"))
        limits = [rate * memory.nbytes / near.nbytes for rate in turns["memory"]]
        counts.append(figure(f"count: {name}", "/s", turns["count"], _LIMIT, limits))
        counts.append(figure(f"count: {name}", "/s", turns["count"], _NEAR, turns["near"]))
        for rival in rivals:
            counts.append(figure(f"count: {name}", "/s", turns["count"], rival.name, turns[rival.name]))
            anew.append(figure(f"first count: {name}", "/s", turns["anew"], rival.name, turns[rival.name]))
            theirs = turns[f"{rival.name}, ids"]
            exports.append(figure(f"export: {name}", "/s", turns["export"], rival.name, theirs))
    return counts, anew, exports


async def _against_server(
    population: Population, server: PostgreSQL, asked: dict[str, Rule], rounds: int
) -> list[Figure]:
    found = []
    for name, rule in asked.items():
        ours: list[float] = []
        theirs: list[float] = []
        if await server.count(rule) != population.count(rule, NOW, {}):
            message = f"PostgreSQL and the engine disagree about the rule {name!r}"
            raise AssertionError(message)
        for _ in range(rounds):
            began = perf_counter()
            population.ask(rule, NOW, {}).count()
            middle = perf_counter()
            await server.count(rule)
            ours.append(1 / (middle - began))
            theirs.append(1 / (perf_counter() - middle))
        found.append(figure(f"count: {name}", "/s", ours, server.name, theirs))
    return found


def _count(population: Population, rule: Rule) -> int:
    return population.ask(rule, NOW, {}).count()


def _forget(population: Population) -> None:
    """Leave nothing of what questions made for leaves and rules: the indexes of columns stay."""
    population._plans._kept.clear()
    for segment in population._segments:
        segment.lately = Lately()


def _export(population: Population, rule: Rule) -> Ints:
    return population.ask(rule, NOW, {}).members()


def _rate(ask: Callable[[], object], *, once: bool) -> float:
    """Return how many a second there could be. What is quick is asked again and again, unless `once`."""
    began = perf_counter()
    asked = 0
    while not asked or (not once and perf_counter() - began < _LEAST_S):
        ask()
        asked += 1
    return asked / (perf_counter() - began)


def _shown(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures of the three named rules, and of the random ones the lowest and the median ratio."""
    found: list[Figure] = []
    for peer in dict.fromkeys(one.peer for one in figures):
        mine = [one for one in figures if one.peer == peer]
        found += [one for one in mine if "random" not in one.what]
        others = sorted((one for one in mine if "random" in one.what), key=lambda one: one.ratio)
        middle = median(range(len(others)))
        for label, one in (("lowest", others[0]), ("median", others[int(middle)])):
            what = f"{one.what.split(':')[0]}: 20 random rules, {label} ({one.what.split(': ')[1]})"
            found.append(msgspec.structs.replace(one, what=what))
    return found


def _leaves(rule: Rule) -> int:
    inner = [each for _, each in children(rule)]
    return sum(map(_leaves, inner)) if inner else 1
