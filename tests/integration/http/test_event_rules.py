"""Rules over single events: saved after the events, they know them; what nothing keeps is refused."""

from collections.abc import Callable

import httpx
import pytest

from assent.core.ids import ControllerId
from assent.ingest import derivations
from assent.ingest.derivations import Derivations
from assent.ingest.unneeded import Sweeper
from tests.integration.http.shop import Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWED = {"op": "did", "event": "Product Viewed", "compare": ">=", "count": 1}
SHOES = {**VIEWED, "last": "P30D", "where": {"op": "eq", "feature": "category", "value": "shoes"}}


async def test_a_rule_saved_after_the_events_knows_them(shop: Shop) -> None:
    for who, category in (("anna", "shoes"), ("bert", "hats")):
        await shop.given(f"user_id:{who}", "personalisation")
        await shop.track("track", userId=who, event="Product Viewed", properties={"category": category})
    saved = await shop.save("looked", SHOES, "personalisation")
    assert saved.status_code == 200, saved.text
    assert saved.json()["needs"]["categories"] == ["browsing"]
    decision = await shop.decide("personalisation", "user_id:anna", "user_id:bert", audiences=["*"])
    found = decision.json()["decisions"]
    assert [one["audiences"] for one in found] == [["looked"], []]
    assert not any(name.startswith("~") for one in found for name in one["features"])
    await shop.track("track", userId="bert", event="Product Viewed", properties={"category": "shoes"})
    body = {"purpose": "personalisation"}
    count = await shop.post("/v1/audiences/looked/count", body, by="engine:personalisation", status=200)
    assert count["count"] == 2


async def test_a_rule_over_events_that_nothing_keeps_is_refused(shop: Shop) -> None:
    response = await shop.save("odd", {**VIEWED, "event": "Rocket Launched"}, "personalisation")
    refused(response, 422, "unknown_feature", "/rule/event")


async def test_nobody_is_shown_what_rules_ask_of_events(shop: Shop) -> None:
    await shop.given("user_id:anna", "personalisation")
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    shown = await shop.ask("GET", "/v1/me/preferences", by=await shop.token("user_id:anna"))
    assert shown.status_code == 200
    assert "~" not in shown.text


async def previews_leave_nothing_for_long(shop: Shop, later: Callable[[], None]) -> None:
    await shop.given("user_id:anna", "personalisation")
    await shop.track("track", userId="anna", event="Product Viewed", properties={"category": "shoes"})
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    body = {"purpose": "personalisation", "rule": 'did("Product Viewed", where category != "hats")'}
    previewed = await shop.post("/v1/audiences/preview", body, by="engine:personalisation", status=200)
    assert previewed["count"] == 1
    wired = shop.service
    sweeper = Sweeper(wired.database.writer, wired.derivations, wired.audiences.shelf, wired.policies)

    async def kept() -> int:
        rows = await wired.database.writer.fetch(
            "SELECT DISTINCT feature_id FROM projection.feature_item "
            "WHERE controller_id = $1 AND feature_id >= 16384",
            shop.controller_id,
        )
        return len(rows)

    await sweeper.sweep_all()
    assert await kept() == 2, "another process may be asking for it"
    later()
    await sweeper.sweep_all()
    assert await kept() == 1
    asked = {"purpose": "personalisation"}
    counted = await shop.post("/v1/audiences/looked/count", asked, by="engine:personalisation", status=200)
    assert counted["count"] == 1


async def test_what_a_preview_asked_of_events_is_dropped_though_nobody_saves_a_rule(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later() -> None:
        monkeypatch.setattr(derivations, "_IDLE_S", 0.0)
        monkeypatch.setattr(derivations, "_LATELY_S", 0.0)

    await previews_leave_nothing_for_long(shop, later)


async def test_what_is_never_dropped_would_be_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drop_nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(Derivations, "_drop", drop_nothing)
    with pytest.raises(AssertionError, match="assert 2 == 1"):
        await previews_leave_nothing_for_long(shop, lambda: None)


async def tries(shop: Shop, shown: str) -> httpx.Response:
    rule = f'did("Product Viewed", where category = "{shown}", last 30d)'
    body = {"purpose": "personalisation", "rule": rule}
    return await shop.ask("POST", "/v1/audiences/preview", body, by="counting:personalisation")


async def test_previews_keep_no_more_of_events_than_they_should(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivations, "MOST_TRIED", 2)
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    for shown in ("hats", "shoes", "lamps", "hats"):
        found = await tries(shop, shown)
        assert found.status_code == 200, found.text
    before = await shop.revision()
    refused(await tries(shop, "coats"), 429, "over_capacity")
    assert await shop.revision() == before
    assert (await tries(shop, "shoes")).status_code == 200  # a rule in force asks it anyway
    monkeypatch.setattr(derivations, "_LATELY_S", 0.0)
    assert (await tries(shop, "coats")).status_code == 200
    # Of each policy one catalogue is at hand, however often previews changed it.
    assert sum(key[0] == shop.controller_id for key in shop.service.policies._versions) == 1


async def test_a_saved_rule_is_made_whole_again(shop: Shop) -> None:
    await shop.given("user_id:anna", "personalisation")
    await shop.track("track", userId="anna", event="Product Viewed", properties={"category": "shoes"})
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    wired = shop.service
    # As when two processes save and delete at once.
    await Derivations(wired.database, wired.ledger, wired.ring, wired.random).drop_unneeded(
        ControllerId(shop.controller_id), (), "system"
    )
    sweeper = Sweeper(wired.database.writer, wired.derivations, wired.audiences.shelf, wired.policies)
    await sweeper.sweep_all()
    asked = {"purpose": "personalisation"}
    counted = await shop.post("/v1/audiences/looked/count", asked, by="engine:personalisation", status=200)
    assert counted["count"] == 1


async def test_a_rule_saved_after_a_dropping_that_a_crash_cut_short_knows_what_was_deleted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.given("user_id:anna", "personalisation")
    await shop.track("track", userId="anna", event="Product Viewed", properties={"category": "shoes"})
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    await shop.ask("DELETE", "/v1/audiences/looked", by="admin")
    wired = shop.service
    killed = Derivations(wired.database, wired.ledger, wired.ring, wired.random)

    async def die(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(killed, "_append", die)
    with pytest.raises(ConnectionResetError):
        await killed.drop_unneeded(ControllerId(shop.controller_id), (), "system")
    assert (await shop.save("looked", SHOES, "personalisation")).status_code == 200
    asked = {"purpose": "personalisation"}
    counted = await shop.post("/v1/audiences/looked/count", asked, by="engine:personalisation", status=200)
    assert counted["count"] == 1
