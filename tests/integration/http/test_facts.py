"""Every fact that an engine personalises by, asked for by name over HTTP: collected, permitted, answered."""

from typing import Any

import pytest

from assent.core.ids import ControllerId
from assent.core.time import DAY, HOUR, MINUTE
from assent.ingest.facts import open_content
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.policy_documents import Documents, changed, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"
ANNA, BERT = "user_id:anna", "user_id:bert"


async def agreed(shop: Shop, *who: str) -> Shop:
    for one in who or (ANNA, BERT):
        await shop.given(one, PURPOSE)
    return shop


async def did(shop: Shop, who: str, event: str, **properties: Json) -> None:
    context = properties.pop("context", {})
    response = await shop.track(
        "track", userId=who.partition(":")[2], event=event, properties=properties, context=context
    )
    assert response.json()["accepted"] == 1, response.text


async def features(shop: Shop, who: str) -> Json:
    return (await shop.decision(PURPOSE, who))["features"]


async def members(shop: Shop, rule: object, *who: str, name: str = "asked") -> list[str]:
    """Save a rule and return for whom of these it holds, as decisions and as the count say alike."""
    saved = await shop.save(name, rule, PURPOSE)
    assert saved.status_code == 200, saved.text
    people = who or (ANNA, BERT)
    answer = await shop.decide(PURPOSE, *people, audiences=[name])
    assert answer.status_code == 200, answer.text
    found = [
        one for one, told in zip(people, answer.json()["decisions"], strict=True) if name in told["audiences"]
    ]
    counted = await shop.post(
        f"/v1/audiences/{name}/count", {"purpose": PURPOSE}, by=f"engine:{PURPOSE}", status=200
    )
    assert counted["count"] == len(found)
    return found


async def contents(shop: Shop) -> str:
    """Return everything that is kept of calls, opened."""
    async with shop.service.database.writer.acquire() as connection:
        rows = await connection.fetch(
            "SELECT sealed FROM ledger.content WHERE controller_id = $1", shop.controller_id
        )
    ring, controller = shop.service.ring, ControllerId(shop.controller_id)
    return "\n".join(str(open_content(ring, controller, row["sealed"])) for row in rows)


async def test_tier(shop: Shop) -> None:
    await agreed(shop, "anonymous_id:a1", "anonymous_id:a2", ANNA)
    for visitor in ("a1", "a2"):
        await shop.track("page", anonymousId=visitor)
    await did(shop, ANNA, "Order Completed", revenue=1)
    shop.clock.step(2 * HOUR)
    await shop.track("page", anonymousId="a1")
    people = ("anonymous_id:a1", "anonymous_id:a2", ANNA)
    assert [(await shop.decision(PURPOSE, one))["tier"] for one in people] == ["known", "anonymous", "named"]
    assert await members(shop, 'tier("known", "named")', *people) == ["anonymous_id:a1", ANNA]
    assert await members(shop, 'tier("anonymous")', *people) == ["anonymous_id:a2"]
    shop.clock.step(HOUR)
    await shop.track("page", anonymousId="a2")  # comes back, after its tier was asked for
    assert await members(shop, 'tier("anonymous")', *people) == []
    assert await members(shop, 'not tier("anonymous")', *people) == list(people)


async def test_a_tier_that_hidden_data_may_tell_is_not_sure(shop: Shop) -> None:
    """Agreeing to less makes nobody anonymous: who may have come back is neither this nor that."""
    response = await shop.state("anonymous_id:a1", PURPOSE, "given", categories=["account"])
    assert response.status_code == 201, response.text
    await shop.track("page", anonymousId="a1")
    assert (await shop.decision(PURPOSE, "anonymous_id:a1"))["tier"] == "anonymous"
    assert await members(shop, 'tier("anonymous")', "anonymous_id:a1") == []
    assert await members(shop, 'not tier("anonymous")', "anonymous_id:a1") == []
    assert await members(shop, 'tier("anonymous", "known")', "anonymous_id:a1") == []
    assert await members(shop, 'not tier("named")', "anonymous_id:a1") == []


LESSER_TIERS = ('tier("anonymous")', 'tier("known")', 'tier("anonymous", "known")', 'not tier("named")')


