"""Audiences: rules that are saved or refused, counts that are floored, members that need a right."""

import asyncio
import json
import re

import httpx
import pytest

from assent.audiences import shelf as shelf_module
from assent.core.ids import ControllerId
from assent.core.time import DAY
from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"
BUYERS = {"op": "ge", "feature": "order_count", "value": 1}
ITALIANS = {"op": "eq", "feature": "country", "value": "IT"}


async def people(shop: Shop, numbers: range) -> None:
    """Let people consent and buy once."""
    for number in numbers:
        await shop.given(f"user_id:buyer-{number}", PURPOSE)
        await shop.bought(f"user_id:buyer-{number}", 10)


async def asked(shop: Shop, what: str, by: str = f"engine:{PURPOSE}", **body: Json) -> httpx.Response:
    return await shop.ask("POST", f"/v1/audiences/{what}", {"purpose": PURPOSE, **body}, by=by)


def lines(response: httpx.Response) -> list[Json]:
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert response.content.endswith(b"\n")
    return [json.loads(line) for line in response.content.splitlines()]


# Saving.


async def test_an_audience_is_saved_in_versions(shop: Shop) -> None:
    first = await shop.save("buyers", BUYERS, PURPOSE)
    assert first.status_code == 200
    assert first.json() == {
        "id": "buyers",
        "version": 1,
        "needs": {"features": ["order_count"], "categories": ["orders"]},
    }
    assert first.headers["assent-revision"] == str(await shop.revision())
    assert (await shop.save("buyers", ITALIANS, PURPOSE)).json()["version"] == 2
    found = await shop.ask("GET", "/v1/audiences/buyers", by="dpo")
    assert found.json() == {
        "id": "buyers",
        "version": 2,
        "title": "an audience",
        "purposes": [PURPOSE],
        "rule": ITALIANS,
        "text": 'country = "IT"',
        "holdout": None,
        "goals": [],
    }
    assert found.headers["assent-revision"] == str(await shop.revision())
    listed = await shop.ask("GET", "/v1/audiences")
    assert listed.json() == {"audiences": [found.json()]}


async def test_who_saves_beside_others_is_told_their_own_version(shop: Shop) -> None:
    await shop.save("buyers", "order_count >= 1", PURPOSE)
    rules = [f"order_count >= {least}" for least in range(2, 10)]
    saved = await asyncio.gather(*(shop.save("buyers", rule, PURPOSE) for rule in rules))
    versions = [one.json()["version"] for one in saved]
    assert sorted(versions) == list(range(2, 10))
    for rule, version in zip(rules, versions, strict=True):
        found = await shop.ask("GET", f"/v1/audiences/buyers?version={version}")
        assert found.json()["text"] == rule


async def test_what_is_said_again_is_no_new_version(shop: Shop) -> None:
    holdout: Json = {"holdout": {"share": 0.1}}
    first = await shop.save("buyers", BUYERS, PURPOSE, **holdout)
    revision = await shop.revision()
    for by in ("admin", f"engine:{PURPOSE}"):
        again = await shop.save("buyers", "order_count >= 1", PURPOSE, by=by, **holdout)
        assert again.json() == first.json()
    assert await shop.revision() == revision
    assert (await shop.save("buyers", BUYERS, PURPOSE)).json()["version"] == 2
    assert (await shop.save("buyers", BUYERS, PURPOSE, title="another")).json()["version"] == 3
    assert (await shop.save("buyers", BUYERS, PURPOSE, "service")).json()["version"] == 4
    await shop.ask("DELETE", "/v1/audiences/buyers")
    assert (await shop.save("buyers", BUYERS, PURPOSE, "service")).json()["version"] == 6


