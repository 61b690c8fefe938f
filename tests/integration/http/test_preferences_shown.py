"""What a person is shown: in their language, what a purpose covers, what they said, when they are asked."""

import pytest

from assent.core.time import MINUTE, Instant, format_time
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop
from tests.support.policy_documents import new_version, put, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

COOKIE = "anonymous_id:zebra-17"
PHONE = "device_id:phone-1"
ANNA = "user_id:anna-0001"
PURPOSE = "analytics"


async def shown(shop: Shop, token: str, language: str = "", path: str = "preferences") -> Json:
    headers = {"Accept-Language": language} if language else {}
    response = await shop.ask("GET", f"/v1/me/{path}", by=token, headers=headers)
    assert response.status_code == 200, response.text
    return {**response.json(), "language": response.headers["content-language"]}


async def purpose(shop: Shop, token: str, name: str = PURPOSE, language: str = "") -> Json:
    document = await shown(shop, token, language)
    return next(one for one in document["purposes"] if one["id"] == name)


async def choose(shop: Shop, token: str, state: str, language: str = "", **more: Json) -> None:
    headers = {"Accept-Language": language} if language else {}
    body = {"purposes": {PURPOSE: state}, **more}
    response = await shop.ask("PUT", "/v1/me/preferences", body, by=token, headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("asked", "spoken", "title"),
    [
        ("it-IT, en;q=0.5", "it", "Capire come viene usato il negozio"),
        ("pl", "pl", "Jak używany jest sklep"),
        ("es", "en", "Understanding how the shop is used"),
        ("", "en", "Understanding how the shop is used"),
    ],
)
async def test_texts_are_in_the_persons_language(shop: Shop, asked: str, spoken: str, title: str) -> None:
    token = await shop.token(ANNA)
    document = await shown(shop, token, asked)
    assert document["language"] == spoken
    one = await purpose(shop, token, language=asked)
    assert one["title"] == title
    assert one["notice"]["language"] == spoken
    assert len(one["notice"]["hash"]) == 64


async def test_a_language_that_one_notice_lacks_is_not_mixed_with_another(open_shop: OpenShop) -> None:
    documents = shipped()
    del documents["notices/service.pl"]
    shop = await open_shop(documents)
    token = await shop.token(ANNA)
    assert (await shown(shop, token, "pl"))["language"] == "en"
    assert (await shown(shop, token, "pl, de;q=0.1"))["language"] == "de"


async def test_a_purpose_says_what_it_covers_and_for_how_long(shop: Shop) -> None:
    one = await purpose(shop, await shop.token(ANNA), language="de")
    assert {"id": "browsing", "title": "Was Sie sich im Shop ansehen", "kept_for": "P13M"} in one["covers"][
        "categories"
    ]
    assert "products_viewed" in one["covers"]["features"]
    assert "country" not in one["covers"]["features"]
    assert one["valid_for"] == "P1Y"
    assert one["storage"].startswith("Was Sie angesehen haben, bewahren wir höchstens 13 Monate auf.")
    assert one["benefit"] == "Der Shop wird einfacher zu benutzen."


async def test_a_choice_names_the_language_it_was_read_in(shop: Shop) -> None:
    token = await shop.token(ANNA)
    await choose(shop, token, "given", "fr-CA, fr;q=0.9")
    await choose(shop, token, "withdrawn", "it")
    said = (await purpose(shop, token))["history"]
    assert [(one["state"], one["notice"]) for one in said] == [
        ("withdrawn", {"version": 1, "language": "it"}),
        ("given", {"version": 1, "language": "fr"}),
    ]
    assert [one["receipt"] for one in said] == [f"s:{one['index']}" for one in said]
    assert {one["scope"] for one in said} == {"person"}


async def test_the_history_tells_devices_apart_and_names_nobody(shop: Shop) -> None:
    await shop.given(COOKIE, PURPOSE)
    await shop.track("identify", userId="anna-0001", anonymousId="zebra-17")
    await shop.state(ANNA, PURPOSE, "refused")
    token = await shop.token(ANNA, COOKIE)
    response = await shop.ask("GET", "/v1/me/preferences", by=token)
    document = response.json()
    (device,) = document["devices"]
    (one,) = [each for each in document["purposes"] if each["id"] == PURPOSE]
    assert [(said["scope"], said["device"], said["state"]) for said in one["history"]] == [
        ("person", None, "refused"),
        ("device", device["id"], "given"),
    ]
    # The person's no holds on the device too.
    assert device["purposes"][PURPOSE]["allowed"] is False
    assert "zebra-17" not in response.text


async def test_a_conflict_is_shown_until_the_person_settles_it(shop: Shop) -> None:
    await shop.given(COOKIE, PURPOSE)
    await shop.track("identify", userId="anna-0001", anonymousId="zebra-17")
    await shop.state(ANNA, PURPOSE, "refused")
    token = await shop.token(ANNA)
    assert (await shown(shop, token))["conflicts"] == [PURPOSE]
    assert (await purpose(shop, token))["conflict"] is True
    await choose(shop, token, "given", scope="person")
    assert (await shown(shop, token))["conflicts"] == []
    assert (await purpose(shop, token))["allowed"] is True
    await shop.state(COOKIE, PURPOSE, "withdrawn")
    assert (await shown(shop, token))["conflicts"] == [PURPOSE]


async def asks(shop: Shop, token: str) -> Json:
    document = await shown(shop, token, path="asks")
    return next(one for one in document["purposes"] if one["id"] == PURPOSE)


async def test_a_banner_is_told_whom_to_leave_alone(shop: Shop) -> None:
    token = await shop.token(COOKIE, verified=False)
    assert (await asks(shop, token))["ask"] is True
    for state in ("deferred", "refused", "given"):
        await choose(shop, token, state)
        found = await asks(shop, token)
        assert (found["ask"], found["ask_again_at"] is None) == (False, False), state
    one = await purpose(shop, token)
    assert one["ask_again_at"] == one["until"]


async def test_a_changed_notice_asks_again_who_refused_the_old_one(open_shop: OpenShop) -> None:
    shop = await open_shop(shipped())
    token = await shop.token(COOKIE, verified=False)
    await choose(shop, token, "refused")
    assert (await asks(shop, token))["ask"] is False
    changed = new_version(shipped(), PURPOSE, 2)
    at = Instant(shop.clock.now + MINUTE)
    change = {"version": 2, "t": format_time(at), "material": True}
    put(changed, "purposes", ("purposes", PURPOSE, "notice_changes"), [change])
    await shop.open(changed)
    assert (await asks(shop, token))["ask"] is False
    shop.clock.step(MINUTE)
    found = await asks(shop, token)
    assert (found["ask"], found["ask_again_at"], found["notice"]["version"]) == (True, None, 2)
    await choose(shop, token, "refused")
    assert (await asks(shop, token))["ask"] is False


async def test_who_objected_is_not_asked(shop: Shop) -> None:
    token = await shop.token(COOKIE, verified=False)
    await choose(shop, token, "objected")
    found = await asks(shop, token)
    assert (found["ask"], found["ask_again_at"]) == (False, None)
