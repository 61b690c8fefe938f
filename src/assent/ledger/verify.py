"""Check what a log claims, offline, with its public key alone.

Pure: the caller brings the files and the key, and trusts neither the service nor its database. Each function
returns what it established and raises ProofInvalid otherwise; nothing is half verified.
"""

import hmac
from collections.abc import Sequence

from assent.core.errors import ProofInvalid
from assent.ledger.checkpoint import Checkpoint, open_checkpoint
from assent.ledger.entries import Entry, commit
from assent.ledger.note import Verifier
from assent.ledger.proof import Proof
from assent.ledger.tree import leaf_hash, verify_consistency, verify_inclusion


def verify_checkpoint(checkpoint_note: bytes, log: Verifier) -> Checkpoint:
    """Return the checkpoint that `log` signed."""
    return open_checkpoint(checkpoint_note, log)


def verify_entry(
    leaf: bytes, index: int, proof: Sequence[bytes], checkpoint_note: bytes, log: Verifier
) -> Checkpoint:
    """Return the checkpoint of `log` in whose tree `leaf` stands at `index`."""
    checkpoint = open_checkpoint(checkpoint_note, log)
    verify_inclusion(leaf_hash(leaf), index, checkpoint.size, proof, checkpoint.root)
    return checkpoint


def verify_proof(leaf: bytes, proof_file: bytes, log: Verifier) -> Proof:
    """Return the proof in a tlog-proof file, having checked that `leaf` stands where it says."""
    proof = Proof.from_bytes(proof_file)
    verify_entry(leaf, proof.index, proof.hashes, proof.checkpoint, log)
    return proof


def verify_disclosure(leaf: bytes, part_number: int, salt: bytes, plaintext: bytes) -> Entry:
    """Return the entry in `leaf`, having checked that `plaintext` is what its part (from 0) says.

    It says nothing about the leaf being in a log: `verify_entry` does.
    """
    entry = Entry.from_leaf(leaf)
    if not 0 <= part_number < len(entry.commitments):
        raise ProofInvalid("the entry has no such part")
    if not hmac.compare_digest(commit(salt, plaintext), entry.commitments[part_number]):
        raise ProofInvalid("the entry says something else")
    return entry


def verify_history(
    older_note: bytes, newer_note: bytes, consistency_proof: Sequence[bytes], log: Verifier
) -> tuple[Checkpoint, Checkpoint]:
    """Return both checkpoints, having checked that the newer tree begins with all of the older one.

    Every tree begins with the empty one, so for an older size of 0 the proof is empty.
    """
    older, newer = open_checkpoint(older_note, log), open_checkpoint(newer_note, log)
    if older.size == 0:
        if consistency_proof:
            raise ProofInvalid("nothing is to be proved of an empty log")
        return older, newer
    verify_consistency(
        older.size, newer.size, consistency_proof, first_root=older.root, second_root=newer.root
    )
    return older, newer