async def test_what_another_process_saved_just_now_is_known(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf_module, "_FRESH", DAY)
    await people(shop, range(1))
    await shop.save("others", ITALIANS, PURPOSE)
    kept, controller = shop.service.audiences.shelf._kept, ControllerId(shop.controller_id)
    before = kept[controller]
    await shop.save("buyers", BUYERS, PURPOSE)
    engine = f"engine:{PURPOSE}"
    for method, path, body in (
        ("PUT", "more", {"title": "More", "purposes": [PURPOSE], "rule": 'audience("buyers")'}),
        ("POST", "preview", {"purpose": PURPOSE, "rule": 'audience("buyers")'}),
        ("POST", "overlap", {"purpose": PURPOSE, "audiences": ["buyers", "others"]}),
        ("POST", "buyers/count", {"purpose": PURPOSE}),
        ("POST", "buyers/members", {"purpose": PURPOSE}),
        ("GET", f"buyers/changes?purpose={PURPOSE}&after=0", None),
        ("GET", "buyers", None),
        ("GET", "", None),
    ):
        kept[controller] = before
        found = await shop.ask(method, f"/v1/audiences/{path}".rstrip("/"), body, by=engine)
        assert found.status_code == 200, (path, found.text)
        assert path or "buyers" in found.text
    kept[controller] = before
    decided = await shop.decide(PURPOSE, "user_id:buyer-0", audiences=["buyers"])
    assert decided.json()["decisions"][0]["audiences"] == ["buyers"]


async def test_an_audience_to_which_others_refer_stays(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE, "service")
    await shop.save("others", 'not audience("buyers")', PURPOSE)
    goal = {"id": "buys", "title": "Buys", "rule": 'audience("buyers")'}
    await shop.save("all", "everyone", "service", goals=[goal])
    revision = await shop.revision()
    for by, referrers in (("admin", ["all", "others"]), ("dpo", ["all", "others"])):
        response = await shop.ask("DELETE", "/v1/audiences/buyers", by=by)
        assert refused(response, 409, "audience_in_use")["referrers"] == referrers
    # One of its purposes can go no sooner.
    fewer = await shop.save("buyers", BUYERS, PURPOSE)
    assert refused(fewer, 409, "audience_in_use", "/purposes")["referrers"] == ["all"]
    assert await shop.revision() == revision
    await shop.ask("DELETE", "/v1/audiences/all")
    assert (await shop.save("buyers", BUYERS, PURPOSE)).status_code == 200
    by = f"engine:{PURPOSE}"
    refused(await shop.ask("DELETE", "/v1/audiences/buyers", by=by), 409, "audience_in_use")
    await shop.save("others", "everyone", PURPOSE)
    assert (await shop.ask("DELETE", "/v1/audiences/buyers", by=by)).status_code == 200


async def test_what_was_checked_stands_when_it_is_saved(shop: Shop) -> None:
    for name in ("one", "two", "three"):
        await shop.save(name, BUYERS, PURPOSE)
    circle = {"one": "two", "two": "three", "three": "one"}
    saved = await asyncio.gather(
        *(shop.save(name, f'audience("{other}")', PURPOSE) for name, other in circle.items())
    )
    assert sorted(one.status_code for one in saved) == [200, 200, 422]
    await shop.save("four", BUYERS, PURPOSE)
    refers, deleted = await asyncio.gather(
        shop.save("five", 'audience("four")', PURPOSE), shop.ask("DELETE", "/v1/audiences/four")
    )
    assert (refers.status_code, deleted.status_code) in {(200, 409), (404, 200)}


async def test_every_version_can_be_read_again(shop: Shop) -> None:
    for rule in (BUYERS, ITALIANS):
        await shop.save("buyers", rule, PURPOSE)
    await shop.ask("DELETE", "/v1/audiences/buyers")
    for version, text in ((1, "order_count >= 1"), (2, 'country = "IT"')):
        found = await shop.ask("GET", f"/v1/audiences/buyers?version={version}", by=f"engine:{PURPOSE}")
        assert (found.json()["version"], found.json()["text"]) == (version, text)
    for version in (3, 4, 999_999_999):  # the third says that it is deleted
        refused(await shop.ask("GET", f"/v1/audiences/buyers?version={version}"), 404, "unknown_audience")
    other = await shop.ask("GET", "/v1/audiences/buyers?version=1", by="engine:analytics")
    refused(other, 404, "unknown_audience")
    for asked_for in ("version=0", "version=01", "version=-1", "version=", "version=9999999999", "v=1"):
        refused(await shop.ask("GET", f"/v1/audiences/buyers?{asked_for}"), 400, "unreadable_body")


