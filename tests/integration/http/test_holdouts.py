"""Holdouts: a bucket for every member, wherever members are named, and it stays through merges and splits."""

import asyncio
from collections.abc import Iterable

import msgspec
import pytest

from assent.audiences import following
from assent.gate import door as door_module
from assent.gate import profile as profile_module
from assent.http import members
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, refused
from tests.integration.http.test_audiences import BUYERS, PURPOSE, asked, lines, people
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

HALF = {"share": 0.5}
EVERYBODY = {"op": "all"}


@pytest.fixture(autouse=True)
def only_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds move when they are read, so that what is told when is the test's to say."""
    monkeypatch.setattr(following.Following, "follow_all", lambda _: asyncio.sleep(0))


async def buckets(shop: Shop, who: Iterable[str], purpose: str = PURPOSE) -> list[Json]:
    """Return the buckets of people, each by audience."""
    answered = await shop.decide(purpose, *who, audiences=["*"])
    return [one["buckets"] for one in answered.json()["decisions"]]


async def parted(shop: Shop, audience: str, rule: Json, who: list[str], purpose: str = PURPOSE) -> None:
    """Save an audience by a salt that leaves some of these people in either bucket."""
    for salt in map(str, range(40)):
        await shop.save(audience, rule, purpose, holdout=HALF | {"salt": salt})
        if len({each[audience] for each in await buckets(shop, who, purpose)}) > 1:
            return
    pytest.fail("a share of one half that holds all or nobody")


async def many(shop: Shop, rule: Json, purpose: str = PURPOSE) -> None:
    """Save audiences that each draw anew: a bucket that moves is not missed."""
    for number in range(12):
        await shop.save(f"held-{number}", rule, purpose, holdout=HALF)


def buyers(number: int) -> list[str]:
    return [f"user_id:buyer-{n}" for n in range(number)]


async def test_a_holdout_is_a_part_of_the_version(shop: Shop) -> None:
    assert (await shop.save("some", BUYERS, PURPOSE, holdout=HALF)).json()["version"] == 1
    found = (await shop.ask("GET", "/v1/audiences/some")).json()
    assert found["holdout"] == {"share": 0.5, "salt": "some"}
    await shop.save("some", BUYERS, PURPOSE, holdout={"share": 0.000001, "salt": "spring"})
    found = (await shop.ask("GET", "/v1/audiences/some")).json()
    assert found["holdout"] == {"share": 0.000001, "salt": "spring"}
    await shop.save("some", BUYERS, PURPOSE)
    assert (await shop.ask("GET", "/v1/audiences/some")).json()["holdout"] is None
    first = (await shop.ask("GET", "/v1/audiences/some?version=1")).json()
    assert first["holdout"] == {"share": 0.5, "salt": "some"}


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, 0.0000001, 1e300])
async def test_a_share_lies_between_nobody_and_everybody(shop: Shop, share: float) -> None:
    response = await shop.save("some", BUYERS, PURPOSE, holdout={"share": share})
    refused(response, 422, "wrong_type", "/holdout/share")


@pytest.mark.parametrize(
    ("holdout", "pointer"),
    [
        ({}, "/holdout"),
        ({"share": "half"}, "/holdout/share"),
        ({"share": 0.5, "salt": ""}, "/holdout/salt"),
        ({"share": 0.5, "salt": "a\nb"}, "/holdout/salt"),
        ({"share": 0.5, "for": "ever"}, "/holdout"),
    ],
)
async def test_a_holdout_without_the_shape_of_one_is_refused(shop: Shop, holdout: Json, pointer: str) -> None:
    refused(await shop.save("some", BUYERS, PURPOSE, holdout=holdout), 400, "unreadable_body", pointer)


async def test_a_member_has_one_bucket_wherever_it_is_named(shop: Shop) -> None:
    await people(shop, range(12))
    await parted(shop, "held", BUYERS, buyers(12))
    await shop.save("whole", BUYERS, PURPOSE)
    answered = (await shop.decide(PURPOSE, *buyers(12), audiences=["*"])).json()["decisions"]
    # Who is held out is a member as everybody else is.
    assert all(
        one["audiences"] == ["held", "whole"] and one["buckets"].keys() == {"held"} for one in answered
    )
    decided = {one["subject"]: one["buckets"]["held"] for one in answered}
    assert set(decided.values()) == {"control", "treatment"}
    *found, end = lines(await asked(shop, "held/members"))
    assert {one["subject"]: one["bucket"] for one in found} == decided
    assert end["members"] == 12
    params = {"purpose": PURPOSE}
    page = (await shop.ask("GET", "/v1/audiences/held/changes", by=f"engine:{PURPOSE}", params=params)).json()
    assert {one["subject"]: one["bucket"] for one in page["changes"]} == decided
    for audience in ("whole/members", "held/members"):
        *_, last = lines(await asked(shop, audience))
        assert last["members"] == 12
    assert {one["bucket"] for one in lines(await asked(shop, "whole/members"))[:-1]} == {None}


