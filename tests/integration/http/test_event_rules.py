"""Rules over single events: saved after the events, they know them; what nothing keeps is refused."""

import pytest

from tests.integration.http.shop import Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWED = {"op": "did", "event": "Product Viewed", "compare": ">=", "count": 1}
SHOES = {**VIEWED, "last": "P30D", "where": {"op": "eq", "feature": "category", "value": "shoes"}}


async def test_a_rule_saved_after_the_events_knows_them(shop: Shop) -> None:
    for who, category in (("anna", "shoes"), ("bert", "hats")):
        await shop.given(f"user_id:{who}", "personalisation")
        await shop.track("track", userId=who, event="Product Viewed", properties={"category": category})
    saved = await shop.save("looked", SHOES, "personalisation")
    assert saved.status_code == 200, saved.text
    assert saved.json()["needs"]["categories"] == ["browsing"]
    decision = await shop.decide("personalisation", "user_id:anna", "user_id:bert", audiences=["*"])
    found = decision.json()["decisions"]
    assert [one["audiences"] for one in found] == [["looked"], []]
    assert not any(name.startswith("~") for one in found for name in one["features"])
    await shop.track("track", userId="bert", event="Product Viewed", properties={"category": "shoes"})
    body = {"purpose": "personalisation"}
    count = await shop.post("/v1/audiences/looked/count", body, by="engine:personalisation", status=200)
    assert count["count"] == 2


async def test_a_rule_over_events_that_nothing_keeps_is_refused(shop: Shop) -> None:
    response = await shop.save("odd", {**VIEWED, "event": "Rocket Launched"}, "personalisation")
    refused(response, 422, "unknown_feature", "/rule/event")


async def test_nobody_is_shown_what_rules_ask_of_events(shop: Shop) -> None:
    await shop.given("user_id:anna", "personalisation")
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    shown = await shop.ask("GET", "/v1/me/preferences", by=await shop.token("user_id:anna"))
    assert shown.status_code == 200
    assert "~" not in shown.text
