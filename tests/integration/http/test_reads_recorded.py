"""Whatever people, officers and administrators read is recorded as access: every route is walked."""

import json
from collections.abc import Iterator

import pytest
from litestar.routes import HTTPRoute

from assent.http import own
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Json, Shop, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
COOKIE = "anonymous_id:browser-0001"

BODIES: dict[str, Json] = {
    "/v1/audit/access": {},
    "/v1/audit/conflicts": {},
    "/v1/audit/consents": {"from": "2026-01-01T00:00:00Z", "every": "P1M", "by": []},
    "/v1/audit/decide": {"question": {"subject": subject(ANNA), "purpose": "personalisation"}},
    "/v1/audit/entries": {},
    "/v1/audit/lapsing": {"within": "P30D"},
    "/v1/audit/membership": {"subject": subject(ANNA), "audience": "buyers", "purpose": "personalisation"},
    "/v1/audit/minimisation": {},
    "/v1/audit/releases": {},
    "/v1/audit/subject": {"subject": subject(ANNA)},
    "/v1/identities/explain": {"from": subject(ANNA), "to": subject(COOKIE)},
    "/v1/identities/picture": {"subject": subject(ANNA)},
    "/v1/identities/resolve": {"subject": subject(ANNA)},
    "/v1/identities/simulate": {"lift": [subject(ANNA)]},
}
"""What each is asked with; a route that is missing here fails the walk."""

PUBLIC = {"/v1/audit/proof/{index:str}", "/v1/audit/consistency"}
"""Hashes and signatures alone: they are about nobody."""

WRITES = {"/v1/identities/sources/retract"}
"""Asked again until it is done; it tells how many links alone."""


def reads(installation: Installation) -> Iterator[tuple[str, str]]:
    """Yield method and path of everything that people and officers read."""
    for route in installation.app.routes:
        if not isinstance(route, HTTPRoute) or not route.path_format.startswith(
            ("/v1/me", "/v1/identities", "/v1/audit")
        ):
            continue
        for handler in route.route_handlers:
            said = handler.opt.get("shape")
            if said is not None and not said.once and route.path not in PUBLIC | WRITES:
                yield ("GET" if "GET" in handler.http_methods else "POST"), route.path


async def recorded(shop: Shop) -> list[Json]:
    found = await shop.ask("POST", "/v1/audit/access", {"limit": 1000}, by="dpo")
    records: list[Json] = found.json()["access"]
    return records


async def test_every_reading_is_recorded_as_access(shop: Shop, installation: Installation) -> None:
    said = (await shop.state(ANNA, "personalisation", "given")).json()["receipts"][0]["id"]
    await shop.track("identify", userId="anna-0001", anonymousId="browser-0001")
    assert (await shop.save("buyers", "order_count >= 1", "personalisation")).status_code == 200
    token = await shop.token(ANNA)
    walked = list(reads(installation))
    assert len(walked) > 16
    for method, path in walked:
        before = len(await recorded(shop))
        body = BODIES[path] if method == "POST" else None
        by = token if path.startswith("/v1/me") else "dpo"
        response = await shop.ask(method, path.replace("{id:str}", said), body, by=by)
        assert response.status_code == 200, (path, response.text)
        # The looking itself is one, and it is not in what it saw.
        one = (await recorded(shop))[before + 1]
        asked = path.removeprefix("/v1/").replace("/{id:str}", "")
        assert (one["rules"], one["consumer"]) == (asked, "person" if by == token else "dpo")
        assert "anna" not in json.dumps(one)


async def test_what_a_person_chooses_is_answered_with_what_they_read_and_that_is_recorded(shop: Shop) -> None:
    chosen = {"purposes": {"personalisation": "withdrawn"}}
    assert (await shop.ask("PUT", "/v1/me/preferences", chosen, by=await shop.token(ANNA))).status_code == 200
    assert (await shop.ask("POST", "/v1/me/withdraw-all", {}, by=await shop.token(ANNA))).status_code == 200
    asked = [one["rules"] for one in await recorded(shop)]
    assert asked == ["me/preferences", "me/preferences"]


async def test_a_reading_that_is_refused_is_not_recorded(shop: Shop) -> None:
    token = await shop.token(ANNA)
    assert (await shop.ask("GET", "/v1/me/data?limit=100000", by=token)).status_code == 400
    assert (await shop.ask("GET", "/v1/me/receipts/s:999", by=token)).status_code == 404
    assert [one["rules"] for one in await recorded(shop)] == ["me/receipts"]


async def test_the_walk_would_find_a_reading_that_is_forgotten(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgets(*_: object) -> str:
        return ""

    monkeypatch.setattr(own, "record_access", forgets)
    with pytest.raises(IndexError):
        await test_every_reading_is_recorded_as_access(shop, installation)


async def test_a_walk_through_the_readings_ends_though_each_page_is_one(shop: Shop) -> None:
    for _ in range(3):
        await shop.ask("GET", "/v1/audit/summary", by="dpo")
    found: list[str] = []
    after: Json = 0
    while after is not None:
        body = {"limit": 1, "after": after}
        page = (await shop.ask("POST", "/v1/audit/access", body, by="dpo")).json()
        found += [one["rules"] for one in page["access"]]
        after = page["next"]
    assert found == ["audit/summary"] * 3
    assert [one["rules"] for one in await recorded(shop)] == ["audit/summary"] * 3 + ["audit/access"] * 3
