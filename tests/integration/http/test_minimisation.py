"""Minimisation: an officer reads what no rule uses and nobody asks for, and nothing of anybody."""

import asyncio

import asyncpg
import pytest

from assent.config import Settings
from assent.core.time import DAY
from assent.gate import sealer
from assent.ingest import minimisation
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.integration.http.test_audiences import BUYERS, ITALIANS, PURPOSE, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def report(shop: Shop, **body: Json) -> Json:
    return await shop.post("/v1/audit/minimisation", body, by="dpo", status=200)


async def unasked(shop: Shop, **body: Json) -> list[str]:
    return [one["audience"] for one in (await report(shop, **body))["audiences"]]


async def unread(shop: Shop) -> dict[str, Json]:
    return {one["feature"]: one for one in (await report(shop))["features"]}


async def test_features_that_no_rule_and_no_goal_reads_are_told(shop: Shop) -> None:
    every = await unread(shop)
    assert every["country"] == {
        "feature": "country",
        "category": "account",
        "purposes": every["country"]["purposes"],
    }
    assert PURPOSE in every["country"]["purposes"]
    goal = {"id": "italy", "title": "t", "rule": {"op": "not", "of": ITALIANS}}
    # What an event's conditions name are its properties, whatever features are called.
    viewed = 'did("Product Viewed", where order_value = 1)'
    await shop.save("some", {"op": "or", "of": [BUYERS]}, PURPOSE, goals=[goal])
    await shop.save("viewers", viewed, PURPOSE)
    assert every.keys() - (await unread(shop)).keys() == {"order_count", "country"}
    await shop.ask("DELETE", "/v1/audiences/some")
    assert await unread(shop) == every


async def audiences_that_nobody_asks_for(shop: Shop) -> None:
    for name, rule in (
        ("counted", BUYERS),
        ("decided", BUYERS),
        ("overlapping", BUYERS),
        ("listed", BUYERS),
        ("followed", BUYERS),
        ("aimed", BUYERS),
        ("set_apart", BUYERS),
        ("inner", BUYERS),
        ("outer", {"op": "audience", "audience": "inner"}),
        ("never", BUYERS),
        ("only_previewed", BUYERS),
    ):
        await shop.save(name, rule, PURPOSE)
    assert await unasked(shop) == []  # they are new
    shop.clock.step(91 * DAY)
    assert len(await unasked(shop)) == 11
    assert {one["last_asked"] for one in (await report(shop))["audiences"]} == {None}
    engine = f"engine:{PURPOSE}"
    await shop.decide(PURPOSE, "user_id:nobody", audiences=["decided"])
    await asked(shop, "counted/count")
    await asked(shop, "listed/members")
    await asked(shop, "aimed/goals")
    await asked(shop, "set_apart/distinctive")
    await asked(shop, "outer/count")
    await asked(shop, "overlap", audiences=["overlapping", "counted"])
    await asked(shop, "preview", rule={"op": "audience", "audience": "only_previewed"})
    await shop.ask("GET", "/v1/audiences/followed/changes", by=engine, params={"purpose": PURPOSE})
    assert await unasked(shop) == ["never", "only_previewed"]
    shop.clock.step(90 * DAY)
    assert len(await unasked(shop)) == 11
    assert await unasked(shop, days=100) == ["never", "only_previewed"]
    again = {one["audience"]: one for one in (await report(shop))["audiences"]}
    assert again["counted"]["last_asked"] > again["counted"]["saved_at"]
    await shop.save("never", ITALIANS, PURPOSE)
    assert "never" not in await unasked(shop)
    await shop.decide(PURPOSE, "user_id:nobody", audiences=["*"])
    assert await unasked(shop) == []


async def test_audiences_that_nobody_asks_for_are_told(shop: Shop) -> None:
    await audiences_that_nobody_asks_for(shop)


async def test_a_report_that_forgets_who_refers_to_an_audience_is_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minimisation, "_references", lambda _saved: ())
    with pytest.raises(AssertionError):
        await audiences_that_nobody_asks_for(shop)


async def asked_long_ago(shop: Shop, settings: Settings) -> None:
    """Let audiences be asked for, and the log then say nothing of it but what has no place in it yet."""
    for name in ("decided", "aimed", "previewed", "waiting"):
        await shop.save(name, BUYERS, PURPOSE)
    shop.clock.step(91 * DAY)
    await shop.decide(PURPOSE, "user_id:nobody", audiences=["decided"])
    await asked(shop, "aimed/goals")
    await asked(shop, "preview", rule={"op": "audience", "audience": "previewed"})
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url.reveal())
    try:
        for _ in range(200):
            if not await connection.fetchval(_UNSEALED, shop.controller_id):
                break
            await asyncio.sleep(0.05)
        await connection.execute(_FORGOTTEN, shop.controller_id)
    finally:
        await connection.close()
    assert await unasked(shop) == ["previewed", "waiting"]
    await asked(shop, "waiting/count")
    assert await unasked(shop) == ["previewed"]  # whether or not the answer has its place yet


_UNSEALED = "SELECT count(*) FROM ledger.release WHERE controller_id = $1 AND leaf_index IS NULL"
_FORGOTTEN = "UPDATE ledger.release SET rules = '' WHERE controller_id = $1 AND leaf_index IS NOT NULL"


async def test_the_report_does_not_read_the_whole_log(shop: Shop, settings: Settings) -> None:
    await asked_long_ago(shop, settings)


async def test_a_report_of_what_nobody_noted_is_found(
    shop: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "named", lambda _rows: {})
    with pytest.raises(AssertionError):
        await asked_long_ago(shop, settings)


async def test_the_report_names_nobody_and_is_for_officers(shop: Shop) -> None:
    await shop.given("user_id:buyer-0", PURPOSE)
    await shop.decide(PURPOSE, "user_id:buyer-0")
    body = {"question": {"subject": subject("user_id:buyer-0"), "purpose": PURPOSE}}
    await shop.post("/v1/audit/decide", body, by="dpo", status=200)
    assert "buyer-0" not in str(await report(shop))
    for by in ("collector", f"engine:{PURPOSE}"):
        refused(await shop.ask("POST", "/v1/audit/minimisation", {}, by=by), 403, "forbidden")
    for days in (0, 3_651, "90"):
        response = await shop.ask("POST", "/v1/audit/minimisation", {"days": days}, by="dpo")
        refused(response, 400, "unreadable_body", "/days")
