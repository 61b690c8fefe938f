"""What came through each source is counted, and of a call that is refused nothing but the count remains."""

from datetime import timedelta
from typing import Any

import pytest

from assent.core.event_schema import DIALECT
from assent.core.time import DAY, to_datetime
from tests.integration.http.conftest import Installation, OpenShop
from tests.integration.http.shop import Json, Shop, bearer, refused, statement, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = {
    "$schema": DIALECT,
    "title": "Order Completed",
    "required": ["revenue"],
    "properties": {"revenue": {"type": "number", "multipleOf": 0.01}},
}


async def a_key(shop: Shop, **wanted: Json) -> tuple[int, str]:
    made = await shop.post("/v1/keys", {"role": "collector", **wanted})
    return made["key_id"], made["key"]


async def report(shop: Shop, query: str = "", by: str = "dpo") -> dict[str, Any]:
    """Return what is told of each source, by its name."""
    response = await shop.ask("GET", f"/v1/sources{query}", by=by)
    assert response.status_code == 200, response.text
    return {source["source"]: source for source in response.json()["sources"]}


def order(number: int, revenue: Json = 1, **more: Json) -> Json:
    properties = {"revenue": revenue}
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "messageId": f"m{number}",
        "properties": properties,
        **more,
    }


async def test_every_item_has_one_fate_and_one_count(open_shop: OpenShop) -> None:
    shop = await open_shop(shipped() | {"events/order-completed": ORDER})
    number, key = await a_key(shop, source="web shop", channel="web")
    batch = [
        order(1),
        order(2, 12.34),
        order(2, 12.34),  # sent again
        order(3, "12"),
        order(4, 0.001),
        order(5, userId="null"),
        {"type": "track", "event": "Product Viewed", "anonymousId": "a1"},  # nobody permits it
        {"type": "track", "event": "Something Else", "anonymousId": "a1"},
        {"type": "nonsense"},
    ]
    response = await shop.track("batch", by=key, batch=batch)
    assert response.json()["refused"] == [
        {"index": 3, "code": "wrong_type"},
        {"index": 4, "code": "wrong_type"},
        {"index": 5, "code": "blocked_identifier"},
        {"index": 8, "code": "unreadable_body"},
    ]
    source = (await report(shop))[f"key:{number}"]
    assert {name: source[name] for name in ("key_id", "name", "channel", "revoked")} == {
        "key_id": number,
        "name": "web shop",
        "channel": "web",
        "revoked": False,
    }
    assert (source["accepted"], source["repeated"], source["not_permitted"]) == (2, 1, 2)
    assert source["refused"] == {"blocked_identifier": 1, "unreadable_body": 1, "wrong_type": 2}
    assert source["lag"] == {
        "median_s": 1,
        "highest_s": 1,
        "counts": [{"within_s": 1, "accepted": 2}],
    }


async def test_nothing_of_a_call_that_does_not_fit_is_kept(open_shop: OpenShop) -> None:
    shop = await open_shop(shipped() | {"events/order-completed": ORDER})
    before = await shop.revision()
    response = await shop.track("track", **order(1, "a price"))
    assert response.json()["refused"] == [{"index": 0, "code": "wrong_type"}]
    assert "a price" not in response.text
    assert await shop.revision() == before


async def test_lag_is_from_the_event_to_its_receipt(shop: Shop) -> None:
    number, key = await a_key(shop)
    now = to_datetime(shop.clock.now)
    for place, ago in enumerate((0, 5, 5, 90_000, 40 * 86_400)):
        at = (now - timedelta(seconds=ago)).isoformat()
        await shop.track("batch", by=key, batch=[order(place, timestamp=at)])
    lag = (await report(shop))[f"key:{number}"]["lag"]
    assert lag == {
        "median_s": 10,
        "highest_s": None,
        "counts": [
            {"within_s": 1, "accepted": 1},
            {"within_s": 10, "accepted": 2},
            {"within_s": 604_800, "accepted": 1},
            {"within_s": None, "accepted": 1},
        ],
    }


async def test_counts_are_of_the_days_asked_for(shop: Shop) -> None:
    number, key = await a_key(shop)
    today = to_datetime(shop.clock.now).date()
    await shop.track("batch", by=key, batch=[order(1), order(2, userId="null")])
    shop.clock.step(3 * DAY)
    await shop.track("batch", by=key, batch=[order(3)])

    async def told(query: str) -> tuple[int, dict[str, int]]:
        source = (await report(shop, query))[f"key:{number}"]
        return source["accepted"], source["refused"]

    assert await told("") == (2, {"blocked_identifier": 1})
    assert await told(f"?from={today}&to={today}") == (1, {"blocked_identifier": 1})
    assert await told(f"?from={today + timedelta(days=1)}") == (1, {})
    assert await told(f"?to={today - timedelta(days=1)}") == (0, {})
    response = await shop.ask("GET", f"/v1/sources?to={today}", by="admin")
    assert (response.json()["from"], response.json()["to"]) == (str(today - timedelta(days=29)), str(today))


@pytest.mark.parametrize(
    "query",
    [
        "?from=yesterday",
        "?from=2026-3-1",
        "?from=2026-02-30",
        "?to=1969-12-31",
        "?from=2026-03-02&to=2026-03-01",
    ],
)
async def test_days_that_are_none_are_refused(shop: Shop, query: str) -> None:
    refused(await shop.ask("GET", f"/v1/sources{query}", by="dpo"), 400, "unreadable_body")
    refused(await shop.ask("GET", "/v1/sources?form=2026-03-01", by="dpo"), 400, "unreadable_body")


@pytest.mark.parametrize("by", ["collector", "browser", "issuer", "engine:analytics"])
async def test_only_administrators_and_officers_are_told(shop: Shop, by: str) -> None:
    refused(await shop.ask("GET", "/v1/sources", by=by), 403, "forbidden")


