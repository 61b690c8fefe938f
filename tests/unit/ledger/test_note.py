"""Notes are those of c2sp.org/signed-note, down to the byte, and nothing near them passes."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assent.core.errors import ProofInvalid
from assent.ledger.note import (
    Signer,
    Verifier,
    check_name,
    decode_base64,
    open_note,
    parse_decimal,
    parse_note,
    sign_note,
)

# The worked example of c2sp.org/signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_TEXT = "This is an example message.\n"
EXAMPLE_SIGNATURE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)
EXAMPLE_NOTE = f"{EXAMPLE_TEXT}\n\u2014 example.com/foo {EXAMPLE_SIGNATURE}\n".encode()

TEXT = "log.example/facts\n5\nsome text\n"
LOG = Signer("log.example/facts", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))
STRANGER = Signer("log.example/facts", Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96))))


def test_the_example_of_the_specification_opens() -> None:
    verifier = Verifier.parse(EXAMPLE_KEY)
    assert open_note(EXAMPLE_NOTE, [verifier]) == (EXAMPLE_TEXT, (verifier,))
    assert parse_note(EXAMPLE_NOTE).to_bytes() == EXAMPLE_NOTE
    assert str(verifier) == EXAMPLE_KEY


def test_a_key_id_is_the_hash_of_name_newline_type_and_key() -> None:
    verifier = LOG.verifier
    expected = hashlib.sha256(b"log.example/facts\n\x01" + verifier.public_key).digest()[:4]
    assert verifier.key_id == expected
    assert str(verifier).split("+", 2)[:2] == ["log.example/facts", expected.hex()]


def parts_by_hand(note: bytes) -> tuple[bytes, bytes]:
    """Return the signed text and the signature as anyone would cut them out, with none of our code."""
    text, line = note.split(b"\n\n")
    signature = base64.b64decode(line.rsplit(b" ", 1)[1])
    return text + b"\n", signature[4:]


def test_a_signed_note_verifies_without_our_code() -> None:
    text, signature = parts_by_hand(sign_note(TEXT, [LOG]))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(str(LOG.verifier).split("+", 2)[2])[1:])
    key.verify(signature, text)
    with pytest.raises(InvalidSignature):
        key.verify(signature, text + b" ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_openssl_alone_verifies_a_signed_note(tmp_path: Path) -> None:
    text, signature = parts_by_hand(sign_note(TEXT, [LOG]))
    pem = LOG.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("key.pem", pem), ("text", text), ("signature", signature), ("other", text + b" ")):
        (tmp_path / name).write_bytes(content)
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "key.pem",
        "-rawin",
        "-sigfile",
        "signature",
        "-in",
    ]
    assert subprocess.run([*command, "text"], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, "other"], cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_signatures_of_unknown_keys_are_ignored() -> None:
    note = sign_note(TEXT, [STRANGER, LOG, WITNESS])
    assert open_note(note, [LOG.verifier]) == (TEXT, (LOG.verifier,))
    assert open_note(note, [WITNESS.verifier, LOG.verifier])[1] == (LOG.verifier, WITNESS.verifier)


def test_a_bad_signature_of_a_known_key_refuses_the_note_though_another_is_good() -> None:
    bad = WITNESS.sign("something else\n")
    note = sign_note(TEXT, [LOG]) + f"{bad}\n".encode()
    assert open_note(note, [LOG.verifier])[0] == TEXT
    with pytest.raises(ProofInvalid, match="does not verify"):
        open_note(note, [LOG.verifier, WITNESS.verifier])


@pytest.mark.parametrize("verifiers", [[], [WITNESS.verifier], [STRANGER.verifier]])
def test_a_note_that_no_known_key_signed_is_refused(verifiers: list[Verifier]) -> None:
    with pytest.raises(ProofInvalid, match="no known key"):
        open_note(sign_note(TEXT, [LOG]), verifiers)


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ProofInvalid, match="told apart"):
        open_note(sign_note(TEXT, [LOG]), [LOG.verifier, LOG.verifier])


GOOD = sign_note(TEXT, [LOG])
LINE = GOOD.split(b"\n\n")[1]


DASH = "\u2014 ".encode()
MALFORMED = {
    "nothing": b"",
    "two newlines": b"\n\n",
    "no newline at the end": GOOD[:-1],
    "an empty line at the end": GOOD + b"\n",
    "a last line without newline": GOOD + LINE.rstrip(b"\n"),
    "carriage returns": GOOD.replace(b"\n", b"\r\n"),
    "a tab": GOOD.replace(b"some text", b"some\ttext"),
    "a zero byte": GOOD.replace(b"some text", b"some\x00text"),
    "no UTF-8": GOOD.replace(b"some text", b"some\xfftext"),
    "a hyphen for the dash": GOOD.replace(DASH, b"- "),
    "two spaces after the dash": GOOD.replace(DASH, DASH + b" "),
    "no padding": GOOD.replace(b"=\n", b"\n"),
    "a space at the end of a line": GOOD.replace(b"=\n", b"= \n"),
    "a key id and no signature": TEXT.encode() + b"\n" + DASH + b"log.example/facts AAAAAA==\n",
    "a name and nothing": TEXT.encode() + b"\n" + DASH + b"log.example/facts\n",
    "65 signatures": TEXT.encode() + b"\n" + LINE * 65,
    "more than 1 MiB": b"a" * (1 << 20) + b"\n" + GOOD,
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_note_is_refused(what: str) -> None:
    with pytest.raises(ProofInvalid):
        parse_note(MALFORMED[what])


def test_a_note_may_hold_empty_lines_and_64_signatures() -> None:
    text = "one\n\n\u2014 not a signature\n\ntwo\n"
    note = sign_note(text, [LOG] * 64)
    assert open_note(note, [LOG.verifier]) == (text, (LOG.verifier,))


@pytest.mark.parametrize("text", ["", "no newline at its end", "a\ttab\n", "half a pair \ud800\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text: str) -> None:
    with pytest.raises(ProofInvalid):
        sign_note(text, [LOG])


@pytest.mark.parametrize("signers", [[], [LOG] * 65])
def test_a_note_is_signed_by_one_to_64_keys(signers: list[Signer]) -> None:
    with pytest.raises(ProofInvalid, match="one to 64"):
        sign_note(TEXT, signers)


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u00a0b", "a\u2028b", "a\u3000b", "a\nb", "a\x1fb", "\ud800"]
)
def test_a_name_that_no_key_can_have_is_refused(name: str) -> None:
    with pytest.raises(ProofInvalid):
        check_name(name)


@pytest.mark.parametrize(
    "key",
    [
        "",
        EXAMPLE_KEY[1:],
        EXAMPLE_KEY[:-1],
        EXAMPLE_KEY + "\n",
        EXAMPLE_KEY + "AA==",
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("530d903a", "530D903A"),
        EXAMPLE_KEY.replace("+A", "+B"),
        EXAMPLE_KEY.replace("+", " "),
    ],
)
def test_a_mangled_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(ProofInvalid):
        Verifier.parse(key)


@pytest.mark.parametrize(
    "text", ["AB==", "AAB=", "AA", "AA=", "AA==\n", " AA==", "A-==", "\u0410A==", "=", "===="]
)
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(ProofInvalid):
        decode_base64(text)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "00", " 1", "1 ", "1_0", "\u0661", str(1 << 63), "9" * 19, "1e3"]
)
def test_a_decimal_has_one_spelling(text: str) -> None:
    with pytest.raises(ProofInvalid):
        parse_decimal(text)


def test_the_highest_decimal_is_2_63_minus_1() -> None:
    assert parse_decimal(str((1 << 63) - 1)) == (1 << 63) - 1


def test_a_signer_shows_no_key() -> None:
    assert repr(LOG) == "Signer('log.example/facts', private_key=***)"


# Planted faults.


def test_the_wrong_key_test_finds_a_verifier_that_checks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Verifier, "verify", lambda *_: True)
    with pytest.raises(pytest.fail.Exception):
        test_a_bad_signature_of_a_known_key_refuses_the_note_though_another_is_good()
