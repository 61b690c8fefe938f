"""Write and read proofs that an entry is in a log (c2sp.org/tlog-proof@v1), the signed checkpoint included.

Pure, and no verification here: `verify` does that. Reading refuses whatever writing would not have written.

Raises ProofInvalid.
"""

import base64
from typing import Final

import msgspec

from assent.core.errors import ProofInvalid
from assent.ledger.note import decode_base64, parse_decimal
from assent.ledger.tree import HASH_BYTES, HIGHEST_SIZE

HEADER: Final = "c2sp.org/tlog-proof@v1"
FILE_SUFFIX: Final = ".tlog-proof"
HIGHEST_TREE: Final = 63
"""A tree of fewer than 2**63 leaves has paths of at most 63 hashes."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """That a leaf stands at `index` of the tree which `checkpoint`, a signed note, commits to.

    `extra` is for the application, and nothing vouches for it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        """Refuse what the file could not say."""
        if not 0 <= self.index < HIGHEST_SIZE:
            raise ProofInvalid("the index of a proof is a number below 2**63")
        if len(self.hashes) > HIGHEST_TREE or any(len(one) != HASH_BYTES for one in self.hashes):
            raise ProofInvalid("an inclusion proof is at most 63 hashes of 32 bytes")
        if not self.checkpoint:
            raise ProofInvalid("a proof includes a checkpoint")

    def to_bytes(self) -> bytes:
        """Return the proof as a file."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines.extend(base64.b64encode(one).decode() for one in self.hashes)
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Proof":
        """Read what `to_bytes` wrote. Raises ProofInvalid on anything else."""
        head, blank, checkpoint = raw.partition(b"\n\n")
        if not blank or not head.isascii():
            raise ProofInvalid("a proof is its own lines, an empty line and a checkpoint")
        header, *lines = head.decode("ascii").split("\n")
        if header != HEADER:
            raise ProofInvalid("a proof begins with its format and version")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "))
            if not extra:
                raise ProofInvalid("a proof without extra data has no line for it")
        if not lines or not lines[0].startswith("index "):
            raise ProofInvalid("a proof names the index of its entry")
        index = parse_decimal(lines.pop(0).removeprefix("index "))
        hashes = tuple(decode_base64(line) for line in lines)
        return cls(index=index, hashes=hashes, checkpoint=checkpoint, extra=extra)
