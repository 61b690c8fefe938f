"""Controllers, keys and policies: what an administrator sets up, and what is refused to everybody else."""

import pytest

from tests.integration.http.conftest import Installation
from tests.integration.http.shop import SECOND, Json, Shop, a_name, bearer, refused, subject
from tests.support.policy_documents import changed, put, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Controllers.


async def test_a_controller_begins_empty_with_an_administrators_key(installation: Installation) -> None:
    name = a_name()
    answer = await installation.http.post(
        "/v1/controllers", json={"name": name}, headers=bearer(installation.admin_key)
    )
    assert answer.status_code == 201
    document = answer.json()
    assert document.keys() == {"controller", "name", "key_id", "key"}
    assert document["name"] == name
    checkpoint = await installation.http.get("/checkpoint", headers=bearer(document["key"]))
    assert checkpoint.text.splitlines()[1] == "0"


async def test_a_controllers_name_is_given_once(installation: Installation) -> None:
    name = a_name()
    for status in (201, 422):
        answer = await installation.http.post(
            "/v1/controllers", json={"name": name}, headers=bearer(installation.admin_key)
        )
        assert answer.status_code == status
    refused(answer, 422, "fact_rejected")


@pytest.mark.parametrize("name", ["", "x" * 201, None, 17, "a\x00b", "two\nlines"])
async def test_a_controller_needs_a_name(installation: Installation, name: Json) -> None:
    answer = await installation.http.post(
        "/v1/controllers", json={"name": name}, headers=bearer(installation.admin_key)
    )
    refused(answer, 400, "unreadable_body", "/name")


async def test_only_the_installations_administrator_makes_controllers(shop: Shop) -> None:
    for by in ("admin", "dpo", "issuer", "collector", "engine:service"):
        refused(await shop.ask("POST", "/v1/controllers", {"name": a_name()}, by=by), 403, "forbidden")


async def test_controllers_know_nothing_of_each_other(shop: Shop, installation: Installation) -> None:
    await shop.given("user_id:anna-0001", "personalisation")
    await shop.bought("user_id:anna-0001", 10)
    await shop.save("buyers", {"op": "ge", "feature": "order_count", "value": 1}, "personalisation")
    other = await (await installation.controller()).open()
    assert (await other.decision("personalisation", "user_id:anna-0001"))["subject"] is None
    assert (await other.ask("GET", "/v1/audiences")).json() == {"audiences": []}
    key_id = (await shop.post("/v1/keys", {"role": "dpo"}))["key_id"]
    assert await other.post("/v1/keys/revoke", {"key_id": key_id}, status=200) == {"revoked": False}


# Keys.


async def test_a_key_is_shown_once_and_works(shop: Shop) -> None:
    made = await shop.post("/v1/keys", {"role": "dpo"})
    assert made.keys() == {"key_id", "key"}
    assert (await shop.ask("GET", "/v1/audiences", by=made["key"])).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "code", "pointer"),
    [
        ({"role": "emperor"}, 400, "unreadable_body", "/role"),
        ({}, 400, "unreadable_body", None),
        ({"role": "collector", "trust": "blind"}, 400, "unreadable_body", "/trust"),
        ({"role": "engine", "consumer": "two words"}, 400, "unreadable_body", "/consumer"),
        ({"role": "engine", "consumer": "a\nline"}, 400, "unreadable_body", "/consumer"),
        ({"role": "engine", "consumer": "word\n"}, 400, "unreadable_body", "/consumer"),
        ({"role": "engine", "consumer": "x" * 65}, 400, "unreadable_body", "/consumer"),
        ({"role": "collector", "source": "a\x00b"}, 400, "unreadable_body", "/source"),
        ({"role": "collector", "source": "two\nlines"}, 400, "unreadable_body", "/source"),
        ({"role": "engine", "members": "yes"}, 400, "unreadable_body", "/members"),
        ({"role": "engine", "for": "ever"}, 400, "unreadable_body", None),
        (
            {"role": "engine", "purposes": ["service", "world_domination"]},
            422,
            "unknown_purpose",
            "/purposes/1",
        ),
    ],
)
async def test_a_key_that_could_mean_nothing_is_not_made(
    shop: Shop, wanted: Json, status: int, code: str, pointer: str | None
) -> None:
    refused(await shop.ask("POST", "/v1/keys", wanted), status, code, pointer)


async def test_only_administrators_make_and_revoke_keys(shop: Shop) -> None:
    for by in ("dpo", "issuer", "collector", "engine:service"):
        refused(await shop.ask("POST", "/v1/keys", {"role": "admin"}, by=by), 403, "forbidden")
        refused(await shop.ask("POST", "/v1/keys/revoke", {"key_id": 1}, by=by), 403, "forbidden")


