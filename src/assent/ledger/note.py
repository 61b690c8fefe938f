"""Sign and read C2SP signed notes (c2sp.org/signed-note) with Ed25519 keys.

A note is text, a blank line, and one or more signature lines. Signatures of unknown keys are ignored, so that
a log may change its key and witnesses may add theirs; a bad signature of a known key refuses the whole note.

Pure: keys are given. What is read is refused unless writing it again would give the same bytes.

Raises ProofInvalid.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assent.core.errors import ProofInvalid

MOST_SIGNATURES: Final = 64
"""The specification asks for at least 16."""

MOST_BYTES: Final = 1 << 20
"""64 post-quantum signatures of nearly 5 kB each, with room for the text."""

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_DASH: Final = "\u2014 "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})", re.ASCII)
_VERIFIER_KEY: Final = re.compile(
    r"(?P<name>[^+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+=*)", re.ASCII
)


class Verifier(msgspec.Struct, frozen=True):
    """A public key and the name it signs under."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse a name or key that no note could carry."""
        check_name(self.name)
        if len(self.public_key) != _PUBLIC_KEY_BYTES:
            raise ProofInvalid("an Ed25519 public key is 32 bytes")

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell which key made a signature; an identifier, not a safeguard."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return hashlib.sha256(named).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        """Return the verifier key as text, `name+id+key`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a verifier key as `str` writes it. Raises ProofInvalid on anything else."""
        found = _VERIFIER_KEY.fullmatch(text)
        key = decode_base64(found["key"]) if found else b""
        if found is None or key[:1] != _ED25519:
            raise ProofInvalid("expected an Ed25519 verifier key, name+id+key")
        verifier = cls(found["name"], key[1:])
        if str(verifier) != text:
            raise ProofInvalid("the id of the verifier key does not follow from its name and key")
        return verifier

    def verify(self, text: str, signature: bytes) -> bool:
        """Return whether `signature` is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer(msgspec.Struct, frozen=True):
    """A private key and the name it signs under."""

    name: str
    private_key: Ed25519PrivateKey

    def __repr__(self) -> str:
        """Name the signer, never its key."""
        return f"Signer({self.name!r}, private_key=***)"

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, text: str) -> "Signature":
        """Return this key's signature over `text`."""
        signature = self.private_key.sign(text.encode())
        return Signature(name=self.name, key_id=self.verifier.key_id, signature=signature)


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Return the line without its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A text and the signatures under it, none of them verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Return the note as it is published."""
        return (f"{self.text}\n" + "".join(f"{one}\n" for one in self.signatures)).encode()


def sign_note(text: str, signers: Sequence[Signer]) -> bytes:
    """Return `text` signed by each of `signers`, in their order.

    Raises ProofInvalid when the text cannot stand in a note or nobody signs.
    """
    _check_text(text)
    if not 0 < len(signers) <= MOST_SIGNATURES:
        raise ProofInvalid("a note carries one to 64 signatures")
    return Note(text=text, signatures=tuple(signer.sign(text) for signer in signers)).to_bytes()


def open_note(raw: bytes, verifiers: Sequence[Verifier]) -> tuple[str, tuple[Verifier, ...]]:
    """Return the text of a note, and those of `verifiers` whose signature it carries: at least one.

    Raises ProofInvalid when the note is malformed, a known key's signature is bad, or no known key signed.
    """
    note = parse_note(raw)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    if len(known) != len(verifiers):
        raise ProofInvalid("two verifier keys cannot be told apart")
    signed: dict[Verifier, None] = {}
    for line in note.signatures:
        verifier = known.get((line.name, line.key_id))
        if verifier is None:
            continue
        if not verifier.verify(note.text, line.signature):
            raise ProofInvalid("the signature of a known key does not verify")
        signed[verifier] = None
    if not signed:
        raise ProofInvalid("no known key signed the note")
    return note.text, tuple(signed)


def parse_note(raw: bytes) -> Note:
    """Read a note without trusting it. Raises ProofInvalid when it is malformed."""
    if len(raw) > MOST_BYTES:
        raise ProofInvalid("the note is longer than 1 MiB")
    try:
        decoded = raw.decode()
    except UnicodeDecodeError as error:
        raise ProofInvalid("a note is UTF-8") from error
    text, blank, lines = decoded.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise ProofInvalid("a note is text, an empty line and signature lines")
    _check_text(text + "\n")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > MOST_SIGNATURES:
        raise ProofInvalid("the note carries more than 64 signatures")
    return Note(text=text + "\n", signatures=tuple(map(_parse_signature, signatures)))


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise ProofInvalid("a signature line is a dash, the key's name and the signature")
    check_name(name)
    signature = decode_base64(encoded)
    if len(signature) <= _KEY_ID_BYTES:
        raise ProofInvalid("a signature line holds a key id and a signature")
    return Signature(name=name, key_id=signature[:_KEY_ID_BYTES], signature=signature[_KEY_ID_BYTES:])


def check_name(name: str) -> None:
    """Refuse a key name that is empty or holds a space, a plus sign or a control character."""
    if not name or "+" in name or _CONTROL.search(name) or any(one.isspace() for one in name):
        raise ProofInvalid("a key's name is not empty and holds no space and no plus sign")
    _check_unicode(name)


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ProofInvalid("a note's text ends with a newline and holds no other control character")
    _check_unicode(text)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ProofInvalid("a lone surrogate cannot stand in a note") from error


def decode_base64(text: str) -> bytes:
    """Read standard base64 (RFC 4648 section 4), refusing every other spelling of the same bytes."""
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ProofInvalid("expected base64") from error
    if base64.b64encode(decoded).decode() != text:  # padding bits may differ and still decode
        raise ProofInvalid("expected base64 in its one canonical spelling")
    return decoded


def parse_decimal(text: str) -> int:
    """Read an ASCII decimal below 2**63 without sign or leading zeroes."""
    number = int(text) if _DECIMAL.fullmatch(text) else -1
    if not 0 <= number < 1 << 63:
        raise ProofInvalid("expected a decimal number below 2**63 without leading zeroes")
    return number
