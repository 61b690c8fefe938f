"""Erasure through the API: nothing readable after the answer, by whatever path, and the value in no table."""

import json
from uuid import uuid4

import asyncpg
import pytest

from assent.config import Settings
from assent.core.ids import ControllerId
from assent.core.time import to_datetime
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVERY_COLUMN = """
SELECT format('%I.%I', c.table_schema, c.table_name) AS place, c.column_name, c.data_type
FROM information_schema.columns AS c
INNER JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE c.table_schema IN ('ledger', 'projection') AND t.table_type = 'BASE TABLE'
"""


async def places_of(settings: Settings, *needles: bytes) -> set[str]:
    """Return every column of every table that holds one of these bytes."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.reveal())
    found = set()
    try:
        for place, column, kind in await connection.fetch(EVERY_COLUMN):
            for needle in needles:
                value: bytes | str = needle if kind == "bytea" else needle.decode("latin-1").replace("\0", "")
                test = f'position($1 in "{column}"{"" if kind == "bytea" else "::text"}) > 0'
                if await connection.fetchval(f"SELECT count(*) FROM {place} WHERE {test}", value):
                    found.add(f"{place}.{column}")
    finally:
        await connection.close()
    return found


def named() -> str:
    return f"user_id:u{uuid4().hex}"


async def traces(shop: Shop, who: str) -> tuple[bytes, ...]:
    """Return what could name somebody in a table: the value, and the keyed hash it is looked up by."""
    namespace, value = who.split(":", 1)
    controller = ControllerId(shop.controller_id)
    policy = await shop.service.policies.current(controller)
    lookup = shop.service.ring.lookup(controller, policy.namespace_ids[namespace], value)
    return value.encode(), lookup


async def opened(shop: Shop, settings: Settings) -> list[str]:
    """Return everything that the key ring opens of a controller, as text."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.reveal())
    texts = []
    try:
        for table in ("payload", "content"):
            rows = await connection.fetch(
                f"SELECT sealed FROM ledger.{table} WHERE controller_id = $1", shop.controller_id
            )
            for (sealed,) in rows:
                aad = b"assent/payload@1 %d" % shop.controller_id
                texts.append(shop.service.ring.open(sealed, aad).decode("latin-1"))
    finally:
        await connection.close()
    return texts


async def live(shop: Shop, who: str, browser: str) -> None:
    """Let somebody consent, look and buy, at home and on a device of theirs."""
    await shop.given(who, "personalisation", "email_marketing")
    value = who.partition(":")[2]
    await shop.bought(who, 12.5, anonymousId=browser)
    await shop.track("page", anonymousId=browser, userId=value, name="home")
    await shop.track("identify", userId=value, traits={"email": f"{value}@example.com", "country": "IT"})


async def erase(shop: Shop, who: str) -> Json:
    response = await shop.ask("DELETE", "/v1/me", by=await shop.token(who))
    assert response.status_code == 200, response.text
    return response.json()


async def test_nothing_of_an_erased_person_stands_in_any_table(shop: Shop, settings: Settings) -> None:
    who, browser = named(), uuid4().hex
    value = who.partition(":")[2]
    await live(shop, who, browser)
    needles = (*await traces(shop, who), *await traces(shop, f"email:{value}@example.com"))
    # The search finds what is there: the hash while it stands, and the value where somebody leaks it.
    assert "projection.identifier.lookup" in await places_of(settings, *needles)
    assert any(value in text for text in await opened(shop, settings))
    assert (await shop.decision("personalisation", who))["subject"] is not None
    told = await erase(shop, who)
    assert told["identifiers"] == 3
    assert await places_of(settings, *needles, browser.encode()) == set()
    assert not any(value in text or browser in text for text in await opened(shop, settings))
    assert (await shop.decision("personalisation", who))["subject"] is None


async def test_a_leak_is_found(shop: Shop, settings: Settings) -> None:
    who = named()
    value = who.partition(":")[2]
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.reveal())
    try:
        await connection.execute(
            "INSERT INTO ledger.refusal (controller_id, source, day, code, refused) "
            "VALUES ($1, $2, 1, 'x', 1)",
            shop.controller_id,
            f"shop of {value}",
        )
    finally:
        await connection.close()
    assert await places_of(settings, value.encode()) == {"ledger.refusal.source"}


