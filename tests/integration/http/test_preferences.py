"""A person's own view: where they stand, what they choose, and what nobody verified as theirs."""

import pytest

from tests.integration.http.shop import Json, Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

COOKIE = "anonymous_id:zebra-17"
ANNA = "user_id:anna-0001"
PURPOSE = "personalisation"


async def standing(shop: Shop, token: str) -> dict[str, Json]:
    response = await shop.ask("GET", "/v1/me/preferences", by=token)
    assert response.status_code == 200, response.text
    return {one["id"]: one for one in response.json()["purposes"]}


async def choose(shop: Shop, token: str, **more: Json) -> Json:
    body = {"purposes": {PURPOSE: "given"}, **more}
    return await shop.ask("PUT", "/v1/me/preferences", body, by=token)


async def test_a_person_sees_where_they_stand_with_every_purpose(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    token = await shop.token(ANNA)
    response = await shop.ask("GET", "/v1/me/preferences", by=token)
    document = response.json()
    assert document.keys() == {"purposes", "conflicts", "devices", "revision"}
    assert response.headers["assent-revision"] == str(document["revision"]) == str(await shop.revision())
    seen = {one["id"]: one for one in document["purposes"]}
    assert seen.keys() == {
        "service",
        "personalisation",
        "analytics",
        "email_marketing",
        "advertising",
        "identity_linking",
    }
    assert (
        seen[PURPOSE].items()
        >= {
            "title": "Showing what suits you",
            "legal_basis": "consent",
            "state": "given",
            "allowed": True,
            "controls": ["give", "withdraw"],
        }.items()
    )
    assert (seen["service"]["allowed"], seen["service"]["controls"]) == (True, [])
    assert (seen["analytics"]["allowed"], seen["analytics"]["state"]) == (False, "not_asked")
    # Nobody needs to be told who they are.
    assert "anna-0001" not in response.text


async def test_a_choice_is_in_force_when_it_is_answered(shop: Shop) -> None:
    token = await shop.token(ANNA)
    for state, allowed in [("given", True), ("withdrawn", False), ("given", True), ("refused", False)]:
        response = await shop.ask("PUT", "/v1/me/preferences", {"purposes": {PURPOSE: state}}, by=token)
        assert response.status_code == 200, response.text
        seen = {one["id"]: one for one in response.json()["purposes"]}
        assert (seen[PURPOSE]["state"], seen[PURPOSE]["allowed"]) == (state, allowed)
        assert response.headers["assent-revision"] == str(await shop.revision())
        await shop.bought(ANNA, 10)
        assert ((await shop.decision(PURPOSE, ANNA))["subject"] is not None) is allowed


async def test_withdraw_all_leaves_what_rests_on_no_choice(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE, "analytics", "email_marketing")
    token = await shop.token(ANNA)
    response = await shop.ask("POST", "/v1/me/withdraw-all", by=token)
    allowed = [one["id"] for one in response.json()["purposes"] if one["allowed"]]
    assert allowed == ["service"]


async def test_only_a_verified_person_speaks_for_a_person(shop: Shop) -> None:
    token = await shop.token(ANNA, COOKIE, verified=False)
    refused(await choose(shop, token, scope="person"), 403, "not_verified")
    await shop.given(ANNA, PURPOSE)
    # Unverified, they speak for the browser they hold, and see no more than that.
    before = await shop.revision()
    assert (await choose(shop, token)).status_code == 200
    assert await shop.revision() == before + 1
    assert (await standing(shop, token))["personalisation"]["state"] == "given"
    verified = await shop.token(ANNA, COOKIE)
    assert (await choose(shop, verified, scope="person")).status_code == 200
    assert await shop.revision() == before + 3


async def test_who_names_a_person_without_verification_learns_nothing_of_them(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    token = await shop.token(ANNA, verified=False)
    refused(await shop.ask("GET", "/v1/me/preferences", by=token), 403, "not_verified")
    refused(await choose(shop, token), 403, "not_verified")
    refused(await choose(shop, token, scope="device"), 403, "not_verified")
    refused(await shop.ask("POST", "/v1/me/withdraw-all", by=token), 403, "not_verified")
    beside_a_cookie = await shop.token(ANNA, COOKIE, verified=False)
    assert (await standing(shop, beside_a_cookie))[PURPOSE]["state"] == "not_asked"


async def test_a_device_can_be_spoken_for_alone(shop: Shop) -> None:
    token = await shop.token(ANNA, COOKIE)
    before = await shop.revision()
    assert (await choose(shop, token, scope="device")).status_code == 200
    assert await shop.revision() == before + 1
    refused(await choose(shop, await shop.token(ANNA), scope="device"), 403, "not_verified")


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"purposes": {"world_domination": "given"}}, 422, "unknown_purpose", "/purposes"),
        ({"purposes": {PURPOSE: "given", "anna@example.org": "given"}}, 422, "unknown_purpose", "/purposes"),
        ({"purposes": {PURPOSE: "maybe"}}, 400, "unreadable_body", None),
        ({"purposes": {PURPOSE: "notice_shown"}}, 400, "unreadable_body", None),
        ({"purposes": {}}, 400, "unreadable_body", "/purposes"),
        ({"purposes": {PURPOSE: "given"}, "scope": "family"}, 400, "unreadable_body", "/scope"),
        ({"purposes": {PURPOSE: "given"}, "for": "ever"}, 400, "unreadable_body", None),
        (
            {"purposes": {PURPOSE: "given"}, "notice": {"id": PURPOSE, "version": 9}},
            422,
            "stale_notice",
            "/notice/version",
        ),
        (
            {"purposes": {PURPOSE: "given"}, "notice": {"id": "cookies", "version": 1}},
            422,
            "stale_notice",
            "/notice/id",
        ),
    ],
)
async def test_a_choice_that_cannot_be_one_is_refused(
    shop: Shop, body: Json, status: int, code: str, pointer: str | None
) -> None:
    token = await shop.token(ANNA)
    before = await shop.revision()
    response = await shop.ask("PUT", "/v1/me/preferences", body, by=token)
    refused(response, status, code, pointer)
    assert "anna@example.org" not in response.text
    assert await shop.revision() == before


async def test_without_a_token_there_is_nobody_to_answer(shop: Shop) -> None:
    for method, path in [
        ("GET", "/v1/me/preferences"),
        ("PUT", "/v1/me/preferences"),
        ("POST", "/v1/me/withdraw-all"),
    ]:
        refused(await shop.http.request(method, path), 401, "unauthorized")
