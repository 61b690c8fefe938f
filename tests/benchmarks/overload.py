"""Ten times more than can be taken: latency of what is accepted, share refused, recovery, and nothing lost.

Each round measures the capacity first, then lets half of it arrive, then ten times as much, then half again
until the service answers as before. Bodies hold 100 events: a client written in Python cannot offer ten times
as many single events on the cores it shares with the service.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from statistics import median
from time import perf_counter
from typing import Final

from msgspec import Struct

from assent.app import ring_path
from assent.config import Settings
from assent.core.ids import ControllerId
from assent.ingest.committer import MOST_WAITING
from assent.ledger.keyring import load_ring
from tests.benchmarks import batch, people
from tests.benchmarks.arrivals import Arrival, Arrivals
from tests.benchmarks.client import WrongAnswerError, drive
from tests.benchmarks.figures import Result, figure
from tests.benchmarks.plan import Plan
from tests.benchmarks.usage import Used, shares, so_far
from tests.benchmarks.usage import used as used_between
from tests.benchmarks.world import Controller, Served, World, all_accepted, ready

NAME: Final = "overload"

_TIMES: Final = 10
_CONNECTIONS: Final = 512
"""Several times what the service lets in; who is refused gives the connection back at once."""

_PEOPLE: Final = 2_000
_TEMPLATES: Final = 100
_WINDOW_S: Final = 0.25
_RECOVERS_WITHIN_S: Final = 20.0
_CALM: Final = 2
"""Times the slowest hundredth at half the capacity: as calm as before."""

_FULL: Final = 3 * MOST_WAITING // batch.PER_BODY
"""Bodies that fill the queue three times over: a shorter flood would only be a wait."""

_PEER: Final = "at half the capacity"
_REFUSED: Final = (429, 503)


class Round(Struct, frozen=True, kw_only=True):
    """What one round found; latencies in order of size, in seconds."""

    capacity: float
    """Events a second of clients that wait for their answers."""
    offered: float
    """Events a second that were due during the flood."""
    taken: float
    """Events a second that were accepted from the flood's first to the last answer of those."""
    calm_s: list[float]
    accepted_s: list[float]
    refused_s: list[float]
    late_s: list[float]
    """How long after they were due the flood's requests were sent."""
    recovered_s: float
    """From the flood's end to the first quarter of a second as calm as before."""
    used: Used

    @property
    def refused(self) -> float:
        """Return the share of the flood that was refused."""
        return len(self.refused_s) / (len(self.refused_s) + len(self.accepted_s))


class Bodies:
    """Batches of which none was sent before: ready-made ones, with message ids that are new each time."""

    def __init__(self, number: int, key: str) -> None:
        self._token = "overload-%012d"
        shop = people.Shop(range(number), self._token % 0)
        drawn = islice(people.batches(shop.events(), key, of=batch.PER_BODY), _TEMPLATES)
        self._templates = [(body, [one.message_id for one in events]) for body, events in drawn]
        self._number = count(1)

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """Yield each with the number that `messages` knows it by."""
        old = (self._token % 0).encode()
        for number in self._number:
            body, _ = self._templates[number % _TEMPLATES]
            yield str(number), body.replace(old, (self._token % number).encode())

    def messages(self, name: str) -> list[str]:
        """Return the message ids of a body."""
        _, ids = self._templates[int(name) % _TEMPLATES]
        return [one.replace(self._token % 0, self._token % int(name)) for one in ids]


async def run(world: World, plan: Plan) -> Result:
    """Measure POST /v1/batch, 100 events a body, at half the capacity and at ten times as much."""
    rounds: list[Round] = []
    with world.serving("assent") as served:
        await ready(served)
        controller = await world.controller(served, NAME)
        number = min(_PEOPLE, plan.people)
        await world.settle(served, controller, number)
        bodies = Bodies(number, controller.collector)
        for turn in range(-1, plan.long_rounds):
            found = await _round(world, served, controller, bodies, plan)
            if turn >= 0:  # the first turn warms up
                rounds.append(found)
    return Result(
        name=NAME,
        rounds=plan.long_rounds,
        figures=(
            *(
                figure(
                    f"latency p{percent} of what is accepted",
                    "ms",
                    [_percentile(one.accepted_s, percent) * 1e3 for one in rounds],
                    _PEER,
                    [_percentile(one.calm_s, percent) * 1e3 for one in rounds],
                )
                for percent in (50, 99)
            ),
            figure(
                "events a second accepted",
                "/s",
                [one.taken for one in rounds],
                "the capacity, by clients that wait",
                [one.capacity for one in rounds],
            ),
        ),
        checked=(
            "every event that was acknowledged stands in the ledger once, and none that was refused does",
            "every refusal was 429 or 503 with Retry-After, and no request went without an answer",
        ),
        details={
            "offered": _spread([one.offered / one.capacity for one in rounds], "times the capacity"),
            "refused": _spread([one.refused * 100 for one in rounds], "% of the flood"),
            "a refusal took, p99": _spread([_percentile(one.refused_s, 99) * 1e3 for one in rounds], "ms"),
            "recovered after": _spread([one.recovered_s for one in rounds], "s"),
            f"rounds not recovered within {_RECOVERS_WITHIN_S:.0f} s": sum(
                one.recovered_s >= _RECOVERS_WITHIN_S for one in rounds
            ),
            "sent late, p99": _spread([_percentile(one.late_s, 99) * 1e3 for one in rounds], "ms"),
            "processor time in the flood": shares(one.used for one in rounds),
        },
    )


