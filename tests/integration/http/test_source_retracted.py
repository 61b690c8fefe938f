"""What one source proved of who is one person is taken back, and what others prove stands."""

import pytest

from assent.core.ids import ControllerId
from assent.ingest import retracting
from assent.ingest.retracting import Retracted, Retracting
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
COOKIE = "anonymous_id:zebra-17"
BOTH = {"anna-0001", "zebra-17"}
PATH = "/v1/identities/sources/retract"


async def source(shop: Shop, name: str) -> tuple[str, str]:
    """Return a collector's key for a system, and the name under which it is counted."""
    made = await shop.post("/v1/keys", {"role": "collector", "source": name})
    return made["key"], f"key:{made['key_id']}"


async def sold(shop: Shop, by: str, who: tuple[str, ...] = (ANNA, COOKIE)) -> None:
    """Send an order, with who is named in it."""
    ids = {"user_id": "userId", "anonymous_id": "anonymousId"}
    named = {ids[one.partition(":")[0]]: one.partition(":")[2] for one in who}
    response = await shop.track("track", by=by, event="Order Completed", properties={"revenue": 10}, **named)
    assert response.json()["accepted"] == 1, response.text


async def retract(shop: Shop, name: str, by: str = "dpo") -> Json:
    return await shop.post(PATH, {"source": name}, by=by, status=200)


async def people(shop: Shop, who: str = ANNA) -> set[str]:
    asked = {"subject": subject(who)}
    found = await shop.post("/v1/identities/resolve", asked, by="dpo", status=200)
    return {one["value"] for one in found["identifiers"]}


async def orders(shop: Shop, who: str) -> int:
    return int((await shop.decision("service", who))["features"].get("order_count", 0))


async def test_a_link_stands_while_another_source_proves_it(shop: Shop) -> None:
    till, _ = await source(shop, "till 3")
    web, _ = await source(shop, "web shop")
    await sold(shop, till)
    await sold(shop, web)
    assert await retract(shop, "till 3") == {"links": 1, "complete": True}
    assert await people(shop) == BOTH
    assert await retract(shop, "web shop", by="admin") == {"links": 1, "complete": True}
    assert await people(shop) == {"anna-0001"}


async def test_who_was_one_person_by_a_source_alone_is_released_as_two(shop: Shop) -> None:
    web, _ = await source(shop, "web shop")
    till, _ = await source(shop, "till 3")
    await sold(shop, web, (COOKIE,))
    await sold(shop, web, (ANNA,))
    assert [await orders(shop, who) for who in (ANNA, COOKIE)] == [1, 1]
    await sold(shop, till)
    # (A cookie alone opens no named person.)
    assert [await orders(shop, who) for who in (ANNA, COOKIE)] == [3, 0]
    await retract(shop, "till 3")
    # The order that came through the till is Anna's: events are not touched.
    assert [await orders(shop, who) for who in (ANNA, COOKIE)] == [2, 1]


async def test_a_second_retraction_changes_nothing(shop: Shop) -> None:
    till, _ = await source(shop, "till 3")
    await sold(shop, till)
    await retract(shop, "till 3")
    revision = await shop.revision()
    assert await retract(shop, "till 3") == {"links": 0, "complete": True}
    assert await shop.revision() == revision


async def test_what_a_source_proves_afterwards_counts(shop: Shop) -> None:
    till, _ = await source(shop, "till 3")
    await sold(shop, till)
    await retract(shop, "till 3")
    await sold(shop, till)
    assert await people(shop) == BOTH


async def test_a_system_is_all_keys_that_are_for_it_and_a_key_is_one(shop: Shop) -> None:
    first, counted = await source(shop, "till 3")
    second, _ = await source(shop, "till 3")
    await sold(shop, first)
    await sold(shop, second)
    assert (await retract(shop, counted))["links"] == 1
    assert await people(shop) == BOTH
    assert (await retract(shop, "till 3"))["links"] == 1
    assert await people(shop) == {"anna-0001"}


async def test_what_an_officer_stated_is_no_sources(shop: Shop) -> None:
    till, _ = await source(shop, "till 3")
    stated = {"from": subject(ANNA), "to": subject(COOKIE), "kind": "asserted"}
    await shop.post("/v1/identities/links", {"links": [stated]}, by="dpo")
    await sold(shop, till)
    await retract(shop, "till 3")
    assert await people(shop) == BOTH


@pytest.mark.parametrize("name", ["till 4", "key:999999", "import:0123456789ab", "key:", "dpo"])
async def test_a_source_that_there_is_not_is_refused(shop: Shop, name: str) -> None:
    await source(shop, "till 3")
    before = await shop.revision()
    response = await shop.ask("POST", PATH, {"source": name}, by="dpo")
    refused(response, 422, "fact_rejected", "/source", silent=False)
    assert await shop.revision() == before


async def test_no_source_of_another_controller_is_known(shop: Shop, installation: Installation) -> None:
    other = await (await installation.controller()).open()
    till, counted = await source(shop, "till 3")
    await sold(shop, till)
    for name in ("till 3", counted):
        refused(await other.ask("POST", PATH, {"source": name}, by="dpo"), 422, "fact_rejected", silent=False)
    assert await people(shop) == BOTH


@pytest.mark.parametrize("by", ["collector", "browser", "issuer", "engine:service"])
async def test_only_officers_and_administrators_take_back(shop: Shop, by: str) -> None:
    refused(await shop.ask("POST", PATH, {"source": "till 3"}, by=by), 403, "forbidden")


async def test_a_persons_token_takes_nothing_back(shop: Shop) -> None:
    await shop.bought(ANNA, 10)
    response = await shop.ask("POST", PATH, {"source": "till 3"}, by=await shop.token(ANNA))
    refused(response, 401, "unauthorized")


async def test_much_is_taken_back_in_parts_and_asking_again_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retracting, "_CHUNK", 2)
    till, counted = await source(shop, "till 3")
    for number in range(5):
        await sold(shop, till, (f"user_id:u{number}", f"anonymous_id:a{number}"))
    wired = shop.service
    retracting_ = Retracting(
        pool=wired.database.auditor, ring=wired.ring, ledger=wired.ledger, random=wired.random
    )
    told = [await retracting_.retract(ControllerId(shop.controller_id), (counted,), "dpo", 4) for _ in "ab"]
    assert told == [Retracted(links=4, complete=False), Retracted(links=1, complete=True)]
    for number in range(5):
        assert await people(shop, f"user_id:u{number}") == {f"u{number}"}


async def test_what_is_taken_back_explains_nothing_any_more(shop: Shop) -> None:
    till, _ = await source(shop, "till 3")
    await sold(shop, till)
    explained = {"from": subject(ANNA), "to": subject(COOKIE)}
    found = await shop.post("/v1/identities/explain", explained, by="dpo", status=200)
    assert found["together"]
    await retract(shop, "till 3")
    found = await shop.post("/v1/identities/explain", explained, by="dpo", status=200)
    assert (found["together"], found["chain"]) == (False, None)
