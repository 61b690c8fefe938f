"""The officer's counts: whole people of the one resolution, what they said last, what was not kept."""

from datetime import timedelta

import pytest

from assent.core.time import to_datetime
from tests.integration.http.shop import Json, Shop, refused
from tests.support.service import statement, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

YES = ("personalisation", "analytics")


async def counted(shop: Shop, by: str = "dpo") -> Json:
    response = await shop.ask("GET", "/v1/audit/summary", by=by)
    assert response.status_code == 200, response.text
    return response.json()


async def said(shop: Shop, who: str, *states: str, hours_ago: float = 6) -> None:
    """State something about personalisation that was said hours ago, all at one instant."""
    at = to_datetime(shop.clock.now) - timedelta(hours=hours_ago)
    past = {"imported": True, "event_time": at.isoformat(), "evidence": {"form": "1"}}
    body = {
        "subject": subject(who),
        "statements": [statement("personalisation", one, **past) for one in states],
    }
    await shop.post("/v1/consents", body, by="collector")


async def viewed(shop: Shop, hours_ago: float = 0, **who: Json) -> None:
    at = to_datetime(shop.clock.now) - timedelta(hours=hours_ago)
    await shop.track("track", event="Product Viewed", timestamp=at.isoformat(), **who)


async def test_an_empty_shop_counts_nobody(shop: Shop) -> None:
    document = await counted(shop)
    assert document["tiers"] == {"anonymous": 0, "known": 0, "named": 0}
    assert document["identifiers"] == document["not_kept"] == document["releases"] == {}
    assert (document["entries"], document["policy_version"]) == (1, 1)
    nothing = {"given": 0, "refused": 0, "withdrawn": 0, "objected": 0, "permitted": 0}
    assert set(document["purposes"]) >= {"service", *YES}
    assert all(numbers == nothing for numbers in document["purposes"].values())


async def test_people_are_counted_by_tier_over_the_whole_resolution(shop: Shop) -> None:
    for browser in ("once", "again", "owner", "silent", "signed-in"):
        await said(shop, f"anonymous_id:{browser}", "given")
    await viewed(shop, anonymousId="once")
    # Twice within half an hour is one visit, twice with more between is two.
    await viewed(shop, 0.3, anonymousId="once")
    await viewed(shop, 3, anonymousId="again")
    await viewed(shop, anonymousId="again")
    # Two devices, seen together once; the event is the tablet's.
    await said(shop, "device_id:tablet-1", "given")
    await viewed(shop, anonymousId="owner", context={"device": {"id": "tablet-1"}})
    # A person, with the browser they signed in on: one person. The browser alone had come back.
    await viewed(shop, 3, anonymousId="signed-in")
    await viewed(shop, anonymousId="signed-in")
    await shop.track("identify", anonymousId="signed-in", userId="ada", traits={"country": "Italy"})
    document = await counted(shop)
    # `silent` said something and was never seen.
    assert document["tiers"] == {"anonymous": 2, "known": 2, "named": 1}
    assert document["identifiers"] == {"anonymous_id": 5, "device_id": 1, "user_id": 1}


async def test_the_newest_word_of_a_person_counts_on_whatever_device(shop: Shop) -> None:
    await said(shop, "user_id:ada", "given", hours_ago=6)
    await said(shop, "anonymous_id:ada-1", "given", hours_ago=5)
    await shop.track("identify", anonymousId="ada-1", userId="ada", traits={"country": "Italy"})
    await said(shop, "user_id:bea", "refused", hours_ago=6)
    await said(shop, "user_id:bea", "renewed", hours_ago=5)
    await said(shop, "user_id:cem", "given", "refused")
    await said(shop, "user_id:dan", "objected")
    before = (await counted(shop))["purposes"]
    assert before["personalisation"] == {
        "given": 2,
        "refused": 1,  # of two words at one instant, no counts
        "withdrawn": 0,
        "objected": 1,
        "permitted": 2,
    }
    assert before["service"]["permitted"] == 4
    await said(shop, "anonymous_id:ada-1", "withdrawn", hours_ago=1)
    after = (await counted(shop))["purposes"]["personalisation"]
    assert (after["given"], after["withdrawn"], after["permitted"]) == (1, 1, 1)


async def test_of_what_was_not_kept_a_count_is_told(shop: Shop) -> None:
    for _ in range(3):
        await viewed(shop, anonymousId="asked-nothing")
    document = await counted(shop, by="admin")
    assert document["not_kept"] == {"not_permitted": 3}
    assert document["identifiers"] == {}


async def test_answers_are_counted_by_kind(shop: Shop) -> None:
    for _ in range(2):
        await shop.decision("service", "user_id:nobody")
    assert (await counted(shop))["releases"] == {"decision": 2}


@pytest.mark.parametrize("by", ["collector", "browser", "issuer", "engine:service"])
async def test_nobody_but_officers_and_administrators_sees_counts(shop: Shop, by: str) -> None:
    refused(await shop.ask("GET", "/v1/audit/summary", by=by), 403, "forbidden")
