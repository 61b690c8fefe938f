"""What a link, its end or other documents would do: told before, and then true; nothing changes by asking."""

import pytest

from assent.ingest.board import Board
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
BRUNO = "user_id:bruno-002"
COOKIE = "anonymous_id:zebra-17"
PURPOSE = "personalisation"
SPENDERS = {"op": "ge", "feature": "order_count", "value": 2}


async def supposed(shop: Shop, **body: Json) -> Json:
    return await shop.post("/v1/identities/simulate", body, by="dpo", status=200)


def link(start: str, end: str, kind: str, **more: Json) -> Json:
    return {"from": subject(start), "to": subject(end), "kind": kind, **more}


def told(found: Json, groups: list[list[str]]) -> set[frozenset[str]]:
    """Return groups of ids by what they stand for."""
    names = {one["id"]: f"{one['namespace']}:{one['value']}" for one in found["identifiers"]}
    return {frozenset(names[one] for one in group) for group in groups}


def of(found: Json, purpose: str) -> Json:
    return next((one for one in found["purposes"] if one["purpose"] == purpose), None)


async def resolved(shop: Shop, who: str, purpose: str | None = None) -> frozenset[str]:
    body = {"subject": subject(who), "purpose": purpose}
    found = await shop.post("/v1/identities/resolve", body, by="dpo", status=200)
    return frozenset(f"{one['namespace']}:{one['value']}" for one in found["identifiers"])


async def state(shop: Shop, *links: Json) -> None:
    await shop.post("/v1/identities/links", {"links": [*links]}, by="dpo")


async def two(shop: Shop) -> None:
    """A person who bought once, a browser where somebody did, both agreed; an audience of who did twice."""
    for one in (ANNA, COOKIE):
        await shop.given(one, PURPOSE)
        await shop.bought(one, 10)
    await shop.save("spenders", SPENDERS, PURPOSE)


async def test_a_link_that_is_supposed_is_told_as_it_would_be_and_changes_nothing(shop: Shop) -> None:
    await two(shop)
    before = await shop.revision()
    found = await supposed(shop, links=[link(ANNA, COOKIE, "asserted")])
    assert told(found, found["clusters"]["before"]) == {frozenset({ANNA}), frozenset({COOKIE})}
    assert told(found, found["clusters"]["after"]) == {frozenset({ANNA, COOKIE})}
    (change,) = of(found, PURPOSE)["audiences"]
    assert (change["audience"], change["leaves"]) == ("spenders", [])
    assert told(found, [change["enters"]]) == {frozenset({ANNA, COOKIE})}
    assert await shop.revision() == before
    assert await resolved(shop, ANNA) == {ANNA}
    await state(shop, link(ANNA, COOKIE, "asserted"))
    assert await resolved(shop, ANNA) == {ANNA, COOKIE}


async def test_an_unlink_that_is_supposed_is_told_as_it_would_be(shop: Shop) -> None:
    await two(shop)
    await state(shop, link(ANNA, COOKIE, "asserted"))
    for kind in ("denied", "retracted"):
        found = await supposed(shop, links=[link(ANNA, COOKIE, kind)])
        assert told(found, found["clusters"]["after"]) == {frozenset({ANNA}), frozenset({COOKIE})}
        (change,) = of(found, PURPOSE)["audiences"]
        assert told(found, [change["leaves"]]) == {frozenset({ANNA, COOKIE})}
        assert not change["enters"]
    await state(shop, link(ANNA, COOKIE, "retracted"))
    assert await resolved(shop, ANNA) == {ANNA}


async def test_what_a_denial_of_the_other_would_close_is_told(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 10)
    assert (await shop.state(COOKIE, PURPOSE, "refused")).status_code == 201
    found = await supposed(shop, links=[link(ANNA, COOKIE, "asserted")])
    (decision,) = of(found, PURPOSE)["decisions"]
    assert told(found, [[decision["identifier"]]]) == {frozenset({ANNA})}
    assert decision["gains"] == []
    assert "orders" in decision["loses"]


async def test_a_browser_that_would_be_nobodys_and_one_that_would_be_given_back(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    found = await supposed(shop, links=[link(BRUNO, COOKIE, "asserted")])
    assert told(found, [found["nobodys"]["after"]]) == {frozenset({COOKIE})}
    assert [one["seen"] for one in found["identifiers"] if one["value"] == "bruno-002"] == [False]
    await state(shop, link(BRUNO, COOKIE, "asserted"))
    found = await supposed(shop, lift=[subject(COOKIE)])
    assert told(found, [found["nobodys"]["before"]]) == {frozenset({COOKIE})}
    assert found["nobodys"]["after"] == []


async def test_another_policy_is_supposed_for_the_people_named(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    await shop.bought(BRUNO, 10, anonymousId="zebra-17")
    identity = {**shipped()["identity"], "conflict": "last_authenticated"}
    found = await supposed(shop, documents={"identity": identity}, subjects=[subject(ANNA)])
    assert told(found, found["clusters"]["after"]) == {frozenset({BRUNO, COOKIE})}
    assert found["nobodys"]["after"] == []
    assert await resolved(shop, BRUNO) == {BRUNO}


async def test_it_is_recorded_as_access(shop: Shop) -> None:
    await two(shop)
    found = await supposed(shop, links=[link(ANNA, COOKIE, "asserted")])
    listed = await shop.ask("POST", "/v1/audit/access", {}, by="dpo")
    assert found["release"] in str(listed.json())


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "unreadable_body", "/links"),
        ({"links": [link(ANNA, ANNA, "asserted")]}, "malformed_identifier", "/links/0/to"),
        ({"links": [link(ANNA, COOKIE, "probable")]}, "unreadable_body", "/links/0/weight"),
        ({"links": [link("x:1", COOKIE, "asserted")]}, "unknown_namespace", "/links/0/from/namespace"),
        ({"lift": [subject("anonymous_id:never-seen")]}, "fact_rejected", None),
        ({"documents": {"identity": {"format": "no"}}}, "unreadable_body", None),
    ],
)
async def test_what_cannot_be_supposed_is_refused(
    shop: Shop, body: Json, code: str, pointer: str | None
) -> None:
    response = await shop.ask("POST", "/v1/identities/simulate", body, by="dpo")
    assert 400 <= response.status_code < 500
    assert response.json()["code"] == code
    assert pointer is None or response.json()["errors"][0]["pointer"] == pointer


async def test_an_engine_may_not_ask(shop: Shop) -> None:
    body = {"links": [link(ANNA, COOKIE, "asserted")]}
    refused(await shop.ask("POST", "/v1/identities/simulate", body, by=f"engine:{PURPOSE}"), 403, "forbidden")


async def test_a_supposition_that_forgets_its_facts_is_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two(shop)
    monkeypatch.setattr(Board, "apply", lambda *_: None)
    found = await supposed(shop, links=[link(ANNA, COOKIE, "asserted")])
    assert found["clusters"] is None


async def test_whoever_begins_anew_and_was_never_seen_is_pointed_at(shop: Shop) -> None:
    await two(shop)
    body = {"lift": [subject(ANNA), subject("anonymous_id:never-seen")]}
    refused(
        await shop.ask("POST", "/v1/identities/simulate", body, by="dpo"), 422, "fact_rejected", "/lift/1"
    )