async def test_a_rule_is_a_tree_or_its_text(shop: Shop) -> None:
    text = 'country in ("IT", "FR") and not order_value > 20.5'
    tree = {
        "op": "and",
        "of": [
            {"op": "in", "feature": "country", "values": ["IT", "FR"]},
            {"op": "not", "of": {"op": "gt", "feature": "order_value", "value": 20.5}},
        ],
    }
    for said in (text, tree):
        saved = await shop.save("some", said, PURPOSE)
        assert saved.json()["needs"]["features"] == ["country", "order_value"]
        found = (await shop.ask("GET", "/v1/audiences/some")).json()
        assert (found["rule"], found["text"]) == (tree, text)
    await people(shop, range(2))
    assert (await asked(shop, "preview", rule="order_count >= 1")).json()["count"] == 2
    assert (await asked(shop, "preview", rule="order_count >= 1", by="engine:service")).status_code == 403


@pytest.mark.parametrize(
    ("text", "status", "code", "said"),
    [
        ("order_count >=", 400, "unreadable_body", "column 15: expected a value"),
        ("country = 'IT'", 400, "unreadable_body", "column 11: expected"),
        ("", 400, "unreadable_body", "column 1: expected"),
        ("(" * 60_000, 400, "unreadable_body", "column 42: expected"),
        ("everyone" + " " * 65_530, 422, "rule_too_deep", "expected at most 65536 characters"),
        ("order_count = 1 or\n shoe_size = 1", 422, "unknown_feature", "line 2, column 2: "),
        ('country = "IT" and order_count = "many orders"', 422, "wrong_type", "column 20: "),
        ("order_count = 1 or any_of()", 422, "empty_group", "column 20: "),
        ("not " * 8 + "everyone", 422, "rule_too_deep", "column 33: "),
        ('order_count = 1 and audience("never_was")', 404, "unknown_audience", "column 21: "),
    ],
)
async def test_a_fault_in_a_text_is_told_by_its_column(
    shop: Shop, text: str, status: int, code: str, said: str
) -> None:
    for response in (await shop.save("some", text, PURPOSE), await asked(shop, "preview", rule=text)):
        document = refused(response, status, code, "/rule")
        assert document["title"].startswith(said)


async def test_numbers_of_a_rule_are_exact(shop: Shop) -> None:
    body = (
        b'{"title": "t", "purposes": ["personalisation"],'
        b' "rule": {"op": "gt", "feature": "order_value", "value": %s}}'
    )
    # As binary fractions these two would be one.
    for number in ("9007199254740.993001", "9007199254740.993002"):
        saved = await shop.ask("PUT", "/v1/audiences/exact", content=body % number.encode())
        assert saved.status_code == 200, saved.text
        found = await shop.ask("GET", "/v1/audiences/exact")
        assert f'"value":{number}' in found.text
        assert found.json()["text"] == f"order_value > {number}"
    for wrong in (b"1e99999999999999999999", b"9" * 5_000):
        response = await shop.ask("PUT", "/v1/audiences/exact", content=body % wrong)
        assert response.status_code in {400, 422}


