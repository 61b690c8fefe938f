"""Durable batches with everything on, against COPY of the same bare rows in commits of the same sizes.

Two peers: rows whose properties are text, which PostgreSQL takes as they come, and rows whose properties are
jsonb, which it reads, as a table of events that is to be queried would have them.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from tests.benchmarks import copying, people
from tests.benchmarks.client import drive_all
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.usage import Used, shares, so_far
from tests.benchmarks.usage import used as used_between
from tests.benchmarks.world import Controller, Served, World, all_accepted, ready

NAME: Final = "batch"

PER_BODY: Final = 100
_CONNECTIONS: Final = 8
"""Enough that something waits while a commit is under way: commits of up to 800 events."""

_PEERS: Final = {"text": "COPY of the bare rows, properties as text", "jsonb": "COPY, properties as jsonb"}


async def run(world: World, plan: Plan) -> Result:
    """Measure POST /v1/batch, 100 events a body, in turn with COPY."""
    ours: list[Used] = []
    theirs: dict[str, list[Used]] = {kind: [] for kind in _PEERS}
    sizes: list[int] = []
    for kind in _PEERS:
        await copying.make_table(world, kind)
    with world.serving("assent") as served:
        await ready(served)
        controller = await world.controller(served, "batch")
        await world.settle(served, controller, plan.people)
        for turn in range(-1, plan.rounds):
            shop = people.Shop(range(plan.people), f"round{turn}")
            bodies = people.batches(shop.events(), controller.collector, of=PER_BODY)
            drawn = list(islice(bodies, plan.batches))
            events = [event for _, together in drawn for event in together]
            used, commits = await through_the_service(
                world, [served], controller, [body for body, _ in drawn]
            )
            copied = {kind: await copying.copy(world, controller, kind, events, commits) for kind in _PEERS}
            if turn >= 0:  # the first turn warms up
                ours.append(used)
                sizes += commits
                for kind, one in copied.items():
                    theirs[kind].append(one)
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=tuple(one for kind, peer in _PEERS.items() for one in figures_of(ours, peer, theirs[kind])),
        checked=(
            "after every round the ledger held one entry, and one content or more, for each event sent",
            f"the peers held the same events {copying.PASSES} times, copied in commits of the same sizes",
        ),
        details={
            "events in a commit": f"{min(sizes)} to {max(sizes)}, {sum(sizes) / len(sizes):.0f} on average",
            "processor time of ours": shares(ours),
            **{f"processor time of {peer}": shares(theirs[kind]) for kind, peer in _PEERS.items()},
        },
    )


async def through_the_service(
    world: World, services: Sequence[Served], controller: Controller, bodies: Sequence[bytes]
) -> tuple[Used, list[int]]:
    """Send bodies of `PER_BODY` events, check what is stored; return what that took, and the commits' sizes.

    The connections are shared out evenly between the processes that serve.
    """
    events = len(bodies) * PER_BODY
    before = await world.size(controller)
    pids = [served.pid for served in services]
    began = await so_far(world, pids)
    driven = await drive_all(
        [served.port for served in services],
        iter(bodies),
        connections=_CONNECTIONS,
        check=all_accepted(PER_BODY),
    )
    used = used_between(began, await so_far(world, pids), events, driven.seconds)
    await world.verify(controller, events, since=before)
    if await _contents(world, controller, before) < events:
        message = "an event was acknowledged, and nothing of it was kept"
        raise AssertionError(message)
    rows = await world.connection.fetch(
        "SELECT size FROM ledger.batch WHERE controller_id = $1 AND first_index >= $2 ORDER BY first_index",
        controller.id,
        before,
    )
    return used, [size for (size,) in rows]


async def _contents(world: World, controller: Controller, since: int) -> int:
    found: int = await world.connection.fetchval(
        "SELECT count(DISTINCT entry_index) FROM ledger.content "
        "WHERE controller_id = $1 AND entry_index >= $2",
        controller.id,
        since,
    )
    return found


QUANTITIES: Final[tuple[tuple[str, str, Callable[[Used], float]], ...]] = (
    ("events a second", "/s", lambda one: one.events / one.seconds),
    ("bytes in tables and indexes", "B/event", lambda one: one.bytes_stored / one.events),
    ("bytes of write-ahead log", "B/event", lambda one: one.bytes_logged / one.events),
    ("processor time of all", "µs/event", lambda one: one.busy_s * 1e6 / one.events),
    ("processor time of PostgreSQL", "µs/event", lambda one: one.postgres_s * 1e6 / one.events),
)


def figures_of(ours: list[Used], peer: str, theirs: list[Used]) -> list[Figure]:
    """Return every quantity of ours over the peer's."""
    return [
        figure(what, unit, [of(one) for one in ours], peer, [of(one) for one in theirs])
        for what, unit, of in QUANTITIES
    ]
