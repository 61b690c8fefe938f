"""Subject tokens: who mints them, how long they live, and what is no token of ours."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assent.core.time import MINUTE, SECOND
from tests.integration.http.shop import Json, Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = ["email", "anna@example.org"]


async def greets(shop: Shop, token: str) -> bool:
    """Return whether a token is taken; a refusal must be a proper one."""
    response = await shop.ask("GET", "/v1/me/preferences", by=token)
    if response.status_code == 200:
        return True
    refused(response, 401, "unauthorized")
    return False


def claims(shop: Shop, **more: Json) -> Json:
    """Return the claims of a token that is in order, those of `more` laid over; None takes one away."""
    said = {
        "aud": f"assent:controller:{shop.controller_id}",
        "exp": (shop.clock() + 10 * MINUTE) // SECOND,
        "sub_ids": [ANNA],
        "verified": True,
        **more,
    }
    return {name: value for name, value in said.items() if value is not None}


def signed(shop: Shop, said: Json, *, key: Json = None, algorithm: str = "EdDSA") -> str:
    return jwt.encode(said, key or shop.service.ring.subject_token_key(), algorithm=algorithm)


async def test_a_token_lives_fifteen_minutes(shop: Shop) -> None:
    token = await shop.token("email:anna@example.org")
    assert await greets(shop, token)
    shop.clock.step(14 * MINUTE)
    assert await greets(shop, token)
    shop.clock.step(MINUTE)
    assert not await greets(shop, token)


async def test_a_token_may_be_asked_to_live_shorter(shop: Shop) -> None:
    token = await shop.token("email:anna@example.org", lifetime="PT1M")
    shop.clock.step(MINUTE)
    assert not await greets(shop, token)


@pytest.mark.parametrize("lifetime", ["PT15M1S", "P1D", "PT0S", "-PT1M", "a while", "", "P999999999Y"])
async def test_no_token_lives_longer_or_not_at_all(shop: Shop, lifetime: str) -> None:
    body = {"sub_ids": [ANNA], "lifetime": lifetime}
    response = await shop.ask("POST", "/v1/subjects/token", body, by="issuer")
    refused(response, 400, "unreadable_body", "/lifetime")


@pytest.mark.parametrize(
    ("named", "status", "code", "pointer"),
    [
        ([], 400, "unreadable_body", "/sub_ids"),
        ([ANNA] * 17, 400, "unreadable_body", "/sub_ids"),
        ([["email"]], 400, "unreadable_body", "/sub_ids/0"),
        ([ANNA, ["loyalty", "gold-1234"]], 422, "unknown_namespace", "/sub_ids/1/0"),
        ([["email", "anna at example.org"]], 422, "malformed_identifier", "/sub_ids/0/1"),
        ([["user_id", "undefined"]], 422, "blocked_identifier", "/sub_ids/0/1"),
    ],
)
async def test_a_token_names_identifiers_that_can_exist(
    shop: Shop, named: Json, status: int, code: str, pointer: str
) -> None:
    response = await shop.ask("POST", "/v1/subjects/token", {"sub_ids": named}, by="issuer")
    refused(response, status, code, pointer)


async def test_issuers_alone_mint(shop: Shop) -> None:
    for by in ("collector", "browser", "engine:personalisation", "dpo", "admin"):
        response = await shop.ask("POST", "/v1/subjects/token", {"sub_ids": [ANNA]}, by=by)
        refused(response, 403, "forbidden")


async def test_a_token_with_our_claims_and_our_signature_is_taken(shop: Shop) -> None:
    assert await greets(shop, signed(shop, claims(shop)))


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"aud": None},
        {"sub_ids": None},
        {"sub_ids": []},
        {"sub_ids": "anna"},
        {"sub_ids": [["email"]]},
        {"sub_ids": [["email", "a", "b"]]},
        {"sub_ids": [17]},
        {"exp": 4_000_000_000},
        {"exp": -1},
        {"exp": "soon"},
        {"exp": True},
        {"aud": "assent:controller:"},
        {"aud": "assent:controller:0"},
        {"aud": "assent:controller:99999999"},
        {"aud": "assent:controller:" + "9" * 40},
        {"aud": "another:service:1"},
        {"aud": "1"},
        {"aud": ["assent:controller:1"]},
    ],
)
async def test_a_token_of_ours_must_still_say_what_it_must(shop: Shop, change: Json) -> None:
    assert not await greets(shop, signed(shop, claims(shop, **change)))


@pytest.mark.parametrize("verified", ["true", 1, "yes", [True], None, False])
async def test_verified_is_true_and_nothing_like_it(shop: Shop, verified: Json) -> None:
    token = signed(shop, claims(shop, verified=verified))
    refused(await shop.ask("GET", "/v1/me/preferences", by=token), 403, "not_verified")


async def test_a_forged_token_is_refused(shop: Shop) -> None:
    said = claims(shop)
    ours = signed(shop, said)
    head, body, signature = ours.split(".")
    public = shop.service.ring.subject_token_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    other = base64.urlsafe_b64encode(json.dumps({**said, "verified": False}).encode()).decode().rstrip("=")
    forged = [
        signed(shop, said, key=Ed25519PrivateKey.generate()),
        signed(shop, said, key=public, algorithm="HS256"),
        jwt.encode(said, "", algorithm="none"),
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{ours}.{signature}",
        "not-a-token",
        "..",
    ]
    for token in forged:
        assert not await greets(shop, token)
    assert await greets(shop, ours)


async def test_a_key_is_no_token_and_a_token_no_key(shop: Shop) -> None:
    assert not await greets(shop, await shop.key("issuer"))
    token = await shop.token("email:anna@example.org")
    refused(await shop.ask("POST", "/v1/decisions", {}, by=token), 401, "unauthorized")
    refused(await shop.track("track", by=token, userId="u-1", event="x"), 401, "unauthorized")
