"""Statements of consent: receipted, or refused with the code and the article they offend."""

import httpx
import msgspec
import pytest

from tests.integration.http.conftest import Installation, OpenShop
from tests.integration.http.shop import Json, Shop, refused, statement, subject
from tests.support.policy_documents import consent, put, shipped, with_notice

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHO = "anonymous_id:zebra-17"
PURPOSE = "personalisation"


async def state(shop: Shop, *statements: Json, by: str = "collector", **more: Json) -> httpx.Response:
    body = {"subject": subject(WHO), "statements": list(statements), **more}
    return await shop.ask("POST", "/v1/consents", body, by=by)


async def test_a_statement_is_answered_with_the_receipt_of_its_entry(shop: Shop) -> None:
    response = await state(shop, statement(PURPOSE, "given"), statement("analytics", "refused"))
    assert response.status_code == 201
    revision = await shop.revision()
    assert response.json() == {
        "revision": revision,
        "receipts": [
            {"id": f"s:{revision - 2}", "purpose": PURPOSE, "state": "given", "index": revision - 2},
            {"id": f"s:{revision - 1}", "purpose": "analytics", "state": "refused", "index": revision - 1},
        ],
        "refused": [],
    }
    assert response.headers["assent-revision"] == str(revision)


async def test_a_statement_is_in_force_when_it_is_answered(shop: Shop) -> None:
    await shop.given(WHO, PURPOSE)
    await shop.track("track", anonymousId="zebra-17", event="Product Viewed")
    assert (await shop.decision(PURPOSE, WHO))["subject"] is not None
    await shop.state(WHO, PURPOSE, "withdrawn")
    assert (await shop.decision(PURPOSE, WHO))["subject"] is None


async def test_an_issuer_states_too(shop: Shop) -> None:
    assert (await state(shop, statement(PURPOSE, "given"), by="issuer")).status_code == 201


async def test_nobody_else_states(shop: Shop) -> None:
    for by in ("browser", "engine:personalisation", "dpo", "admin"):
        refused(await state(shop, statement(PURPOSE, "given"), by=by), 403, "forbidden")
    refused(await state(shop, statement(PURPOSE, "given"), by="nobodys"), 401, "unauthorized")


def given(**fields: Json) -> Json:
    return statement(PURPOSE, "given", **fields)


@pytest.mark.parametrize(
    ("wanted", "code", "article", "pointer"),
    [
        (statement("world_domination", "given"), "unknown_purpose", "5(1)(b)", "/purpose"),
        (statement("world_domination", "withdrawn"), "unknown_purpose", "5(1)(b)", "/purpose"),
        (given(categories=["contact"]), "not_permitted_for_purpose", "5(1)(c)", "/categories"),
        (
            given(imported=True, event_time="2099-01-01T00:00:00Z", evidence={"paper": "folder 7"}),
            "future_time",
            "5(1)(d)",
            "/event_time",
        ),
        (given(notice=None), "stale_notice", "7(1)", "/notice"),
        (given(notice={"id": "cookies", "version": 1}), "stale_notice", "7(1)", "/notice/id"),
        (given(notice={"id": PURPOSE, "version": 2}), "stale_notice", "7(1)", "/notice/version"),
        (given(mechanism="pre_ticked"), "invalid_mechanism", "4(11)", "/mechanism"),
        (given(mechanism="scroll"), "invalid_mechanism", "4(11)", "/mechanism"),
        (given(mechanism=""), "invalid_mechanism", "4(11)", "/mechanism"),
        (given(actor="system"), "invalid_mechanism", "4(11)", "/actor"),
        (given(actor="guardian"), "invalid_mechanism", "8(1)", "/subject_age"),
        (given(bundle=["newsletter"]), "bundled_consent", "7(2)", "/bundle"),
        (given(conditional_on_service=True), "bundled_consent", "7(4)", "/conditional_on_service"),
        (given(imported=True, event_time="2026-01-01T00:00:00Z"), "fact_rejected", "7(1)", "/evidence"),
        (given(imported=True, evidence={"paper": "folder 7"}), "fact_rejected", "7(1)", "/event_time"),
        (
            statement(PURPOSE, "notice_shown", notice={"id": PURPOSE, "version": 9}),
            "stale_notice",
            "7(1)",
            "/notice/version",
        ),
    ],
)
async def test_a_statement_that_could_not_count_is_refused_with_its_article(
    shop: Shop, wanted: Json, code: str, article: str, pointer: str
) -> None:
    before = await shop.revision()
    alone = refused(await state(shop, wanted), 422, code, f"/statements/0{pointer}")
    assert alone["refused"] == [{"index": 0, "code": code, "article": article, "pointer": pointer}]
    assert await shop.revision() == before
    # Beside one that counts, only its own place is refused.
    beside = await state(shop, statement("analytics", "given"), wanted)
    assert beside.status_code == 201
    assert [one["purpose"] for one in beside.json()["receipts"]] == ["analytics"]
    assert [(one["index"], one["code"], one["article"]) for one in beside.json()["refused"]] == [
        (1, code, article)
    ]
    assert await shop.revision() == before + 1


