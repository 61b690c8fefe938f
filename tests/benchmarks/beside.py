"""Decisions while counts over everybody run, against decisions alone; and among many, against among few.

A thousand people agree and act over HTTP, each in a known way; what the gate reads of them is multiplied
where it stands, copies with names of their own. So of everybody it is known what a decision must say, and of
every rule how many it is true for. One database and one service for each size; all serve all the time.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import cycle
from random import Random
from subprocess import Popen
from time import perf_counter
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.benchmarks import acting
from tests.benchmarks.client import Check, Driven, ask, drive_expecting, post
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.planting import multiply
from tests.benchmarks.processes import most_memory_of
from tests.benchmarks.restart import PURPOSE, counted
from tests.benchmarks.world import Controller, Served, World, ready, world

NAME: Final = "beside"

_CONNECTIONS: Final = 32
_ALONE: Final = "the same with no counts"
_BESIDE_WORK: Final = "the same beside a process that keeps one core busy"
_LONGEST_COUNT_S: Final = 300.0
_LOADED_WITHIN_S: Final = 3_600.0

_encode = msgspec.json.Encoder().encode


class Side(Struct, frozen=True, kw_only=True):
    """One size: its database, its controller, and the service before it."""

    world: World
    controller: Controller
    people: int
    served: Served


class _Turns(Struct, kw_only=True):
    """What was measured where counts run."""

    alone: list[Driven] = []
    beside: list[Driven] = []
    busy: list[Driven] = []
    counts: list[Driven] = []


async def run(empty: World, plan: Plan) -> Result:
    """Measure POST /v1/decisions over 32 connections, and over one, at each of the plan's sizes."""
    details: dict[str, object] = {}
    async with AsyncExitStack() as stack:
        sides = []
        for place, number in enumerate(plan.beside_people):
            there = await stack.enter_async_context(world()) if place else empty
            controller = await _planted(there, plan, number, details)
            served = stack.enter_context(there.serving("assent"))
            await ready(served)
            sides.append(Side(world=there, controller=controller, people=number, served=served))
        flat = await _by_size(sides, plan)
        turns = await _beside_counts(sides[-1], plan, details)
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=(*_beside(sides[-1], turns), *_flat(sides, flat)),
        checked=(
            "every decision said of the person asked about what that person had done",
            "every count was how many people the rule is true for",
        ),
        details=details,
    )


