"""Why two identifiers are, or are not, one person; and the drawing of it."""

import asyncio
from importlib import import_module
from xml.etree import ElementTree as ET

import pytest

from assent.core.time import format_time
from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
COOKIE = "anonymous_id:zebra-17"
OTHER = "anonymous_id:heron-08"


async def explained(shop: Shop, start: str, end: str, **more: Json) -> Json:
    body = {"from": subject(start), "to": subject(end), **more}
    return await shop.post("/v1/identities/explain", body, by="dpo", status=200)


async def drawn(shop: Shop, who: str = ANNA, **more: Json) -> str:
    response = await shop.ask("POST", "/v1/identities/picture", {"subject": subject(who), **more}, by="dpo")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/svg+xml"
    ET.fromstring(response.text)
    return response.text


async def deny(shop: Shop, one: str, other: str) -> None:
    denial = {"links": [{"from": subject(one), "to": subject(other), "kind": "denied"}]}
    await shop.post("/v1/identities/links", denial, by="dpo")


async def test_a_chain_names_each_link_with_its_evidence_and_entries(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    await shop.bought(ANNA, 10, anonymousId="heron-08")
    found = await explained(shop, COOKIE, OTHER)
    assert found["together"]
    first, second = found["chain"]
    assert (first["from"], first["to"]) == (subject(COOKIE), subject(ANNA))
    assert (second["from"], second["to"]) == (subject(ANNA), subject(OTHER))
    assert first["counts"]
    assert first["kind"] == "observed"
    (proof,) = first["evidence"]
    assert proof == {"entry": proof["entry"], "source": "collector", "said": "track"}
    assert proof["entry"] < second["evidence"][0]["entry"]


async def test_a_purpose_that_may_not_use_a_link_says_why(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    found = await explained(shop, ANNA, COOKIE, purpose="advertising")
    assert not found["together"]
    (link,) = found["chain"]
    assert link["fault"] == "linking_not_agreed"
    assert link["basis"] == {
        "legal_basis": "consent",
        "kinds": ["asserted", "observed"],
        "agreement": {"asked": True, "entry": None},
    }
    assert (await explained(shop, ANNA, COOKIE, purpose="service"))["together"]


async def test_who_agreed_is_named_by_the_entry(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    await shop.given(COOKIE, "identity_linking")
    found = await explained(shop, ANNA, COOKIE, purpose="advertising")
    assert found["together"]
    assert found["chain"][0]["basis"]["agreement"] == {"asked": True, "entry": await shop.revision() - 1}


async def test_a_denied_pair_and_a_stranger_are_apart_for_their_own_reasons(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    assert (await explained(shop, ANNA, COOKIE))["denied"] is None
    await deny(shop, ANNA, COOKIE)
    denial = {
        "at": format_time(shop.clock.now),
        "evidence": {"entry": await shop.revision() - 1, "source": "dpo", "said": "denied"},
    }
    for ends in ((ANNA, COOKIE), (COOKIE, ANNA)):
        assert await explained(shop, *ends) == {"together": False, "chain": None, "denied": denial}
    stranger = await explained(shop, ANNA, "anonymous_id:never-seen")
    assert stranger == {"together": False, "chain": None, "denied": None}
    assert await explained(shop, ANNA, ANNA) == {"together": True, "chain": [], "denied": None}


async def test_a_denied_pair_that_others_hold_together_says_both(shop: Shop) -> None:
    await deny(shop, ANNA, COOKIE)
    address = {"email": "anna@example.org"}
    await shop.track("track", event="Order Completed", userId="anna-0001", properties=address)
    await shop.track("track", event="Order Completed", anonymousId="zebra-17", properties=address)
    found = await explained(shop, ANNA, COOKIE)
    assert found["together"]
    assert [step["to"]["value"] for step in found["chain"]] == ["anna@example.org", "zebra-17"]
    assert found["denied"]["evidence"]["said"] == "denied"


async def test_a_picture_draws_what_counts_and_what_does_not(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    assert 'class="bridge"' in await drawn(shop)
    picture = await drawn(shop, purpose="advertising")
    assert 'class="dropped"' in picture
    assert "observed: linking_not_agreed" in picture
    assert "anonymous_id zebra-17" in picture


async def test_a_picture_of_hostile_names_stays_a_picture(shop: Shop) -> None:
    await shop.bought(ANNA, 10, anonymousId='</text><script>alert("1")</script>')
    picture = await drawn(shop)
    assert "<script" not in picture
    assert "&lt;script&gt;" in picture


@pytest.mark.parametrize(
    ("path", "body", "worked_out"),
    [
        ("picture", {"subject": subject(ANNA)}, "assent.http.explanations.picture"),
        ("simulate", {"lift": [subject(ANNA)]}, "assent.http.suppositions.suppose"),
    ],
)
async def test_what_takes_seconds_of_many_is_worked_out_beside_what_engines_ask(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, path: str, body: Json, worked_out: str
) -> None:
    await shop.bought(ANNA, 10, anonymousId="zebra-17")
    module, _, name = worked_out.rpartition(".")
    sound = getattr(import_module(module), name)
    beside: list[bool] = []

    def noted(*asked: object) -> object:
        beside.append(asyncio._get_running_loop() is None)
        return sound(*asked)

    monkeypatch.setattr(worked_out, noted)
    assert (await shop.ask("POST", f"/v1/identities/{path}", body, by="dpo")).status_code == 200
    assert beside == [True]


@pytest.mark.parametrize("path", ["explain", "picture"])
async def test_only_an_officer_may_ask(shop: Shop, path: str) -> None:
    response = await shop.ask("POST", f"/v1/identities/{path}", {}, by="engine:service")
    refused(response, 403, "forbidden")


async def test_a_view_is_of_a_purpose_that_exists(shop: Shop) -> None:
    body = {"from": subject(ANNA), "to": subject(COOKIE), "purpose": "world_domination"}
    refused(
        await shop.ask("POST", "/v1/identities/explain", body, by="dpo"), 422, "unknown_purpose", "/purpose"
    )
