"""What machines and consent platforms say beside events: heard on every collection call, stated once."""

import pytest

from tests.integration.http.conftest import Installation, OpenShop
from tests.integration.http.shop import Json, Shop, statement, subject
from tests.support.policy_documents import Documents, new_version, put, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "zebra-17"
WHO = f"anonymous_id:{NAME}"
ANNA = "user_id:anna-0001"
GPC = {"Sec-GPC": "1"}
VIEWED: Json = {"event": "Product Viewed", "anonymousId": NAME, "properties": {"category": "lanterns"}}


async def call(shop: Shop, path: str = "/v1/track", *, by: str = "collector", **more: Json) -> Json:
    headers = more.pop("headers", {})
    response = await shop.ask("POST", path, {**VIEWED, **more}, by=by, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def reason(shop: Shop, purpose: str = "advertising", who: str = WHO) -> str:
    question = {"question": {"subject": subject(who), "purpose": purpose}}
    return str((await shop.post("/v1/audit/decide", question, by="dpo", status=200))["reason"])


async def statements(shop: Shop) -> int:
    async with shop.service.database.auditor.acquire() as connection:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM projection.statement WHERE controller_id = $1", shop.controller_id
            )
        )


def carrying(**mapped: Json) -> Documents:
    """Return the shipped policy with a consent platform that asks for what it says."""
    documents = shipped()
    for name, choice in mapped.items():
        put(documents, "signals", ("segment_consent", "categories", name), choice)
    return documents


GIVING = {"purpose": "analytics", "notice": 1, "mechanism": "click"}


def preferences(**said: Json) -> Json:
    return {"consent": {"categoryPreferences": said}}


async def test_the_browsers_signal_objects_once_and_before_the_event_that_brings_it(shop: Shop) -> None:
    await shop.given(WHO, "advertising")
    before = await shop.revision()
    await call(shop, headers=GPC)
    assert await reason(shop) == "gpc"
    # The objection alone: the view was advertising's to collect, and is not collected any more.
    assert await shop.revision() == before + 1
    for _ in range(3):
        await call(shop, headers=GPC)
    assert await shop.revision() == before + 1


@pytest.mark.parametrize("value", ["0", "true", "1.0", "01", "1, 1", "", "11", "on"])
async def test_no_other_value_is_the_signal(shop: Shop, value: str) -> None:
    await shop.given(WHO, "advertising")
    before = await statements(shop)
    await call(shop, headers={"Sec-GPC": value})
    assert (await reason(shop), await statements(shop)) == ("permitted", before)


@pytest.mark.parametrize("path", ["/v1/t", "/v1/track"])
async def test_other_purposes_collect_what_the_signal_closes_to_one(shop: Shop, path: str) -> None:
    await shop.given(WHO, "advertising", "personalisation")
    await call(shop, path, headers=GPC)
    assert (await shop.decision("personalisation", WHO))["features"]["products_viewed"] == 1
    assert await reason(shop) == "gpc"


async def test_every_collection_call_hears_the_signal(shop: Shop) -> None:
    async def said(path: str, who: str, body: Json) -> None:
        assert (await shop.ask("POST", path, body, by="collector", headers=GPC)).status_code < 300
        assert await reason(shop, who=who) == "gpc", path

    item = {"type": "track", "event": "Product Viewed"}
    await said("/v1/batch", "anonymous_id:b-1", {"batch": [{**item, "anonymousId": "b-1"}]})
    await said("/v1/identify", "user_id:i-1", {"userId": "i-1"})
    event = {"event": "seen", "distinct_id": "p-1", "properties": {}}
    await said("/batch/", "user_id:p-1", {"batch": [event]})
    stated = {"subject": subject("anonymous_id:c-1"), "statements": [statement("analytics", "given")]}
    await said("/v1/consents", "anonymous_id:c-1", stated)
    assert await reason(shop, "analytics", "anonymous_id:c-1") == "permitted"


async def test_a_yes_said_with_the_signal_still_sent_opens_nothing(shop: Shop) -> None:
    body = {"subject": subject(WHO), "statements": [statement("advertising", "given")]}
    assert (await shop.ask("POST", "/v1/consents", body, by="collector", headers=GPC)).status_code == 201
    assert await reason(shop) == "gpc"


