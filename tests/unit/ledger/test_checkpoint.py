"""A checkpoint is three lines that one log signed."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assent.core.errors import ProofInvalid
from assent.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from assent.ledger.note import Signer, sign_note
from assent.ledger.tree import EMPTY_ROOT

# The example of c2sp.org/tlog-checkpoint.
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG = Signer("log.example/facts", KEY)
OTHER = Signer("log.example/releases", KEY)
HEAD = Checkpoint(origin="log.example/facts", size=5, root=bytes(range(32)))


def test_the_example_of_the_specification_reads_and_writes() -> None:
    checkpoint = Checkpoint.from_text(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert checkpoint.to_text() == EXAMPLE


def test_a_signed_checkpoint_opens_with_the_key_of_its_log() -> None:
    assert open_checkpoint(sign_checkpoint(HEAD, LOG), LOG.verifier) == HEAD


def test_a_second_signature_has_room() -> None:
    witness = Signer("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    note = sign_checkpoint(HEAD, LOG, (witness,))
    assert note.count("\n\u2014 ".encode()) == 2
    assert open_checkpoint(note, LOG.verifier) == HEAD


def test_one_log_does_not_sign_for_another() -> None:
    with pytest.raises(ProofInvalid, match="named like its origin"):
        sign_checkpoint(HEAD, OTHER)


def test_a_checkpoint_of_one_log_does_not_pass_for_another_though_one_key_signed() -> None:
    with pytest.raises(ProofInvalid, match="another log"):
        open_checkpoint(sign_note(HEAD.to_text(), [OTHER]), OTHER.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "log\n5\n",
        EXAMPLE[:-1],
        EXAMPLE + "\n",
        EXAMPLE + "no newline after it",
        EXAMPLE + "extension\n\n",
        "\n" + EXAMPLE,
        EXAMPLE.replace("20852163", "020852163"),
        EXAMPLE.replace("20852163", "-1"),
        EXAMPLE.replace("20852163", "0"),
        EXAMPLE.replace("20852163", str(1 << 63)),
        EXAMPLE.replace("2I=", "2J="),
        EXAMPLE.replace("2I=", "2I"),
        EXAMPLE.replace("CsUYapGGPo4dkMgIAUqom", "CsUYapGGPo4dkMgIA"),
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ProofInvalid):
        Checkpoint.from_text(text)


def test_extension_lines_are_kept() -> None:
    assert Checkpoint.from_text(EXAMPLE + "one\ntwo\n").extensions == ("one", "two")


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert (
        Checkpoint(origin="log.example", size=0, root=EMPTY_ROOT).to_text().startswith("log.example\n0\n47DE")
    )


@pytest.mark.parametrize(
    ("origin", "extensions"), [("", ()), ("two\nlines", ()), ("log", ("",)), ("log", ("a\nb",))]
)
def test_a_checkpoint_is_made_of_whole_lines(origin: str, extensions: tuple[str, ...]) -> None:
    with pytest.raises(ProofInvalid, match="lines"):
        Checkpoint(origin=origin, size=5, root=bytes(32), extensions=extensions)