async def test_withdrawing_a_category_makes_nobody_less_than_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "anonymous_id:a1"
    await shop.state(ANNA, PURPOSE, "given", categories=["orders"])
    await shop.state(who, PURPOSE, "given", categories=["browsing"])
    await shop.track("identify", userId=ANNA.split(":")[1], anonymousId="a1")
    for _ in range(2):
        await shop.track("page", anonymousId="a1")
        shop.clock.step(HOUR)
    assert (await shop.decision(PURPOSE, who))["tier"] == "named"
    for rule in LESSER_TIERS:
        assert await members(shop, rule, who) == []
    await shop.state(ANNA, PURPOSE, "withdrawn", categories=["orders"])
    assert (await shop.decision(PURPOSE, who))["tier"] == "known"
    for rule in LESSER_TIERS:
        assert await members(shop, rule, who) == []
    assert await members(shop, 'tier("known", "named")', who) == [who]
    with monkeypatch.context() as patched:  # the canary: whoever seems known is known
        patched.setattr("assent.audiences.shelf.unsure", lambda seems: seems)
        assert (await shop.save("less", 'tier("known")', PURPOSE)).status_code == 200
        decided = (await shop.decide(PURPOSE, who, audiences=["less"])).json()["decisions"][0]
        assert decided["audiences"] == ["less"]


async def test_recency_frequency_and_order_value(shop: Shop) -> None:
    await agreed(shop)
    for value in (20, 30):
        await shop.bought(ANNA, value)
    await shop.bought(BERT, 10)
    shop.clock.step(40 * DAY)
    await shop.bought(ANNA, 50)
    told = await features(shop, ANNA)
    assert (told["order_count"], told["order_value"], told["orders_30d"]) == (3, 100, 1)
    assert await members(shop, "last_order in last 30d and order_count >= 3 and order_value > 99") == [ANNA]


async def test_refunds(shop: Shop) -> None:
    await agreed(shop)
    await shop.bought(ANNA, 100)
    await did(shop, ANNA, "Order Refunded", revenue=30)
    await shop.bought(BERT, 100)
    await did(shop, BERT, "Order Refunded", revenue=-60.5)
    assert (await features(shop, ANNA))["net_order_value"] == 70
    assert (await features(shop, BERT))["net_order_value"] == 39.5
    assert (await features(shop, BERT))["refund_count"] == 1
    assert await members(shop, "net_order_value >= 50 and refund_count > 0") == [ANNA]


async def test_most_viewed_and_most_bought_categories(shop: Shop) -> None:
    await agreed(shop)
    for category in ("shoes", "hats", "shoes", "bags", "coats", "bags", "hats"):
        await did(shop, ANNA, "Product Viewed", category=category)
    await did(shop, BERT, "Product Viewed", category="coats")
    products = [{"category": "shoes"}, {"category": "shoes"}, {"category": "belts"}]
    await did(shop, ANNA, "Order Completed", revenue=9, products=products)
    told = await features(shop, ANNA)
    assert told["top_categories_viewed"] == ["bags", "hats", "shoes"]
    assert told["top_categories_bought"] == ["belts", "shoes"]
    assert await members(shop, 'top_categories_viewed has "coats"') == [BERT]
    assert await members(shop, 'top_categories_bought has "belts"') == [ANNA]


async def test_first_and_last_touch(shop: Shop) -> None:
    await agreed(shop)
    for campaign, referrer in (("spring", "search.example"), ("summer", "news.example")):
        context = {"campaign": {"name": campaign}, "referrer": {"url": f"https://{referrer}/x?y=1"}}
        await shop.track("page", userId="anna", context=context)
        shop.clock.step(DAY)
    await shop.track("page", userId="bert", context={"campaign": {"name": "summer"}})
    told = await features(shop, ANNA)
    assert (told["first_campaign"], told["last_campaign"]) == ("spring", "summer")
    assert (told["first_referrer"], told["last_referrer"]) == ("search.example", "news.example")
    assert await members(shop, 'first_campaign = "spring" and last_campaign = "summer"') == [ANNA]