async def test_explicit_consent_and_the_digital_age_are_asked_for(open_shop: OpenShop) -> None:
    documents = with_notice(consent(legal_basis="explicit_consent"), consent(digital_age=14))
    shop = await open_shop(documents)
    who = {"namespace": "user_id", "value": "u-1"}
    notice = {"id": "n", "version": 1}
    for wanted, article in [
        (statement("p0", "given", notice=notice), "9(2)(a)"),
        (statement("p1", "given", notice=notice), "8(1)"),
        (statement("p1", "given", notice=notice, subject_age=13), "8(1)"),
    ]:
        problem = refused(await state(shop, wanted, subject=who), 422, "invalid_mechanism")
        assert problem["refused"][0]["article"] == article
    for wanted in (
        statement("p0", "given", notice=notice, explicit=True),
        statement("p1", "given", notice=notice, subject_age=14),
        statement("p1", "given", notice=notice, actor="guardian", guardian_verified=True),
    ):
        assert (await state(shop, wanted, subject=who)).status_code == 201


async def test_a_purpose_that_is_declared_later_cannot_be_consented_to_yet(open_shop: OpenShop) -> None:
    documents = put(shipped(), "purposes", ("purposes", PURPOSE, "declared"), "2099-01-01T00:00:00Z")
    shop = await open_shop(documents)
    refused(await state(shop, given()), 422, "unknown_purpose", "/statements/0/purpose")


@pytest.mark.parametrize(
    ("who", "code", "pointer"),
    [
        ("email:anna at example.org", "malformed_identifier", "/subject/value"),
        ("phone:call me maybe", "malformed_identifier", "/subject/value"),
        ("email:noreply@example.org", "blocked_identifier", "/subject/value"),
        ("user_id:undefined", "blocked_identifier", "/subject/value"),
        ("loyalty:zebra-17", "unknown_namespace", "/subject/namespace"),
    ],
)
async def test_nobody_can_be_spoken_for_who_cannot_be_named(
    shop: Shop, who: str, code: str, pointer: str
) -> None:
    response = await state(shop, given(), subject=subject(who))
    refused(response, 422, code, pointer)
    response = await state(shop, given(), address=subject(who))
    refused(response, 422, code, pointer.replace("subject", "address"))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (b'{"subject": {"namespace": "user_id", "value": "u-1"}}', None),
        (b'{"subject": {"namespace": "user_id", "value": 17}, "statements": []}', "/subject/value"),
        (b'{"subject": {"namespace": "user_id", "value": "u-1"}, "statements": []}', "/statements"),
        (b'{"subject": {"namespace": "user_id", "value": "u-1"}, "secretly": 1}', None),
        (
            b'{"subject": {"namespace": "user_id", "value": "u-1"}, "statements": [{"purpose": 1}]}',
            "/statements/0/purpose",
        ),
    ],
)
async def test_a_body_that_is_not_what_it_must_be_is_refused(
    shop: Shop, body: bytes, pointer: str | None
) -> None:
    response = await shop.ask("POST", "/v1/consents", by="collector", content=body)
    refused(response, 400, "unreadable_body", pointer)
    assert "secretly" not in response.text


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "erased"},
        {"state": "gpc"},
        {"event_time": "2026-01-01T00:00:00"},
        {"expires_at": "soon"},
        {"actor": "anybody"},
        {"explicit": "yes"},
        {"unheard_of": True},
    ],
)
async def test_a_statement_that_cannot_be_read_refuses_the_whole_body(shop: Shop, fields: Json) -> None:
    before = await shop.revision()
    refused(await state(shop, given(), {**given(), **fields}), 400, "unreadable_body")
    assert await shop.revision() == before


async def test_the_limit_is_the_settings(shop: Shop, installation: Installation) -> None:
    settings = msgspec.structs.replace(installation.service.settings, body_limit_bytes=1_024)
    await shop.key("collector")
    with installation.changed(settings=settings):
        assert (await state(shop, given())).status_code == 201
        refused(await state(shop, given(evidence={"scan": "x" * 1_000})), 413, "body_too_large")


async def test_an_oversized_body_is_refused(shop: Shop) -> None:
    response = await state(shop, given(evidence={"scan": "x" * 1_100_000}))
    refused(response, 413, "body_too_large")
    refused(await state(shop, *[given()] * 101), 400, "unreadable_body", "/statements")
