"""Whoever goes on talking of a person keeps nobody from being erased, and what comes after is not lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from uuid import uuid4

import httpx
import pytest

from assent.config import Settings
from assent.ingest import deleting, erasure_chunks, erasure_plan
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop, refused, subject
from tests.integration.http.test_erasure import named, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITERS = 3


@pytest.fixture(params=["at once", "in chunks"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Erase in one commit, or as what is more than one commit may do."""
    if request.param == "in chunks":
        monkeypatch.setattr(erasure_plan, "MOST_ENTRIES", 1)
        monkeypatch.setattr(erasure_chunks, "CHUNK", 20)
        monkeypatch.setattr(deleting.delete_chunk, "__defaults__", (20,))
    return str(request.param)


@asynccontextmanager
async def talked_of(shop: Shop, who: str) -> AsyncIterator[dict[str, int]]:
    """Let writers send orders of somebody, one after another; yield each one's mark and its revision."""
    sent: dict[str, int] = {}
    over, heard = asyncio.Event(), asyncio.Semaphore(0)

    async def some(number: int) -> None:
        for _ in range(number):
            await heard.acquire()

    async def write() -> None:
        while not over.is_set():
            mark = f"coupon-{uuid4().hex}"
            order = {"revenue": 1, "coupon": mark}
            response = await shop.track(
                "track", event="Order Completed", properties=order, userId=who.partition(":")[2]
            )
            assert response.json()["accepted"] == 1, response.text
            sent[mark] = response.json()["revision"]
            heard.release()

    writers = [asyncio.create_task(write()) for _ in range(WRITERS)]
    try:
        await some(WRITERS)
        yield sent
        await some(len(sent))  # the last of them came after
    finally:
        over.set()
        await asyncio.gather(*writers)


async def erased_by(shop: Shop, who: str, by: str) -> httpx.Response:
    if by == "dpo":
        return await shop.ask("POST", "/v1/audit/erase", {"subject": subject(who)}, by="dpo")
    return await shop.ask("DELETE", "/v1/me", by=by)


async def test_who_is_talked_of_all_the_time_is_erased_and_begins_again(
    shop: Shop, settings: Settings, size: str
) -> None:
    who = named()
    await shop.given(who, "personalisation")
    asking = [await shop.token(who), "dpo"]
    async with talked_of(shop, who) as sent:
        told = await asyncio.gather(*(erased_by(shop, who, by) for by in asking))
    assert [one.status_code for one in told] == [200, 200], size
    until = max(one.json()["revision"] for one in told)
    texts = "\n".join(await opened(shop, settings))
    assert not any(mark in texts for mark, revision in sent.items() if revision <= until)
    after = [mark for mark, revision in sent.items() if revision > until]
    assert after
    assert all(mark in texts for mark in after)
    assert (await shop.decision("service", who))["features"]["order_count"] == len(after)


async def test_an_erasure_that_nobody_waits_for_is_found(shop: Shop, installation: Installation) -> None:
    who = named()
    await shop.bought(who, 5)
    with installation.changed(hold_back=lambda *_: nullcontext()):
        async with talked_of(shop, who):
            told = await erased_by(shop, who, await shop.token(who))
    refused(told, 429, "over_capacity")