async def test_no_engine_sees_who_was_erased(shop: Shop) -> None:
    who, other = named(), named()
    for each in (who, other):
        await shop.given(each, "personalisation")
        await shop.bought(each, 5)
    rule = {"op": "ge", "feature": "order_count", "value": 1}
    assert (await shop.save("buyers", rule, "personalisation")).status_code == 200
    body = {"purpose": "personalisation"}

    async def members() -> int:
        answer = await shop.ask("POST", "/v1/audiences/buyers/members", body, by="engine:personalisation")
        *members, end = map(json.loads, answer.text.splitlines())
        assert end.get("end"), answer.text
        return len(members)

    assert await members() == 2
    await erase(shop, who)
    assert await members() == 1


async def test_who_comes_back_is_somebody_new(shop: Shop) -> None:
    who = named()
    await shop.given(who, "personalisation")
    await shop.bought(who, 5)
    await erase(shop, who)
    assert (await erase(shop, who))["identifiers"] == 0
    await shop.given(who, "personalisation")
    await shop.bought(who, 7)
    assert (await shop.decision("personalisation", who))["features"]["order_count"] == 1


async def test_an_objection_to_direct_marketing_outlasts_erasure(shop: Shop) -> None:
    who = named()
    given = {"imported": True, "event_time": "2026-02-01T00:00:00Z", "evidence": {"form": "7"}}
    await shop.state(who, "email_marketing", "objected")
    assert (await erase(shop, who))["suppressed"]
    # An import of an older consent, as a mailing list has it, reopens nothing...
    assert (await shop.state(who, "email_marketing", "given", channel="web", **given)).status_code == 201
    question = {"question": {"subject": subject(who), "purpose": "email_marketing"}}
    answer = await shop.post("/v1/audit/decide", question, by="dpo", status=200)
    assert (answer["decision"], answer["reason"]) == ("deny", "objected")
    # ...and the person, asked anew, may change their mind.
    await shop.state(who, "email_marketing", "given", channel="web")
    assert (await shop.post("/v1/audit/decide", question, by="dpo", status=200))["decision"] == "allow"


async def test_without_an_objection_nothing_is_kept(shop: Shop) -> None:
    who = named()
    await shop.given(who, "personalisation")
    assert not (await erase(shop, who))["suppressed"]


async def test_what_the_law_keeps_is_listed_and_shown_to_nobody(
    open_shop: OpenShop, settings: Settings
) -> None:
    documents = shipped()
    documents["purposes"] = {
        **documents["purposes"],
        "retained": {"orders": {"ground": "17(3)(b)", "title": "Tax law", "period": "P10Y"}},
    }
    shop = await open_shop(documents)
    who = named()
    await shop.given(who, "personalisation")
    await shop.bought(who, 77.25)
    await shop.track("page", userId=who.partition(":")[2], name="secret place")
    told = await erase(shop, who)
    (kept,) = told["retained"]
    assert (kept["category"], kept["ground"], kept["until"][:4], kept["entries"]) == (
        "orders",
        "17(3)(b)",
        str(to_datetime(shop.clock.now).year + 10),
        1,
    )
    texts = await opened(shop, settings)
    assert any("77.25" in text for text in texts)
    assert not any("secret place" in text for text in texts)
    assert (await shop.decision("service", who))["subject"] is None


async def test_a_shared_device_is_listed_and_stays(shop: Shop) -> None:
    who, other, device = named(), named(), uuid4().hex
    for each in (who, other):
        await shop.given(each, "personalisation")
        await shop.bought(each, 5, anonymousId=device)
    told = await erase(shop, who)
    assert [one["namespace"] for one in told["shared"]] == ["anonymous_id"]
    assert (await shop.decision("personalisation", other))["features"]["order_count"] == 1


