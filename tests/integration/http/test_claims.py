"""Whoever holds a browser's key parts nobody from their own identifiers: the answers name the claim."""

import pytest

from tests.integration.http.shop import Json, Shop, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA, ADDRESS, STRANGER = "user_id:anna-0001", "email:anna@example.org", "user_id:stranger-0666"


async def claimed(shop: Shop, number: int, **more: Json) -> None:
    call = {"type": "identify", "messageId": f"claim-{number}", **more}
    sent = await shop.ask("POST", "/v1/batch", {"batch": [call]}, by="browser")
    assert sent.json()["accepted"] == 1, sent.text


async def test_a_stranger_who_claims_an_address_takes_it_from_nobody(shop: Shop) -> None:
    await shop.given(ANNA, "service", "personalisation", "analytics", "identity_linking")
    stated = {"from": subject(ANNA), "to": subject(ADDRESS), "kind": "asserted"}
    await shop.post("/v1/identities/links", {"links": [stated]}, by="dpo")
    await claimed(shop, 1, userId="stranger-0666", traits={"email": "anna@example.org"})
    found = await shop.post("/v1/identities/resolve", {"subject": subject(ANNA)}, by="dpo", status=200)
    assert [one["value"] for one in found["identifiers"]] == ["anna-0001", "anna@example.org"]
    assert (found["shared"], found["generic"]) == ([], [])
    ends = {"from": subject(STRANGER), "to": subject(ADDRESS)}
    said = await shop.post("/v1/identities/explain", ends, by="dpo", status=200)
    assert [(step["kind"], step["counts"], step["fault"]) for step in said["chain"]] == [
        ("claimed", False, "claimed")
    ]
