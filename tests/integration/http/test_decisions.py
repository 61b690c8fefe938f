"""Decisions: what a purpose may know of somebody, and the one answer about everybody else."""

import re

import httpx
import pytest

from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"
COOKIE = "anonymous_id:zebra-17"
ANNA = "user_id:anna-0001"
NOBODY: dict[str, Json] = {"subject": None, "tier": None, "features": {}, "audiences": [], "buckets": {}}


def without_numbers(response: httpx.Response) -> bytes:
    """Return an answer without the number of its record, which counts the question itself."""
    return re.sub(rb'"release":"r:\d+"', b'"release":"r:"', response.content)


async def test_somebody_permitted_is_answered_with_what_is_known(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12.5, context={"traits": {"country": "IT"}})
    response = await shop.decide(PURPOSE, ANNA)
    document = response.json()
    assert document.keys() == {"decisions", "sequence", "release"}
    assert response.headers["assent-sequence"] == str(document["sequence"])
    assert "assent-revision" not in response.headers
    (found,) = document["decisions"]
    assert found["features"].items() >= {"country": "IT", "order_count": 1, "order_value": 12.5}.items()
    assert (found["tier"], found["audiences"], found["buckets"]) == ("named", [], {})
    assert re.fullmatch(r"k[a-z2-7]{32}", found["subject"])
    assert "anna-0001" not in response.text


async def test_decisions_come_in_the_order_asked_for(shop: Shop) -> None:
    await shop.given(COOKIE, PURPOSE)
    await shop.track("track", anonymousId="zebra-17", event="Product Viewed")
    known, nobody = subject(COOKIE), subject("anonymous_id:never-seen")
    body = {"purpose": PURPOSE, "subjects": [nobody, known, nobody, known]}
    answered = (await shop.ask("POST", "/v1/decisions", body, by=f"engine:{PURPOSE}")).json()["decisions"]
    assert [one == NOBODY for one in answered] == [True, False, True, False]


async def test_hidden_absent_never_seen_and_not_permitted_are_one_answer(shop: Shop) -> None:
    await shop.given("user_id:withdrew", PURPOSE)
    await shop.bought("user_id:withdrew", 10)
    await shop.state("user_id:withdrew", PURPOSE, "withdrawn")
    await shop.state("user_id:refused", PURPOSE, "refused")
    await shop.bought("user_id:refused", 10)
    await shop.bought("user_id:customer", 10)  # kept for the service alone
    await shop.given("user_id:elsewhere", "analytics")
    await shop.bought("user_id:elsewhere", 10)
    nobodies = [
        "user_id:withdrew",
        "user_id:refused",
        "user_id:customer",
        "user_id:elsewhere",
        "user_id:never-seen",
        "user_id:undefined",  # blocked
        "email:not an address",  # malformed
        "phone:not a number",
    ]
    alone = [await shop.decide(PURPOSE, who) for who in nobodies]
    assert {response.status_code for response in alone} == {200}
    assert {without_numbers(response) for response in alone} == {without_numbers(alone[0])}
    assert {tuple(sorted(response.headers.keys())) for response in alone} == {
        tuple(sorted(alone[0].headers.keys()))
    }
    together = (await shop.decide(PURPOSE, *nobodies)).json()["decisions"]
    assert together == [NOBODY] * len(nobodies)


