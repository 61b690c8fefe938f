"""What is written reads back, has one spelling, and does not survive tampering."""

import base64
from collections.abc import Callable
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assent.core.errors import ProofInvalid
from assent.core.time import MINUTE, Instant
from assent.ledger import note, verify
from assent.ledger.checkpoint import Checkpoint, sign_checkpoint
from assent.ledger.entries import Entry, EntryKind, Header, commit
from assent.ledger.note import Signer, Verifier, open_note, parse_note, sign_note
from assent.ledger.proof import Proof
from assent.ledger.tiles import ENTRIES, TileAt, encode_bundle, parse_bundle, parse_tile_path, tile_path
from assent.ledger.tree import EMPTY_ROOT, Frontier, inclusion_proof, leaf_hash
from tests.property.ledger.finding import finds

T = TypeVar("T")

SOME = settings(max_examples=100, deadline=None)
HASH = st.binary(min_size=32, max_size=32)
NUMBER = st.integers(min_value=0, max_value=(1 << 63) - 1)
LINE = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
NAME = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="+"), min_size=1, max_size=40)
WORD = st.from_regex(r"[a-z0-9_][a-z0-9_.:/-]{0,30}", fullmatch=True)
SIGNERS = [
    Signer(f"signer{number}.example", Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)))
    for number in range(4)
]

headers = st.builds(
    Header,
    kind=st.sampled_from(EntryKind),
    minute=st.integers(min_value=0, max_value=253_402_300_799 // 60).map(
        lambda minutes: Instant(minutes * MINUTE)
    ),
    role=WORD,
    purpose=st.none() | WORD,
    policy_version=NUMBER,
)
entries = st.builds(Entry, header=headers, commitments=st.lists(HASH, max_size=16).map(tuple))
checkpoints = st.builds(
    Checkpoint,
    origin=LINE,
    size=st.integers(min_value=1, max_value=(1 << 63) - 1),
    root=HASH,
    extensions=st.lists(LINE, max_size=3).map(tuple),
)
proofs = st.builds(
    Proof,
    index=st.integers(min_value=0, max_value=(1 << 63) - 2),
    hashes=st.lists(HASH, max_size=63).map(tuple),
    checkpoint=st.binary(min_size=1, max_size=200),
    extra=st.binary(max_size=50),
)