async def test_a_controller_is_told_of_its_own_sources_alone(shop: Shop, installation: Installation) -> None:
    other = await (await installation.controller()).open()
    number, key = await a_key(shop)
    await shop.track("batch", by=key, batch=[order(1)])
    assert (await report(shop))[f"key:{number}"]["accepted"] == 1
    assert all(source["accepted"] == 0 for source in (await report(other)).values())


async def test_a_silent_key_is_listed_and_a_revoked_one_only_for_what_it_sent(shop: Shop) -> None:
    silent, _ = await a_key(shop, source="till 3", channel="store")
    assert (await report(shop))[f"key:{silent}"]["accepted"] == 0
    spoke, key = await a_key(shop)
    await shop.track("batch", by=key, batch=[order(1)])
    for number in (silent, spoke):
        await shop.post("/v1/keys/revoke", {"key_id": number}, status=200)
    told = await report(shop)
    assert f"key:{silent}" not in told
    assert told[f"key:{spoke}"]["revoked"]


async def test_a_request_that_cannot_be_read_counts_as_one_if_its_header_says_whose_it_is(shop: Shop) -> None:
    number, key = await a_key(shop)
    for headers in (bearer(key), {}):
        response = await shop.http.post("/v1/batch", content=b'{"batch": [', headers=headers)
        refused(response, 400, "unreadable_body")
    assert (await report(shop))[f"key:{number}"]["refused"] == {"unreadable_body": 1}


# ---- channel and source ----------------------------------------------------------------------------------


async def test_what_a_key_declares_becomes_features_of_everybody_who_comes_through_it(shop: Shop) -> None:
    _, web = await a_key(shop, source="web shop", channel="web")
    _, till = await a_key(shop, source="till 3", channel="store")
    await shop.given("user_id:anna-0001", "analytics")
    for by, channel in ((web, None), (till, None), (web, "chat")):
        context = {} if channel is None else {"channel": channel}
        await shop.track("track", by=by, event="Product Viewed", userId="anna-0001", context=context)
        await shop.track("track", by=by, event="Order Completed", userId="anna-0001", context=context)
    features = (await shop.decision("analytics", "user_id:anna-0001"))["features"]
    assert (features["first_channel"], features["last_channel"]) == ("web", "chat")
    assert features["order_channels"] == ["chat", "store", "web"]
    assert (features["last_order_channel"], features["last_order_source"]) == ("chat", "web shop")
    # The contract has the orders and their channel, and nothing of what was looked at.
    others = (await shop.decision("service", "user_id:anna-0001"))["features"]
    assert others["order_channels"] == ["chat", "store", "web"]
    assert "last_channel" not in others


async def test_a_statement_is_made_where_its_key_stands_unless_it_says_so(shop: Shop) -> None:
    _, post = await a_key(shop, channel="post")
    for fields in ({}, {"channel": "call_centre"}):
        said = statement("personalisation", "given") | {"channel": ""} | fields
        body = {"subject": subject("user_id:anna-0001"), "statements": [said]}
        await shop.post("/v1/consents", body, by=post)
    channels = await shop.service.database.auditor.fetch(
        "SELECT terms ->> 'channel' FROM projection.statement WHERE controller_id = $1 ORDER BY entry_index",
        shop.controller_id,
    )
    assert [channel for (channel,) in channels] == ["post", "call_centre"]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"channel": "Web Shop"}, "/channel"),
        ({"channel": "x" * 33}, "/channel"),
        ({"source": "x" * 65}, "/source"),
    ],
)
async def test_a_key_declares_words(shop: Shop, wanted: dict[str, str], pointer: str) -> None:
    response = await shop.ask("POST", "/v1/keys", {"role": "collector", **wanted})
    refused(response, 400, "unreadable_body", pointer)


# ---- first and last touch --------------------------------------------------------------------------------


async def test_the_context_becomes_features_for_the_purposes_that_have_its_category(shop: Shop) -> None:
    await shop.given("user_id:anna-0001", "analytics", "advertising")
    for number, (campaign, host) in enumerate((("spring", "one.example"), ("summer", "two.example"))):
        context = {
            "page": {
                "url": f"https://shop.example/shoes?q=boots+{number}&email=anna@example.com",
                "path": "/shoes",
                "referrer": f"https://{host}/find?q=anna",
            },
            "campaign": {"name": campaign, "source": "news", "medium": "email"},
            "device": {"type": "mobile", "id": "device-0001"},
            "os": {"name": "iOS"},
            "locale": "it-IT",
            "timezone": "Europe/Rome",
        }
        await shop.track("page", userId="anna-0001", context=context)
    seen = (await shop.decision("analytics", "user_id:anna-0001"))["features"]
    assert {name: seen.get(name) for name in ("first_campaign", "last_campaign", "last_campaign_source")} == {
        "first_campaign": "spring",
        "last_campaign": "summer",
        "last_campaign_source": "news",
    }
    assert (seen["first_referrer"], seen["last_referrer"]) == ("one.example", "two.example")
    assert (seen["device_type"], seen["operating_system"]) == ("mobile", "iOS")
    assert (seen["locale"], seen["timezone"]) == ("it-IT", "Europe/Rome")
    assert seen["search_terms"] == ["boots 0", "boots 1"]
    assert seen["last_page"] == "/shoes"
    assert "anna" not in str(seen)
    # From where somebody came is of a category that advertising has; with what is not.
    others = (await shop.decision("advertising", "user_id:anna-0001"))["features"]
    assert others["last_campaign"] == "summer"
    assert not others.keys() & {"device_type", "operating_system", "locale", "last_channel"}
