"""Whoever belongs to an account has its traits, as far as the purpose may use those who told them."""

from collections.abc import Callable
from functools import partial
from random import Random

import pytest
import pytest_asyncio

from assent.core.time import SECOND, Instant, format_time
from assent.ingest import drafts
from assent.ingest.contents import contents
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, subject
from tests.support.policy_documents import shipped, with_companies

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def group(shop: Shop, who: str, company: str, **traits: object) -> None:
    """Say that somebody belongs to a company, and something of it."""
    response = await shop.track("group", anonymousId=who, groupId=company, traits=traits)
    assert response.json()["accepted"] == 1, response.text


async def plan(shop: Shop, purpose: str, who: str) -> object:
    """Return what a purpose sees of the plan of somebody's company."""
    return (await shop.decision(purpose, f"anonymous_id:{who}"))["features"].get("company_plan")


@pytest_asyncio.fixture(loop_scope="session")
async def shop(open_shop: OpenShop) -> Shop:
    """A shop whose policy knows of companies."""
    return await open_shop(with_companies())


async def members(shop: Shop, audience: str, purpose: str = "personalisation") -> int:
    """Return how many are in an audience."""
    response = await shop.ask(
        "POST", f"/v1/audiences/{audience}/count", {"purpose": purpose}, by=f"engine:{purpose}"
    )
    assert response.status_code == 200, response.text
    return int(response.json()["count"])


async def consenting(shop: Shop, *who: str, purpose: str = "personalisation") -> None:
    for one in who:
        await shop.given(f"anonymous_id:{one}", purpose)


async def test_a_trait_that_one_member_told_is_everybodys_who_belongs(shop: Shop) -> None:
    await consenting(shop, "a1", "b1", "c1")
    await group(shop, "a1", "acme", plan="pro", seats=12)
    await group(shop, "b1", "acme")
    await group(shop, "c1", "globex")
    assert await plan(shop, "personalisation", "b1") == "pro"
    assert await plan(shop, "personalisation", "c1") is None
    # Belonging to one company makes nobody one person.
    seen = (await shop.decide("personalisation", "anonymous_id:a1", "anonymous_id:b1")).json()["decisions"]
    assert seen[0]["subject"] != seen[1]["subject"]


async def test_an_audience_follows_a_company_and_stops_when_the_one_who_told_withdraws(shop: Shop) -> None:
    await consenting(shop, "a1", "b1")
    await shop.save("pros", 'company_plan = "pro"', "personalisation")
    await shop.save("others", 'not company_plan = "pro"', "personalisation")
    await shop.save("unknown", "company_plan is absent", "personalisation")
    await group(shop, "b1", "acme")
    assert [await members(shop, one) for one in ("pros", "others", "unknown")] == [0, 0, 0]
    await group(shop, "a1", "acme", plan="pro")
    assert [await members(shop, one) for one in ("pros", "others", "unknown")] == [2, 0, 0]
    await shop.state("anonymous_id:a1", "personalisation", "withdrawn")
    # What nobody says any more is not known: neither is it so, nor is it not so.
    assert [await members(shop, one) for one in ("pros", "others", "unknown")] == [0, 0, 0]
    assert await plan(shop, "personalisation", "b1") is None


async def test_a_withdrawal_does_not_bring_back_what_an_older_word_said(shop: Shop) -> None:
    await consenting(shop, "a1", "b1", "c1")
    await group(shop, "b1", "acme", plan="pro")
    await group(shop, "a1", "acme", plan="free")
    await group(shop, "c1", "acme")
    assert await plan(shop, "personalisation", "c1") == "free"
    await shop.state("anonymous_id:a1", "personalisation", "withdrawn")
    assert await plan(shop, "personalisation", "c1") is None
    await group(shop, "b1", "acme", plan="pro")
    assert await plan(shop, "personalisation", "c1") == "pro"


async def test_who_would_read_an_older_word_again_may_not_reach_back(open_shop: OpenShop) -> None:
    documents = with_companies()
    documents["purposes"]["purposes"]["personalisation"]["retroactive"].append("company")
    shop = await open_shop(shipped())
    response = await shop.ask("POST", "/v1/policies", {"documents": documents, "activate": True})
    assert response.status_code == 400, response.text
    assert "retroactive.2: expected a category without accounts" in response.text


def _believing(said: Callable[..., Json], *given: Json, **_: Json) -> Json:
    return said(*given)


