"""Write, sign and open C2SP checkpoints (c2sp.org/tlog-checkpoint): a log's size and root, signed.

Pure. A log's key is named like its origin, so that no checkpoint of one log can pass for another's.

Raises ProofInvalid.
"""

import base64
from collections.abc import Sequence

import msgspec

from assent.core.errors import ProofInvalid
from assent.ledger.note import Signer, Verifier, decode_base64, open_note, parse_decimal, sign_note
from assent.ledger.tree import EMPTY_ROOT, HASH_BYTES, HIGHEST_SIZE


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a log commits to: at this size, this root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what a checkpoint cannot say."""
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise ProofInvalid("the origin and the extensions of a checkpoint are lines that are not empty")
        if not 0 <= self.size <= HIGHEST_SIZE:
            raise ProofInvalid("the size of a checkpoint is a number below 2**63")
        if len(self.root) != HASH_BYTES or (self.size == 0 and self.root != EMPTY_ROOT):
            raise ProofInvalid("the root of a checkpoint is a SHA-256 hash, of nothing when the log is empty")

    def to_text(self) -> str:
        """Return the note's text."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def from_text(cls, text: str) -> "Checkpoint":
        """Read what `to_text` wrote. Raises ProofInvalid on anything else."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop():  # three lines, and nothing after the last newline
            raise ProofInvalid("a checkpoint is an origin, a size and a root, each on its line")
        origin, size, root, *extensions = lines
        return cls(
            origin=origin, size=parse_decimal(size), root=decode_base64(root), extensions=tuple(extensions)
        )


def sign_checkpoint(checkpoint: Checkpoint, log: Signer, others: Sequence[Signer] = ()) -> bytes:
    """Return the checkpoint as a note signed by its log and then by `others`.

    The caller never signs one that is inconsistent with an earlier one. Raises ProofInvalid when `log` is the
    key of another log.
    """
    if log.name != checkpoint.origin:
        raise ProofInvalid("a log's key is named like its origin")
    return sign_note(checkpoint.to_text(), (log, *others))


def open_checkpoint(raw: bytes, log: Verifier) -> Checkpoint:
    """Return the checkpoint in a note that `log` signed. Raises ProofInvalid on anything else."""
    text, _ = open_note(raw, (log,))
    checkpoint = Checkpoint.from_text(text)
    if checkpoint.origin != log.name:
        raise ProofInvalid("the checkpoint is of another log than the key")
    return checkpoint
