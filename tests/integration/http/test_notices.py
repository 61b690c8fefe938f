"""The notices: every language of one version, and the hash of exactly what is read."""

import hashlib

import msgspec
import pytest

from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, refused
from tests.support.policy_documents import put, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIVE = {"en", "it", "fr", "pl", "de"}


async def notice(shop: Shop, name: str, by: str = "browser") -> Json:
    response = await shop.ask("GET", f"/v1/notices/{name}", by=by)
    assert response.status_code == 200, response.text
    return response.json()


async def test_every_notice_is_there_in_five_languages(shop: Shop) -> None:
    response = await shop.ask("GET", "/v1/notices", by="browser")
    found = {one["id"]: one for one in response.json()["notices"]}
    assert found.keys() == set(shipped()["purposes"]["purposes"])
    for one in found.values():
        assert one["languages"].keys() == FIVE
        assert one["version"] == 1
        for member in ("title", "text", "benefit", "storage", "hash"):
            assert len({text[member] for text in one["languages"].values()}) == len(FIVE), (one["id"], member)


async def test_a_hash_is_worked_out_again_from_what_was_read(shop: Shop) -> None:
    found = await notice(shop, "analytics")
    for language, text in found["languages"].items():
        words = {name: text[name] for name in ("title", "text", "benefit", "storage")}
        said = {"id": "analytics", "language": language, "version": found["version"], **words}
        assert hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest() == text["hash"]


async def test_another_word_is_another_hash(shop: Shop, open_shop: OpenShop) -> None:
    other = await open_shop(put(shipped(), "notices/analytics.it", ("benefit",), "Il negozio migliora."))
    before, after = await notice(shop, "analytics"), await notice(other, "analytics")
    changed = {language for language in FIVE if before["languages"][language] != after["languages"][language]}
    assert changed == {"it"}


async def test_a_banner_is_told_how_long_consent_holds_and_when_it_may_ask_again(shop: Shop) -> None:
    (purpose,) = (await notice(shop, "advertising"))["purposes"]
    assert purpose == {
        "id": "advertising",
        "legal_basis": "consent",
        "validity": "P6M",
        "ask_again_after": "P6M",
    }


async def test_any_page_may_read_them_with_the_public_key(shop: Shop) -> None:
    asking = {
        "Origin": "https://www.shop.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = await shop.http.options("/v1/notices/service", headers=asking)
    assert preflight.headers["access-control-allow-origin"] == "*"
    response = await shop.ask(
        "GET", "/v1/notices/service", by="browser", headers={"Origin": asking["Origin"]}
    )
    assert response.headers["access-control-allow-origin"] == "*"


async def test_who_brings_no_key_is_told_nothing(shop: Shop) -> None:
    refused(await shop.http.get("/v1/notices"), 401, "unauthorized")
    refused(await shop.ask("GET", "/v1/notices/analytics", by="nobodys"), 401, "unauthorized")


async def test_a_notice_that_does_not_exist_is_not_found(shop: Shop) -> None:
    assert (await shop.ask("GET", "/v1/notices/nothing", by="browser")).status_code == 404


async def test_languages_of_two_versions_are_not_taken(shop: Shop) -> None:
    documents = put(shipped(), "notices/analytics.pl", ("version",), 2)
    answer = await shop.ask("POST", "/v1/policies", {"documents": documents, "activate": True})
    refused(answer, 400, "unreadable_body", "/notices~1analytics.pl/version", silent=False)
