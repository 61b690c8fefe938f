"""Consent: `decide` as histories grow; what linking browsers that agreed costs, and withdrawing for all.

`decide` is measured against the least that can be done with a history: putting it in order. A withdrawal goes
through the service, durable when it is answered, against bare SQL that changes the same rows durably.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from operator import attrgetter
from time import perf_counter_ns
from typing import Any, Final

import msgspec

from assent.consent.decide import Cluster, Question, decide
from assent.consent.statement import State, Statement
from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import Policy
from assent.core.time import DAY, Instant
from tests.benchmarks.client import ask, post
from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.world import Controller, Served, World, ready
from tests.unit.consent.people import MARKETING, PERSON, START, policy

NAME: Final = "consent"

SIZES: Final = (1, 10, 1_000)
IDENTIFIERS: Final = 50

_PURPOSE: Final = "personalisation"
_IN_ORDER: Final = "putting the same statements in order"
_READ: Final = "reading the same statements as JSON"
_BARE: Final = "bare SQL that changes the same rows"
_LEAST_NS: Final = 20_000_000

_numbers = count()


async def run(world: World, plan: Plan) -> Result:
    """Measure decide on 1, 10 and 1,000 statements, links of those who agreed, and a withdrawal for all."""
    figures = [one for size in SIZES for one in _decided(size, plan.rounds)]
    first, last = figures[0], figures[-2]
    grown = figure(f"decide on {SIZES[-1]:,} statements", "us", last.ours, "decide on 1", first.ours)
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=(*figures, grown, *await _withdrawn(world, plan.rounds)),
        checked=(
            "every history was answered yes before its last word and no after it",
            f"after every round {IDENTIFIERS} permits were gone that had been there before it",
        ),
        details={"identifiers": IDENTIFIERS},
    )


# decide


def _decided(size: int, rounds: int) -> Iterator[Figure]:
    said = tuple(_history(size))
    rules, question = (
        policy(),
        Question(identifier=PERSON, purpose=MARKETING, at=_day(size), known_at=_day(size)),
    )
    text = msgspec.json.encode(said)
    read = msgspec.json.Decoder(tuple[Statement, ...]).decode
    _check(said, rules, question)
    ways: tuple[Callable[[], object], ...] = (
        lambda: decide(said, Cluster(members=(PERSON,)), rules, question),
        lambda: sorted(said, key=attrgetter("acted_at")),
        lambda: read(text),
    )
    taken = [[_took(way) for way in ways] for _ in range(rounds + 1)][1:]  # the first turn warms up
    ours, ordered, decoded = zip(*taken, strict=True)
    what = f"decide on {size:,} statement{'s' if size > 1 else ''}"
    yield figure(what, "us", ours, _IN_ORDER, ordered)
    yield figure(what, "us", ours, _READ, decoded)


def _history(size: int) -> Iterator[Statement]:
    """Yield consents and withdrawals in turn, a consent first and last."""
    for place in range(size):
        state = State.GIVEN if (size - place) % 2 else State.WITHDRAWN
        yield Statement(
            identifier=PERSON,
            purpose=MARKETING,
            state=state,
            acted_at=_day(place),
            known_at=_day(place),
            entry=EntryIndex(place),
            mechanism="click",
            notice_version=1,
        )


def _check(said: Sequence[Statement], rules: Policy, question: Question) -> None:
    person = Cluster(members=(IdentifierId(PERSON),))
    no = msgspec.structs.replace(said[-1], state=State.WITHDRAWN, entry=EntryIndex(len(said)))
    assert decide(said, person, rules, question).allowed
    assert not decide((*said, no), person, rules, question).allowed


def _day(number: int) -> Instant:
    return Instant(START + number * DAY)


def _took(way: Callable[[], object]) -> float:
    """Return how many microseconds one call takes, of as many as fill 20 ms."""
    calls, began = 0, perf_counter_ns()
    while perf_counter_ns() - began < _LEAST_NS:
        way()
        calls += 1
    return (perf_counter_ns() - began) / calls / 1e3


# A withdrawal


async def _withdrawn(world: World, rounds: int) -> tuple[Figure, Figure]:
    with world.serving("assent") as served:
        await ready(served)
        controller = await world.controller(served, "consent")
        await _tables(world)
        taken = [
            (
                *await _round(world, served, controller, IDENTIFIERS),
                *await _round(world, served, controller, 2),
                await _bare(world),
            )
            for _ in range(rounds + 1)
        ][1:]  # the first turn warms up
    links, withdrawal, link, _, bare = zip(*taken, strict=True)
    each = [took / (IDENTIFIERS - 1) for took in links]
    return (
        figure(f"a link, of {IDENTIFIERS - 1} browsers that agreed", "us", each, "of one that agreed", link),
        figure(f"a withdrawal that closes {IDENTIFIERS} identifiers", "us", withdrawal, _BARE, bare),
    )


async def _round(
    world: World, served: Served, controller: Controller, identifiers: int
) -> tuple[float, float]:
    """Let somebody agree by so many identifiers; return how long it takes to link them, and to withdraw."""
    turn = next(_numbers)
    account = {"namespace": "user_id", "value": f"account-{turn}"}
    browsers = [f"browser-{turn}-{number}" for number in range(identifiers - 1)]
    calls = [{"type": "identify", "userId": account["value"], "anonymousId": one} for one in browsers]
    await _say(served, controller, account, "given")
    for one in browsers:
        await _say(served, controller, {"namespace": "anonymous_id", "value": one}, "given")
    began = perf_counter_ns()
    await ask(served.port, post("/v1/batch", controller.collector, _json({"batch": calls})))
    linked = (perf_counter_ns() - began) / 1e3
    before = await _permits(world, controller)
    began = perf_counter_ns()
    await _say(served, controller, account, "withdrawn", authenticated=True)
    took = (perf_counter_ns() - began) / 1e3
    after = await _permits(world, controller)
    assert before - after == identifiers, f"{before - after} permits were closed"
    return linked, took


async def _say(
    served: Served, controller: Controller, who: dict[str, str], state: str, *, authenticated: bool = False
) -> None:
    said: dict[str, Any] = {"purpose": _PURPOSE, "state": state, "mechanism": "click", "channel": "web"}
    if state == "given":
        said["notice"] = {"id": _PURPOSE, "version": 1, "language": "en"}
    body = {"subject": who, "authenticated": authenticated, "statements": [said]}
    answer = await ask(served.port, post("/v1/consents", controller.collector, _json(body)), status=201)
    assert not answer["refused"], answer


async def _permits(world: World, controller: Controller) -> int:
    found: int = await world.connection.fetchval(
        "SELECT count(*) FROM projection.permit AS m JOIN projection.purpose AS p"
        " USING (controller_id, policy_version, purpose_id) WHERE m.controller_id = $1 AND p.name = $2",
        controller.id,
        _PURPOSE,
    )
    return found


async def _tables(world: World) -> None:
    """Make tables that hold the same rows and nothing else."""
    await world.connection.execute(
        "CREATE TABLE bare_permit (LIKE projection.permit INCLUDING ALL);"
        "CREATE TABLE bare_statement (LIKE projection.statement INCLUDING ALL);"
        "CREATE TABLE bare_entry (LIKE ledger.entry INCLUDING ALL);"
        "CREATE TABLE bare_payload (LIKE ledger.payload INCLUDING ALL)"
    )


async def _bare(world: World) -> float:
    """Return how long the least takes: a statement, its entry and payload, and the permits it closes."""
    turn = next(_numbers)
    ids = [turn * 64 + number for number in range(IDENTIFIERS)]
    connection = world.connection
    await connection.executemany("INSERT INTO bare_permit VALUES (1, 1, 1, $1, 0, 1, 1, 1)", _each(ids))
    began = perf_counter_ns()
    async with connection.transaction():
        await connection.execute(
            "DELETE FROM bare_permit WHERE controller_id = 1 AND policy_version = 1 AND purpose_id = 1"
            " AND identifier_id = any($1::bigint[])",
            ids,
        )
        await connection.execute(
            "INSERT INTO bare_statement VALUES (1, $1, $2, 0, 1, 'withdrawn', 1, 1, true, $3::jsonb)",
            ids[0],
            turn,
            "{}",
        )
        await connection.execute("INSERT INTO bare_entry VALUES (1, $1, $2)", turn, bytes(160))
        await connection.execute("INSERT INTO bare_payload VALUES (1, $1, $2, $3)", turn, ids[0], bytes(400))
    return (perf_counter_ns() - began) / 1e3


def _each(ids: Iterable[int]) -> list[tuple[int]]:
    return [(one,) for one in ids]


def _json(document: object) -> bytes:
    return msgspec.json.encode(document)
