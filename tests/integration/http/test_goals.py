"""Goals: who reached them, treated and held out, of one moment, floored; and what is refused when saving."""

import msgspec
import pytest

from assent.core.ids import ControllerId
from assent.ingest import derivations
from tests.integration.http.shop import Json, Shop, refused
from tests.integration.http.test_audiences import BUYERS, ITALIANS, PURPOSE, asked, people
from tests.integration.http.test_holdouts import EVERYBODY, HALF, buyers, parted

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGAIN = {"id": "again", "title": "Bought twice", "rule": 'did("Order Completed", at least 2)'}
ITALY = {"id": "italy", "title": "In Italy", "rule": ITALIANS}


async def goals(shop: Shop, by: str = f"engine:{PURPOSE}", audience: str = "some") -> Json:
    found = await asked(shop, f"{audience}/goals", by=by)
    assert found.status_code == 200, found.text
    assert found.headers["assent-sequence"] == str(found.json()["sequence"])
    return found.json()


async def test_goals_are_saved_with_the_audience(shop: Shop) -> None:
    saved = await shop.save("some", EVERYBODY, PURPOSE, goals=[AGAIN, ITALY])
    assert saved.json()["needs"] == {"features": ["country"], "categories": ["account", "orders"]}
    first, second = (await shop.ask("GET", "/v1/audiences/some")).json()["goals"]
    assert first["text"] == AGAIN["rule"]
    assert first["rule"]["op"] == "did"
    assert second == ITALY | {"text": 'country = "IT"'}
    assert (await goals(shop))["goals"] == [
        {"id": one["id"], "title": one["title"], "treatment": {"members": 0, "reached": 0}, "control": None}
        for one in (AGAIN, ITALY)
    ]


@pytest.mark.parametrize(
    ("wrong", "status", "code", "pointer"),
    [
        ({"rule": {"op": "eq", "feature": "shoe_size", "value": 1}}, 422, "unknown_feature", "/rule/feature"),
        ({"rule": "shoe_size = 1"}, 422, "unknown_feature", "/rule"),
        ({"rule": "country ="}, 400, "unreadable_body", "/rule"),
        ({"rule": {"op": "and", "of": []}}, 422, "empty_group", "/rule/of"),
        ({"rule": {"op": "or"}}, 400, "unreadable_body", "/rule"),
        ({"rule": 'audience("never_was")'}, 404, "unknown_audience", "/rule"),
        ({"id": "again"}, 400, "unreadable_body", "/id"),
        ({"id": "No Name"}, 400, "unreadable_body", "/id"),
    ],
)
async def test_a_fault_in_a_goal_is_told_by_its_place(
    shop: Shop, wrong: Json, status: int, code: str, pointer: str
) -> None:
    response = await shop.save("some", EVERYBODY, PURPOSE, goals=[AGAIN, ITALY | wrong])
    refused(response, status, code, f"/goals/1{pointer}", silent=False)
    refused(await shop.ask("GET", "/v1/audiences/some"), 404, "unknown_audience")


async def test_no_more_than_eight_goals_are_saved(shop: Shop) -> None:
    many = [ITALY | {"id": f"goal-{number}"} for number in range(9)]
    refused(await shop.save("some", EVERYBODY, PURPOSE, goals=many), 400, "unreadable_body", "/goals")
    assert (await shop.save("some", EVERYBODY, PURPOSE, goals=many[:8])).status_code == 200


async def test_goals_are_counted_in_treatment_and_control(shop: Shop) -> None:
    await people(shop, range(12))
    await parted(shop, "some", BUYERS, buyers(12))
    salt = (await shop.ask("GET", "/v1/audiences/some")).json()["holdout"]["salt"]
    await shop.save("some", BUYERS, PURPOSE, holdout={"share": 0.5, "salt": salt}, goals=[AGAIN, ITALY])
    for number in range(5):
        await shop.bought(f"user_id:buyer-{number}", 10)
    answered = (await shop.decide(PURPOSE, *buyers(12), audiences=["some"])).json()["decisions"]
    drawn = [one["buckets"]["some"] for one in answered]
    again, italy = (await goals(shop))["goals"]
    for bucket in ("treatment", "control"):
        expected = {"members": drawn.count(bucket), "reached": drawn[:5].count(bucket)}
        assert again[bucket] == expected
        assert italy[bucket] == expected | {"reached": 0}
    page = await shop.post("/v1/audit/releases", {}, by="dpo", status=200)
    recorded = {
        one["rules"].partition(":")[2]: one["number"] for one in page["releases"] if one["kind"] == "goals"
    }
    assert recorded == {
        f"{bucket}{goal}": found[bucket][what]
        for bucket in ("treatment", "control")
        for goal, found, what in (
            ("", again, "members"),
            (":again", again, "reached"),
            (":italy", italy, "reached"),
        )
    }


