"""A proof file is that of c2sp.org/tlog-proof@v1 and reads in one way."""

import base64

import pytest

from assent.core.errors import ProofInvalid
from assent.ledger.proof import Proof

HASHES = (bytes(range(32)), bytes(32))
LINES = [base64.b64encode(one).decode() for one in HASHES]
CHECKPOINT = "log.example\n9\nroot\n\n\u2014 log.example signature\n".encode()
WHOLE = f"c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 5\n{LINES[0]}\n{LINES[1]}\n\n".encode() + CHECKPOINT


def test_a_proof_is_written_as_the_specification_says() -> None:
    assert Proof(index=5, hashes=HASHES, checkpoint=CHECKPOINT, extra=b"extra").to_bytes() == WHOLE
    assert Proof.from_bytes(WHOLE) == Proof(index=5, hashes=HASHES, checkpoint=CHECKPOINT, extra=b"extra")


def test_a_proof_of_the_only_entry_has_no_hashes_and_no_extra_line() -> None:
    raw = b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + CHECKPOINT
    assert Proof(index=0, hashes=(), checkpoint=CHECKPOINT).to_bytes() == raw
    assert Proof.from_bytes(raw).hashes == ()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        CHECKPOINT,
        WHOLE.removeprefix(b"c2sp.org/tlog-proof@v1\n"),
        WHOLE.replace(b"@v1", b"@v2"),
        WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.replace(b"extra ZXh0cmE=", b"extra "),
        WHOLE.replace(b"extra ZXh0cmE=", b"extra ZXh0cmF="),
        WHOLE.replace(b"extra ZXh0cmE=", b"Extra ZXh0cmE="),
        WHOLE.replace(b"index 5\n", b""),
        WHOLE.replace(b"index 5", b"index 05"),
        WHOLE.replace(b"index 5", b"index -5"),
        WHOLE.replace(b"index 5", b"index  5"),
        WHOLE.replace(b"index 5", b"index 9223372036854775807"),
        WHOLE.replace(b"index 5", b"index 5\nindex 5"),
        WHOLE.replace(LINES[0].encode(), b"AAAA"),
        WHOLE.replace(LINES[0].encode(), "\u00e9".encode()),
        WHOLE.replace(LINES[1].encode(), "\n".join([LINES[1]] * 63).encode()),
        WHOLE.removesuffix(CHECKPOINT),
        WHOLE[: WHOLE.index(b"\n\n") + 1],
    ],
)
def test_a_malformed_proof_is_refused(raw: bytes) -> None:
    with pytest.raises(ProofInvalid):
        Proof.from_bytes(raw)


def test_a_proof_without_a_checkpoint_is_not_made() -> None:
    with pytest.raises(ProofInvalid, match="checkpoint"):
        Proof(index=0, hashes=(), checkpoint=b"")