async def test_a_yes_without_the_signal_counts_until_the_signal_comes_again(shop: Shop) -> None:
    await call(shop, headers=GPC)
    await shop.given(WHO, "advertising")
    assert await reason(shop) == "permitted"
    before = await statements(shop)
    await call(shop, headers=GPC)
    await call(shop, headers=GPC)
    assert (await reason(shop), await statements(shop)) == ("gpc", before + 1)


async def test_what_a_person_lifted_for_a_browser_the_browsers_signal_closes_again(shop: Shop) -> None:
    await shop.track("identify", userId="anna-0001", anonymousId=NAME)
    await call(shop, headers=GPC)
    assert await reason(shop, who=ANNA) == "gpc"
    await shop.state(ANNA, "advertising", "given", authenticated=True)
    assert await reason(shop, who=ANNA) == "permitted"
    await call(shop, headers=GPC)
    assert await reason(shop, who=ANNA) == "gpc"


async def test_a_public_key_speaks_for_no_person_but_closes_its_own_event(shop: Shop) -> None:
    await shop.given(ANNA, "advertising")
    body = {"event": "Product Viewed", "userId": "anna-0001"}
    before = await shop.revision()
    response = await shop.ask("POST", "/v1/track", body, by="browser", headers=GPC)
    assert response.json()["accepted"] == 1
    assert await shop.revision() == before
    assert await reason(shop, who=ANNA) == "permitted"
    await shop.ask("POST", "/v1/track", body, by="browser")
    assert await shop.revision() == before + 1


async def test_a_batch_says_it_once_for_each_of_whom_it_is_about(shop: Shop) -> None:
    items = [{**VIEWED, "type": "track", "anonymousId": f"b-{number % 3}"} for number in range(12)]
    before = await statements(shop)
    response = await shop.ask("POST", "/v1/batch", {"batch": items}, by="collector", headers=GPC)
    assert response.json()["accepted"] == 12
    assert await statements(shop) == before + 3


async def test_a_repeated_signal_costs_no_commit(shop: Shop, installation: Installation) -> None:
    await shop.given(WHO, "analytics")
    await call(shop, headers=GPC)
    head = "SELECT at FROM ledger.head WHERE controller_id = $1"
    async with installation.service.database.auditor.acquire() as connection:
        before = await connection.fetchval(head, shop.controller_id)
        # Nobody may collect this event, and the objection stands: nothing is left to write.
        await call(shop, event="Nobody asked", headers=GPC)
        assert await connection.fetchval(head, shop.controller_id) == before


@pytest.mark.parametrize(
    ("said", "closed"),
    [
        ({"ad_storage": "denied"}, {"advertising"}),
        ({"analytics_storage": "denied", "ad_user_data": "granted"}, {"analytics"}),
        ({"default": {"analytics_storage": "denied"}, "update": {"analytics_storage": "granted"}}, set()),
        ({"default": {"ad_storage": "granted"}, "update": {"ad_storage": "denied"}}, {"advertising"}),
        ("G110", {"analytics"}),
        ("G1--", set()),
        ("G2", {"advertising", "analytics"}),
        (["denied"], {"advertising", "analytics"}),
        ({"ad_storage": "Granted"}, {"advertising"}),
        ({"wait_for_update": 500}, set()),
        ({}, set()),
    ],
)
async def test_the_consent_mode_closes_what_is_not_granted(shop: Shop, said: Json, closed: set[str]) -> None:
    await shop.given(WHO, "advertising", "analytics")
    await call(shop, context={"consentMode": said})
    before = await statements(shop)
    await call(shop, context={"consentMode": said})
    assert await statements(shop) == before
    refused = {one for one in ("advertising", "analytics") if await reason(shop, one) == "refused"}
    assert refused == closed


async def test_a_consent_mode_that_grants_gives_nothing(shop: Shop) -> None:
    granted = dict.fromkeys(("ad_storage", "analytics_storage", "ad_user_data"), "granted")
    for said in (granted, {"update": granted}, "G111"):
        await call(shop, context={"consentMode": said})
    assert await reason(shop, "analytics") == "no_statement"
    assert await statements(shop) == 0


