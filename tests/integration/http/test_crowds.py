"""Thousands of people order by one telephone: nobody is merged, and the answers say which one and why."""

import pytest

from tests.integration.http.shop import Shop, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESK = "+442071838750"
BODY = 100
"""Orders of one request."""


@pytest.mark.parametrize("people", [260, pytest.param(10_000, marks=pytest.mark.full)])
async def test_a_crowd_at_one_telephone_stays_a_crowd_and_the_answers_say_why(
    shop: Shop, people: int
) -> None:
    for first in range(0, people, BODY):
        batch = [
            {
                "type": "track",
                "event": "Order Completed",
                "messageId": f"m{number}",
                "userId": f"caller-{number}",
                "properties": {"revenue": 1, "phone": DESK},
            }
            for number in range(first, min(first + BODY, people))
        ]
        sent = await shop.ask("POST", "/v1/batch", {"batch": batch}, by="collector")
        assert sent.json()["accepted"] == len(batch), sent.text
    one, last = subject("user_id:caller-0"), subject(f"user_id:caller-{people - 1}")
    desk = {"namespace": "phone", "value": DESK}
    for who in (one, last):
        found = await shop.post("/v1/identities/resolve", {"subject": who}, by="dpo", status=200)
        assert (found["identifiers"], found["generic"]) == ([who], [desk])
    said = await shop.post("/v1/identities/explain", {"from": one, "to": last}, by="dpo", status=200)
    assert not said["together"]
    assert [(step["counts"], step["fault"]) for step in said["chain"]] == [(False, "generic")] * 2
    assert said["chain"][0]["to"] == desk
    decided = await shop.decide("service", "user_id:caller-0", "user_id:caller-1")
    counted = [each["features"]["order_count"] for each in decided.json()["decisions"]]
    assert counted == [1, 1]