async def test_members_of_one_bucket_can_be_asked_for(shop: Shop) -> None:
    await people(shop, range(12))
    await parted(shop, "held", BUYERS, buyers(12))
    await shop.save("whole", BUYERS, PURPOSE)
    everybody = lines(await asked(shop, "held/members"))[:-1]
    for bucket in ("control", "treatment"):
        *found, end = lines(await asked(shop, "held/members", buckets=[bucket]))
        assert found == [one for one in everybody if one["bucket"] == bucket]
        assert end["members"] == len(found) > 0
        page = await shop.post("/v1/audit/releases", {}, by="dpo", status=200)
        assert page["releases"][-1]["number"] == len(found)
    assert lines(await asked(shop, "held/members", buckets=["control", "treatment"]))[:-1] == everybody
    assert len(lines(await asked(shop, "whole/members", buckets=["treatment"]))) == 13
    assert len(lines(await asked(shop, "whole/members", buckets=["control"]))) == 1
    for wrong in ([], ["both"], "control"):
        response = await asked(shop, "held/members", buckets=wrong)
        assert response.status_code == 400, response.text


async def who_is_held_out_leaves_without_identifiers(open_shop: OpenShop) -> None:
    said: Json = shipped()
    said["purposes"]["purposes"]["email_marketing"]["exports"] = ["email"]
    shop = await open_shop(said)
    addresses = [f"email:buyer-{number}@example.com" for number in range(8)]
    for one in addresses:
        await shop.given(one, "email_marketing")
    await parted(shop, "held", EVERYBODY, addresses, "email_marketing")

    async def exported(**more: Json) -> dict[str, set[bool]]:
        body = {"purpose": "email_marketing", "namespaces": ["email"], **more}
        response = await shop.ask("POST", "/v1/audiences/held/members", body, by="engine:email_marketing")
        found: dict[str, set[bool]] = {}
        for one in lines(response)[:-1]:
            found.setdefault(one["bucket"], set()).add(bool(one["identifiers"]))
        return found

    assert await exported() == {"control": {False}, "treatment": {True}}
    assert await exported(buckets=["treatment"]) == {"treatment": {True}}
    assert await exported(buckets=["control"]) == {"control": {True}}
    assert await exported(buckets=["control", "treatment"]) == {"control": {True}, "treatment": {True}}


async def test_who_is_held_out_leaves_without_identifiers_unless_named(open_shop: OpenShop) -> None:
    await who_is_held_out_leaves_without_identifiers(open_shop)


async def test_an_export_that_forgets_the_control_group_is_found(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members._Export, "of", lambda _self, chunk: chunk)
    with pytest.raises(AssertionError):
        await who_is_held_out_leaves_without_identifiers(open_shop)


async def test_a_feed_tells_the_bucket_of_who_moves_and_of_nobody_else(shop: Shop) -> None:
    await people(shop, range(2))
    await shop.given("anonymous_id:browser", PURPOSE)
    await shop.save("held", EVERYBODY, PURPOSE, holdout=HALF)

    async def told() -> list[Json]:
        response = await shop.ask(
            "GET", "/v1/audiences/held/changes", by=f"engine:{PURPOSE}", params={"purpose": PURPOSE}
        )
        return list(response.json()["changes"])

    entered = {one["subject"]: one["bucket"] for one in await told()}
    assert len(entered) == 3
    assert None not in entered.values()
    await shop.track("identify", userId="buyer-0", anonymousId="browser")
    await shop.state("user_id:buyer-1", PURPOSE, "withdrawn")
    page = await told()
    assert {one["kind"] for one in page} == {"entered", "merged", "stop"}
    for one in page:
        assert one["bucket"] == (entered[one["subject"]] if one["kind"] == "entered" else None)