async def _round(world: World, served: Served, controller: Controller, bodies: Bodies, plan: Plan) -> Round:
    before = await world.size(controller)
    requests = bodies.requests()
    driven = await drive(
        served.port,
        (body for _, body in requests),
        connections=8,
        seconds=plan.overload_s,
        check=all_accepted(batch.PER_BODY),
    )
    capacity = driven.per_second
    half = capacity / 2
    async with Arrivals.at(served.port, connections=_CONNECTIONS) as arrivals:
        calm = await arrivals.offer(requests, per_second=half, number=round(half * plan.overload_s))
        await arrivals.answered()
        calm_s = sorted(one.latency_s for one in calm)
        began, at_first = perf_counter(), await so_far(world, [served.pid])
        flooding = capacity * _TIMES
        flood = await arrivals.offer(
            requests, per_second=flooding, number=max(_FULL, round(flooding * plan.overload_s))
        )
        ended, at_last = perf_counter(), await so_far(world, [served.pid])
        recovered_s = await _recovery(arrivals, requests, half, _CALM * _percentile(calm_s, 99))
        await arrivals.answered()
    accepted = [one for one in flood if taken(one)]
    events = batch.PER_BODY
    await verify(world, controller, bodies, arrivals.all, before + driven.answers * events)
    return Round(
        capacity=capacity * events,
        offered=len(flood) * events / (ended - began),
        taken=len(accepted) * events / (max(one.done for one in accepted) - began),
        calm_s=calm_s,
        accepted_s=sorted(one.latency_s for one in accepted),
        refused_s=sorted(one.latency_s for one in flood if not taken(one)),
        late_s=sorted(one.sent - one.due for one in flood),
        recovered_s=recovered_s,
        used=used_between(at_first, at_last, len(flood) * events, ended - began),
    )


async def _recovery(
    arrivals: Arrivals, requests: Iterator[tuple[str, bytes]], per_second: float, calm_s: float
) -> float:
    """Offer half the capacity until a window of it is answered as before; return when that one began.

    Returns `_RECOVERS_WITHIN_S` when there was none until then: on a machine that others use, half the
    capacity of a moment ago may be more than there is now.
    """
    windows: list[Sequence[Arrival]] = []
    seen = 0
    while len(windows) * _WINDOW_S < _RECOVERS_WITHIN_S:
        number = max(1, round(per_second * _WINDOW_S))
        windows.append(await arrivals.offer(requests, per_second=number / _WINDOW_S, number=number))
        while seen < len(windows) and all(one.done for one in windows[seen]):
            window = windows[seen]
            if all(map(taken, window)) and median(one.latency_s for one in window) <= calm_s:
                return seen * _WINDOW_S
            seen += 1
    return _RECOVERS_WITHIN_S


def taken(arrival: Arrival) -> bool:
    """Return whether a request was accepted, or else properly refused. Raises WrongAnswerError."""
    if arrival.status in _REFUSED and arrival.retry_after:
        return False
    if all_accepted(batch.PER_BODY)(arrival.status, arrival.body):
        return True
    message = f"expected acceptance, or a refusal with Retry-After, got {arrival.status}"
    raise WrongAnswerError(message)


async def verify(
    world: World, controller: Controller, bodies: Bodies, arrived: Iterable[Arrival], before: int
) -> None:
    """Raise AssertionError unless the ledger holds what was acknowledged, each once, and nothing else."""
    accepted: list[str] = []
    refused: list[str] = []
    for one in arrived:
        (accepted if taken(one) else refused).extend(bodies.messages(one.name))
    await world.verify(controller, len(accepted), since=before)
    if await stored(world, controller, accepted) != len(accepted):
        message = "an event was acknowledged and is not stored"
        raise AssertionError(message)
    if await stored(world, controller, refused):
        message = "an event was refused and is stored"
        raise AssertionError(message)


async def stored(world: World, controller: Controller, messages: Sequence[str]) -> int:
    """Return how many of these message ids the ledger knows."""
    ring = load_ring(ring_path(Settings(folder=world.folder)))
    connection = world.connection
    key_id = await connection.fetchval(
        "SELECT key_id FROM ledger.api_key WHERE controller_id = $1 AND role = 'collector'", controller.id
    )
    source = f"key:{key_id}"
    found: int = await connection.fetchval(
        "SELECT count(*) FROM ledger.message WHERE controller_id = $1 AND message_key = ANY($2)",
        controller.id,
        [ring.message_key(ControllerId(controller.id), source, one) for one in messages],
    )
    return found


def _percentile(ordered: Sequence[float], percent: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _spread(values: Sequence[float], unit: str) -> str:
    return f"{median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})"