async def _planted(there: World, plan: Plan, number: int, details: dict[str, object]) -> Controller:
    """Let people agree and act, and multiply them to so many; no autovacuum comes to one database alone."""
    await there.connection.execute("ALTER SYSTEM SET autovacuum = off")
    await there.connection.execute("SELECT pg_reload_conf()")
    with there.serving("assent") as served:
        await ready(served)
        controller = await there.controller(served, NAME)
        await acting.act(there, served, controller, plan.planted_people)
        for name, (rule, _) in acting.SAVED.items():
            await save(served, controller, name, rule)
    began = perf_counter()
    await multiply(there, controller, number // plan.planted_people - 1, named=plan.planted_people)
    await there.connection.execute("SELECT ledger.refresh_statistics()")
    details[f"seconds planting {number:,} people took"] = round(perf_counter() - began, 1)
    return controller


async def save(served: Served, controller: Controller, name: str, rule: object) -> None:
    """Save a rule as an audience."""
    body = _encode({"title": name, "purposes": [PURPOSE], "rule": rule})
    await ask(served.port, post(f"/v1/audiences/{name}", controller.engine, body, "PUT"))


async def _by_size(sides: list[Side], plan: Plan) -> dict[tuple[int, int], list[Driven]]:
    """Return what decisions took, by how many people there are and over how many connections."""
    found: dict[tuple[int, int], list[Driven]] = {}
    for turn in range(-1, plan.rounds):
        for connections in (1, _CONNECTIONS):
            # Who goes first changes, so that none always finds the machine as another left it.
            for side in sides if turn % 2 else reversed(sides):
                driven = await decisions(side, plan, connections, turn)
                if turn >= 0:  # the first turn warms up
                    found.setdefault((side.people, connections), []).append(driven)
    return found


async def _beside_counts(side: Side, plan: Plan, details: dict[str, object]) -> _Turns:
    began = perf_counter()
    everybody = await counted(side.served, side.controller, within_s=_LOADED_WITHIN_S)
    details["seconds to the first count"] = round(perf_counter() - began, 1)
    if everybody != side.people:
        message = f"{side.people} people were planted, {everybody} counted"
        raise AssertionError(message)
    turns = _Turns()
    for turn in range(-1, plan.rounds):
        order = (_alone, _counting, _busy) if turn % 2 else (_busy, _counting, _alone)
        for measure in order:
            # The first turn warms up: the first question of a feature makes that feature's index.
            await measure(side, plan, turn, turns if turn >= 0 else _Turns())
    details["people counted among"] = side.people
    details["counts answered in a round"] = [one.answers for one in turns.counts]
    details["milliseconds that half of a round's counts took at most"] = [
        round(one.percentile(50) / 1e3, 1) for one in turns.counts
    ]
    details["most memory of the service, MiB"] = round(most_memory_of(side.served.pid) / 2**20)
    return turns


async def _alone(side: Side, plan: Plan, turn: int, turns: _Turns) -> None:
    turns.alone.append(await decisions(side, plan, _CONNECTIONS, turn))


async def _counting(side: Side, plan: Plan, turn: int, turns: _Turns) -> None:
    decided, counts = await while_counting(side, plan, turn)
    turns.beside.append(decided)
    turns.counts.append(counts)


async def _busy(side: Side, plan: Plan, turn: int, turns: _Turns) -> None:
    with _keeping_busy():
        turns.busy.append(await decisions(side, plan, _CONNECTIONS, turn))


async def while_counting(side: Side, plan: Plan, turn: int) -> tuple[Driven, Driven]:
    """Return the decisions of a round and the counts that one client asked for meanwhile, one by one."""
    over = asyncio.Event()

    async def deciding() -> Driven:
        try:
            return await decisions(side, plan, _CONNECTIONS, turn)
        finally:
            over.set()

    def questions() -> Iterator[tuple[bytes, Check]]:
        for request, least in cycle(_questions(side, plan)):
            if over.is_set():
                return
            yield request, _says(least)

    return await asyncio.gather(
        deciding(),
        drive_expecting(side.served.port, questions(), connections=1, within_s=_LONGEST_COUNT_S),
    )


def _questions(side: Side, plan: Plan) -> list[tuple[bytes, int]]:
    """Return requests for counts and previews, each with how many people the rule is true for."""
    asked = []
    copies = side.people // plan.planted_people
    for path, body, true_of in acting.questions(PURPOSE):
        truth = copies * sum(map(true_of, range(plan.planted_people)))
        asked.append((post(path, side.controller.engine, _encode(body)), truth))
    return asked


def _says(truth: int) -> Check:
    def check(status: int, body: bytes) -> bool:
        if status != 200:
            return False
        found: dict[str, Any] = msgspec.json.decode(body)
        return bool(found["count"] == truth - truth % found["floored_to"])

    return check


async def decisions(side: Side, plan: Plan, connections: int, turn: int) -> Driven:
    """Ask for decisions about people drawn at random. Raises WrongAnswerError when one is not as they did."""
    random = Random(turn)

    def asked() -> Iterator[tuple[bytes, Check]]:
        while True:
            person = random.randrange(side.people)
            subject = {"namespace": "anonymous_id", "value": f"browser-{person}"}
            body = _encode({"purpose": PURPOSE, "subjects": [subject]})
            request = post("/v1/decisions", side.controller.engine, body)
            yield request, _shows(acting.shown(person % plan.planted_people))

    return await drive_expecting(side.served.port, asked(), connections=connections, seconds=plan.seconds)


def _shows(parts: tuple[bytes, ...]) -> Check:
    return lambda status, body: status == 200 and all(part in body for part in parts)


@contextmanager
def _keeping_busy() -> Iterator[None]:
    """Keep one core busy in a process that has to do with nothing here."""
    process = Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _beside(side: Side, turns: _Turns) -> list[Figure]:
    asked = f"c={_CONNECTIONS}, while counts over {side.people:,} people run"
    return [
        found
        for peer, theirs in ((_ALONE, turns.alone), (_BESIDE_WORK, turns.busy))
        for found in _latencies(asked, turns.beside, peer, theirs)
    ]


def _flat(sides: list[Side], found: dict[tuple[int, int], list[Driven]]) -> list[Figure]:
    few, *many = sides
    return [
        one
        for side in many
        for connections in (1, _CONNECTIONS)
        for one in _latencies(
            f"c={connections}, among {side.people:,} people",
            found[side.people, connections],
            f"the same among {few.people:,} people",
            found[few.people, connections],
        )
    ]


def _latencies(asked: str, ours: list[Driven], peer: str, theirs: list[Driven]) -> list[Figure]:
    return [
        figure(
            f"decision p{percent}, {asked}",
            "µs",
            [one.percentile(percent) for one in ours],
            peer,
            [one.percentile(percent) for one in theirs],
        )
        for percent in (50, 99)
    ]