async def test_what_a_shared_device_did_becomes_nobody_elses_by_an_erasure(shop: Shop) -> None:
    who, other, device = named(), named(), f"anonymous_id:{uuid4().hex}"
    await shop.given(device, "personalisation")
    await shop.track("track", event="Product Viewed", anonymousId=device.partition(":")[2])
    for each in (who, other):
        await shop.given(each, "personalisation")
        await shop.bought(each, 5, anonymousId=device.partition(":")[2])
    await erase(shop, who)
    await shop.bought(other, 5, anonymousId=device.partition(":")[2])
    body = {"subject": subject(other)}
    found = await shop.post("/v1/identities/resolve", body, by="dpo", status=200)
    assert (found["identifiers"], found["shared"]) == ([subject(other)], [subject(device)])
    assert (await shop.decision("personalisation", other))["features"]["products_viewed"] == 0
    # Whoever knows whose it is begins anew with it.
    await shop.post("/v1/identities/lift", {"subject": subject(device)}, by="dpo")
    await shop.bought(other, 5, anonymousId=device.partition(":")[2])
    found = await shop.post("/v1/identities/resolve", body, by="dpo", status=200)
    assert found["shared"] == []
    assert subject(device) in found["identifiers"]


async def test_only_a_verified_person_erases_a_named_one(shop: Shop) -> None:
    who, browser = named(), f"anonymous_id:{uuid4().hex}"
    await shop.given(who, "personalisation")
    await shop.bought(who, 5, anonymousId=browser.partition(":")[2])
    refused(await shop.ask("DELETE", "/v1/me", by=await shop.token(who, verified=False)), 403, "not_verified")
    refused(await shop.ask("DELETE", "/v1/me", by=await shop.token(browser)), 403, "not_verified")
    assert (await shop.decision("personalisation", who))["subject"] is not None


@pytest.mark.parametrize("by", ["collector", "issuer", "engine:personalisation"])
async def test_only_the_data_protection_officer_erases_others(shop: Shop, by: str) -> None:
    body = {"subject": subject(named())}
    refused(await shop.ask("POST", "/v1/audit/erase", body, by=by), 403, "forbidden")


async def test_restricted_data_is_used_for_nothing_and_erased_by_nobody_else(shop: Shop) -> None:
    who = named()
    await shop.given(who, "personalisation")
    await shop.bought(who, 5)
    token = await shop.token(who)
    await shop.post("/v1/me/restrict", {"ground": "accuracy"}, by=token, status=200)
    assert (await shop.decision("personalisation", who))["subject"] is None
    assert (await shop.decision("service", who))["subject"] is None
    refused(await shop.ask("POST", "/v1/audit/erase", {"subject": subject(who)}, by="dpo"), 403, "forbidden")
    await shop.post("/v1/audit/restrict", {"subject": subject(who), "state": "lifted"}, by="dpo", status=200)
    assert (await shop.decision("personalisation", who))["features"]["order_count"] == 1


async def test_what_was_withdrawn_while_restricted_goes_once_it_is_lifted(
    shop: Shop, settings: Settings
) -> None:
    who, page = named(), f"page {uuid4().hex}"
    token = await shop.token(who)
    await shop.given(who, "personalisation")
    await shop.track("page", userId=who.partition(":")[2], name=page)
    await shop.post("/v1/me/restrict", {}, by=token, status=200)
    await shop.state(who, "personalisation", "withdrawn")
    assert any(page in text for text in await opened(shop, settings))
    await shop.post("/v1/me/restrict", {"state": "lifted"}, by=token, status=200)
    assert not any(page in text for text in await opened(shop, settings))


async def test_a_finding_closes_what_was_asked_for_wrongly(shop: Shop) -> None:
    who = named()
    await shop.given(who, "personalisation")
    await shop.bought(who, 5)
    body = {"subject": subject(who), "purpose": "personalisation", "finding": "dark_pattern"}
    await shop.post("/v1/audit/findings", body, by="dpo")
    assert (await shop.decision("personalisation", who))["subject"] is None
    refused(
        await shop.ask("POST", "/v1/audit/findings", {**body, "purpose": "nothing"}, by="dpo"),
        422,
        "unknown_purpose",
        "/purpose",
    )
