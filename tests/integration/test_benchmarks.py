"""What the benchmarks stand on: planted events are as good as ingested ones, and what was lost is noticed."""

from collections.abc import AsyncIterator
from itertools import islice

import msgspec
import pytest
import pytest_asyncio

from assent.app import ring_path
from assent.config import Settings
from assent.core.ids import ControllerId
from assent.ledger.checkpoint import open_checkpoint
from assent.ledger.keyring import load_ring
from assent.ledger.store import Log, Trees
from assent.ledger.tree import Frontier, leaf_hash
from tests.benchmarks import acting, beside, overload, people
from tests.benchmarks.arrivals import Arrival, Arrivals
from tests.benchmarks.batch import PER_BODY, through_the_service
from tests.benchmarks.client import WrongAnswerError
from tests.benchmarks.plan import QUICK
from tests.benchmarks.planting import multiply, plant
from tests.benchmarks.world import Controller, Served, World, ready, world

PEOPLE = 10
COPIES = 3


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ingested() -> AsyncIterator[tuple[World, Controller]]:
    """Yield a world in which a few people agreed and did ten things each; nothing serves it."""
    async with world() as there:
        with there.serving("assent") as served:
            await ready(served)
            controller = await there.controller(served, "planted")
            await there.agree(served, controller, range(PEOPLE))
            await send(there, served, controller, range(PEOPLE), "first")
        yield there, controller


async def send(there: World, served: Served, controller: Controller, who: range, name: str) -> None:
    bodies = people.batches(people.Shop(who, name).events(), controller.collector, of=PER_BODY)
    await through_the_service(there, [served], controller, [body for body, _ in islice(bodies, 1)])


async def count(there: World, table: str) -> int:
    found: int = await there.connection.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_the_service_goes_on_where_events_were_planted(ingested: tuple[World, Controller]) -> None:
    there, controller = ingested
    tables = ("ledger.entry", "ledger.message", "projection.permit", "projection.feature_item")
    before = {table: await count(there, table) for table in tables}
    assert await plant(there, controller, PEOPLE, COPIES) == PEOPLE * (COPIES + 1)
    assert {table: await count(there, table) for table in tables} == {
        table: rows * (COPIES + 1) for table, rows in before.items()
    }
    identifiers = await count(there, "projection.identifier")
    items = await count(there, "projection.feature_item")
    with there.serving("assent") as served:
        await ready(served)
        planted = range(PEOPLE, PEOPLE * (COPIES + 1))
        await send(there, served, controller, planted, "second")
    # Whoever was planted is known, and agreed.
    assert await count(there, "projection.identifier") == identifiers
    assert await count(there, "projection.feature_item") > items
    await tree_is_of_its_leaves(there, controller)


async def tree_is_of_its_leaves(there: World, controller: Controller) -> None:
    ring = load_ring(ring_path(Settings(folder=there.folder)))
    rows = await there.connection.fetch(
        "SELECT leaf FROM ledger.entry WHERE controller_id = $1 ORDER BY entry_index", controller.id
    )
    note = await there.connection.fetchval(
        "SELECT checkpoint FROM ledger.head WHERE controller_id = $1", controller.id
    )
    signer = Trees(ring).signer(ControllerId(controller.id), Log.FACTS)
    checkpoint = open_checkpoint(note.encode(), signer.verifier)
    assert checkpoint.size == len(rows)
    assert checkpoint.root == Frontier().append(leaf_hash(leaf) for (leaf,) in rows).root()


async def test_an_event_that_was_acknowledged_and_lost_is_noticed(ingested: tuple[World, Controller]) -> None:
    there, controller = ingested
    bodies = overload.Bodies(PEOPLE, controller.collector)
    requests = bodies.requests()
    before = await there.size(controller)
    with there.serving("assent") as served:
        await ready(served)
        async with Arrivals.at(served.port, connections=4) as arrivals:
            await arrivals.offer(requests, per_second=20, number=3)
            await arrivals.answered()
    first, *others = arrivals.all
    assert [one.status for one in arrivals.all] == [200] * 3
    await overload.verify(there, controller, bodies, arrivals.all, before)
    never_sent = Arrival(name=next(requests)[0], due=0.0, status=200, body=first.body)
    with pytest.raises(AssertionError, match="is not stored"):
        await overload.verify(there, controller, bodies, [never_sent, *others], before)
    refused = Arrival(name=first.name, due=0.0, status=429, retry_after=True)
    with pytest.raises(AssertionError, match="the ledger holds"):
        await overload.verify(there, controller, bodies, [refused, *others], before)


async def test_a_refusal_without_a_time_to_come_again_is_a_wrong_answer() -> None:
    assert not overload.taken(Arrival(name="1", due=0.0, status=503, retry_after=True))
    with pytest.raises(WrongAnswerError):
        overload.taken(Arrival(name="1", due=0.0, status=503))
    with pytest.raises(WrongAnswerError):
        overload.taken(Arrival(name="1", due=0.0))


async def test_a_wrong_decision_and_a_wrong_count_are_noticed_among_people_who_were_multiplied(
    ingested: tuple[World, Controller], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _ = ingested
    plan = msgspec.structs.replace(QUICK, seconds=0.1)
    with there.serving("assent") as served:
        await ready(served)
        controller = await there.controller(served, "multiplied")
        await acting.act(there, served, controller, plan.planted_people)
        for name, (rule, _) in acting.SAVED.items():
            await beside.save(served, controller, name, rule)
    await multiply(there, controller, COPIES, named=plan.planted_people)
    everybody = plan.planted_people * (COPIES + 1)
    with there.serving("assent") as served:
        await ready(served)
        side = beside.Side(world=there, controller=controller, people=everybody, served=served)
        decided, counts = await beside.while_counting(side, plan, 0)
        assert decided.answers
        assert counts.answers
        # Somebody less than there are; and of a person what another did.
        fewer = msgspec.structs.replace(side, people=everybody - plan.planted_people)
        with pytest.raises(WrongAnswerError, match='"count":'):
            await beside.while_counting(fewer, plan, 0)
        monkeypatch.setattr(acting, "shown", lambda _: (b'"products_viewed":6,',))
        with pytest.raises(WrongAnswerError, match='"decisions":'):
            await beside.decisions(side, plan, 1, 0)
