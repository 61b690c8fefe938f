"""A person's receipts over HTTP, checked as a stranger would: published schema and keys, tools of others."""

import base64
import json
from typing import Final

import jsonschema_rs
import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet

from assent.consent.signature import read_keys
from assent.core.errors import ProofInvalid
from assent.core.ids import ControllerId
from assent.ingest.receipt_file import Verified, verify
from assent.ledger.note import Verifier
from assent.ledger.store import Log, Trees
from assent.ledger.verify import verify_proof
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, refused, statement, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA: Final = "user_id:anna-0001"
BERT: Final = "user_id:bert-0002"
COOKIE: Final = "anonymous_id:zebra-17"
PURPOSE: Final = "personalisation"


def log_of(shop: Shop) -> Verifier:
    return Trees(shop.service.ring).signer(ControllerId(shop.controller_id), Log.FACTS).verifier


async def listed(shop: Shop, token: str, query: str = "") -> Json:
    response = await shop.ask("GET", f"/v1/me/receipts{query}", by=token)
    assert response.status_code == 200, response.text
    return response.json()


async def newest(shop: Shop, who: str = ANNA) -> Json:
    return (await listed(shop, await shop.token(who), "?limit=1"))["receipts"][0]


async def keys(shop: Shop) -> bytes:
    return (await shop.http.get("/.well-known/jwks.json")).content


async def proved(shop: Shop, file: Json) -> Verified:
    return verify(json.dumps(file).encode(), [log_of(shop)], read_keys(await keys(shop)))


async def schema(shop: Shop, name: str) -> jsonschema_rs.Draft202012Validator:
    response = await shop.http.get(f"/v1/schemas/{name}.json")
    assert response.headers["content-type"] == "application/schema+json"
    return jsonschema_rs.Draft202012Validator(response.json(), validate_formats=True)


async def test_every_statement_has_a_receipt_newest_first(shop: Shop) -> None:
    said = []
    for state in ("given", "withdrawn", "refused", "given"):
        said += (await shop.state(ANNA, PURPOSE, state)).json()["receipts"]
    found = await listed(shop, await shop.token(ANNA))
    told = [{name: one[name] for name in ("id", "purpose", "state", "index")} for one in found["receipts"]]
    assert told == said[::-1]
    assert found["next"] is None