async def test_a_purpose_that_must_be_opened_by_a_person_is_not_opened_by_a_browser(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    assert (await shop.decision("service", ANNA))["tier"] == "named"
    assert await shop.decision("service", COOKIE) == NOBODY


async def test_two_consumers_know_one_person_by_two_names(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE, "analytics")
    await shop.bought(ANNA, 10)
    key = (
        await shop.post(
            "/v1/keys", {"role": "engine", "purposes": [PURPOSE, "analytics"], "consumer": "other"}
        )
    )["key"]
    body = {"purpose": PURPOSE, "subjects": [subject(ANNA)]}
    names = {
        (await shop.decision(PURPOSE, ANNA))["subject"],
        (await shop.decision("analytics", ANNA))["subject"],
        (await shop.ask("POST", "/v1/decisions", body, by=key)).json()["decisions"][0]["subject"],
    }
    assert len(names) == 3


async def test_audiences_are_told_by_name(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 10)
    await shop.save("buyers", {"op": "ge", "feature": "order_count", "value": 1}, PURPOSE)
    await shop.save("big_spenders", {"op": "ge", "feature": "order_value", "value": 100}, PURPOSE)
    await shop.save("elsewhere", {"op": "ge", "feature": "order_count", "value": 1}, "analytics")
    for asked, told in [([], []), (["*"], ["buyers"]), (["buyers", "big_spenders"], ["buyers"])]:
        response = await shop.decide(PURPOSE, ANNA, audiences=asked)
        assert response.json()["decisions"][0]["audiences"] == told


async def test_the_context_of_a_request_is_not_stored(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    before = await shop.revision()
    assert (await shop.decide(PURPOSE, ANNA, context={"device": "mobile"})).status_code == 200
    assert await shop.revision() == before


async def test_rules_ask_what_a_request_says_of_itself(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 10)
    rules = {
        "handheld": 'context.device in ("mobile", "tablet") and order_count >= 1',
        "later": 'not audience("handheld")',
        "dear": "score(1 if context.cart.value >= 99.5, 1 if everyone, at least 2)",
        "buyers": "order_count >= 1",
    }
    for name, rule in rules.items():
        assert (await shop.save(name, rule, PURPOSE)).status_code == 200
    for context, told in [
        ({"device": "mobile"}, ["buyers", "handheld"]),
        ({"device": "desktop", "cart": {"value": 99.5}}, ["buyers", "dear", "later"]),
        ({"device": None, "cart": {"value": "99.5"}}, ["buyers", "later"]),
        ({"device": ["tablet"], "cart": 100}, ["buyers", "handheld"]),
        ({"order_count": 0}, ["buyers"]),
        ({}, ["buyers"]),  # what is not said is unknown, and so is its opposite
    ]:
        response = await shop.decide(PURPOSE, ANNA, context=context, audiences=["*"])
        assert response.json()["decisions"][0]["audiences"] == told
    for name, count in (("handheld", 0), ("later", 0), ("dear", 0), ("buyers", 1)):
        body = {"purpose": PURPOSE}
        counted = await shop.post(f"/v1/audiences/{name}/count", body, by=f"engine:{PURPOSE}", status=200)
        assert counted["count"] == count
        path = f"/v1/audiences/{name}/changes?purpose={PURPOSE}"
        changes = (await shop.ask("GET", path, by=f"engine:{PURPOSE}")).json()["changes"]
        assert [one["kind"] for one in changes] == ["entered"] * count
    asked = {"subject": subject(ANNA), "audience": "handheld", "purpose": PURPOSE}
    told = (await shop.post("/v1/audit/membership", asked, by="dpo", status=200))["tree"]["of"]
    assert [one["why"] for one in told] == ["request", "value"]


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"op": "lt", "feature": "context.hour", "value": "noon"}, "/rule/value"),
        ({"op": "recent", "feature": "context.at", "from": "-P1D"}, "/rule/op"),
        ({"op": "in", "feature": "context.device", "values": [[]]}, "/rule/values/0"),
    ],
)
async def test_what_cannot_be_asked_of_a_request_is_refused(shop: Shop, rule: Json, pointer: str) -> None:
    refused(await shop.save("odd", rule, PURPOSE), 422, "wrong_type", pointer)


async def test_an_unknown_audience_and_another_purposes_are_refused_alike(shop: Shop) -> None:
    await shop.save("elsewhere", {"op": "ge", "feature": "order_count", "value": 1}, "analytics")
    other = await shop.decide(PURPOSE, ANNA, audiences=["elsewhere"])
    never = await shop.decide(PURPOSE, ANNA, audiences=["never_was"])
    refused(other, 404, "unknown_audience", "/audiences/0")
    assert other.content == never.content


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"purpose": "world_domination"}, 422, "unknown_purpose", "/purpose"),
        ({"purpose": "analytics"}, 403, "purpose_not_bound", "/purpose"),
        ({"subjects": []}, 400, "unreadable_body", "/subjects"),
        ({"subjects": [subject(ANNA)] * 101}, 400, "unreadable_body", "/subjects"),
        ({"subjects": [subject(ANNA), subject("loyalty:gold-1234")]}, 422, "unknown_namespace", None),
        ({"subjects": ["anna"]}, 400, "unreadable_body", "/subjects/0"),
        ({"context": []}, 400, "unreadable_body", "/context"),
        ({"audiences": "*"}, 400, "unreadable_body", "/audiences"),
        ({"explain": True}, 400, "unreadable_body", None),
    ],
)
async def test_a_question_that_cannot_be_asked_is_refused(
    shop: Shop, change: Json, status: int, code: str, pointer: str | None
) -> None:
    body = {"purpose": PURPOSE, "subjects": [subject(ANNA)], **change}
    response = await shop.ask("POST", "/v1/decisions", body, by=f"engine:{PURPOSE}")
    refused(response, status, code, pointer)


async def test_an_unknown_namespace_is_pointed_at(shop: Shop) -> None:
    response = await shop.decide(PURPOSE, ANNA, "loyalty:gold-1234")
    refused(response, 422, "unknown_namespace", "/subjects/1/namespace")


async def test_engines_alone_ask(shop: Shop) -> None:
    body = {"purpose": PURPOSE, "subjects": [subject(ANNA)]}
    for by in ("collector", "browser", "issuer", "dpo", "admin"):
        refused(await shop.ask("POST", "/v1/decisions", body, by=by), 403, "forbidden")
    refused(await shop.http.post("/v1/decisions", json=body), 401, "unauthorized")
