"""Consent strings over HTTP: receipted as statements, in force when answered, and refused without an echo."""

import httpx
import pytest

from assent.core.time import DAY, Instant, format_time
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.carriers import gpp, tc_string, usnat, vendors
from tests.support.policy_documents import Documents, consent, notice, put, small

pytestmark = pytest.mark.asyncio(loop_scope="session")

COOKIE, PERSON = "browser:c-17", "user_id:u-17"


def mapped(**more: object) -> Documents:
    """Return a policy: p0 rests on consent to TCF purpose 3, p1 on interests, 7; p0 is a sale too."""
    interests = {"legal_basis": "legitimate_interests", "lia": True, "tcf_purpose": 7}
    made = small({"p0": consent(tcf_purpose=3, **more), "p1": consent(**interests)})
    put(
        made,
        "identity",
        ("namespaces", "browser"),
        {"kind": "cookie", "priority": 2, "from": ["anonymousId"]},
    )
    made["notices/n.en"] = notice()
    tcf = {"notices": {"p0": 1, "p1": 1}}
    made["signals"] = {"format": "assent/signals@1", "tcf": tcf, "gpp": {"sale": ["p0"]}}
    return made


def day_of(shop: Shop, days: int = 0) -> Instant:
    return Instant((shop.clock.now // DAY + days) * DAY)


def yes(shop: Shop, days: int = 0, **fields: Json) -> str:
    everybody = vendors(range(1, 6))
    return tc_string(
        **{
            "created": day_of(shop, days),
            "consents": (3,),
            "interests": (7,),
            "consented": everybody,
            "interested": everybody,
            **fields,
        }
    )


async def send(
    shop: Shop, string: str, *, who: str = COOKIE, by: str = "collector", kind: str = "tcf", **more: Json
) -> httpx.Response:
    body = {"subject": subject(who), "string": string}
    return await shop.ask("POST", f"/v1/consents/{kind}", body, by=by, **more)


async def decision(shop: Shop, who: str = COOKIE, purpose: str = "p0", **more: Json) -> Json:
    question = {"subject": subject(who), "purpose": purpose, **more}
    answered = await shop.post("/v1/audit/decide", {"question": question}, by="dpo", status=200)
    return answered["decision"]


async def test_a_string_is_receipted_like_any_statement_and_decoded(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    response = await send(shop, yes(shop))
    assert response.status_code == 201, response.text
    document = response.json()
    revision = await shop.revision()
    assert document.pop("decoded")["purposeConsents"] == [3]
    assert document == {
        "revision": revision,
        "receipts": [
            {"id": f"s:{revision - 2}", "purpose": "p0", "state": "given", "index": revision - 2},
            {"id": f"s:{revision - 1}", "purpose": "p1", "state": "notice_shown", "index": revision - 1},
        ],
        "refused": [],
    }
    assert response.headers["assent-revision"] == str(revision)
    assert await decision(shop) == "allow"
    assert await decision(shop, purpose="p1") == "allow"


async def test_a_no_is_in_force_when_it_is_answered(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    await send(shop, yes(shop))
    said = await send(shop, yes(shop, consents=(), interests=()))
    assert [one["state"] for one in said.json()["receipts"]] == ["refused", "objected"]
    assert await decision(shop) == "deny"
    assert await decision(shop, purpose="p1") == "deny"


async def test_a_yes_holds_for_the_vendors_that_the_string_permits(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    await send(shop, yes(shop, consented=vendors((2, 9))))
    # 9 was permitted and not shown, 3 shown and not permitted.
    answers = [await decision(shop, vendor=vendor) for vendor in (None, 2, 3, 9)]
    assert answers == ["allow", "allow", "deny", "deny"]


async def test_an_old_string_does_not_undo_a_later_withdrawal(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    await send(shop, yes(shop, -3))
    assert await decision(shop) == "allow"
    body = {"subject": subject(COOKIE), "statements": [{"purpose": "p0", "state": "withdrawn"}]}
    await shop.post("/v1/consents", body, by="collector")
    for days, again in ((-3, yes(shop, -3)), (-2, yes(shop, -2)), (40, yes(shop, -3))):
        if days > 0:
            shop.clock.step(days * DAY)  # longer than a message is recognised
        await send(shop, again)
        assert await decision(shop) == "deny"
    await send(shop, yes(shop))
    assert await decision(shop) == "allow"


async def test_the_string_of_the_day_undoes_no_withdrawal_by_being_sent_again(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    string = yes(shop)
    first = (await send(shop, string)).json()
    body = {"subject": subject(COOKIE), "statements": [{"purpose": "p0", "state": "withdrawn"}]}
    await shop.post("/v1/consents", body, by="collector")
    revision = await shop.revision()
    for headers in ({}, {"Idempotency-Key": "k-1"}, {"Idempotency-Key": "k-2"}):
        again = await send(shop, string, headers=headers)
        assert again.json()["receipts"] == first["receipts"]
    assert await shop.revision() == revision
    assert await decision(shop) == "deny"


async def test_an_old_no_does_not_undo_a_later_yes(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    await send(shop, yes(shop))
    await send(shop, yes(shop, -2, consents=()))
    assert await decision(shop) == "allow"


async def test_a_yes_ends_when_the_platform_had_to_ask_again(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    await send(shop, yes(shop, -300))
    assert await decision(shop) == "allow"
    shop.clock.step(100 * DAY)
    assert await decision(shop) == "deny"


async def test_what_a_browser_said_joins_the_person_when_the_browser_does(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    body = {"subject": subject(PERSON), "statements": [{**GIVEN, "purpose": "p0"}]}
    await shop.post("/v1/consents", body, by="collector")
    await send(shop, gpp(_7=usnat(1)), kind="gpp")
    assert await decision(shop, PERSON) == "allow"
    link = {"from": subject(PERSON), "to": subject(COOKIE), "kind": "asserted"}
    await shop.post("/v1/identities/links", {"links": [link]}, by="dpo")
    assert await decision(shop, PERSON) == "deny"


GIVEN: Json = {"state": "given", "mechanism": "click", "notice": {"id": "n", "version": 1}}


async def test_every_duty_of_a_statement_is_checked_and_the_refusal_named(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    change = {"version": 1, "t": format_time(day_of(shop, -2)), "material": True}
    await shop.open(mapped(notice_changes=[change]))
    response = await send(shop, yes(shop, -3))
    stale = {"index": 0, "code": "stale_notice", "article": "7(1)", "pointer": "/notice/version"}
    assert response.json()["refused"] == [stale]
    response = await send(shop, yes(shop, policy=3))
    incomplete = {"code": "malformed_signal", "article": "7(1)", "pointer": "/string"}
    assert response.status_code == 200
    assert response.json()["refused"] == [{"index": 0, **incomplete}, {"index": 1, **incomplete}]
    ahead = await send(shop, yes(shop, 60))
    assert [one["code"] for one in ahead.json()["refused"]] == ["future_time"] * 2
    assert await decision(shop) == "deny"


async def test_a_gpp_string_gives_by_its_european_section_and_objects_by_others(open_shop: OpenShop) -> None:
    shop = await open_shop(mapped())
    said = await send(shop, gpp(_2=yes(shop)), kind="gpp")
    assert said.json()["decoded"]["header"] == {"sectionIds": [2]}
    assert await decision(shop) == "allow"
    said = await send(shop, gpp(_2=yes(shop), _7=usnat(1)), kind="gpp")
    assert [(one["purpose"], one["state"]) for one in said.json()["receipts"]] == [
        ("p0", "given"),
        ("p1", "notice_shown"),
        ("p0", "objected"),
    ]
    assert await decision(shop) == "deny"


@pytest.mark.parametrize("kind", ["tcf", "gpp"])
async def test_what_cannot_be_read_is_refused_and_changes_nothing(open_shop: OpenShop, kind: str) -> None:
    shop = await open_shop(mapped())
    before = await shop.revision()
    for string in ("COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAB", "DBABLA~zebra-string-17", "café" * 5):
        refused(await send(shop, string, kind=kind), 422, "malformed_signal", "/string")
    refused(await send(shop, "", kind=kind), 400, "unreadable_body", "/string")
    refused(await send(shop, "C" * 20_000, kind=kind), 400, "unreadable_body", "/string")
    assert await shop.revision() == before


@pytest.mark.parametrize("kind", ["tcf", "gpp"])
async def test_only_a_server_or_an_issuer_speaks_for_a_person(open_shop: OpenShop, kind: str) -> None:
    shop = await open_shop(mapped())
    string = yes(shop) if kind == "tcf" else gpp(_2=yes(shop))
    for by in ("browser", "dpo", "admin"):
        refused(await send(shop, string, kind=kind, by=by), 403, "forbidden")
    assert (await send(shop, string, kind=kind, by="issuer")).status_code == 201


async def test_what_maps_nothing_is_decoded_and_states_nothing(shop: Shop) -> None:
    before = await shop.revision()
    said = await send(shop, yes(shop), who="anonymous_id:zebra-17")
    assert (said.status_code, said.json()["receipts"], said.json()["revision"]) == (200, [], before)


async def test_the_browsers_header_counts_beside_the_string(open_shop: OpenShop) -> None:
    documents = mapped()
    documents["signals"]["sec_gpc"] = {"value": "1", "state": "objected", "purposes": ["p0"]}
    shop = await open_shop(documents)
    await send(shop, yes(shop), headers={"Sec-GPC": "1"})
    assert await decision(shop) == "deny"
