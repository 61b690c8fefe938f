"""A new policy over many people while decisions and events go on; and trying one out, in how much memory.

People are planted as rows, each a browser with an account, copied from one who agreed over HTTP: made by
requests, a million of them would take an hour. Those who are decided about came by requests.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from msgspec import Struct

from assent.resources import policies_folder
from tests.benchmarks import people
from tests.benchmarks.client import Driven, drive
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import FULL, Plan
from tests.benchmarks.world import Controller, Served, World, ready

NAME: Final = "policies"

_PURPOSE: Final = "personalisation"
_VISITORS: Final = 200
_CONNECTIONS: Final = 4
_FIRST_PLANTED: Final = 1 << 40
_LONGEST_S: Final = 900.0
_STATEMENTS_EACH: Final = len(people.PURPOSES)

_PLANT: Final = (
    # Two identifiers a person: the first of the pair a browser, the second an account.
    """
    INSERT INTO projection.identifier
    SELECT i.controller_id, $2::bigint + n * 64, i.namespace_id, sha256(n::text::bytea), 0, i.seen_by
    FROM (
        SELECT row_number() OVER (ORDER BY priority) - 1 AS turn, t.*
        FROM (
            SELECT DISTINCT ON (namespace_id) namespace_id AS priority, i.*
            FROM projection.identifier AS i
            WHERE i.controller_id = $1 ORDER BY namespace_id, identifier_id
        ) AS t
    ) AS i
    CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    WHERE n % 2 = i.turn
    """,
    """
    INSERT INTO projection.statement
    SELECT s.controller_id, $2::bigint + n * 64, n * 1000000 + s.entry_index, s.position, s.purpose_id,
        s.state, s.acted_at, s.known_at, s.authenticated, s.terms
    FROM projection.statement AS s CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    WHERE s.controller_id = $1 AND s.identifier_id = (
        SELECT min(identifier_id) FROM projection.statement WHERE controller_id = $1
    )
    """,
    """
    INSERT INTO projection.permit
    SELECT p.controller_id, p.policy_version, p.purpose_id, $2::bigint + n * 64, p.since, p.categories,
        p.until, p.entry_index
    FROM projection.permit AS p CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    WHERE p.controller_id = $1 AND p.identifier_id = (
        SELECT min(identifier_id) FROM projection.statement WHERE controller_id = $1
    )
    """,
    """
    INSERT INTO projection.link
    SELECT $1::bigint, $2::bigint + n * 128, $2::bigint + n * 128 + 64, 1, 0, 0, n, n
    FROM generate_series(0, $3::bigint / 2 - 1) AS n
    """,
    """
    INSERT INTO projection.cluster
    SELECT $1::bigint, v.view_id, $2::bigint + n * 64, $2::bigint + n / 2 * 128
    FROM (
        SELECT DISTINCT view_id FROM projection.purpose
        WHERE controller_id = $1 AND name IN ('service', 'personalisation', 'analytics')
        UNION ALL VALUES (0), (1)
    ) AS v CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    """,
)


class Tried(Struct, frozen=True, kw_only=True):
    """One `assent policy simulate` in a process of its own."""

    seconds: float
    peak_mib: float


async def run(world: World, plan: Plan) -> Result:
    """Measure activations beside decisions, then simulations of a tenth and of all."""
    rounds = 1 if plan.planned_identifiers > FULL.planned_identifiers else plan.long_rounds
    with world.serving("assent") as served:
        await ready(served)
        await _planted(world, served, "small", plan.planned_identifiers // 10)
        large = await _planted(world, served, "large", plan.planned_identifiers)
        alone: list[Driven] = []
        beside: list[Driven] = []
        took: list[float] = []
        waited: list[float] = []
        for turn in range(rounds):
            alone.append(await _decisions(served, large, seconds=max(plan.seconds, 2.0)))
            seconds, decided, longest = await _activated(world, served, large, turn)
            beside.append(decided)
            took.append(seconds)
            waited.append(longest)
    identifiers = plan.planned_identifiers
    tried_small = [await _simulated(world, "small", identifiers // 10) for _ in range(rounds)]
    tried_large = [await _simulated(world, "large", identifiers) for _ in range(rounds)]
    per_second = plan.planned_identifiers / sorted(took)[len(took) // 2]
    return Result(
        name=NAME,
        rounds=rounds,
        figures=(*_latencies(beside, alone), *_memory(tried_large, tried_small)),
        checked=(
            "every decision during an activation showed the person asked for, with values",
            "after each activation every identifier had its permits under the new version",
            "a simulation counted everybody; of what is in force already, nobody who gains or loses",
        ),
        details={
            "identifiers": plan.planned_identifiers,
            "statements": plan.planned_identifiers * _STATEMENTS_EACH,
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
    for statement in _PLANT:
        await world.connection.execute(statement, controller.id, _FIRST_PLANTED, number)
    await world.connection.execute("ANALYZE")
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
        with TemporaryDirectory() as folder:
            policies = Path(folder) / "policies"
            shutil.copytree(policies_folder(), policies)
            purposes = policies / "purposes.toml"
            purposes.write_text(purposes.read_text().replace("Showing what suits you", f"Title {turn}"))
            try:
                await asyncio.to_thread(_command, world, "activate", "large", str(policies))
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
            check=lambda status, _: status == 200,
            within_s=_LONGEST_S,
        ),
    )
    await _prepared(world, controller)
    return seconds, decided, written.latencies_us[-1] / 1e3


async def _prepared(world: World, controller: Controller) -> None:
    missing = await world.connection.fetchval(
        """
        SELECT count(*) FROM projection.statement AS s INNER JOIN ledger.head AS h USING (controller_id)
        WHERE s.controller_id = $1 AND NOT EXISTS (
            SELECT 1 FROM projection.permit AS p
            WHERE p.controller_id = $1 AND p.policy_version = h.policy_version
                AND p.purpose_id = s.purpose_id AND p.identifier_id = s.identifier_id
        )
        """,
        controller.id,
    )
    if missing:
        message = f"{missing} statements carry no permit under the new policy"
        raise AssertionError(message)


async def _simulated(world: World, name: str, identifiers: int) -> Tried:
    began = perf_counter()
    said, peak_kib = await asyncio.to_thread(_command, world, "simulate", name, "--json")
    tried = Tried(seconds=perf_counter() - began, peak_mib=peak_kib / 1024)
    found = json.loads(said)
    concerned = [one for one in found["purposes"] if one["gains"] or one["loses"]]
    if found["identifiers"] < identifiers or (concerned and name == "small"):
        message = f"a simulation counted {found['identifiers']} identifiers, and concerned {concerned}"
        raise AssertionError(message)
    return tried


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
