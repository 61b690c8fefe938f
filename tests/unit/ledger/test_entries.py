"""A leaf says what anyone may know, commits to the rest, and has one spelling."""

import hashlib

import pytest

from assent.core.errors import ProofInvalid
from assent.core.time import MINUTE, Instant, parse_time
from assent.ledger.entries import Entry, EntryKind, Header, commit, encode_leaf, to_minute

MINUTE_OF_WRITING = parse_time("2026-11-21T19:53:00Z")
HEADER = Header(
    kind=EntryKind.STATEMENT,
    minute=MINUTE_OF_WRITING,
    role="collector",
    purpose="personalisation",
    policy_version=3,
)
LINE = b"assent/entry@1 statement 2026-11-21T19:53Z collector personalisation 3\n"
PARTS = (bytes(32), bytes(range(32)))


def test_a_leaf_is_a_line_and_its_commitments() -> None:
    assert Entry(header=HEADER, commitments=PARTS).to_leaf() == LINE + PARTS[0] + PARTS[1]
    assert Entry.from_leaf(LINE + PARTS[0] + PARTS[1]) == Entry(header=HEADER, commitments=PARTS)


def test_an_entry_without_purpose_and_parts_has_a_leaf() -> None:
    header = Header(kind=EntryKind.POLICY, minute=Instant(0), role="admin", policy_version=0)
    assert encode_leaf(header, ()) == b"assent/entry@1 policy 1970-01-01T00:00Z admin - 0\n"
    assert Entry.from_leaf(encode_leaf(header, ())).header.purpose is None


def test_a_time_is_cut_to_its_minute() -> None:
    assert to_minute(parse_time("2026-11-21T19:53:59.999999Z")) == MINUTE_OF_WRITING
    assert to_minute(MINUTE_OF_WRITING) == MINUTE_OF_WRITING


def test_a_commitment_is_the_hash_of_domain_salt_and_plaintext() -> None:
    salt = bytes(range(32))
    expected = hashlib.sha256(b"assent/commitment@1\n" + salt + b"plain").digest()
    assert commit(salt, b"plain") == expected


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_a_salt_is_32_bytes(salt: bytes) -> None:
    with pytest.raises(ProofInvalid, match="salt"):
        commit(salt, b"plain")


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        LINE[:-1],
        LINE + bytes(31),
        LINE + bytes(33),
        LINE + bytes(32 * 17),
        LINE.replace(b"@1", b"@2"),
        LINE.replace(b"statement", b"rumour"),
        LINE.replace(b"statement", b"STATEMENT"),
        LINE.replace(b"19:53Z", b"19:53:00Z"),
        LINE.replace(b"19:53Z", b"19:53+00:00"),
        LINE.replace(b"19:53Z", b"20:53+01:00"),
        LINE.replace(b"19:53Z", b"24:00Z"),
        LINE.replace(b"T19:53Z", b" 19:53Z"),
        LINE.replace(b"2026-11-21", b"2026-11-31"),
        LINE.replace(b"2026-11-21", b"2026-1-21"),
        LINE.replace(b"2026-11-21", b"1969-12-31"),
        LINE.replace(b"collector", b"Collector"),
        LINE.replace(b"collector", b"-"),
        LINE.replace(b"collector", b""),
        LINE.replace(b"collector", "coll\u00e8ctor".encode()),
        LINE.replace(b" 3\n", b" 03\n"),
        LINE.replace(b" 3\n", b" 3 \n"),
        LINE.replace(b" 3\n", b" 3\r\n"),
        LINE.replace(b" 3\n", b" \xd9\xa3\n"),
        LINE.replace(b" ", b"  ", 1),
        LINE.replace(b"personalisation", b"p" * 600),
    ],
)
def test_no_other_spelling_is_a_leaf(leaf: bytes) -> None:
    with pytest.raises(ProofInvalid):
        Entry.from_leaf(leaf)


@pytest.mark.parametrize("minute", [-MINUTE, 1, MINUTE - 1, 1 << 62])
def test_a_header_holds_no_time_finer_than_a_minute(minute: int) -> None:
    with pytest.raises(ProofInvalid, match="minute"):
        Header(kind=EntryKind.EVENT, minute=Instant(minute), role="collector", policy_version=1)


@pytest.mark.parametrize(
    ("role", "purpose"), [("two words", None), ("", None), ("dpo", "-"), ("dpo", ""), ("dpo", "a\nb")]
)
def test_a_header_holds_single_words(role: str, purpose: str | None) -> None:
    with pytest.raises(ProofInvalid, match="words"):
        Header(kind=EntryKind.EVENT, minute=Instant(0), role=role, purpose=purpose, policy_version=1)


def test_a_policy_version_is_not_negative() -> None:
    with pytest.raises(ProofInvalid, match="version"):
        Header(kind=EntryKind.EVENT, minute=Instant(0), role="dpo", policy_version=-1)


@pytest.mark.parametrize("commitments", [(bytes(31),), (bytes(32),) * 17])
def test_a_leaf_commits_to_at_most_16_parts_of_32_bytes(commitments: tuple[bytes, ...]) -> None:
    with pytest.raises(ProofInvalid, match="16 commitments"):
        encode_leaf(HEADER, commitments)