async def test_a_receipt_is_verified_offline_by_another_library(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    file = await newest(shop)
    published = KeySet.import_key_set(json.loads(await keys(shop)))
    with pytest.warns(SecurityWarning, match="RFC 9864"):  # a newer name of the same algorithm
        opened = jws.deserialize_compact(file["jws"], published, algorithms=["EdDSA"])
    assert json.loads(opened.payload) == file["receipt"]
    assert opened.headers()["typ"] == "consent-receipt+jws"
    leaf = base64.b64decode(file["entry"]["leaf"])
    assert verify_proof(leaf, file["proof"].encode(), log_of(shop)).index == file["index"]
    # And by ours, which also opens what the entry says.
    found = await proved(shop, file)
    assert (found.id, found.purpose, found.state) == (file["id"], PURPOSE, "given")


@pytest.mark.parametrize(
    "state", ["given", "refused", "withdrawn", "objected", "renewed", "confirmed", "deferred", "notice_shown"]
)
async def test_record_and_receipt_are_what_the_published_schemas_describe(shop: Shop, state: str) -> None:
    assert (await shop.state(ANNA, PURPOSE, state)).status_code == 201
    receipt = (await newest(shop))["receipt"]
    (await schema(shop, "consent-receipt")).validate(receipt)
    record = receipt["dpv:hasRecordOfActivity"]
    (await schema(shop, "consent-record")).validate(record)
    assert record["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#record"
    await proved(shop, await newest(shop))


async def test_a_receipt_says_what_was_agreed_to(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    receipt = (await newest(shop))["receipt"]
    record = receipt["dpv:hasRecordOfActivity"]
    process, status = record["dpv:hasProcess"], record["dpv:hasConsentStatus"]
    assert process["dpv:hasPurpose"]["dct:title"] == "Showing what suits you"
    assert process["dpv:hasLegalBasis"] == "eu-gdpr:A6-1-a"
    assert [one["dct:identifier"] for one in process["dpv:hasPersonalData"]] == [
        "account",
        "browsing",
        "identity",
        "orders",
        "visit",
    ]
    assert status["@type"] == ["dpv:ConsentGiven", "dpv:ExpressedConsent"]
    assert (status["dpv:isIndicatedBy"], status["dpv:hasIndicationMethod"]) == ("dpv:DataSubject", "click")
    year = f"{int(status['dpv:isIndicatedAtTime'][:4]) + 1}"
    assert status["dpv:hasDuration"]["rdf:value"].startswith(year)
    assert record["dpv:hasNotice"]["dct:title"] == "Showing what suits you"
    assert record["dpv:hasDataController"]["dpv:hasName"] == "The sample shop"


async def test_the_same_statement_gives_the_same_receipt_whenever_it_is_asked_for(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    before = await newest(shop)
    await shop.given(BERT, PURPOSE)
    await shop.post("/v1/policies", {"documents": shipped(), "activate": True}, status=200)
    after = await newest(shop)
    assert after["proof"] != before["proof"]
    assert {**after, "proof": ""} == {**before, "proof": ""}
    await proved(shop, before)
    await proved(shop, after)


async def test_pages_follow_one_another_without_gap_or_repetition(shop: Shop) -> None:
    for state in ("given", "withdrawn") * 3:
        await shop.state(ANNA, PURPOSE, state)
    token = await shop.token(ANNA)
    whole = [one["id"] for one in (await listed(shop, token))["receipts"]]
    pages, query = [], "?limit=4"
    while True:
        page = await listed(shop, token, query)
        pages.append([one["id"] for one in page["receipts"]])
        if page["next"] is None:
            break
        await shop.state(ANNA, PURPOSE, "given")  # what is said meanwhile is newer than any page to come
        query = f"?limit=4&before={page['next']}"
    assert [len(page) for page in pages] == [4, 2]
    assert [one for page in pages for one in page] == whole


async def test_one_receipt_is_a_file_of_its_own(shop: Shop) -> None:
    answered = (await shop.state(ANNA, PURPOSE, "given")).json()["receipts"][0]
    await shop.given(ANNA, "analytics")
    response = await shop.ask("GET", f"/v1/me/receipts/{answered['id']}", by=await shop.token(ANNA))
    assert response.status_code == 200
    assert (await proved(shop, response.json())).id == answered["id"]


async def test_nobody_sees_the_receipts_of_somebody_else(shop: Shop) -> None:
    hers = (await shop.state(ANNA, PURPOSE, "given")).json()["receipts"][0]["id"]
    await shop.given(BERT, PURPOSE)
    token = await shop.token(BERT)
    assert [one["purpose"] for one in (await listed(shop, token))["receipts"]] == [PURPOSE]
    assert hers not in json.dumps(await listed(shop, token))
    for one in (hers, "s:0", "s:999999", "s:01", "x"):
        assert (await shop.ask("GET", f"/v1/me/receipts/{one}", by=token)).status_code == 404
    refused(await shop.http.get("/v1/me/receipts"), 401, "unauthorized")
    unverified = await shop.token(ANNA, verified=False)
    refused(await shop.ask("GET", "/v1/me/receipts", by=unverified), 403, "not_verified")


async def test_a_browser_sees_its_own_receipts_and_not_those_of_the_person_it_belongs_to(shop: Shop) -> None:
    await shop.given(COOKIE, "analytics")
    await shop.given(ANNA, PURPOSE)
    await shop.track("identify", userId="anna-0001", anonymousId="zebra-17")
    browser = await listed(shop, await shop.token(COOKIE, verified=False))
    assert [one["purpose"] for one in browser["receipts"]] == ["analytics"]
    assert "anna-0001" not in base64.b64decode(browser["receipts"][0]["entry"]["payload"]).decode()
    person = await listed(shop, await shop.token(ANNA))
    assert [one["purpose"] for one in person["receipts"]] == [PURPOSE, "analytics"]


async def test_a_receipt_that_names_an_address_is_for_who_holds_the_address(shop: Shop) -> None:
    body = {
        "subject": subject(COOKIE),
        "address": subject("email:anna@example.org"),
        "authenticated": True,
        "statements": [statement("email_marketing", "given")],
    }
    await shop.post("/v1/consents", body, by="collector")
    browser = await listed(shop, await shop.token(COOKIE, verified=False))
    assert browser["receipts"] == []
    person = await listed(shop, await shop.token("email:anna@example.org", COOKIE))
    assert [one["purpose"] for one in person["receipts"]] == ["email_marketing"]


async def test_what_a_browser_signals_has_a_receipt_too(shop: Shop) -> None:
    await shop.given(COOKIE, "analytics")
    body = {"anonymousId": "zebra-17", "event": "Product Viewed", "properties": {"category": "lanterns"}}
    await shop.ask("POST", "/v1/track", body, by="collector", headers={"Sec-GPC": "1"})
    token = await shop.token(COOKIE, verified=False)
    found = {one["state"]: one for one in (await listed(shop, token))["receipts"]}
    assert found.keys() >= {"gpc", "given"}
    signalled = await proved(shop, found["gpc"])
    assert signalled.state == "gpc"
    status = found["gpc"]["receipt"]["dpv:hasRecordOfActivity"]["dpv:hasConsentStatus"]
    assert (status["dpv:isIndicatedBy"], status["dpv:hasIndicationMethod"]) == (
        "dpv:DataSubject",
        "sec_gpc",
    )


async def test_an_erased_statement_has_no_receipt_and_what_was_kept_of_it_still_verifies(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    kept = await newest(shop)
    await shop.given(ANNA, "analytics")
    async with shop.service.database.eraser.acquire() as connection:
        await connection.execute(
            "DELETE FROM ledger.payload WHERE controller_id = $1 AND entry_index = $2",
            shop.controller_id,
            kept["index"],
        )
    token = await shop.token(ANNA)
    assert [one["purpose"] for one in (await listed(shop, token))["receipts"]] == ["analytics"]
    assert (await shop.ask("GET", f"/v1/me/receipts/{kept['id']}", by=token)).status_code == 404
    assert (await proved(shop, kept)).id == kept["id"]
    # The entry is in the log as before.
    proof = await shop.ask("GET", f"/v1/audit/proof/{kept['index']}", by="dpo")
    verify_proof(base64.b64decode(kept["entry"]["leaf"]), proof.content, log_of(shop))


async def test_without_a_controller_document_a_receipt_claims_no_conformance(open_shop: OpenShop) -> None:
    documents = {name: one for name, one in shipped().items() if name != "controller"}
    shop = await open_shop(documents)
    await shop.given(ANNA, PURPOSE)
    file = await newest(shop)
    assert "dct:conformsTo" not in file["receipt"]
    (await schema(shop, "consent-receipt")).validate(file["receipt"])
    await proved(shop, file)
    claiming = file["receipt"]["dpv:hasRecordOfActivity"] | {
        "dct:conformsTo": "https://w3id.org/dpv/schema/dpv-27560#record"
    }
    assert not (await schema(shop, "consent-record")).is_valid(claiming)


async def test_another_controllers_log_and_another_key_are_refused(shop: Shop, open_shop: OpenShop) -> None:
    await shop.given(ANNA, PURPOSE)
    file = json.dumps(await newest(shop)).encode()
    other = await open_shop(shipped())
    published = read_keys(await keys(shop))
    with pytest.raises(ProofInvalid, match="log whose key was not given"):
        verify(file, [log_of(other)], published)
    with pytest.raises(ProofInvalid, match="none of the keys"):
        verify(file, [log_of(shop)], ())


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?limit=x", "?before=-1", "?before=01"])
async def test_a_page_that_cannot_be_is_refused(shop: Shop, query: str) -> None:
    token = await shop.token(ANNA)
    refused(await shop.ask("GET", f"/v1/me/receipts{query}", by=token), 400, "unreadable_body")