async def test_channel(shop: Shop) -> None:
    await agreed(shop)
    await did(shop, ANNA, "Order Completed", revenue=1, context={"channel": "store"})
    await did(shop, ANNA, "Order Completed", revenue=1, context={"channel": "app"})
    await did(shop, BERT, "Order Completed", revenue=1, context={"channel": "web"})
    assert (await features(shop, ANNA))["order_channels"] == ["app", "store"]
    assert await members(shop, 'last_order_channel = "app" and order_channels has "store"') == [ANNA]


async def test_search_terms(shop: Shop) -> None:
    await agreed(shop)
    await did(shop, ANNA, "Products Searched", query="winter boots")
    await shop.track("page", userId="anna", context={"page": {"url": "https://shop.example/s?q=gloves"}})
    await did(shop, BERT, "Products Searched", query="hats")
    told = await features(shop, ANNA)
    assert (told["searches"], told["search_terms"]) == (["winter boots"], ["gloves"])
    assert await members(shop, 'searches has "winter boots" and search_terms has "gloves"') == [ANNA]


async def test_promotion_use(shop: Shop) -> None:
    await agreed(shop)
    for coupon, discount in (("SPRING", 5), ("SPRING", 2.5), (None, 0)):
        said = {} if coupon is None else {"coupon": coupon}
        await did(shop, ANNA, "Order Completed", revenue=20, discount=discount, **said)
    await did(shop, BERT, "Order Completed", revenue=20, coupon="WELCOME", discount=1)
    told = await features(shop, ANNA)
    assert (told["coupons"], told["last_coupon"], told["discount_value"]) == (["SPRING"], "SPRING", 7.5)
    used = 'did("Order Completed", where coupon is known, at least 2)'
    assert await members(shop, f"{used} and discount_value > 5") == [ANNA]


async def test_inactivity(shop: Shop) -> None:
    await agreed(shop)
    await shop.track("page", userId="anna")
    shop.clock.step(31 * DAY)
    await shop.track("page", userId="bert")
    away = "last_seen_browsing is known and not last_seen_browsing in last 30d"
    assert await members(shop, away) == [ANNA]
    shop.clock.step(30 * DAY)  # time alone
    assert await members(shop, away) == [ANNA, BERT]


async def test_a_cart_by_item_that_was_abandoned(shop: Shop) -> None:
    await agreed(shop)
    added: dict[str, Any] = {"product_id": "boots", "price": 40}
    await did(shop, ANNA, "Product Added", **added, quantity=2)
    await did(shop, ANNA, "Product Added", product_id="hat", price=9)
    await did(shop, ANNA, "Product Removed", product_id="hat")
    await did(shop, BERT, "Product Added", **added)
    told = (await features(shop, ANNA))["cart"]
    assert [(one["sku"], one["quantity"], one["amount"]) for one in told] == [("boots", 2, 80)]
    abandoned = 'any_item(cart, where sku = "boots" and amount >= 40, for 1h)'
    assert await members(shop, abandoned) == []
    shop.clock.step(50 * MINUTE)
    await did(shop, BERT, "Order Completed", revenue=40)
    shop.clock.step(11 * MINUTE)  # time alone, no event of hers
    assert await members(shop, abandoned) == [ANNA]
    assert await members(shop, "any_item(cart, where amount > 40, for 1h)") == [ANNA]
    assert "cart" not in await features(shop, BERT)
    await did(shop, ANNA, "Order Completed", revenue=80)
    assert await members(shop, abandoned) == []
    unread = await shop.post("/v1/audit/minimisation", {}, by="dpo", status=200)
    assert not {"cart", "last_order"} & {one["feature"] for one in unread["features"]}


async def test_a_cart_of_whose_orders_are_hidden_is_not_told(shop: Shop) -> None:
    await agreed(shop, BERT)
    response = await shop.state(ANNA, PURPOSE, "given", categories=["browsing"])
    assert response.status_code == 201, response.text
    for who in (ANNA, BERT):
        await did(shop, who, "Product Added", product_id="boots", price=40)
    assert "cart" not in await features(shop, ANNA)
    assert await members(shop, "any_item(cart, where sku is known)") == [BERT]
    assert await members(shop, "not any_item(cart, where sku is known)") == []
    assert await members(shop, "not any_item(cart, where amount > 1000)") == [ANNA, BERT]


