"""From the start of a process to its first answer about everybody, beside a bare COPY of the same rows.

People agree and act over HTTP; what the gate reads of them is multiplied where it stands. Each round starts
the service anew, asks for a count at once, again while it says 503, and holds the count against the number
of people. The peer copies out the rows that the gate reads, table after table, and does nothing with them.
"""

import asyncio
import json
from itertools import islice
from time import perf_counter
from typing import Final

from tests.benchmarks import people
from tests.benchmarks.batch import PER_BODY, through_the_service
from tests.benchmarks.client import WrongAnswerError, ask, post
from tests.benchmarks.figures import Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.planting import SHOWN, multiply
from tests.benchmarks.processes import most_memory_of
from tests.benchmarks.world import Controller, Served, World, ready

NAME: Final = "restart"

PURPOSE: Final = "personalisation"
EVENTS_EACH: Final = 5
_PEER: Final = "COPY of the same rows to nowhere"
_WITHIN_S: Final = 900.0


async def run(world: World, plan: Plan) -> Result:
    """Measure starts with as many people as the plan restarts with."""
    with world.serving("assent") as served:
        await ready(served)
        controller = await settled(world, served, plan)
    everybody = await multiplied(world, controller, plan)
    ours, theirs, memory = [], [], []
    for _ in range(plan.long_rounds):
        began = perf_counter()
        with world.serving("assent") as served:
            await ready(served)
            found = await counted(served, controller)
            ours.append(perf_counter() - began)
            memory.append(most_memory_of(served.pid))
        if found != everybody:
            message = f"the gate shows {everybody} people, the first answer counted {found}"
            raise AssertionError(message)
        theirs.append(await _copied(world))
    return Result(
        name=NAME,
        rounds=plan.long_rounds,
        figures=(figure("to the first answer", "s", ours, _PEER, theirs),),
        checked=("every first answer counted everybody whom the gate shows",),
        details={
            "people": everybody,
            "rows": {table: await _size(world, table) for table in SHOWN},
            "most memory of the process, MiB": [round(one / 2**20) for one in memory],
        },
    )


async def settled(world: World, served: Served, plan: Plan) -> Controller:
    """Let people agree and act over HTTP; return their controller."""
    controller = await world.controller(served, "restart")
    who = range(plan.planted_people)
    await world.agree(served, controller, who)
    bodies = people.batches(people.Shop(who, "settling").events(), controller.collector, of=PER_BODY)
    number = plan.planted_people * EVENTS_EACH // PER_BODY
    await through_the_service(world, [served], controller, [body for body, _ in islice(bodies, number)])
    return controller


async def multiplied(world: World, controller: Controller, plan: Plan) -> int:
    """Multiply people to as many as the plan asks for; return how many the gate shows."""
    await multiply(world, controller, plan.restarted_people // plan.planted_people - 1)
    found: int = await world.connection.fetchval(_EVERYBODY, controller.id, PURPOSE)
    return found


_EVERYBODY: Final = """
SELECT count(DISTINCT coalesce(c.profile_id, p.identifier_id))
FROM projection.purpose AS u
INNER JOIN projection.permit AS p USING (controller_id, policy_version, purpose_id)
LEFT JOIN projection.cluster AS c
    ON p.controller_id = c.controller_id AND u.view_id = c.view_id AND p.identifier_id = c.identifier_id
WHERE u.controller_id = $1 AND u.name = $2
"""


async def counted(served: Served, controller: Controller, *, within_s: float = _WITHIN_S) -> int:
    """Return how many there are, asked until there is an answer."""
    body = json.dumps({"purpose": PURPOSE, "rule": {"op": "all"}}).encode()
    request = post("/v1/audiences/preview", controller.engine, body)
    until = perf_counter() + within_s
    while True:
        try:
            return int((await ask(served.port, request))["count"])
        except WrongAnswerError as error:
            if "status 503" not in str(error) or perf_counter() > until:
                raise
        await asyncio.sleep(0.1)


async def _copied(world: World) -> float:
    async def nowhere(_: bytes) -> None:
        pass

    began = perf_counter()
    for table in SHOWN:
        query = f"SELECT * FROM projection.{table}"
        await world.connection.copy_from_query(query, output=nowhere, format="binary")
    return perf_counter() - began


async def _size(world: World, table: str) -> int:
    found: int = await world.connection.fetchval(f"SELECT count(*) FROM projection.{table}")
    return found
