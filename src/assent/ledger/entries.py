r"""Write and read the leaf of a ledger entry: a public header, and commitments to what the entry says.

A leaf is one ASCII line and then 32 bytes for each part of the payload:

    assent/entry@1 statement 2026-11-21T19:53Z collector personalisation 3\n

The header names no subject. A part is kept elsewhere, encrypted, with its salt; erasing both leaves the leaf,
and every proof over it, as it was. There is one spelling for each entry, and reading refuses all others.

Pure. Raises ProofInvalid for a leaf that is malformed or a header that cannot be written.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from assent.core.errors import ProofInvalid
from assent.core.time import MINUTE, SECOND, Instant, to_datetime, to_instant
from assent.ledger.note import parse_decimal

COMMITMENT_BYTES: Final = 32
SALT_BYTES: Final = 32
MOST_PARTS: Final = 16

DOMAIN: Final = b"assent/commitment@1\n"
"""Begins what is hashed for a commitment, so that no hash made for another end can pass for one."""

_FORMAT: Final = "assent/entry@1"
_NOTHING: Final = "-"
_WORD: Final = re.compile(r"[a-z0-9_][a-z0-9_.:/-]{0,127}", re.ASCII)
_FIELDS: Final = 6
_YEAR_10000: Final = 253_402_300_800 * SECOND
_LONGEST_HEADER: Final = 512


class EntryKind(StrEnum):
    """What an entry records."""

    CONTROLLER = "controller"
    POLICY = "policy"
    EVENT = "event"
    STATEMENT = "statement"
    LINK = "link"
    AUDIENCE = "audience"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    IMPORT = "import"


_KINDS: Final = frozenset(EntryKind)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What anyone may know of an entry: its kind, its minute, who wrote it and under which policy.

    `minute` is cut to the minute: a finer time would help to tell people apart.
    """

    kind: EntryKind
    minute: Instant
    role: str
    purpose: str | None = None
    policy_version: int

    def __post_init__(self) -> None:
        """Refuse what the line could not say."""
        if not 0 <= self.minute < _YEAR_10000 or self.minute % MINUTE:
            raise ProofInvalid("the time of an entry is cut to the minute, from 1970 to 9999")
        if not _WORD.fullmatch(self.role) or not (self.purpose is None or _WORD.fullmatch(self.purpose)):
            raise ProofInvalid("a role and a purpose are lower-case ASCII words")
        if not 0 <= self.policy_version < 1 << 63:
            raise ProofInvalid("a policy version is a number below 2**63")

    def __str__(self) -> str:
        """Return the header line without its newline."""
        minute = to_datetime(self.minute).isoformat(timespec="minutes").removesuffix("+00:00")
        purpose = self.purpose or _NOTHING
        return f"{_FORMAT} {self.kind} {minute}Z {self.role} {purpose} {self.policy_version}"

    @classmethod
    def parse(cls, line: str) -> "Header":
        """Read a header line as `str` writes it. Raises ProofInvalid on anything else."""
        fields = line.split(" ")
        if len(fields) != _FIELDS or fields[0] != _FORMAT or fields[1] not in _KINDS:
            raise ProofInvalid(
                "an entry begins with its format, kind, minute, role, purpose and policy version"
            )
        _, kind, minute, role, purpose, version = fields
        header = cls(
            kind=EntryKind(kind),
            minute=_parse_minute(minute),
            role=role,
            purpose=None if purpose == _NOTHING else purpose,
            policy_version=parse_decimal(version),
        )
        if str(header) != line:
            raise ProofInvalid("expected the one spelling of a header")
        return header


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger entry as the tree holds it."""

    header: Header
    commitments: tuple[bytes, ...] = ()

    def to_leaf(self) -> bytes:
        """Return the leaf's bytes."""
        return encode_leaf(self.header, self.commitments)

    @classmethod
    def from_leaf(cls, leaf: bytes) -> "Entry":
        """Read what `to_leaf` wrote. Raises ProofInvalid on anything else."""
        line, newline, rest = leaf.partition(b"\n")
        if not newline or not line.isascii() or len(line) > _LONGEST_HEADER:
            raise ProofInvalid("a leaf begins with one line of ASCII")
        count, over = divmod(len(rest), COMMITMENT_BYTES)
        if over or count > MOST_PARTS:
            raise ProofInvalid("a leaf ends with up to 16 commitments of 32 bytes")
        commitments = tuple(rest[at : at + COMMITMENT_BYTES] for at in range(0, len(rest), COMMITMENT_BYTES))
        return cls(header=Header.parse(line.decode("ascii")), commitments=commitments)


def encode_leaf(header: Header, commitments: Sequence[bytes]) -> bytes:
    """Return the leaf of an entry. Raises ProofInvalid unless there are up to 16 commitments of 32 bytes."""
    if len(commitments) > MOST_PARTS or any(len(one) != COMMITMENT_BYTES for one in commitments):
        raise ProofInvalid("a leaf ends with up to 16 commitments of 32 bytes")
    return b"".join((str(header).encode("ascii"), b"\n", *commitments))


def commit(salt: bytes, plaintext: bytes) -> bytes:
    r"""Return SHA-256("assent/commitment@1\n" || salt || plaintext).

    The salt is 32 random bytes used once: without it, short payloads could be guessed from the leaf.
    """
    if len(salt) != SALT_BYTES:
        raise ProofInvalid("a salt is 32 bytes")
    return hashlib.sha256(DOMAIN + salt + plaintext).digest()


def to_minute(now: Instant) -> Instant:
    """Return an instant cut to the minute."""
    return Instant(now - now % MINUTE)


def _parse_minute(text: str) -> Instant:
    try:
        return to_instant(datetime.strptime(text, "%Y-%m-%dT%H:%M%z"))
    except ValueError as error:
        raise ProofInvalid("the time of an entry is a minute in UTC") from error