async def test_a_cart_is_asked_for_only_by_who_may_see_orders_too(open_shop: OpenShop) -> None:
    documents = changed(shipped(), "purposes", "[purposes.analytics]\ncategories = ['browsing']")
    shop = await open_shop(documents)
    await shop.given(ANNA, "analytics")
    await did(shop, ANNA, "Product Added", product_id="boots", price=40)
    assert "cart" not in (await shop.decision("analytics", ANNA))["features"]
    saved = await shop.save("full", "any_item(cart, where sku is known)", "analytics")
    refused(saved, 422, "not_permitted_for_purpose")
    refused(await shop.save("full", "cart is absent", PURPOSE), 422, "wrong_type")


async def test_exclusions(shop: Shop) -> None:
    await agreed(shop)
    for who in (ANNA, BERT):
        await shop.bought(who, 10)
    await did(shop, BERT, "Order Refunded", revenue=10)
    assert (await shop.save("returned", "refund_count > 0", PURPOSE)).status_code == 200
    assert await members(shop, 'order_count > 0 and not audience("returned")') == [ANNA]


async def test_stages_are_audiences_in_order_and_everybody_is_in_one(shop: Shop) -> None:
    people = (ANNA, BERT, "user_id:carl", "anonymous_id:dora")
    await agreed(shop, *people)
    rules = {
        "vip": "order_count >= 3",
        "customer": "order_count >= 1",
        "lead": 'tier("known", "named")',
        "visitor": "everyone",
    }
    higher: list[str] = []
    for name, rule in rules.items():
        but = "".join(f' and not audience("{one}")' for one in higher)
        assert (await shop.save(f"is_{name}", rule, PURPOSE)).status_code == 200
        assert (await shop.save(f"stage_{name}", rule + but, PURPOSE)).status_code == 200
        higher.append(f"is_{name}")
    for _ in range(3):
        await shop.bought(ANNA, 1)
    await shop.bought(BERT, 1)
    await shop.track("page", userId="carl")
    await shop.track("page", anonymousId="dora")
    stages = [f"stage_{name}" for name in rules]
    answer = await shop.decide(PURPOSE, *people, audiences=stages)
    found = [one["audiences"] for one in answer.json()["decisions"]]
    assert found == [["stage_vip"], ["stage_customer"], ["stage_lead"], ["stage_visitor"]]


SCORE = (
    "score(10 if order_count >= 1, 30 if order_value >= 100, "
    '15 if did("Product Viewed", at least 2, last 30d), -20 if refund_count > 0, at least 40)'
)


async def test_a_weighted_score(shop: Shop) -> None:
    await agreed(shop)
    for who in (ANNA, BERT):
        await shop.bought(who, 120)
        await did(shop, who, "Product Viewed", category="shoes")
        await did(shop, who, "Product Viewed", category="hats")
    await did(shop, BERT, "Order Refunded", revenue=1)
    assert await members(shop, SCORE) == [ANNA]
    answer = await shop.decide(PURPOSE, ANNA, BERT, "user_id:nobody", audiences=["asked"], scores=True)
    told = [one["scores"] for one in answer.json()["decisions"]]
    assert told == [
        {"asked": {"score": 55, "at_least": 40, "counted": [0, 1, 2]}},
        {"asked": {"score": 35, "at_least": 40, "counted": [0, 1, 2, 3]}},
        {},
    ]
    shown = (await shop.ask("GET", "/v1/audiences/asked")).json()
    assert shown["text"] == SCORE
    again = await shop.save("again", shown["rule"], PURPOSE)
    assert again.json()["needs"]["features"] == ["order_count", "order_value", "refund_count"]
    wrong = await shop.save("asked", SCORE.replace("-20", "0"), PURPOSE)
    assert refused(wrong, 422, "wrong_type", "/rule")["title"].startswith("column 108: ")
    assert SCORE.index("-20") + 1 == 108
    shown["rule"]["parts"][3]["weight"] = 0
    refused(await shop.save("asked", shown["rule"], PURPOSE), 422, "wrong_type", "/rule/parts/3/weight")


