"""What a person is told of the audiences that they are in: in their words, of their own data alone."""

import json

import pytest

from assent.http import me_audiences
from assent.http.rule_phrases import PHRASES
from assent.ingest.own_audiences import belongings
from tests.integration.http.shop import Json, Shop
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
BERT = "user_id:bert-0002"
TABLET = "anonymous_id:tablet-0001"
PURPOSE = "personalisation"

LOOKED = 'did("Product Viewed", where category = "shoes", at least 1, last 30d)'


async def told(shop: Shop, token: str, language: str = "en") -> list[Json]:
    response = await shop.ask("GET", "/v1/me/audiences", by=token, headers={"Accept-Language": language})
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["audiences"]
    return found


async def named(shop: Shop, token: str) -> set[str]:
    return {one["id"] for one in await told(shop, token)}


async def test_a_person_is_told_what_makes_them_a_member_in_their_language(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12)
    await shop.track("track", userId="anna-0001", event="Product Viewed", properties={"category": "shoes"})
    assert (await shop.save("buyers", f"order_count >= 1 and {LOOKED}", PURPOSE)).status_code == 200
    assert (await shop.save("others", "order_count >= 9", PURPOSE)).status_code == 200
    token = await shop.token(ANNA)
    (one,) = await told(shop, token)
    assert (one["id"], one["title"], one["purpose"]) == ("buyers", "an audience", PURPOSE)
    bought, looked = one["why"]["of"]
    assert (one["why"]["says"], one["why"]["so"]) == ("All of this is so", True)
    assert (bought["says"], bought["data"][0]["yours"]) == ("Order count is at least 1", 1)
    assert looked["says"] == (
        "“Product Viewed” happened at least 1 times, where category is “shoes”, in the last 30 d"
    )
    assert (looked["data"][0]["feature"], looked["data"][0]["category"]) == (
        None,
        "What you look at in the shop",
    )
    assert "~" not in json.dumps(one)
    (german,) = await told(shop, token, "de")
    assert german["why"]["says"] == PHRASES["de"]["and"]
    assert german["why"]["of"][1]["says"].endswith("wobei category ist „shoes“, in den letzten 30 d")


async def test_a_person_is_told_of_a_rule_that_was_saved_after_others_asked(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.track("track", userId="anna-0001", event="Product Viewed", properties={"category": "shoes"})
    token = await shop.token(ANNA)
    assert await named(shop, token) == set()
    assert (await shop.save("lookers", LOOKED, PURPOSE)).status_code == 200
    assert await named(shop, token) == {"lookers"}


async def test_a_rule_that_the_policy_forgot_tells_nobody_of_itself(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12)
    for name, rule in (("buyers", "order_count >= 1"), ("coupons", "not coupons is known")):
        assert (await shop.save(name, rule, PURPOSE)).status_code == 200
    token = await shop.token(ANNA)
    assert await named(shop, token) == {"buyers", "coupons"}
    documents = shipped()
    del documents["features"]["features"]["coupons"]
    await shop.post("/v1/policies", {"documents": documents, "activate": True}, status=200)
    assert await named(shop, token) == {"buyers"}


async def test_what_a_person_is_told_is_what_the_engine_answers(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12)
    for name, rule in (
        ("buyers", "order_count >= 1"),
        ("few", "order_count < 5"),
        ("not_italians", 'country != "Italy"'),
        ("half", 'bucket("spring", from 0 to 0.5)'),
        ("both", 'audience("buyers") and audience("few")'),
    ):
        assert (await shop.save(name, rule, PURPOSE)).status_code == 200
    token = await shop.token(ANNA)
    engine = (await shop.decide(PURPOSE, ANNA, audiences=["*"])).json()["decisions"][0]["audiences"]
    assert await named(shop, token) == set(engine)
    await shop.state(ANNA, PURPOSE, "withdrawn")
    assert await named(shop, token) == set()


async def test_a_rule_that_lists_people_tells_nobody_of_the_others(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12)
    others = '"order-of-another-1", "order-of-another-2"'
    listed = f'did("Order Completed", where order_id in ({others}))'
    assert (await shop.save("unlisted", f"order_count >= 1 and not {listed}", PURPOSE)).status_code == 200
    (one,) = await told(shop, await shop.token(ANNA))
    assert "of-another" not in json.dumps(one)
    (leaf,) = one["why"]["of"][1]["of"]
    assert (leaf["says"], leaf["so"]) == (PHRASES["en"]["ids"], False)


async def test_an_audience_with_a_list_of_names_is_no_persons_to_be_told(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12)
    name = (await shop.decision(PURPOSE, ANNA))["subject"]
    # Whom it names differs by who asks: the engine whose list it is leaves her out.
    assert (await shop.save("out", f'order_count >= 1 and not ids("{name}")', PURPOSE)).status_code == 200
    assert (await shop.save("around", 'not audience("out")', PURPOSE)).status_code == 200
    assert (await shop.decide(PURPOSE, ANNA, audiences=["out"])).json()["decisions"][0]["audiences"] == []
    assert await named(shop, await shop.token(ANNA)) == set()


async def test_a_cookies_token_is_told_of_the_cookies_own_data_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in (TABLET, ANNA):
        await shop.given(who, PURPOSE)
    await shop.bought(ANNA, 12)
    await shop.track("track", anonymousId="tablet-0001", event="Product Viewed", properties={"category": "a"})
    await shop.track("identify", userId="anna-0001", anonymousId="tablet-0001")
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    assert (await shop.save("lookers", "products_viewed >= 1", PURPOSE)).status_code == 200
    assert await named(shop, await shop.token(ANNA)) == {"buyers", "lookers"}
    for verified in (False, True):
        assert await named(shop, await shop.token(TABLET, verified=verified)) == {"lookers"}
    with monkeypatch.context() as patched:  # the canary: whoever holds the device is told of the person

        async def everything(
            connection: Json, controller_id: Json, person: Json, _: Json, saved: Json
        ) -> Json:
            return await belongings(connection, controller_id, person, person.cluster.members, saved)

        patched.setattr(me_audiences, "belongings", everything)
        assert await named(shop, await shop.token(TABLET, verified=False)) == {"buyers", "lookers"}


async def test_of_a_shared_device_and_of_a_claim_nobody_is_told(shop: Shop) -> None:
    for who in (ANNA, BERT, TABLET):
        await shop.given(who, PURPOSE, "analytics")
    await shop.track("track", anonymousId="tablet-0001", event="Product Viewed", properties={"category": "a"})
    await shop.track("identify", by="browser", userId="anna-0001", anonymousId="tablet-0001")
    assert (await shop.save("lookers", "products_viewed >= 1", PURPOSE, "analytics")).status_code == 200
    assert await named(shop, await shop.token(ANNA)) == set()
    for who in (ANNA, BERT):
        await shop.track("identify", userId=who.split(":")[1], anonymousId="tablet-0001")
    assert await named(shop, await shop.token(ANNA, TABLET)) == set()


async def test_who_is_restricted_or_erased_is_in_no_audience(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12)
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    token = await shop.token(ANNA)
    assert await named(shop, token) == {"buyers"}
    await shop.post("/v1/me/restrict", {}, by=token, status=200)
    assert await named(shop, token) == set()
    assert (await shop.ask("DELETE", "/v1/me", by=token)).status_code == 200
    assert await named(shop, token) == set()