async def test_a_browsers_word_on_an_account_tells_it_nothing_and_nobody_else(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await consenting(shop, "a1", "b1")
    await group(shop, "a1", "acme", plan="pro")
    said = {"anonymousId": "b1", "groupId": "acme", "traits": {"plan": "free"}}
    assert (await shop.track("group", by="browser", **said)).status_code == 200
    assert await plan(shop, "personalisation", "b1") is None
    assert await plan(shop, "personalisation", "a1") == "pro"
    with monkeypatch.context() as patched:  # the canary: a browser is believed
        patched.setattr(drafts, "contents", partial(_believing, contents))
        await shop.track("group", by="browser", **said)
        assert await plan(shop, "personalisation", "a1") == "free"


async def test_a_purpose_sees_only_what_those_told_who_permit_it(shop: Shop) -> None:
    await consenting(shop, "a1", "b1")
    await consenting(shop, "b1", purpose="advertising")
    await group(shop, "a1", "acme", plan="pro")
    await group(shop, "b1", "acme")
    assert await plan(shop, "personalisation", "b1") == "pro"
    assert await plan(shop, "advertising", "b1") is None
    assert await plan(shop, "analytics", "b1") is None


async def test_the_company_named_last_is_somebodys_own_whatever_came_in_first(shop: Shop) -> None:
    await consenting(shop, "a1", "b1")
    now = shop.clock.now
    await group(shop, "a1", "acme", plan="pro")
    await shop.track(
        "group", anonymousId="b1", groupId="acme", timestamp=format_time(Instant(now + 40 * SECOND))
    )
    await shop.track("group", anonymousId="a1", groupId="globex", traits={"plan": "free"})
    assert await plan(shop, "personalisation", "a1") == "free"


async def test_a_trait_that_is_taken_back_is_nobodys(shop: Shop) -> None:
    await consenting(shop, "a1", "b1")
    await group(shop, "a1", "acme", plan="pro")
    await group(shop, "b1", "acme", plan=None)
    assert await plan(shop, "personalisation", "a1") is None


async def test_erasing_who_told_takes_what_only_they_told(shop: Shop) -> None:
    await consenting(shop, "a1", "b1")
    await shop.save("pros", 'company_plan = "pro"', "personalisation")
    await group(shop, "a1", "acme", plan="pro")
    await group(shop, "b1", "acme")
    assert await members(shop, "pros") == 2
    token = await shop.token("anonymous_id:a1")
    response = await shop.ask("DELETE", "/v1/me", by=token)
    assert response.status_code == 200, response.text
    assert await members(shop, "pros") == 0
    assert await plan(shop, "personalisation", "b1") is None


async def test_time_that_ends_the_tellers_consent_ends_what_they_told(shop: Shop) -> None:
    await consenting(shop, "b1")
    await shop.state(
        "anonymous_id:a1",
        "personalisation",
        "given",
        expires_at=format_time(Instant(shop.clock.now + 60 * SECOND)),
    )
    await shop.save("pros", 'company_plan = "pro"', "personalisation")
    await group(shop, "a1", "acme", plan="pro")
    await group(shop, "b1", "acme")
    assert await members(shop, "pros") == 2
    shop.clock.step(120 * SECOND)
    assert await members(shop, "pros") == 0
    assert await plan(shop, "personalisation", "b1") is None


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_of_arrival_does_not_matter(shop: Shop, seed: int) -> None:
    await consenting(shop, "a1", "b1", "c1")
    began = shop.clock.now
    shop.clock.step(100 * SECOND)
    said: list[tuple[str, str, dict[str, object]]] = [
        ("a1", "acme", {"plan": "pro", "seats": 1}),
        ("b1", "acme", {"plan": "free"}),
        ("a1", "globex", {"plan": "trial"}),
        ("c1", "acme", {"seats": 3}),
        ("b1", "globex", {}),
        ("b1", "acme", {"seats": 2}),
    ]
    calls = [
        {
            "type": "group",
            "anonymousId": who,
            "groupId": company,
            "traits": traits,
            "timestamp": format_time(Instant(began + (10 + place) * SECOND)),
        }
        for place, (who, company, traits) in enumerate(said)
    ]
    Random(seed).shuffle(calls)
    for call in calls:
        await shop.ask("POST", "/v1/batch", {"batch": [call]}, by="collector")
    seen = (
        await shop.decide("personalisation", *(f"anonymous_id:{one}" for one in ("a1", "b1", "c1")))
    ).json()
    told = [
        {name: value for name, value in one["features"].items() if name.startswith("company")}
        for one in seen["decisions"]
    ]
    acme = {"company_plan": "free", "company_seats": 2}
    assert told == [{"company_plan": "trial"}, acme, acme]


async def test_an_officer_sees_what_somebody_belongs_to(shop: Shop) -> None:
    await consenting(shop, "a1")
    await group(shop, "a1", "acme", plan="pro")
    seen = await shop.post("/v1/audit/subject", {"subject": subject("anonymous_id:a1")}, by="dpo", status=200)
    (belonging,) = seen["accounts"]
    assert (belonging["account"], belonging["value"]) == ("company", "acme")


@pytest.mark.parametrize(
    "rule", ['held(company_plan = "pro", at least 1d)', 'bucket("s", of company_seats, from 0 to 0.5)']
)
async def test_rules_that_would_need_the_whole_account_are_refused(shop: Shop, rule: str) -> None:
    response = await shop.save("pros", rule, "personalisation")
    assert response.status_code == 422, response.text
