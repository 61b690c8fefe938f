"""A population that is not loaded yet: who asks is told to come again, and everything else goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from assent.audiences import live
from assent.gate.page import Page, page_of, pages
from assent.ingest import derivations
from assent.ingest.derivations import Derivations
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"
ALL = {"purpose": PURPOSE, "rule": {"op": "all"}}
VIEWED = {"op": "did", "event": "Product Viewed", "compare": ">=", "count": 1}
SHOES = {**VIEWED, "where": {"op": "eq", "feature": "category", "value": "shoes"}}


def loading_stops(patch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold up every load behind its first page; nobody waits. Return what says so, and what lets it go on."""
    held, let_go = asyncio.Event(), asyncio.Event()

    async def slowly(*given: Any) -> AsyncIterator[Page]:  # noqa: ANN401
        async for page in pages(*given):
            yield page
            held.set()
            await let_go.wait()

    patch.setattr(live, "pages", slowly)
    patch.setattr(live, "PATIENCE_S", 0.0)
    return held, let_go


async def test_who_asks_while_people_are_loaded_is_told_to_come_again(
    installation: Installation, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await shop.given(f"user_id:slowly-{number}", PURPOSE)
    held, let_go = loading_stops(monkeypatch)
    asking = f"engine:{PURPOSE}"
    first = await shop.ask("POST", "/v1/audiences/preview", ALL, by=asking)
    refused(first, 503, "unavailable")
    assert int(first.headers["retry-after"]) >= 1
    await held.wait()
    loads = installation.service.metrics.registry.get_sample_value
    assert loads("assent_identifiers_loading", {"state": "all"}) == 3
    # Others are answered meanwhile, and a second question begins no second load.
    await shop.given("user_id:meanwhile", PURPOSE)
    refused(await shop.ask("POST", "/v1/audiences/preview", ALL, by=asking), 503, "unavailable")
    let_go.set()
    monkeypatch.setattr(live, "PATIENCE_S", 5.0)
    counted = await shop.ask("POST", "/v1/audiences/preview", ALL, by=asking)
    # What changed since the snapshot that was loaded is in the answer.
    assert counted.json()["count"] == 4
    assert loads("assent_identifiers_loading", {"state": "all"}) == 0


async def three_look_at_products(shop: Shop) -> Callable[[object], Awaitable[int | None]]:
    """Return what counts for whom a rule is true; None while that is being loaded."""
    for who, category in (("anna", "shoes"), ("bert", "hats"), ("carl", "shoes")):
        await shop.given(f"user_id:{who}", PURPOSE)
        await shop.track("track", userId=who, event="Product Viewed", properties={"category": category})

    async def counted(rule: object) -> int | None:
        body = {"purpose": PURPOSE, "rule": rule}
        answer = await shop.ask("POST", "/v1/audiences/preview", body, by=f"engine:{PURPOSE}")
        if answer.status_code == 503:
            return None
        assert answer.status_code == 200, answer.text
        return int(answer.json()["count"])

    return counted


async def asks_while_others_are_loaded(shop: Shop, patch: pytest.MonkeyPatch) -> None:
    counted = await three_look_at_products(shop)
    assert await counted(ALL["rule"]) == 3
    assert await counted(VIEWED) == 3
    with patch.context() as meanwhile:
        held, let_go = loading_stops(meanwhile)
        try:
            assert await counted(SHOES) is None
            await held.wait()
            # What asks nothing new is answered, and of this moment.
            assert (await counted(ALL["rule"]), await counted(VIEWED)) == (3, 3)
            assert (await shop.state("user_id:carl", PURPOSE, "withdrawn")).status_code == 201
            await shop.given("user_id:dora", PURPOSE)
            assert (await counted(ALL["rule"]), await counted(VIEWED)) == (3, 2)
            refers = {"op": "and", "of": [SHOES, {"op": "all"}]}
            assert await counted(refers) is None
        finally:
            let_go.set()
    assert (await counted(SHOES), await counted(VIEWED), await counted(ALL["rule"])) == (1, 2, 3)


async def test_what_asks_nothing_new_of_events_is_answered_while_others_are_loaded(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asks_while_others_are_loaded(shop, monkeypatch)


def whoever_is_held_answers_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(live._Held, "answers", lambda *_: True)


def nobody_answers_meanwhile(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(live._Held, "answers", lambda self, *_: not self.lacks)


@pytest.mark.parametrize("plant", [whoever_is_held_answers_anything, nobody_answers_meanwhile])
async def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        await asks_while_others_are_loaded(shop, monkeypatch)


async def test_who_was_loaded_while_events_were_read_again_is_not_asked_of_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, go_on = await three_look_at_products(shop), asyncio.Event()
    read_again = Derivations._backfill

    async def waiting(*given: Any) -> None:  # noqa: ANN401
        await go_on.wait()
        await read_again(*given)

    monkeypatch.setattr(Derivations, "_backfill", waiting)
    monkeypatch.setattr(derivations, "PATIENCE_S", 0.0)
    assert await counted(SHOES) is None
    assert await counted(ALL["rule"]) == 3  # loads everybody
    monkeypatch.undo()
    go_on.set()
    assert await counted(SHOES) == 2


async def test_a_load_that_fails_is_begun_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.given("user_id:again", PURPOSE)

    async def failing(*given: Any) -> AsyncIterator[Page]:  # noqa: ANN401
        if given:
            raise ConnectionError
        yield page_of({})  # makes it a generator

    with monkeypatch.context() as patch:
        patch.setattr(live, "pages", failing)
        failed = await shop.ask("POST", "/v1/audiences/preview", ALL, by=f"engine:{PURPOSE}")
        assert failed.status_code == 503
    counted = await shop.ask("POST", "/v1/audiences/preview", ALL, by=f"engine:{PURPOSE}")
    assert counted.status_code == 200
