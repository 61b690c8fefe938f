"""Whoever asks for many waits for few: whole audiences are put together a little at a time, two at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from threading import Event
from typing import Any

import pytest

from assent.audiences import following, naming
from assent.audiences.answers import Audiences
from assent.audiences.question import Question
from assent.gate import door
from assent.gate.profile import profiles as shown
from assent.ledger.keyring import KeyRing
from tests.integration.http.shop import Shop
from tests.integration.http.test_audiences import BUYERS, PURPOSE, asked, lines, people

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def only_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following.Following, "follow_all", lambda _: asyncio.sleep(0))


@asynccontextmanager
async def turns() -> AsyncIterator[list[int]]:
    """Yield a list whose one number counts the turns that others got."""
    had = [0]

    async def take() -> None:
        while True:
            had[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(take())
    try:
        yield had
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_others_get_their_turn_between_the_names_of_an_audience(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(6))
    monkeypatch.setattr(naming, "_AT_ONCE", 2)
    real, at = KeyRing.pairwise, list[int]()
    async with turns() as had:

        def pairwise(self: KeyRing, *who: Any) -> str:  # noqa: ANN401
            at.append(had[0])
            return real(self, *who)

        monkeypatch.setattr(KeyRing, "pairwise", pairwise)
        *found, end = lines(await asked(shop, "buyers/members"))
    assert end["members"] == 6
    names = [one["subject"] for one in found]
    assert names == sorted(names)
    assert len(set(at[-6:])) == 3


async def test_others_get_their_turn_between_the_people_whom_the_gate_shows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    assert (await asked(shop, "buyers/count")).json()["count"] == 0
    await people(shop, range(6))
    monkeypatch.setattr(door, "_AT_ONCE", 2)
    at = list[int]()
    async with turns() as had:

        def profiles(*given: Any) -> Any:  # noqa: ANN401
            for one in shown(*given):
                at.append(had[0])
                yield one

        monkeypatch.setattr(door, "profiles", profiles)
        assert (await asked(shop, "buyers/count")).json()["count"] == 6
    assert len(at) == 6
    assert len(set(at)) == 3


async def test_people_are_counted_and_decided_about_while_whole_audiences_are_put_together_two_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(3))
    real, begun, go = Audiences._people, asyncio.Semaphore(0), asyncio.Event()

    async def named(self: Audiences, *given: Any) -> Any:  # noqa: ANN401
        begun.release()
        await go.wait()
        return await real(self, *given)

    monkeypatch.setattr(Audiences, "_people", named)
    whole = [asyncio.create_task(asked(shop, "buyers/members")) for _ in range(3)]
    try:
        for _ in range(2):
            await asyncio.wait_for(begun.acquire(), 10)
        assert (await asyncio.wait_for(asked(shop, "buyers/count"), 10)).json()["count"] == 3
        await people(shop, range(3, 4))
        assert (await shop.decision(PURPOSE, "user_id:buyer-3"))["subject"] is not None
        assert (await asyncio.wait_for(asked(shop, "buyers/count"), 10)).json()["count"] == 4
        assert begun.locked()
    finally:
        go.set()
        ended = await asyncio.gather(*whole)
    # Each is of the moment at which it was its turn; the third had to wait.
    assert sorted(lines(one)[-1]["members"] for one in ended) == [3, 3, 4]


async def others_are_counted(shop: Shop, begun: asyncio.Event) -> None:
    """Show that a fourth buyer is counted once something has begun that does not end meanwhile."""
    await asyncio.wait_for(begun.wait(), 10)
    await people(shop, range(3, 4))
    assert (await asyncio.wait_for(asked(shop, "buyers/count"), 10)).json()["count"] == 4


async def test_people_are_counted_while_a_feed_begins(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(3))
    real, begun, go = following.Following._steps, asyncio.Event(), asyncio.Event()

    async def steps(*given: Any) -> Any:  # noqa: ANN401
        begun.set()
        await go.wait()
        return await real(*given)

    monkeypatch.setattr(following.Following, "_steps", steps)
    params = {"purpose": PURPOSE}
    path = "/v1/audiences/buyers/changes"
    feed = asyncio.create_task(shop.ask("GET", path, by=f"engine:{PURPOSE}", params=params))
    try:
        await others_are_counted(shop, begun)
    finally:
        go.set()
        first = (await feed).json()
    assert [one["kind"] for one in first["changes"]] == ["entered"] * 3
    params["after"] = first["next"]
    more = (await shop.ask("GET", path, by=f"engine:{PURPOSE}", params=params)).json()
    assert [one["kind"] for one in more["changes"]] == ["entered"]


async def test_people_are_counted_while_what_stands_out_is_added_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(3))
    real, begun, go, loop = Question.tally, asyncio.Event(), Event(), asyncio.get_running_loop()

    def tally(*given: Any) -> Any:  # noqa: ANN401
        loop.call_soon_threadsafe(begun.set)
        assert go.wait(30)
        return real(*given)

    monkeypatch.setattr(Question, "tally", tally)
    looked = asyncio.create_task(asked(shop, "buyers/distinctive"))
    try:
        await others_are_counted(shop, begun)
    finally:
        go.set()
        found = await looked
    assert found.status_code == 200