PREDICTIONS = """
[categories.predictions]
titles.en = "What we expect you to like"
profiling = true
traits = ["churn"]
retention = "P1Y"
[features.churn]
type = "number"
trait = "churn"
model = { name = "churn-forest", version = "2026-02" }
"""


def predicting() -> Documents:
    documents = changed(shipped(), "features", PREDICTIONS)
    purpose = documents["purposes"]["purposes"][PURPOSE]
    purpose["categories"].append("predictions")
    purpose["profiling"] = True
    return documents


async def test_a_score_computed_elsewhere(open_shop: OpenShop) -> None:
    shop = await agreed(await open_shop(predicting()))
    await shop.track("identify", userId="anna", traits={"churn": 0.9})
    await shop.track("identify", by="browser", userId="bert", traits={"churn": 0.9, "country": "IT"})
    assert (await features(shop, ANNA))["churn"] == 0.9
    assert "churn" not in await features(shop, BERT)
    assert await members(shop, "churn >= 0.8") == [ANNA]
    refused(await shop.save("other", "churn >= 0.8", "analytics"), 422, "not_permitted_for_purpose")
    told = (await shop.ask("GET", "/v1/audit/summary", by="dpo")).json()["models"]
    assert told == [
        {
            "feature": "churn",
            "category": "predictions",
            "model": "churn-forest",
            "version": "2026-02",
            "purposes": [PURPOSE],
            "automated_significant": [],
        }
    ]
    # Whoever is told why they are in it, and the officer, is told what computed it.
    await shop.save("leaving", "churn >= 0.8 or held(churn = 0.1, at least 1d)", PURPOSE)
    token = await shop.token(ANNA)
    told = await shop.ask("GET", "/v1/me/audiences", by=token)
    assert told.status_code == 200, told.text
    (mine,) = (one for one in told.json()["audiences"] if one["id"] == "leaving")
    asked = {"subject": subject(ANNA), "audience": "leaving", "purpose": PURPOSE}
    officers = await shop.post("/v1/audit/membership", asked, by="dpo", status=200)
    now, held = mine["why"]["of"]
    for seen in (now["data"], held["data"], officers["tree"]["of"][0]["looked_at"]):
        assert seen[0]["model"] == {"name": "churn-forest", "version": "2026-02"}
    documents = predicting()
    documents["purposes"]["purposes"][PURPOSE]["profiling"] = False
    body = {"documents": documents, "activate": False}
    answer = await shop.ask("POST", "/v1/policies", body)
    assert answer.json()["errors"][0]["pointer"] == f"/purposes/purposes/{PURPOSE}/profiling"


PLACES = """
[categories.place]
titles.en = "Roughly where you are"
traits = ["home"]
context = ["location.place"]
retention = "P1M"
[features.home_area]
type = "place"
trait = "home"
decimals = 1
[features.last_area]
type = "place"
aggregate = "last"
path = "context.location.place"
"""


async def test_coarse_places_and_near(open_shop: OpenShop) -> None:
    documents = changed(shipped(), "features", PLACES)
    documents["purposes"]["purposes"][PURPOSE]["categories"].append("place")
    shop = await agreed(await open_shop(documents))
    await shop.track("identify", userId="anna", traits={"home": {"lat": 45.464211, "lon": 9.191383}})
    location = {"latitude": -16.501234, "longitude": 179.998765}
    await shop.track("page", userId="bert", context={"location": location})
    assert (await features(shop, ANNA))["home_area"] == [45.45, 9.15]
    assert (await features(shop, BERT))["last_area"] == [-16.505, 179.995]
    assert await members(shop, "home_area near (45.46, 9.19) within 25km") == [ANNA]
    assert await members(shop, "last_area near (-16.5, -179.99) within 3km") == [BERT]
    assert await members(shop, "home_area near (45.46, 9.19) within 1km") == []
    kept = await contents(shop)
    assert "45.45,9.15" in kept
    assert "45.46" not in kept
    assert "-16.505,179.995" in kept
    assert "16.501" not in kept
    wrong = await shop.save("asked", "home_area near (95, 9.19) within 25km", PURPOSE)
    assert refused(wrong, 422, "wrong_type", "/rule")["title"].startswith("column 1: expected a latitude")
