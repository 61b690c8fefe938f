"""What an officer asks of the past and the present: may this be used, and why."""

import pytest

from assent.core.time import HOUR, format_time
from assent.identity.former import links_then
from assent.ingest import past
from tests.integration.http.shop import Json, Shop, refused, subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
BROWSER = "anonymous_id:browser-0001"
PURPOSE = "personalisation"


async def decided(shop: Shop, **question: Json) -> Json:
    asked = {"subject": subject(ANNA), "purpose": PURPOSE, **question}
    return await shop.post("/v1/audit/decide", {"question": asked}, by="dpo", status=200)


async def test_a_decision_names_the_entry_the_step_and_the_article(shop: Shop) -> None:
    silent = await decided(shop)
    assert silent.keys() == {"decision", "reason", "step", "entry", "article"}
    assert (silent["decision"], silent["entry"]) == ("deny", None)
    given = (await shop.state(ANNA, PURPOSE, "given")).json()["receipts"][0]["index"]
    assert (await decided(shop)).items() >= {"decision": "allow", "entry": given}.items()
    withdrawn = (await shop.state(ANNA, PURPOSE, "withdrawn")).json()["receipts"][0]["index"]
    assert (await decided(shop)).items() >= {
        "decision": "deny",
        "reason": "withdrawn",
        "entry": withdrawn,
        "article": "7(3)",
    }.items()


async def test_the_past_is_answered_as_it_was(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    then = format_time(shop.clock())
    shop.clock.step(HOUR)
    await shop.state(ANNA, PURPOSE, "withdrawn")
    assert (await decided(shop, at=then))["decision"] == "allow"
    assert (await decided(shop, known_at=then))["decision"] == "allow"
    assert (await decided(shop))["decision"] == "deny"


async def test_a_question_about_the_time_in_which_they_were_linked_finds_them_linked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tied(kind: str) -> str:
        shop.clock.step(HOUR)
        link = {"from": subject(BROWSER), "to": subject(ANNA), "kind": kind}
        await shop.post("/v1/identities/links", {"links": [link]}, by="dpo")
        return format_time(shop.clock())

    async def browser(**when: Json) -> Json:
        return (await decided(shop, subject=subject(BROWSER), **when))["decision"]

    await shop.state(ANNA, PURPOSE, "refused")
    await shop.given(BROWSER, PURPOSE)
    before = format_time(shop.clock())
    linked = await tied("asserted")
    assert await browser() == "deny"
    assert await browser(known_at=before) == await browser(at=before) == "allow"
    await tied("retracted")
    assert await browser() == "allow"
    assert await browser(at=linked) == await browser(known_at=linked) == "deny"
    assert await browser(at=linked, known_at=before) == await browser(at=before) == "allow"
    with monkeypatch.context() as patched:  # the canary: what was undone is forgotten
        patched.setattr(
            past, "links_then", lambda links, _, *rest, **when: links_then(links, (), *rest, **when)
        )
        assert await browser(at=linked) == "allow"
    await tied("denied")
    assert await browser(at=linked) == "deny"


async def test_an_unknown_purpose_is_denied_here(shop: Shop) -> None:
    assert (await decided(shop, purpose="world_domination"))["decision"] == "deny"


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"at": "2099-01-01T00:00:00Z"}, 422, "future_time", "/question/at"),
        ({"known_at": "2099-01-01T00:00:00Z"}, 422, "future_time", "/question/known_at"),
        ({"at": "2026-01-01T00:00:00"}, 400, "unreadable_body", "/question/at"),
        ({"category": "horoscopes"}, 422, "not_permitted_for_purpose", "/question/category"),
        ({"subject": subject("loyalty:gold-1234")}, 422, "unknown_namespace", "/question/subject/namespace"),
        (
            {"subject": subject("email:anna at example.org")},
            422,
            "malformed_identifier",
            "/question/subject/value",
        ),
        (
            {"sources": [subject(ANNA), subject("user_id:undefined")]},
            422,
            "blocked_identifier",
            "/question/sources/1/value",
        ),
        ({"because": "I say so"}, 400, "unreadable_body", "/question"),
    ],
)
async def test_a_question_that_cannot_be_asked_is_refused(
    shop: Shop, change: Json, status: int, code: str, pointer: str
) -> None:
    body = {"question": {"subject": subject(ANNA), "purpose": PURPOSE, **change}}
    refused(await shop.ask("POST", "/v1/audit/decide", body, by="dpo"), status, code, pointer)


async def test_officers_and_administrators_alone_ask(shop: Shop) -> None:
    for by in ("collector", "browser", "issuer", f"engine:{PURPOSE}"):
        for path in ("/v1/audit/decide", "/v1/identities/resolve", "/v1/identities/links"):
            refused(await shop.ask("POST", path, {}, by=by), 403, "forbidden")