async def test_a_pages_default_closes_its_event_and_is_nobodys_statement(shop: Shop) -> None:
    await shop.given(WHO, "analytics")
    before = await shop.revision()
    await call(shop, context={"consentMode": {"default": {"analytics_storage": "denied"}}})
    assert await shop.revision() == before
    assert await reason(shop, "analytics") == "permitted"


async def test_a_platforms_yes_gives_where_it_is_mapped_to_a_notice_and_an_act(open_shop: OpenShop) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    said = preferences(Analytics=True, Advertising=True)
    await call(shop, context=said)
    assert (await reason(shop, "analytics"), await reason(shop)) == ("permitted", "no_statement")
    before = await statements(shop)
    for _ in range(3):
        await call(shop, context=said)
    assert await statements(shop) == before == 1
    assert (await shop.decision("analytics", WHO))["features"]["products_viewed"] == 4


async def test_a_batch_says_no_for_everybody_in_it_and_yes_for_nobody(open_shop: OpenShop) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    item = {**VIEWED, "type": "track"}
    for said, wanted in ((True, "no_statement"), (False, "refused")):
        batch = {"batch": [item], "context": preferences(Analytics=said)}
        await shop.post("/v1/batch", batch, by="collector", status=200)
        assert await reason(shop, "analytics") == wanted


@pytest.mark.parametrize("mechanism", ["scroll", "pre_ticked"])
async def test_a_platforms_yes_without_an_act_gives_nothing(open_shop: OpenShop, mechanism: str) -> None:
    shop = await open_shop(carrying(Analytics={**GIVING, "mechanism": mechanism}))
    await call(shop, context=preferences(Analytics=True))
    assert (await reason(shop, "analytics"), await statements(shop)) == ("no_statement", 0)


@pytest.mark.parametrize("value", [False, None, "true", 1, "yes", {}])
async def test_whatever_is_not_true_refuses(open_shop: OpenShop, value: Json) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    await shop.given(WHO, "analytics")
    await call(shop, context=preferences(Analytics=value))
    assert await reason(shop, "analytics") == "refused"


async def test_a_category_that_is_not_mentioned_says_nothing(shop: Shop) -> None:
    await shop.given(WHO, "analytics")
    await call(shop, context=preferences(Other=False))
    assert await reason(shop, "analytics") == "permitted"


async def test_a_stored_yes_that_is_repeated_never_outlives_a_withdrawal(open_shop: OpenShop) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    await call(shop, context=preferences(Analytics=True))
    await shop.state(WHO, "analytics", "withdrawn")
    before = await shop.revision()
    await call(shop, context=preferences(Analytics=True))
    assert (await reason(shop, "analytics"), await shop.revision()) == ("withdrawn", before)


UPDATED = "Segment Consent Preference Updated"


async def test_a_choice_made_anew_gives_again(open_shop: OpenShop) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    for said, wanted in [(False, "refused"), (True, "permitted"), (False, "refused"), (True, "permitted")]:
        await call(shop, event=UPDATED, context=preferences(Analytics=said))
        assert await reason(shop, "analytics") == wanted


async def test_a_choice_that_arrives_after_a_later_withdrawal_gives_nothing(open_shop: OpenShop) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    await shop.state(WHO, "analytics", "withdrawn")
    said = {"event": UPDATED, "context": preferences(Analytics=True)}
    await call(shop, timestamp="2026-01-01T00:00:00Z", **said)
    assert await reason(shop, "analytics") == "withdrawn"


async def test_a_choice_that_is_sent_again_gives_once(open_shop: OpenShop) -> None:
    shop = await open_shop(carrying(Analytics=GIVING))
    said = {"event": UPDATED, "messageId": "m-1", "context": preferences(Analytics=True)}
    await call(shop, **said)
    await shop.state(WHO, "analytics", "withdrawn")
    await call(shop, **said)
    assert await reason(shop, "analytics") == "withdrawn"


async def test_a_platform_gives_nothing_for_a_notice_that_changed_materially(open_shop: OpenShop) -> None:
    documents = new_version(carrying(Analytics=GIVING), "analytics", 2)
    change = {"version": 2, "t": "2026-02-01T00:00:00Z", "material": True}
    put(documents, "purposes", ("purposes", "analytics", "notice_changes"), [change])
    shop = await open_shop(documents)
    await call(shop, context=preferences(Analytics=True))
    assert await statements(shop) == 0
