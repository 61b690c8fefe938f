"""A policy that no longer declares a namespace: who is known by it alone is nobody, and nothing breaks."""

import pytest

from tests.integration.http.shop import Shop, refused, subject
from tests.support.policy_documents import changed, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"
ALONE, OTHER_NUMBER, PERSON = "customer_id:c-1", "customer_id:c-2", "user_id:u-2"
EVERYBODY = {"op": "ge", "feature": "order_count", "value": 1}


async def ordered(shop: Shop) -> None:
    """Let one order who has a customer's number alone, one who has a user's too, and one without."""
    for who in (ALONE, OTHER_NUMBER, PERSON, "user_id:u-3"):
        await shop.given(who, PURPOSE)
    for number, user in (("c-1", None), ("c-2", "u-2"), (None, "u-3")):
        properties = {"revenue": 10} | ({"customer_id": number} if number else {})
        named = {"userId": user} if user else {}
        taken = await shop.track("track", event="Order Completed", properties=properties, **named)
        assert taken.json()["accepted"] == 1, taken.text
    await shop.save("buyers", EVERYBODY, PURPOSE)


async def counted(shop: Shop) -> int:
    body = {"purpose": PURPOSE}
    found = await shop.post("/v1/audiences/buyers/count", body, by=f"engine:{PURPOSE}", status=200)
    return int(found["count"])


async def test_whoever_is_known_by_it_alone_is_not_seen(shop: Shop) -> None:
    await ordered(shop)
    assert await counted(shop) == 3
    documents = changed(shipped(), "identity", "-namespaces.customer_id")
    await shop.post("/v1/policies", {"documents": documents, "activate": True}, status=200)
    # The orders lie with the numbers, which name nobody any more.
    assert await counted(shop) == 1
    refused(await shop.decide(PURPOSE, ALONE), 422, "unknown_namespace")
    decided = await shop.decide(PURPOSE, PERSON, "user_id:u-3")
    assert [one["features"].get("order_count") for one in decided.json()["decisions"]] == [0, 1]


async def test_an_officer_is_told_of_what_is_shared_without_a_name_for_what_it_is(shop: Shop) -> None:
    for who in ("u-1", "u-2"):
        await shop.given(f"user_id:{who}", PURPOSE)
        await shop.track("track", event="Order Completed", userId=who, anonymousId="between")
    whole = {"subject": subject("user_id:u-1"), "scope": "identifier"}
    await shop.post("/v1/audit/erase", whole, by="dpo", status=200)  # what the sharing rested on is gone
    documents = changed(shipped(), "identity", "-namespaces.anonymous_id")
    await shop.post("/v1/policies", {"documents": documents, "activate": True}, status=200)
    asked = {"subject": subject("user_id:u-2")}
    found = await shop.post("/v1/identities/resolve", asked, by="dpo", status=200)
    assert found["identifiers"] == [subject("user_id:u-2")]
    assert found["shared"] == [{"namespace": None, "value": "between"}]
    drawn = await shop.ask("POST", "/v1/identities/picture", asked, by="dpo")
    assert "undeclared between" in drawn.text
