"""Two shops are told the same: one deletes at once, the other later and in chunks. Nobody can tell which."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from assent.core.ids import ControllerId, Revision
from assent.core.time import DAY, HOUR, MINUTE, SECOND, Instant
from assent.ingest import activation, deleting, erasure_chunks, erasure_plan
from assent.ingest.expiring import Expiry
from assent.ingest.upkeep import Upkeep
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Json, Shop, subject
from tests.support.policy_documents import Documents, changed, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSES = ("personalisation", "analytics")
EVERYBODY = ("user_id:u0", "user_id:u1", "anonymous_id:a0", "anonymous_id:a1")
STEPS = 30
SCENES = {"see": 9, "buy": 3, "give": 3, "withdraw": 2, "change": 4, "link": 1, "erase": 1, "activate": 1}
MOST = 1 << 40
"""More rows than any commit may delete."""

Said = Callable[[Shop], Awaitable[Any]]


def reaching_back(retroactive: list[str]) -> Documents:
    """Consents lapse within the story, and one purpose may look at what was collected before it."""
    return changed(
        shipped(),
        "purposes",
        f"""
        [purposes.personalisation]
        validity = "P30D"
        gains_basis = "a test"
        retroactive = {retroactive}
        [purposes.analytics]
        validity = "P60D"
        gains_basis = "a test"
        """,
    )


class Standing:
    """A clock that asking does not move: the story does, for both shops."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock

    def __call__(self) -> Instant:
        return self._clock()

    def step(self, by: int = SECOND) -> None:
        pass


class After:
    """An end that comes after so many looks at it: in the middle of what is under way."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    def is_set(self) -> bool:
        self._looks -= 1
        return self._looks < 0


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the controllers, none yet, in which whatever may wait does, and is done in chunks of two."""
    chosen: set[int] = set()
    held, larger = deleting.rows_held, activation._is_large

    async def rows_held(connection: Any, controller_id: ControllerId, ids: Any) -> dict[Any, int]:  # noqa: ANN401
        found = await held(connection, controller_id, ids)
        return {one: MOST if rows and controller_id in chosen else rows for one, rows in found.items()}

    async def is_large(connection: Any, controller_id: ControllerId) -> bool:  # noqa: ANN401
        return controller_id in chosen or await larger(connection, controller_id)

    monkeypatch.setattr(deleting, "rows_held", rows_held)
    monkeypatch.setattr(erasure_plan, "rows_held", rows_held)
    monkeypatch.setattr(activation, "_is_large", is_large)
    monkeypatch.setattr(erasure_chunks, "CHUNK", 2)
    monkeypatch.setattr(deleting.delete_chunk, "__defaults__", (2,))
    return chosen


def story(dice: random.Random) -> list[Said]:
    """Return what is said, in order: much is seen, and who withdraws often gives again at once."""
    said: list[Said] = [
        partial(Shop.state, who=who, purpose=purpose, state="given")
        for who in EVERYBODY
        for purpose in PURPOSES
    ]
    for place in range(STEPS):
        said += _scene(dice, place)
    return said