async def test_goals_are_floored_for_who_may_not_know_members(shop: Shop) -> None:
    await shop.save("some", BUYERS, PURPOSE, goals=[AGAIN])
    await people(shop, range(31))
    counting = f"counting:{PURPOSE}"
    told = []
    for number in range(31):
        if number in {9, 10, 20, 21, 30}:
            found = await goals(shop, counting)
            assert (found["goals"][0]["treatment"]["members"], found["floored_to"]) == (30, 10)
            told.append(found["goals"][0]["treatment"]["reached"])
        await shop.bought(f"user_id:buyer-{number}", 10)
    # Nobody learns that all but a few have, nor that all have.
    assert told == [0, 10, 20, 20, 20]
    assert (await goals(shop, counting))["goals"][0]["treatment"]["reached"] == 20
    exact = await goals(shop)
    assert exact["goals"][0]["treatment"] == {"members": 31, "reached": 31}
    assert exact["floored_to"] == 1


async def test_who_withdraws_is_counted_in_no_goal(shop: Shop) -> None:
    await shop.save("some", BUYERS, PURPOSE, holdout=HALF, goals=[ITALY | {"rule": BUYERS}])
    await people(shop, range(6))

    def total(found: Json) -> list[int]:
        (one,) = found["goals"]
        return [one["treatment"][what] + one["control"][what] for what in ("members", "reached")]

    assert total(await goals(shop)) == [6, 6]
    for left in range(5, -1, -1):
        await shop.state(f"user_id:buyer-{left}", PURPOSE, "withdrawn")
        assert total(await goals(shop)) == [left, left]


async def test_goals_are_for_the_engines_of_the_audiences_purposes(shop: Shop) -> None:
    await shop.save("some", EVERYBODY, PURPOSE, goals=[AGAIN])
    for what in ("goals", "distinctive"):
        refused(await asked(shop, f"some/{what}", by="engine:analytics"), 403, "purpose_not_bound")
        refused(await asked(shop, f"some/{what}", by="dpo"), 403, "forbidden")
        refused(await asked(shop, f"unheard_of/{what}"), 404, "unknown_audience")
        other = {"purpose": "analytics"}
        refused(
            await shop.ask("POST", f"/v1/audiences/some/{what}", other, by="engine:analytics"),
            404,
            "unknown_audience",
        )


async def test_what_only_a_goal_asks_of_events_is_kept_and_dropped_with_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derivations, "_LATELY_S", 0)

    async def kept() -> int:
        policy = await shop.service.policies.refreshed(ControllerId(shop.controller_id))
        return sum(feature.leaf is not None for feature in policy.features.values())

    await shop.save("some", EVERYBODY, PURPOSE, goals=[AGAIN])
    assert await kept() == 1
    await shop.save("some", EVERYBODY, PURPOSE)
    assert await kept() == 0


async def test_numbers_of_a_stored_goal_are_exact(shop: Shop) -> None:
    rule = {"op": "gt", "feature": "order_value", "value": 0}
    body = {
        "title": "t",
        "purposes": [PURPOSE],
        "rule": EVERYBODY,
        "goals": [{"id": "a", "title": "a", "rule": rule}],
    }
    content = msgspec.json.encode(body).replace(b'"value":0', b'"value":9007199254740.993001')
    saved = await shop.ask("PUT", "/v1/audiences/exact", content=content)
    assert saved.status_code == 200, saved.text
    assert '"value":9007199254740.993001' in (await shop.ask("GET", "/v1/audiences/exact")).text


async def told(shop: Shop, **more: Json) -> Json:
    found = await asked(shop, "some/distinctive", **more)
    assert found.status_code == 200, found.text
    return found.json()


async def countries(shop: Shop, *some: tuple[str, int, int]) -> None:
    """Let so many people live in each country, some of whom buy."""
    everybody = [(country, place < buying) for country, many, buying in some for place in range(many)]
    for number, (country, buys) in enumerate(everybody):
        who = f"user_id:buyer-{number}"
        await shop.given(who, PURPOSE)
        await shop.track("identify", userId=f"buyer-{number}", traits={"country": country})
        if buys:
            await shop.bought(who, 10)


async def test_what_members_have_more_often_is_told_floored_to_every_key(shop: Shop) -> None:
    await countries(shop, ("IT", 40, 30), ("FR", 9, 9), ("DE", 40, 2))
    await shop.save("some", BUYERS, PURPOSE)
    italian = {"feature": "country", "value": "IT", "members": 30, "population": 40, "lift": 1.5}
    for by in (f"engine:{PURPOSE}", f"counting:{PURPOSE}"):
        found = await told(shop, by=by)
        # The French are all buyers, and too few to be told of; Germans buy less than others.
        assert [one for one in found["values"] if one["feature"] == "country"] == [italian]
        assert (found["members"], found["population"], found["floored_to"]) == (40, 80, 10)
    (release,) = (await shop.post("/v1/audit/releases", {}, by="dpo", status=200))["releases"][-1:]
    assert (release["kind"], release["rules"], release["number"]) == ("distinctive", "some@1", 40)
    await shop.state("user_id:buyer-0", PURPOSE, "withdrawn")
    (fewer,) = (one for one in (await told(shop))["values"] if one["feature"] == "country")
    assert fewer == italian | {"members": 20, "population": 30, "lift": 1.333}
    for limit in (0, 1_001, "1"):
        refused(await asked(shop, "some/distinctive", limit=limit), 400, "unreadable_body", "/limit")
