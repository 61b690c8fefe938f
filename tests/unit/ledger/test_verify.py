"""Whoever holds the public key finds out offline what a log says, and when it has been changed."""

from itertools import accumulate

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assent.core.errors import ProofInvalid
from assent.core.time import Instant
from assent.ledger import tree, verify
from assent.ledger.checkpoint import Checkpoint, sign_checkpoint
from assent.ledger.entries import Entry, EntryKind, Header, commit
from assent.ledger.note import Signer, Verifier
from assent.ledger.proof import Proof
from assent.ledger.tree import EMPTY_ROOT, Frontier, Node, leaf_hash

LOG = Signer("log.example/facts", Ed25519PrivateKey.from_private_bytes(bytes(32)))
THIEF = Signer("log.example/facts", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEY = LOG.verifier
SALT = bytes(range(32))
HEADER = Header(kind=EntryKind.EVENT, minute=Instant(0), role="collector", policy_version=1)
LEAVES = [
    Entry(header=HEADER, commitments=(commit(SALT, b"who %d" % number), commit(SALT, b"what"))).to_leaf()
    for number in range(9)
]
FRONTIERS = list(accumulate(LEAVES, lambda grown, leaf: grown.append([leaf_hash(leaf)]), initial=Frontier()))


def read(node: Node) -> bytes:
    low = node.place << node.height
    return Frontier().append(map(leaf_hash, LEAVES[low : low + (1 << node.height)])).root()


def signed(size: int, log: Signer = LOG) -> bytes:
    return sign_checkpoint(Checkpoint(origin=log.name, size=size, root=FRONTIERS[size].root()), log)


def proof_of(index: int, size: int) -> tuple[bytes, ...]:
    return tree.inclusion_proof(index, size, read)


def test_a_checkpoint_verifies_with_the_public_key_alone() -> None:
    assert verify.verify_checkpoint(signed(9), Verifier.parse(str(KEY))).size == 9


def test_every_entry_verifies_at_its_place_and_at_no_other() -> None:
    for index, leaf in enumerate(LEAVES):
        proof = proof_of(index, 9)
        assert verify.verify_entry(leaf, index, proof, signed(9), KEY).root == FRONTIERS[9].root()
        with pytest.raises(ProofInvalid):
            verify.verify_entry(leaf, (index + 1) % 9, proof, signed(9), KEY)


def test_a_changed_leaf_is_found() -> None:
    with pytest.raises(ProofInvalid, match="does not lead to the root"):
        verify.verify_entry(LEAVES[4].replace(b"collector", b"engineer"), 4, proof_of(4, 9), signed(9), KEY)


def test_a_checkpoint_signed_with_another_key_is_refused() -> None:
    with pytest.raises(ProofInvalid):
        verify.verify_entry(LEAVES[4], 4, proof_of(4, 9), signed(9, THIEF), KEY)


def test_a_proof_file_holds_all_that_is_needed() -> None:
    proof = Proof(index=4, hashes=proof_of(4, 9), checkpoint=signed(9))
    assert verify.verify_proof(LEAVES[4], proof.to_bytes(), KEY) == proof
    with pytest.raises(ProofInvalid):
        verify.verify_proof(LEAVES[5], proof.to_bytes(), KEY)


def test_a_disclosed_part_is_what_was_committed_to() -> None:
    assert verify.verify_disclosure(LEAVES[4], 0, SALT, b"who 4").header == HEADER
    for part, salt, plaintext in ((0, SALT, b"who 5"), (1, SALT, b"who 4"), (0, bytes(32), b"who 4")):
        with pytest.raises(ProofInvalid, match="something else"):
            verify.verify_disclosure(LEAVES[4], part, salt, plaintext)


@pytest.mark.parametrize("part", [-1, 2])
def test_an_entry_does_not_disclose_parts_it_does_not_have(part: int) -> None:
    with pytest.raises(ProofInvalid, match="no such part"):
        verify.verify_disclosure(LEAVES[4], part, SALT, b"what")


def test_a_newer_log_begins_with_the_older_one() -> None:
    proof = tree.consistency_proof(5, 9, read)
    older, newer = verify.verify_history(signed(5), signed(9), proof, KEY)
    assert (older.size, newer.size) == (5, 9)


def test_truncation_is_found_by_whoever_holds_an_older_checkpoint() -> None:
    with pytest.raises(ProofInvalid):
        verify.verify_history(signed(9), signed(5), tree.consistency_proof(5, 9, read), KEY)


def test_a_rewritten_history_is_found_though_the_log_key_signed_it() -> None:
    rewritten = [leaf_hash(leaf) for leaf in LEAVES]
    rewritten[2] = leaf_hash(b"another past")
    root = Frontier().append(rewritten).root()
    note = sign_checkpoint(Checkpoint(origin=LOG.name, size=9, root=root), LOG)
    with pytest.raises(ProofInvalid, match="both roots"):
        verify.verify_history(signed(5), note, tree.consistency_proof(5, 9, read), KEY)


def test_every_log_begins_with_the_empty_one() -> None:
    empty = sign_checkpoint(Checkpoint(origin=LOG.name, size=0, root=EMPTY_ROOT), LOG)
    assert verify.verify_history(empty, signed(9), (), KEY)[1].size == 9
    with pytest.raises(ProofInvalid, match="empty log"):
        verify.verify_history(empty, signed(9), (EMPTY_ROOT,), KEY)


# Planted faults.


def test_the_changed_leaf_test_finds_a_verifier_that_skips_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "verify_inclusion", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        test_a_changed_leaf_is_found()


def test_the_rewritten_history_test_finds_a_verifier_that_skips_the_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify, "verify_consistency", lambda *_, **__: None)
    with pytest.raises(pytest.fail.Exception):
        test_a_rewritten_history_is_found_though_the_log_key_signed_it()


def test_the_disclosure_test_finds_commitments_without_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    unsalted = commit(SALT, b"who 4")
    monkeypatch.setattr(verify, "commit", lambda _, plaintext: unsalted if plaintext == b"who 4" else b"")
    with pytest.raises(pytest.fail.Exception):
        test_a_disclosed_part_is_what_was_committed_to()
