"""Sign receipts and check their signatures: compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037).

PyJWT signs: it is here already for subject tokens, its `PyJWS` takes any bytes as payload, and a compact JWS
with its payload inside is what every other library opens without further rules; a detached one would
need both sides to agree on a spelling of JSON.

One spelling: a header in other words, base64url with other padding bits, or a key of another kind is refused,
so that no byte of a token can be changed unnoticed. Pure. Raises ProofInvalid.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assent.core.errors import ProofInvalid

ALGORITHM: Final = "EdDSA"
TYPE: Final = "consent-receipt+jws"
"""Says what was signed (RFC 8725, 3.11): no token made for another end can pass for a receipt."""

_JWS: Final = jwt.PyJWS(algorithms=[ALGORITHM])
_KEY_BYTES: Final = 32


class Jwk(msgspec.Struct, frozen=True, kw_only=True):
    """A public key as the service publishes it (RFC 7517, RFC 8037); unknown members are ignored."""

    x: str
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: str = ""
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"

    def public_key(self) -> Ed25519PublicKey:
        """Return the key. Raises ProofInvalid when it is none."""
        raw = decode_url(self.x)
        if len(raw) != _KEY_BYTES:
            raise ProofInvalid("an Ed25519 public key is 32 bytes")
        return Ed25519PublicKey.from_public_bytes(raw)

    def thumbprint(self) -> str:
        """Return what the key is called (RFC 7638): a function of the key alone."""
        required = b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % self.x.encode("ascii")
        return encode_url(hashlib.sha256(required).digest())


class JwkSet(msgspec.Struct, frozen=True, kw_only=True):
    """Public keys, as `/.well-known/jwks.json` gives them."""

    keys: tuple[Jwk, ...]


def public_jwk(key: Ed25519PrivateKey) -> Jwk:
    """Return the public half of a key, named by its thumbprint."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    unnamed = Jwk(x=encode_url(raw))
    return msgspec.structs.replace(unnamed, kid=unnamed.thumbprint())


def read_keys(content: bytes) -> tuple[Jwk, ...]:
    """Return the keys of a JWK or a JWK Set. Raises ProofInvalid for anything else."""
    try:
        return msgspec.json.decode(content, type=JwkSet).keys
    except msgspec.DecodeError:
        pass
    try:
        return (msgspec.json.decode(content, type=Jwk),)
    except msgspec.DecodeError as error:
        raise ProofInvalid("expected Ed25519 public keys as JWK or JWK Set") from error


def sign(payload: bytes, key: Ed25519PrivateKey) -> str:
    """Return the payload signed: the same token whenever the same is signed, for EdDSA draws nothing."""
    return _JWS.encode(payload, key, algorithm=ALGORITHM, headers=_header(public_jwk(key).kid))


def opened(token: str, keys: Sequence[Jwk]) -> bytes:
    """Return the payload of a token that one of `keys` signed. Raises ProofInvalid."""
    segments = token.split(".")
    if len(segments) != 3:
        raise ProofInvalid("expected a compact JWS: header, payload and signature")
    for segment in segments:
        decode_url(segment)
    for key in keys:
        kid = key.thumbprint()
        if segments[0] != _spelled(kid):
            continue
        try:
            payload: bytes = _JWS.decode_complete(token, key.public_key(), algorithms=[ALGORITHM])["payload"]
        except jwt.InvalidTokenError as error:
            raise ProofInvalid("the signature of the receipt does not verify") from error
        return payload
    raise ProofInvalid("the receipt is signed by none of the keys given, or for another end")


def encode_url(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_url(text: str) -> bytes:
    """Read base64url without padding, refusing every other spelling of the same bytes."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ProofInvalid("expected base64url") from error
    if encode_url(raw) != text:
        raise ProofInvalid("expected base64url in its one canonical spelling")
    return raw


def _header(kid: str) -> dict[str, str]:
    return {"kid": kid, "typ": TYPE}


def _spelled(kid: str) -> str:
    header = {"alg": ALGORITHM, **_header(kid)}
    return encode_url(msgspec.json.encode(header, order="sorted"))
