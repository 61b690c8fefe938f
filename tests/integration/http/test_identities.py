"""Who belongs together, in the one resolution and in a purpose's view of it; and links that are stated."""

import pytest

from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
COOKIE = "anonymous_id:zebra-17"


def link(kind: str, start: str = ANNA, end: str = COOKIE) -> Json:
    return {"from": subject(start), "to": subject(end), "kind": kind}


async def resolved(shop: Shop, who: str = ANNA, **more: Json) -> Json:
    return await shop.post("/v1/identities/resolve", {"subject": subject(who), **more}, by="dpo", status=200)


async def people(shop: Shop, who: str = ANNA, **more: Json) -> set[str]:
    return {one["value"] for one in (await resolved(shop, who, **more))["identifiers"]}


async def test_what_was_seen_together_is_one_person(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    for who in (ANNA, COOKIE):
        assert await people(shop, who) == {"anna-0001", "zebra-17"}
    assert (await resolved(shop))["tier"] == "named"


async def test_nobody_is_known_who_was_never_seen(shop: Shop) -> None:
    assert (await resolved(shop))["identifiers"] == []


async def test_a_link_is_stated_and_denied(shop: Shop) -> None:
    stated = await shop.ask("POST", "/v1/identities/links", {"links": [link("asserted")]}, by="dpo")
    assert stated.status_code == 201
    revision = await shop.revision()
    assert stated.json() == {"links": [{"index": revision - 1, "code": None}], "revision": revision}
    assert stated.headers["assent-revision"] == str(revision)
    assert await people(shop) == {"anna-0001", "zebra-17"}
    await shop.post("/v1/identities/links", {"links": [link("denied")]}, by="dpo")
    assert await people(shop) == {"anna-0001"}


async def test_a_purposes_view_may_see_two_where_the_resolution_sees_one(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    # Advertising joins devices only for who agreed to it.
    assert await people(shop, purpose="advertising") == {"anna-0001"}
    assert await people(shop, purpose="service") == {"anna-0001", "zebra-17"}


async def test_what_was_stated_is_taken_back_and_what_was_observed_stands(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    await shop.post("/v1/identities/links", {"links": [link("asserted")]}, by="dpo")
    await shop.post("/v1/identities/links", {"links": [link("retracted")]}, by="dpo")
    assert await people(shop) == {"anna-0001", "zebra-17"}
    await shop.post(
        "/v1/identities/links", {"links": [link("asserted", end="email:anna@example.org")]}, by="dpo"
    )
    assert "anna@example.org" in await people(shop)
    await shop.post(
        "/v1/identities/links", {"links": [link("retracted", end="email:anna@example.org")]}, by="dpo"
    )
    assert await people(shop) == {"anna-0001", "zebra-17"}


async def test_a_denial_is_taken_back_and_new_evidence_links_again(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    for kind in ("denied", "retracted"):
        await shop.post("/v1/identities/links", {"links": [link(kind)]}, by="dpo")
        assert await people(shop) == {"anna-0001"}
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    assert await people(shop) == {"anna-0001", "zebra-17"}


async def test_a_shared_browser_is_lifted_and_begins_anew(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    await shop.bought("user_id:bert-0002", 10, anonymousId="zebra-17")
    assert [one["value"] for one in (await resolved(shop))["shared"]] == ["zebra-17"]
    await shop.post("/v1/identities/lift", {"subject": subject(COOKIE)}, by="dpo")
    assert (await resolved(shop))["shared"] == []
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    assert await people(shop) == {"anna-0001", "zebra-17"}


async def test_nothing_is_lifted_that_was_never_seen(shop: Shop) -> None:
    before = await shop.revision()
    response = await shop.ask("POST", "/v1/identities/lift", {"subject": subject(COOKIE)}, by="dpo")
    refused(response, 422, "fact_rejected", "/subject")
    assert await shop.revision() == before


async def test_a_models_proposal_joins_for_whom_the_policy_says_so(shop: Shop) -> None:
    documents = shipped()
    documents["identity"]["probable_threshold"] = 0.8
    documents["purposes"]["purposes"]["analytics"]["links"]["kinds"].append("probable")
    await shop.open(documents)
    await shop.given(ANNA, "analytics", "personalisation")
    await shop.given(COOKIE, "analytics", "personalisation")
    for weight, joined in ((0.79, False), (0.8, True)):
        guess = {**link("probable"), "weight": weight, "model": "households-3"}
        await shop.post("/v1/identities/links", {"links": [guess]}, by="dpo")
        assert (await people(shop, purpose="analytics") == {"anna-0001", "zebra-17"}) is joined
        assert await people(shop, purpose="personalisation") == {"anna-0001"}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"kind": "probable", "model": "m"}, "/links/0/weight"),
        ({"kind": "probable", "weight": 0.5}, "/links/0/model"),
        ({"kind": "asserted", "weight": 0.5}, "/links/0/weight"),
        ({"kind": "probable", "weight": 0, "model": "m"}, "/links/0/weight"),
        ({"kind": "probable", "weight": 1.1, "model": "m"}, "/links/0/weight"),
    ],
)
async def test_a_proposal_says_whose_it_is_and_how_sure(shop: Shop, more: Json, pointer: str) -> None:
    body = {"links": [{**link("asserted"), **more}]}
    refused(await shop.ask("POST", "/v1/identities/links", body, by="dpo"), 400, "unreadable_body", pointer)


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"links": []}, 400, "unreadable_body", "/links"),
        ({"links": [link("rumoured")]}, 400, "unreadable_body", "/links/0/kind"),
        ({"links": [link("asserted", end=ANNA)]}, 422, "malformed_identifier", "/links/0/to"),
        (
            {"links": [link("asserted", start="loyalty:gold-1234")]},
            422,
            "unknown_namespace",
            "/links/0/from/namespace",
        ),
        (
            {"links": [link("asserted", end="email:anna at home")]},
            422,
            "malformed_identifier",
            "/links/0/to/value",
        ),
        (
            {"links": [link("asserted", end="user_id:undefined")]},
            422,
            "blocked_identifier",
            "/links/0/to/value",
        ),
    ],
)
async def test_a_link_between_nobodies_is_refused(
    shop: Shop, body: Json, status: int, code: str, pointer: str
) -> None:
    before = await shop.revision()
    refused(await shop.ask("POST", "/v1/identities/links", body, by="dpo"), status, code, pointer)
    assert await shop.revision() == before


async def test_a_view_is_of_a_purpose_that_exists(shop: Shop) -> None:
    body = {"subject": subject(ANNA), "purpose": "world_domination"}
    response = await shop.ask("POST", "/v1/identities/resolve", body, by="dpo")
    refused(response, 422, "unknown_purpose", "/purpose")
