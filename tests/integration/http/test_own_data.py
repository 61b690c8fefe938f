"""What a person is given of everything stored about them, of what links it, and of who was told."""

import json

import pytest

from assent.http import me_links, own
from assent.http.explanations import ties_of
from assent.ingest import own_releases
from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
BERT = "user_id:bert-0002"
TABLET = "anonymous_id:tablet-0001"
PURPOSE = "personalisation"


async def mine(shop: Shop, what: str, token: str, query: str = "") -> Json:
    response = await shop.ask("GET", f"/v1/me/{what}{query}", by=token)
    assert response.status_code == 200, response.text
    return response.json()


async def signed_in(shop: Shop, who: str, device: str = TABLET) -> None:
    await shop.track("identify", userId=who.split(":")[1], anonymousId=device.split(":")[1])


async def test_everything_stored_is_given_with_purposes_source_and_how_long(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 12.5)
    await shop.track("identify", userId="anna-0001", traits={"country": "Italy"})
    found = await mine(shop, "data", await shop.token(ANNA))
    (person,) = found["identifiers"]
    assert (person["namespace"], person["value"]) == ("user_id", "anna-0001")
    statement, order, traits = found["entries"]
    assert (statement["kind"], statement["state"], statement["purpose"]) == ("statement", "given", PURPOSE)
    (stored,) = order["data"]
    assert (stored["name"], stored["data"]) == ("Order Completed", {"revenue": 12.5})
    assert PURPOSE in stored["purposes"]
    assert order["source"] == "collector"
    kept = {one["id"]: one["kept_for"] for one in found["categories"]}
    assert (stored["kept_until"] is None) == (kept[stored["category"]] is None)
    assert traits["data"][0]["data"] == {"country": "Italy"}
    assert found["features"]["order_count"] == 1
    assert found["features"]["country"] == "Italy"