async def test_a_deleted_audience_is_unknown(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    deleted = await shop.ask("DELETE", "/v1/audiences/buyers")
    assert (deleted.status_code, deleted.json()) == (200, {"id": "buyers", "deleted": True})
    assert deleted.headers["assent-revision"] == str(await shop.revision())
    refused(await shop.ask("GET", "/v1/audiences/buyers"), 404, "unknown_audience")
    refused(await shop.ask("DELETE", "/v1/audiences/buyers"), 404, "unknown_audience")
    refused(await asked(shop, "buyers/count"), 404, "unknown_audience")
    assert (await shop.ask("GET", "/v1/audiences")).json() == {"audiences": []}
    assert (await shop.save("buyers", BUYERS, PURPOSE)).json()["version"] == 3


def deep(levels: int) -> Json:
    rule: Json = BUYERS
    for _ in range(levels):
        rule = {"op": "not", "of": rule}
    return rule


@pytest.mark.parametrize(
    ("rule", "code", "pointer"),
    [
        ({"op": "ge", "feature": "shoe_size", "value": 1}, "unknown_feature", "/rule/feature"),
        (
            {"op": "and", "of": [BUYERS, {"op": "known", "feature": "shoe_size"}]},
            "unknown_feature",
            "/rule/of/1/feature",
        ),
        ({"op": "ge", "feature": "order_count", "value": "many orders"}, "wrong_type", "/rule/value"),
        ({"op": "ge", "feature": "country", "value": 1}, "wrong_type", None),
        ({"op": "eq", "feature": "country", "value": True}, "wrong_type", "/rule/value"),
        ({"op": "in", "feature": "country", "values": ["IT", 7]}, "wrong_type", "/rule/values/1"),
        ({"op": "and", "of": []}, "empty_group", "/rule/of"),
        ({"op": "or", "of": [BUYERS, {"op": "or", "of": []}]}, "empty_group", "/rule/of/1/of"),
        (deep(8), "rule_too_deep", None),
        (deep(200), "rule_too_deep", "/rule"),
        ({"op": "or", "of": [BUYERS] * 64}, "rule_too_deep", None),
        ({"op": "audience", "audience": "never_was"}, "unknown_audience", "/rule/audience"),
        ({"op": "audience", "audience": ""}, "unknown_audience", "/rule/audience"),
        ({"op": "audience", "audience": "itself"}, "cyclic_audience", "/rule/audience"),
        (
            {"op": "gt", "feature": "products_viewed", "value": 1},
            "not_permitted_for_purpose",
            "/rule/feature",
        ),
    ],
)
async def test_a_rule_that_means_nothing_is_refused_where_it_is_wrong(
    shop: Shop, rule: Json, code: str, pointer: str | None
) -> None:
    before = await shop.revision()
    # `service` never sees browsing; all else is the same for both.
    purposes = ["service"] if code == "not_permitted_for_purpose" else [PURPOSE]
    if code == "cyclic_audience":
        await shop.save("itself", BUYERS, *purposes)
        before += 1
    response = await shop.save("itself", rule, *purposes)
    status = 404 if code == "unknown_audience" else 422
    refused(response, status, code, pointer)
    assert await shop.revision() == before
    engine = {"purpose": purposes[0], "rule": rule}
    if code != "cyclic_audience":
        preview = await shop.ask("POST", "/v1/audiences/preview", engine, by=f"engine:{purposes[0]}")
        refused(preview, status, code, pointer)


@pytest.mark.parametrize(
    "rule",
    [
        {"op": "wish", "feature": "order_count"},
        {"op": "ge", "feature": "order_count"},
        {"op": "ge", "feature": "order_count", "value": 1, "unless": "raining"},
        {"op": "not", "of": []},
        {"feature": "order_count"},
        ["and"],
        None,
        17,
    ],
)
async def test_what_has_not_the_shape_of_a_rule_is_unreadable(shop: Shop, rule: Json) -> None:
    refused(await shop.save("buyers", rule, PURPOSE), 400, "unreadable_body")


async def test_a_cycle_through_another_audience_is_found(shop: Shop) -> None:
    await shop.save("one", BUYERS, PURPOSE)
    await shop.save("two", {"op": "audience", "audience": "one"}, PURPOSE)
    response = await shop.save("one", {"op": "not", "of": {"op": "audience", "audience": "two"}}, PURPOSE)
    refused(response, 422, "cyclic_audience", "/rule/of/audience")


@pytest.mark.parametrize(
    "name", ["Buyers", "-buyers", "b" * 64, "b.u", "b%20b", "b\u00fcyers", "anna@example.org"]
)
async def test_an_id_is_a_plain_word(shop: Shop, name: str) -> None:
    refused(await shop.save(name, BUYERS, PURPOSE), 400, "unreadable_body")


async def test_purposes_of_an_audience_must_be_declared(shop: Shop) -> None:
    refused(
        await shop.save("buyers", BUYERS, PURPOSE, "world_domination"), 422, "unknown_purpose", "/purposes/1"
    )
    refused(await shop.save("buyers", BUYERS), 400, "unreadable_body", "/purposes")
    refused(await shop.save("buyers", BUYERS, PURPOSE, PURPOSE), 400, "unreadable_body", "/purposes/1")


@pytest.mark.parametrize("title", ["a\x00b", "two\nlines", "x" * 201, None])
async def test_a_title_is_one_line(shop: Shop, title: Json) -> None:
    body = {"title": title, "purposes": [PURPOSE], "rule": BUYERS}
    response = await shop.ask("PUT", "/v1/audiences/buyers", body)
    refused(response, 400, "unreadable_body", "/title")


async def test_an_engine_saves_for_its_own_purposes_and_learns_no_revision(shop: Shop) -> None:
    by = f"engine:{PURPOSE}"
    saved = await shop.save("buyers", BUYERS, PURPOSE, by=by)
    assert saved.status_code == 200
    assert "assent-revision" not in saved.headers
    listed = await shop.ask("GET", "/v1/audiences", by=by)
    assert "assent-revision" not in listed.headers
    assert "assent-revision" not in (await shop.ask("DELETE", "/v1/audiences/buyers", by=by)).headers
    response = await shop.save("buyers", BUYERS, PURPOSE, "analytics", by=by)
    refused(response, 403, "purpose_not_bound", "/purposes/1")


async def test_another_purposes_audience_is_as_unknown_as_one_that_never_was(shop: Shop) -> None:
    await shop.save("elsewhere", BUYERS, "analytics")
    by = f"engine:{PURPOSE}"
    for method, what, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/count", {"purpose": PURPOSE}),
        ("POST", "/members", {"purpose": PURPOSE}),
    ]:
        other = await shop.ask(method, f"/v1/audiences/elsewhere{what}", body, by=by)
        never = await shop.ask(method, f"/v1/audiences/never_was{what}", body, by=by)
        refused(other, 404, "unknown_audience")
        assert (other.content, other.headers) == (never.content, never.headers)
    assert (await shop.ask("GET", "/v1/audiences", by=by)).json() == {"audiences": []}