def _scene(dice: random.Random, place: int) -> list[Said]:
    who, purpose = dice.choice(EVERYBODY), dice.choice(PURPOSES)
    namespace, _, value = who.partition(":")
    names = {"userId" if namespace == "user_id" else "anonymousId": value}
    if namespace == "user_id" and dice.random() < 0.3:
        names["anonymousId"] = dice.choice(("a0", "a1"))
    about = partial(Shop.state, who=who, purpose=purpose)
    look: Json = {"event": "Product Viewed", "properties": {"category": f"c{place}"}, **names}
    order: Json = {
        "event": "Order Completed",
        "properties": {"revenue": place, "coupon": f"o{place}"},
        **names,
    }
    match dice.choices(*zip(*SCENES.items(), strict=True))[0]:
        case "see":
            return [partial(Shop.track, call="track", **look)]
        case "buy":
            return [partial(Shop.track, call="track", **order)]
        case "give":
            return [partial(about, state="given")]
        case "withdraw":
            return [partial(about, state="withdrawn")]
        case "change":
            anew = [partial(about, state="given"), partial(Shop.track, call="track", **look)]
            return [partial(about, state="withdrawn"), *anew]
        case "link":
            link = {"from": subject("user_id:u0"), "to": subject("anonymous_id:a0")}
            body = {"links": [{**link, "kind": dice.choice(("denied", "retracted", "asserted"))}]}
            return [partial(_asked, path="/v1/identities/links", body=body)]
        case "erase":
            return [partial(_asked, path="/v1/audit/erase", body={"subject": subject(who)})]
        case _:
            documents = reaching_back(dice.choice(([], ["browsing"], ["orders", "browsing"])))
            return [partial(_asked, path="/v1/policies", body={"documents": documents, "activate": True})]


async def _asked(shop: Shop, path: str, body: Json) -> Any:  # noqa: ANN401 a response
    return await shop.ask("POST", path, body)


async def seen(shop: Shop) -> dict[str, Json]:
    """Return what two purposes see of everybody, but for the names they are given."""
    answers = await asyncio.gather(*(shop.decide(purpose, *EVERYBODY) for purpose in PURPOSES))
    return {
        f"{purpose} {who}": {**one, "subject": one["subject"] is not None}
        for purpose, answer in zip(PURPOSES, answers, strict=True)
        for who, one in zip(EVERYBODY, answer.json()["decisions"], strict=True)
    }


async def differing(installation: Installation, late: set[int], seed: int) -> tuple[int, set[str]]:
    """Tell both shops a story; return how often something waited, and what came to differ."""
    dice, clock = random.Random(seed), installation.clock
    shops = [
        await (await installation.controller()).open(reaching_back(["orders", "browsing"])) for _ in range(2)
    ]
    late.add(shops[1].controller_id)
    for shop in shops:
        for by in ("collector", *(f"engine:{purpose}" for purpose in PURPOSES)):
            await shop.key(by)
        shop.clock = Standing(clock)  # type: ignore[assignment]
    waited = 0
    for say in story(dice):
        clock.step(dice.choice((MINUTE, MINUTE, MINUTE, HOUR, DAY, 11 * DAY)))
        one, other = [(await say(shop)).status_code for shop in shops]
        assert one == other
        clock.step(SECOND)
        if dice.random() < 0.3:
            await tend(shops[1], dice.randrange(30))
        async with shops[1].service.database.auditor.acquire() as connection:
            left = await deleting.waiting(connection, ControllerId(shops[1].controller_id))
        waited += left.identifiers > 0
        before, after = await seen(shops[0]), await seen(shops[1])
        if before != after:
            return waited, {who for who in before if before[who] != after[who]}
    return waited, set()


async def tend(shop: Shop, looks: int) -> None:
    """Delete what is due, and stop in the middle."""
    wired = shop.service
    expiry = Expiry(wired.ring, wired.ledger, wired.random)
    async with wired.database.eraser.acquire() as connection:
        await Upkeep(
            *(connection, wired.ring, ControllerId(shop.controller_id), wired.clock),
            *(After(looks), expiry),  # type: ignore[arg-type]
        ).run()


async def test_what_waits_to_be_deleted_is_seen_by_nobody(installation: Installation, late: set[int]) -> None:
    waited, differs = await differing(installation, late, seed=1)
    assert differs == set()
    assert waited > STEPS // 4


async def test_what_is_closed_too_little_is_found(
    installation: Installation, late: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = deleting._note

    async def noted(connection: Any, controller_id: Any, board: Any, whose: Any, _: Revision) -> None:  # noqa: ANN401
        await note(connection, controller_id, board, whose, Revision(0))

    monkeypatch.setattr(deleting, "_note", noted)
    _, differs = await differing(installation, late, seed=1)
    assert differs