@pytest.mark.parametrize("key_id", [0, -1, 1 << 63, 1 << 70, "1", 1.5, None])
async def test_a_number_that_no_key_has_is_unreadable(shop: Shop, key_id: Json) -> None:
    response = await shop.ask("POST", "/v1/keys/revoke", {"key_id": key_id})
    refused(response, 400, "unreadable_body", "/key_id")


async def test_a_revoked_key_is_refused_everywhere_within_a_second(shop: Shop) -> None:
    for role, method, path, body in [
        ("collector", "POST", "/v1/track", {"userId": "u-1", "event": "x"}),
        ("collector", "POST", "/v1/consents", {}),
        ("issuer", "POST", "/v1/subjects/token", {}),
        ("engine", "POST", "/v1/decisions", {}),
        ("dpo", "GET", "/v1/audiences", None),
        ("admin", "POST", "/v1/keys", {}),
    ]:
        made = await shop.post("/v1/keys", {"role": role})
        taken = await shop.ask(method, path, body, by=made["key"])
        assert taken.status_code in {200, 400}, taken.text
        revoked = await shop.post("/v1/keys/revoke", {"key_id": made["key_id"]}, status=200)
        assert revoked == {"revoked": True}
        shop.clock.step(SECOND)
        refused(
            await shop.http.request(method, path, json=body, headers=bearer(made["key"])), 401, "unauthorized"
        )
        again = await shop.post("/v1/keys/revoke", {"key_id": made["key_id"]}, status=200)
        assert again == {"revoked": False}


# Policies.


async def test_a_policy_is_checked_and_not_put_in_force_unless_asked(shop: Shop) -> None:
    before = await shop.revision()
    for by in ("dpo", "admin"):
        checked = await shop.ask("POST", "/v1/policies", {"documents": shipped()}, by=by)
        assert checked.json() == {"valid": True, "activated": False, "version": 1}
        assert checked.headers["assent-revision"] == str(before)
    assert await shop.revision() == before


async def test_a_policy_in_force_is_an_entry(shop: Shop) -> None:
    before = await shop.revision()
    documents = put(shipped(), "purposes", ("purposes", "personalisation", "title"), "Another title")
    answer = await shop.ask("POST", "/v1/policies", {"documents": documents, "activate": True})
    assert answer.json() == {"valid": True, "activated": True, "version": 2, "revision": before + 1}
    assert answer.headers["assent-revision"] == str(before + 1)


@pytest.mark.parametrize(
    ("document", "toml"),
    [
        ("purposes", 'purposes.personalisation.legal_basis = "because"'),
        ("purposes", 'purposes.personalisation.categories = ["horoscope"]'),
        ("purposes", "purposes.personalisation.unheard_of = 1"),
        ("purposes", "-purposes.personalisation.legal_basis"),
        ("purposes", 'format = "assent/purposes@99"'),
        ("features", 'features.order_count.aggregate = "vibes"'),
        ("identity", 'namespaces.email.kind = "planet"'),
        ("identity", "namespaces.device_id.priority = 1"),
        ("signals", 'sec_gpc.purposes = ["world_domination"]'),
        ("notices/personalisation.en", "version = 0"),
        ("horoscopes", 'format = "assent/horoscopes@1"'),
    ],
)
async def test_a_policy_that_does_not_parse_is_refused_and_changes_nothing(
    shop: Shop, document: str, toml: str
) -> None:
    before = await shop.revision()
    documents = changed(shipped(), document, toml)
    for activate in (False, True):
        answer = await shop.ask("POST", "/v1/policies", {"documents": documents, "activate": activate})
        # Names of a policy's own parts may stand in it: that is how its author finds the fault.
        problem = refused(answer, 400, "unreadable_body", silent=False)
        named = "unknown document" if document == "horoscopes" else document.split("/", maxsplit=1)[0]
        assert named in problem["title"], "the document at fault is named"
    assert await shop.revision() == before
    assert (await shop.post("/v1/policies", {"documents": shipped()}, status=200))["version"] == 1


async def test_only_administrators_put_a_policy_in_force(shop: Shop) -> None:
    body = {"documents": shipped(), "activate": True}
    for by in ("dpo", "issuer", "collector", "engine:service"):
        refused(await shop.ask("POST", "/v1/policies", body, by=by), 403, "forbidden")


async def test_before_its_first_policy_a_controller_takes_nothing(installation: Installation) -> None:
    shop = await installation.controller()
    refused(await shop.state("user_id:anna-0001", "personalisation", "given"), 422, "unknown_namespace")
    tracked = await shop.track("track", userId="anna-0001", event="Product Viewed")
    assert tracked.json()["refused"] == [{"index": 0, "code": "malformed_identifier"}]
    wanted = {"role": "engine", "purposes": ["personalisation"]}
    refused(await shop.ask("POST", "/v1/keys", wanted), 422, "unknown_purpose")
    assert (
        await shop.ask("POST", "/v1/identities/resolve", {"subject": subject("user_id:u-1")})
    ).status_code == 422