@st.composite
def mangled(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return `whole` with one byte changed, taken out or put in."""
    at = draw(st.integers(min_value=0, max_value=len(whole) - 1))
    byte = bytes([draw(st.integers(min_value=0, max_value=255))])
    changed = draw(
        st.sampled_from(
            [
                whole[:at] + byte + whole[at + 1 :],
                whole[:at] + whole[at + 1 :],
                whole[:at] + byte + whole[at:],
            ]
        )
    )
    assume(changed != whole)
    return changed


def reads_in_one_way(raw: bytes, read: Callable[[bytes], T], write: Callable[[T], bytes]) -> bool:
    """Return whether `raw` is refused, or is exactly what would be written for what was read."""
    try:
        value = read(raw)
    except ProofInvalid:
        return True
    return write(value) == raw


# Round trips.


@SOME
@given(entries)
def test_an_entry_reads_back(entry: Entry) -> None:
    assert Entry.from_leaf(entry.to_leaf()) == entry


@SOME
@given(checkpoints)
def test_a_checkpoint_reads_back(checkpoint: Checkpoint) -> None:
    assert Checkpoint.from_text(checkpoint.to_text()) == checkpoint


@SOME
@given(proofs)
def test_a_proof_reads_back(proof: Proof) -> None:
    assert Proof.from_bytes(proof.to_bytes()) == proof


@SOME
@given(st.lists(LINE | st.just(""), max_size=5), st.lists(st.sampled_from(SIGNERS), min_size=1, unique_by=id))
def test_a_note_reads_back(lines: list[str], signers: list[Signer]) -> None:
    text = "".join(f"{line}\n" for line in lines) or "\n"
    raw = sign_note(text, signers)
    assert parse_note(raw).to_bytes() == raw
    assert open_note(raw, [one.verifier for one in signers]) == (text, tuple(one.verifier for one in signers))


@SOME
@given(NAME, HASH)
def test_a_verifier_key_reads_back(name: str, key: bytes) -> None:
    assert Verifier.parse(str(Verifier(name, key))) == Verifier(name, key)


@SOME
@given(st.integers(0, 63) | st.just(ENTRIES), NUMBER, st.integers(1, 256))
def test_a_tile_path_reads_back(level: int, index: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, index, width)) == TileAt(level, index, width)


@SOME
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_a_bundle_reads_back(leaves: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(leaves), len(leaves)) == tuple(leaves)


# One spelling.


def entry_reads_in_one_way(raw: bytes) -> bool:
    return reads_in_one_way(raw, Entry.from_leaf, Entry.to_leaf)


def proof_reads_in_one_way(raw: bytes) -> bool:
    return reads_in_one_way(raw, Proof.from_bytes, Proof.to_bytes)


def note_reads_in_one_way(raw: bytes) -> bool:
    return reads_in_one_way(raw, parse_note, note.Note.to_bytes)


ENTRY = Entry(
    header=Header(kind=EntryKind.EVENT, minute=Instant(0), role="collector", policy_version=1),
    commitments=(bytes(32),),
).to_leaf()


@SOME
@given(mangled(ENTRY))
def test_no_two_leaves_are_one_entry(raw: bytes) -> None:
    assert entry_reads_in_one_way(raw)


@SOME
@given(proofs.flatmap(lambda proof: mangled(proof.to_bytes())))
def test_no_two_files_are_one_proof(raw: bytes) -> None:
    assert proof_reads_in_one_way(raw)


@SOME
@given(mangled(sign_note("text\n", SIGNERS[:2])))
def test_no_two_files_are_one_note(raw: bytes) -> None:
    assert note_reads_in_one_way(raw)


# Tampering.

LOG = SIGNERS[0]
SALT = bytes(range(32))
LEAVES = [
    Entry(
        header=Header(kind=EntryKind.EVENT, minute=Instant(0), role="collector", policy_version=1),
        commitments=(commit(SALT, b"%d" % number),),
    ).to_leaf()
    for number in range(5)
]


def proof_file() -> bytes:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    root = Frontier().append(hashes).root()
    path = inclusion_proof(
        3,
        5,
        lambda node: (
            Frontier().append(hashes[node.place << node.height : (node.place + 1) << node.height]).root()
        ),
    )
    checkpoint = sign_checkpoint(Checkpoint(origin=LOG.name, size=5, root=root), LOG)
    return Proof(index=3, hashes=path, checkpoint=checkpoint).to_bytes()


WHOLE = proof_file()


def is_refused(leaf: bytes, raw: bytes) -> bool:
    try:
        verify.verify_proof(leaf, raw, LOG.verifier)
    except ProofInvalid:
        return True
    return False


def tampered_file_is_refused(raw: bytes) -> bool:
    return is_refused(LEAVES[3], raw)


def test_the_untampered_proof_verifies() -> None:
    assert not is_refused(LEAVES[3], WHOLE)


@settings(max_examples=300, deadline=None)
@given(mangled(WHOLE))
def test_a_proof_with_any_byte_changed_is_refused(raw: bytes) -> None:
    assert tampered_file_is_refused(raw)


@SOME
@given(mangled(LEAVES[3]))
def test_a_leaf_with_any_byte_changed_is_refused(leaf: bytes) -> None:
    assert is_refused(leaf, WHOLE)


@SOME
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_commitment_opens_to_one_plaintext(plaintext: bytes, other: bytes) -> None:
    leaf = Entry(header=Entry.from_leaf(ENTRY).header, commitments=(commit(SALT, plaintext),)).to_leaf()
    verify.verify_disclosure(leaf, 0, SALT, plaintext)
    if other != plaintext:
        with pytest.raises(ProofInvalid):
            verify.verify_disclosure(leaf, 0, SALT, other)


# Planted faults, each of which a law above must find.


def test_the_tampering_law_finds_a_signature_that_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Verifier, "verify", lambda *_: True)
    assert finds(mangled(WHOLE), tampered_file_is_refused)


def test_the_tampering_law_finds_a_path_that_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "verify_inclusion", lambda *_: None)
    assert finds(mangled(WHOLE), tampered_file_is_refused)


def test_the_one_spelling_law_finds_base64_that_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        note, "decode_base64", lambda text: base64.b64decode(text.encode("ascii"), validate=True)
    )
    padded = sign_note("text\n", SIGNERS[:1])
    assert padded.endswith(b"=\n")
    last = padded[-3:-2]
    spare = bytes([last[0] + 1])  # the padding bits of the last letter, which decode to the same bytes
    assert not note_reads_in_one_way(padded[:-3] + spare + b"=\n")


def test_the_one_spelling_law_finds_numbers_read_by_int(monkeypatch: pytest.MonkeyPatch) -> None:
    spelled = [
        WHOLE.replace(b"index 3", other) for other in (b"index 03", b"index  3", b"index +3", b"index 3_3")
    ]
    assert all(map(proof_reads_in_one_way, spelled))
    monkeypatch.setattr("assent.ledger.proof.parse_decimal", int)
    assert not any(map(proof_reads_in_one_way, spelled))


def test_an_empty_log_has_one_checkpoint() -> None:
    with pytest.raises(ProofInvalid):
        Checkpoint(origin="log.example", size=0, root=bytes(32))
    assert Checkpoint(origin="log.example", size=0, root=EMPTY_ROOT).size == 0