async def test_a_changed_holdout_is_told_of_those_alone_whose_bucket_it_changes(shop: Shop) -> None:
    await people(shop, range(8))
    await parted(shop, "held", BUYERS, buyers(8))
    saved = (await shop.ask("GET", "/v1/audiences/held")).json()["holdout"]
    followed: dict[str, Json] = {}
    read = 0

    async def told() -> int:
        nonlocal read
        params = {"purpose": PURPOSE, "after": read}
        page = (
            await shop.ask("GET", "/v1/audiences/held/changes", by=f"engine:{PURPOSE}", params=params)
        ).json()
        read = page["next"]
        assert {one["kind"] for one in page["changes"]} <= {"entered"}
        followed.update({one["subject"]: one["bucket"] for one in page["changes"]})
        return len(page["changes"])

    async def listed() -> dict[str, Json]:
        return {one["subject"]: one["bucket"] for one in lines(await asked(shop, "held/members"))[:-1]}

    assert await told() == 8
    before = dict(followed)
    for holdout in (saved | {"share": 0.999999}, saved | {"share": 0.000001}, saved, None):
        await shop.save("held", BUYERS, PURPOSE, holdout=holdout)
        changed = await told()
        assert followed == await listed()
        assert changed == sum(followed[one] != before[one] for one in before)
        before = dict(followed)
    assert set(before.values()) == {None}
    # Whoever reads it from the beginning has the same.
    followed, read = {}, 0
    await told()
    assert followed == before


async def test_audiences_of_one_salt_share_their_control_group(shop: Shop) -> None:
    for name, holdout in (
        ("one", {"share": 0.4, "salt": "spring"}),
        ("other", {"share": 0.4, "salt": "spring"}),
        ("larger", {"share": 0.8, "salt": "spring"}),
        ("own", {"share": 0.4}),
    ):
        await shop.save(name, BUYERS, PURPOSE, holdout=holdout)
    await people(shop, range(16))
    found = await buckets(shop, buyers(16))
    assert all(each["one"] == each["other"] for each in found)
    assert all(each["larger"] == "control" for each in found if each["one"] == "control")
    assert any(each["own"] != each["one"] for each in found)


async def test_of_two_who_merge_the_bucket_of_the_one_known_longest_persists(shop: Shop) -> None:
    await many(shop, EVERYBODY)
    browsers = [f"anonymous_id:browser-{n}" for n in range(10)]
    for one in browsers:
        await shop.given(one, PURPOSE)
    await people(shop, range(10))
    before = await buckets(shop, browsers)
    later = await buckets(shop, buyers(10))
    assert before != later
    for number in range(10):
        await shop.track("identify", userId=f"buyer-{number}", anonymousId=f"browser-{number}")
    assert await buckets(shop, buyers(10)) == await buckets(shop, browsers) == before
    for one in buyers(10):
        await shop.state(one, "identity_linking", "withdrawn")
    assert (await buckets(shop, browsers), await buckets(shop, buyers(10))) == (before, later)


async def known_by_contract(shop: Shop) -> bool:
    """Say whether people whom a contract opens keep their buckets while devices come."""
    await many(shop, EVERYBODY, "service")
    everybody = buyers(8)
    for one in everybody:
        await shop.bought(one, 1)
    before = await buckets(shop, everybody, "service")
    for number in range(8):
        for device in ("phone", "laptop"):
            await shop.bought(f"user_id:buyer-{number}", 1, anonymousId=f"{device}-{number}")
    body = {"purpose": "service"}
    listed = await shop.ask("POST", "/v1/audiences/held-0/members", body, by="engine:service")
    subjects = [one["subject"] for one in lines(listed)[:-1]]
    decided = (await shop.decide("service", *everybody)).json()["decisions"]
    assert sorted(one["subject"] for one in decided) == subjects
    return await buckets(shop, everybody, "service") == before


async def test_who_is_known_by_a_contract_keeps_the_bucket_while_devices_come(shop: Shop) -> None:
    assert await known_by_contract(shop)


async def test_a_bucket_by_the_device_that_came_last_is_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold, ranking = profile_module._profile, door_module._ranking

    def upside_down(policy: Json, *rest: Json) -> Json:
        namespaces = {
            number: msgspec.structs.replace(one, priority=-one.priority)
            for number, one in policy.namespaces.items()
        }
        return fold(msgspec.structs.replace(policy, namespaces=namespaces), *rest)

    monkeypatch.setattr(profile_module, "_profile", upside_down)
    monkeypatch.setattr(door_module, "_ranking", lambda policy: ranking(policy)[::-1])
    assert not await known_by_contract(shop)