async def test_pages_give_every_entry_once(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    for revenue in range(1, 6):
        await shop.bought(ANNA, revenue)
    token = await shop.token(ANNA)
    whole = (await mine(shop, "data", token))["entries"]
    found, after = [], ""
    while True:
        page = await mine(shop, "data", token, f"?limit=2{after}")
        found += page["entries"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == whole
    refused(await shop.ask("GET", "/v1/me/data?limit=501", by=token), 400, "unreadable_body")


async def test_a_cookies_token_sees_the_cookies_own_and_nothing_of_the_person(shop: Shop) -> None:
    await shop.given(TABLET, PURPOSE)
    await shop.track("track", anonymousId="tablet-0001", event="Product Viewed", properties={"category": "a"})
    await shop.given(ANNA, PURPOSE)
    await signed_in(shop, ANNA)
    await shop.bought(ANNA, 7777.25, anonymousId="tablet-0001")
    await shop.decide(PURPOSE, ANNA)
    for verified in (False, True):  # whoever holds a device need not be the person
        token = await shop.token(TABLET, verified=verified)
        for what in ("data", "links", "releases"):
            text = json.dumps(await mine(shop, what, token))
            assert "anna" not in text
            assert "7777.25" not in text
        found = await mine(shop, "data", token)
        assert [one["kind"] for one in found["entries"]] == ["statement", "event"]
        assert (await mine(shop, "links", token))["links"] == []
    refused(
        await shop.ask("GET", "/v1/me/data", by=await shop.token(ANNA, verified=False)), 403, "not_verified"
    )


async def test_of_a_shared_device_nobody_sees_what_the_other_did(shop: Shop) -> None:
    for who, revenue in ((ANNA, 11), (BERT, 22)):
        await shop.given(who, PURPOSE)
        await signed_in(shop, who)
        await shop.bought(who, revenue, anonymousId="tablet-0001")
    await shop.given(TABLET, PURPOSE)
    await shop.track(
        "track", anonymousId="tablet-0001", event="Product Viewed", properties={"category": "zzz"}
    )
    token = await shop.token(ANNA, TABLET)
    text = json.dumps([await mine(shop, what, token) for what in ("data", "links")])
    assert "11" in text
    assert "bert" not in text
    assert '"revenue": 22' not in text
    assert "zzz" not in text


async def test_who_is_restricted_may_read_and_who_was_erased_has_nothing(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 5)
    await shop.decide(PURPOSE, ANNA)
    token = await shop.token(ANNA)
    await shop.post("/v1/me/restrict", {}, by=token, status=200)
    assert len((await mine(shop, "data", token))["entries"]) == 3
    assert (await shop.ask("DELETE", "/v1/me", by=token)).status_code == 200
    found = await mine(shop, "data", token)
    assert (found["entries"], found["identifiers"], found["features"]) == ([], [], {})
    assert (await mine(shop, "links", token))["links"] == []
    assert (await mine(shop, "releases", token))["releases"] == []


async def test_links_are_told_in_words_and_values_masked_unless_the_token_named_them(shop: Shop) -> None:
    await signed_in(shop, ANNA)
    found = await shop.ask(
        "GET", "/v1/me/links", by=await shop.token(ANNA), headers={"Accept-Language": "de"}
    )
    assert found.headers["content-language"] == "de"
    document = found.json()
    (link,) = document["links"]
    assert (link["kind"], link["counts"], link["evidence"][0]["said"]) == ("observed", True, "identify")
    assert "zusammen" in link["says"]
    told = {one["namespace"]: (one["value"], one["masked"]) for one in document["identifiers"]}
    assert told == {"user_id": ("anna-0001", "a…"), "anonymous_id": (None, "t…")}
    both = await mine(shop, "links", await shop.token(ANNA, TABLET))
    assert {one["value"] for one in both["identifiers"]} == {"anna-0001", "tablet-0001"}


async def test_a_browsers_claim_is_told_and_opens_nothing(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.track("identify", by="browser", userId="anna-0001", anonymousId="tablet-0001")
    found = await mine(shop, "links", await shop.token(ANNA))
    (link,) = found["links"]
    assert link["kind"] == "claimed"
    cookie = next(one for one in found["identifiers"] if one["namespace"] == "anonymous_id")
    assert (cookie["yours"], cookie["value"], cookie["masked"]) == (False, None, None)


async def test_who_says_that_is_not_me_is_parted_from_it(shop: Shop) -> None:
    await signed_in(shop, ANNA)
    token = await shop.token(ANNA)
    (link,) = (await mine(shop, "links", token))["links"]
    for other in (await shop.token(BERT), await shop.token(ANNA, verified=False), await shop.token(TABLET)):
        answer = await shop.ask("DELETE", f"/v1/me/links/{link['id']}", by=other)
        assert answer.status_code in {403, 404}
    denied = await shop.ask("DELETE", f"/v1/me/links/{link['id']}", by=token)
    assert denied.status_code == 200, denied.text
    assert (await mine(shop, "links", token))["links"] == []
    resolved = await shop.post("/v1/identities/resolve", {"subject": subject(ANNA)}, by="dpo", status=200)
    assert [one["namespace"] for one in resolved["identifiers"]] == ["user_id"]
    await signed_in(shop, ANNA)  # seen together again: the person's word stands
    (again,) = (await mine(shop, "links", token))["links"]
    assert (again["counts"], again["fault"]) == (False, "denied")
    for wrong in ("l:1-2", "l:999999-1000000", "nonsense"):
        assert (await shop.ask("DELETE", f"/v1/me/links/{wrong}", by=token)).status_code == 404


async def test_every_answer_about_a_person_is_told_to_them_and_no_other(shop: Shop) -> None:
    await shop.given(TABLET, PURPOSE)
    for who in (ANNA, BERT):
        await shop.given(who, PURPOSE)
        await shop.bought(who, 5)
    await signed_in(shop, ANNA)
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    about_bert = (await shop.decide(PURPOSE, BERT)).json()["release"]
    about_anna = (await shop.decide(PURPOSE, ANNA, audiences=["*"])).json()["release"]
    members = await shop.ask(
        "POST", "/v1/audiences/buyers/members", {"purpose": PURPOSE}, by=f"engine:{PURPOSE}"
    )
    everybody = json.loads(members.text.splitlines()[-1])["release"]
    found = await mine(shop, "releases", await shop.token(ANNA))
    told = [(one["release"], one["kind"], one["purpose"], one["rules"]) for one in found["releases"]]
    assert told == [
        (about_anna, "decision", PURPOSE, "buyers@1"),
        (everybody, "members", PURPOSE, "buyers@1"),
    ]
    assert all(one["consumer"] for one in found["releases"])
    assert about_bert in json.dumps(await mine(shop, "releases", await shop.token(BERT)))


async def test_an_answer_from_when_a_device_was_theirs_stays_theirs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.given(TABLET, PURPOSE)  # the tablet is older: the profile is named by it
    await shop.given(ANNA, PURPOSE)
    await signed_in(shop, ANNA)
    release = (await shop.decide(PURPOSE, ANNA)).json()["release"]
    token = await shop.token(ANNA)
    (link,) = (await mine(shop, "links", token))["links"]
    assert (await shop.ask("DELETE", f"/v1/me/links/{link['id']}", by=token)).status_code == 200
    later = (await shop.decide(PURPOSE, TABLET)).json()["release"]
    assert [one["release"] for one in (await mine(shop, "releases", token))["releases"]] == [release]
    cookie = await mine(shop, "releases", await shop.token(TABLET, verified=False))
    assert [one["release"] for one in cookie["releases"]] == [later]  # the first was about somebody named
    with monkeypatch.context() as patched:  # the canary: what was undone is forgotten

        async def nobody(*_: object) -> frozenset[int]:
            return frozenset()

        patched.setattr(own_releases, "everybody_around", nobody)
        assert (await mine(shop, "releases", token))["releases"] == []


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("older", [ANNA, TABLET])
async def test_who_holds_a_device_is_told_of_no_answer_about_who_was_named(
    shop: Shop, older: str, monkeypatch: pytest.MonkeyPatch, *, verified: bool
) -> None:
    for who in sorted((ANNA, TABLET), key=lambda one: one != older):  # the older names the profile
        await shop.given(who, PURPOSE)
    before = (await shop.decide(PURPOSE, TABLET)).json()["release"]
    await signed_in(shop, ANNA)
    await shop.decide(PURPOSE, ANNA)
    token = await shop.token(TABLET, verified=verified)
    assert [one["release"] for one in (await mine(shop, "releases", token))["releases"]] == [before]
    assert len((await mine(shop, "releases", await shop.token(ANNA)))["releases"]) == 2
    with monkeypatch.context() as patched:  # the canary: nobody counts as named
        patched.setattr(own_releases._Around, "_is_person", lambda *_: False)
        assert len((await mine(shop, "releases", token))["releases"]) == 2


async def test_a_log_that_is_looked_through_in_parts_is_told_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.given(BERT, PURPOSE)
    wanted = []
    for _ in range(3):
        await shop.decide(PURPOSE, BERT)
        wanted.append((await shop.decide(PURPOSE, ANNA)).json()["release"])
    monkeypatch.setattr(own_releases, "MOST", 2)
    token, found, after = await shop.token(ANNA), [], ""
    while True:
        page = await mine(shop, "releases", token, f"?limit=1{after}")
        found += [one["release"] for one in page["releases"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == wanted


async def test_a_token_of_a_device_that_opened_a_person_would_be_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "opened_by", lambda person, **_: (person.own, True))
    with pytest.raises(AssertionError):
        await test_a_cookies_token_sees_the_cookies_own_and_nothing_of_the_person(shop)


async def test_a_link_of_anothers_that_could_be_denied_would_be_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(me_links, "_seen", lambda opened: ties_of(opened.person, None))
    with pytest.raises(AssertionError):
        await test_who_says_that_is_not_me_is_parted_from_it(shop)


async def test_an_officer_finds_what_left_about_a_person_and_who_read_of_them(shop: Shop) -> None:
    for who in (ANNA, BERT):
        await shop.given(who, PURPOSE)
    await shop.decide(PURPOSE, BERT)
    release = (await shop.decide(PURPOSE, ANNA)).json()["release"]
    await mine(shop, "data", await shop.token(BERT))
    await mine(shop, "data", await shop.token(ANNA))
    about = {"subject": subject(ANNA)}
    left = await shop.post("/v1/audit/releases", about, by="dpo", status=200)
    assert [one["release"] for one in left["releases"]] == [release]
    other = await shop.post("/v1/audit/releases", {**about, "purpose": "advertising"}, by="dpo", status=200)
    assert other == {"releases": [], "next": None}
    read = await shop.post("/v1/audit/access", about, by="dpo", status=200)
    assert [(one["consumer"], one["rules"]) for one in read["access"]] == [
        ("person", "me/data"),
        ("dpo", "audit/releases"),
        ("dpo", "audit/releases"),
    ]