async def test_collectors_and_issuers_know_no_audiences(shop: Shop) -> None:
    for by in ("collector", "browser", "issuer"):
        for method, path in [
            ("GET", "/v1/audiences"),
            ("GET", "/v1/audiences/x"),
            ("PUT", "/v1/audiences/x"),
            ("DELETE", "/v1/audiences/x"),
            ("POST", "/v1/audiences/x/count"),
            ("POST", "/v1/audiences/x/members"),
            ("POST", "/v1/audiences/preview"),
            ("POST", "/v1/audiences/overlap"),
        ]:
            refused(await shop.ask(method, path, {}, by=by), 403, "forbidden")


# Counting.


async def test_without_the_right_to_members_counts_are_floored(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    shown: list[tuple[int, int]] = []
    for buyers in (range(9), range(9, 10), range(10, 15)):
        await people(shop, buyers)
        exact = (await asked(shop, "buyers/count")).json()
        floored = (await asked(shop, "buyers/count", by=f"counting:{PURPOSE}")).json()
        assert (exact["floored_to"], floored["floored_to"]) == (1, 10)
        shown.append((exact["count"], floored["count"]))
    assert shown == [(9, 0), (10, 10), (15, 10)]
    by = f"counting:{PURPOSE}"
    assert (await asked(shop, "preview", by=by, rule=BUYERS)).json()["count"] == 10
    assert (await asked(shop, "overlap", by=by, audiences=["buyers"])).json()["count"] == 10


async def test_what_names_people_singly_is_not_counted_without_the_right_to_members(shop: Shop) -> None:
    await people(shop, range(10))
    by, order = f"counting:{PURPOSE}", 'did("Order Completed", where order_id in ("A-1", "A-2"))'
    decided = await shop.ask(
        "POST",
        "/v1/decisions",
        {"purpose": PURPOSE, "subjects": [subject(f"user_id:buyer-{n}") for n in range(10)]},
        by=by,
    )
    # Nine of them are known to the asker; whether the tenth is there too would be told by 10 or 0.
    names = [one["subject"] for one in decided.json()["decisions"]]
    rules: list[tuple[Json, str]] = [
        ({"op": "and", "of": [BUYERS, {"op": "ids", "values": names}]}, "/rule/of/1"),
        ({"op": "not", "of": {"op": "ids", "values": names[:1]}}, "/rule/of"),
        ({"op": "audience", "audience": "listed"}, "/rule/audience"),
        (order, "/rule"),
    ]
    await shop.save("buyers", BUYERS, PURPOSE)
    await shop.save("listed", {"op": "ids", "values": names}, PURPOSE, by=by)
    await shop.save("goal_listed", BUYERS, PURPOSE, goals=[{"id": "a", "title": "a", "rule": order}])
    await shop.save("fine", BUYERS, PURPOSE, holdout={"share": 0.0001}, goals=[])
    for rule, place in rules:
        refused(await asked(shop, "preview", by=by, rule=rule), 403, "forbidden", place)
        await shop.save("around", rule, PURPOSE)
        for what, more in (
            ("around/count", {}),
            ("around/goals", {}),
            ("around/distinctive", {}),
            ("overlap", {"audiences": ["buyers", "around"]}),
        ):
            document = refused(await asked(shop, what, by=by, **more), 403, "forbidden")
            assert "errors" not in document  # the fault is in no body of theirs
    for named in ("goal_listed/goals", "fine/goals", "listed/count"):
        refused(await asked(shop, named, by=by), 403, "forbidden")
    assert (await asked(shop, "goal_listed/count", by=by)).json()["count"] == 10
    # Who may know members is told.
    assert (await asked(shop, "preview", rule=order)).json()["count"] == 0
    await shop.save("listed", {"op": "audience", "audience": "buyers"}, PURPOSE)
    assert (await asked(shop, "preview", by=by, rule=rules[2][0])).json()["count"] == 10


async def test_a_count_says_of_which_sequence_it_is(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(2))
    counted = await asked(shop, "buyers/count")
    assert counted.json().keys() == {"count", "floored_to", "sequence"}
    assert counted.headers["assent-sequence"] == str(counted.json()["sequence"])
    assert "assent-revision" not in counted.headers
    await shop.state("user_id:buyer-0", PURPOSE, "withdrawn")
    after = (await asked(shop, "buyers/count")).json()
    assert after["count"] == 1
    assert after["sequence"] > counted.json()["sequence"]


async def test_a_rule_can_be_tried_without_saving_it(shop: Shop) -> None:
    await people(shop, range(2))
    before = await shop.revision()
    tried = (await asked(shop, "preview", rule={"op": "not", "of": BUYERS})).json()
    assert (tried["count"], tried["needs"]) == (0, {"features": ["order_count"], "categories": ["orders"]})
    assert await shop.revision() == before


async def test_an_overlap_counts_the_members_of_all(shop: Shop) -> None:
    await people(shop, range(2))
    await shop.bought("user_id:buyer-0", 90)
    await shop.save("buyers", BUYERS, PURPOSE)
    await shop.save("big_spenders", {"op": "ge", "feature": "order_value", "value": 100}, PURPOSE)
    overlap = await asked(shop, "overlap", audiences=["buyers", "big_spenders"])
    assert overlap.json()["count"] == 1
    refused(
        await asked(shop, "overlap", audiences=["buyers", "never_was"]),
        404,
        "unknown_audience",
        "/audiences/1",
    )
    refused(await asked(shop, "overlap", audiences=[]), 400, "unreadable_body", "/audiences")
    refused(await asked(shop, "overlap", audiences=["buyers"] * 17), 400, "unreadable_body", "/audiences")


# Members.


async def test_members_are_told_in_order_and_completely(shop: Shop) -> None:
    await people(shop, range(5))
    await shop.save("buyers", BUYERS, PURPOSE)
    response = await asked(shop, "buyers/members")
    *members, end = lines(response)
    names = [member["subject"] for member in members]
    assert names == sorted(set(names))
    assert all(member["identifiers"] == {} for member in members)
    assert end.items() >= {"end": True, "members": 5}.items()
    assert response.headers["assent-sequence"] == str(end["sequence"])
    assert re.fullmatch(r"r:\d+", end["release"])
    assert "buyer-" not in response.text
    # The same name as in a decision for the same consumer.
    assert (await shop.decision(PURPOSE, "user_id:buyer-0"))["subject"] in names


async def test_an_empty_audience_is_complete_too(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    (end,) = lines(await asked(shop, "buyers/members"))
    assert end.items() >= {"end": True, "members": 0}.items()


async def test_members_need_the_right_to_them(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    refused(await asked(shop, "buyers/members", by=f"counting:{PURPOSE}"), 403, "forbidden")
    refused(await asked(shop, "buyers/members", by="dpo"), 403, "forbidden")
    refused(await asked(shop, "buyers/members", by="admin"), 403, "forbidden")


async def test_values_of_identifiers_are_not_handed_out(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    response = await asked(shop, "buyers/members", namespaces=["email"])
    refused(response, 422, "not_permitted_for_purpose", "/namespaces")


@pytest.mark.parametrize("what", ["buyers/count", "buyers/members", "preview", "overlap"])
async def test_a_purpose_must_be_known_and_the_keys_own(shop: Shop, what: str) -> None:
    bodies: Json = {"preview": {"rule": BUYERS}, "overlap": {"audiences": ["buyers"]}}
    more = bodies.get(what, {})
    refused(await asked(shop, what, purpose="world_domination", **more), 422, "unknown_purpose", "/purpose")
    refused(await asked(shop, what, purpose="analytics", **more), 403, "purpose_not_bound", "/purpose")
    refused(await asked(shop, what, purpose=None, **more), 400, "unreadable_body", "/purpose")


# People by name, and shares of people.


async def test_a_list_of_ids_names_people_for_the_consumer_and_purpose_that_know_them_so(shop: Shop) -> None:
    await people(shop, range(4))
    names = [(await shop.decision(PURPOSE, f"user_id:buyer-{n}"))["subject"] for n in range(4)]
    listed = {"op": "ids", "values": [names[1], names[3], "k-nobody"]}
    await shop.save("listed", listed, PURPOSE, "service")
    await shop.save("others", {"op": "not", "of": {"op": "audience", "audience": "listed"}}, PURPOSE)
    for audience, right in (("listed", {names[1], names[3]}), ("others", {names[0], names[2]})):
        *found, end = lines(await asked(shop, f"{audience}/members"))
        assert {one["subject"] for one in found} == right
        assert (await asked(shop, f"{audience}/count")).json()["count"] == end["members"] == 2
        decided = (
            await shop.decide(PURPOSE, *(f"user_id:buyer-{n}" for n in range(4)), audiences=[audience])
        ).json()
        assert {one["subject"] for one in decided["decisions"] if one["audiences"]} == right
    # The same people have other names for another purpose: there the list names nobody.
    elsewhere = await asked(shop, "listed/members", by="engine:service", purpose="service")
    assert lines(elsewhere)[-1]["members"] == 0


async def test_a_share_of_people_is_the_same_in_every_answer_and_no_one_is_in_both_halves(shop: Shop) -> None:
    await people(shop, range(12))
    half = {"op": "bucket", "salt": "spring", "low": 0, "high": 0.5}
    await shop.save("half", half, PURPOSE)
    await shop.save("other_half", {"op": "not", "of": half}, PURPOSE)
    who = [f"user_id:buyer-{n}" for n in range(12)]
    decided = (await shop.decide(PURPOSE, *who, audiences=["half", "other_half"])).json()["decisions"]
    assert all(len(one["audiences"]) == 1 for one in decided)
    for name in ("half", "other_half"):
        *found, _ = lines(await asked(shop, f"{name}/members"))
        assert {one["subject"] for one in found} == {
            one["subject"] for one in decided if name in one["audiences"]
        }
    # Somebody's share outlives a cookie that turns out to be theirs: it was known after them.
    before = decided[0]["audiences"]
    await shop.given("anonymous_id:late", PURPOSE)
    await shop.track("identify", userId="buyer-0", anonymousId="late")
    merged = (await shop.decide(PURPOSE, "anonymous_id:late", audiences=["*"])).json()["decisions"][0]
    assert (merged["subject"], merged["audiences"]) == (decided[0]["subject"], before)
