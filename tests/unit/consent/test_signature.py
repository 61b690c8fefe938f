"""Receipts' signatures: the RFC's own examples, and every token that must not pass."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assent.consent.signature import Jwk, encode_url, opened, public_jwk, read_keys, sign
from assent.core.errors import ProofInvalid
from tests.support.receipts import RING

# RFC 8037, appendix A.
SECRET = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
KEY = Ed25519PrivateKey.from_private_bytes(SECRET)
KEYS = (public_jwk(KEY),)


def test_a_key_is_called_by_its_thumbprint() -> None:
    assert public_jwk(KEY).x == PUBLIC
    assert public_jwk(KEY).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_what_was_signed_is_opened_and_signed_alike_each_time() -> None:
    assert opened(sign(b"said", KEY), KEYS) == b"said"
    assert sign(b"said", KEY) == sign(b"said", KEY)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        sign(b"said", KEY) + "=",
        sign(b"said", KEY) + ".",
        sign(b"said", KEY).replace(".", "..", 1),
        # Signed by the same key for another end, or under no key's name.
        jwt.encode({"aud": "somebody"}, KEY, algorithm="EdDSA"),
        jwt.PyJWS().encode(b"said", KEY, algorithm="EdDSA"),
        # No signature at all, and one that a shared secret would make.
        encode_url(json.dumps({"alg": "none", "typ": "consent-receipt+jws"}).encode()) + ".c2FpZA.",
        jwt.PyJWS().encode(b"said", b"a shared secret of thirty-two bytes", algorithm="HS256"),
        sign(b"said", Ed25519PrivateKey.from_private_bytes(bytes(32))),
        "\u00e9.c2FpZA.c2FpZA",
    ],
)
def test_every_other_token_is_refused(token: str) -> None:
    with pytest.raises(ProofInvalid):
        opened(token, KEYS)


def test_other_padding_bits_are_another_spelling() -> None:
    token = sign(b"said", KEY)
    last = token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = token[:-1] + alphabet[alphabet.index(last) ^ 1]
    with pytest.raises(ProofInvalid, match="canonical"):
        opened(other, KEYS)


def test_keys_are_read_one_by_one_or_as_a_set() -> None:
    one = {"kty": "OKP", "crv": "Ed25519", "x": PUBLIC}
    assert read_keys(json.dumps(one).encode())[0].thumbprint() == KEYS[0].kid
    assert read_keys(json.dumps({"keys": [one, one]}).encode())[1].x == PUBLIC
    for content in (b"", b"{}", b'{"keys": {}}', b'{"kty": "RSA", "x": "", "crv": "P-256"}', b"[1]"):
        with pytest.raises(ProofInvalid):
            read_keys(content)
    with pytest.raises(ProofInvalid, match="32 bytes"):
        Jwk(x="AAAA").public_key()


def test_receipts_have_a_key_of_their_own() -> None:
    ours = public_jwk(RING.receipt_key())
    log = RING.signer("1", "facts").verifier.public_key
    assert encode_url(log) != ours.x
    # A function of the ring: the same after a restart.
    assert public_jwk(RING.receipt_key()) == ours
