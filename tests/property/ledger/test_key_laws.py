"""Laws of the key ring: names are unambiguous, sealed values open in their own place alone."""

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from assent.core.errors import KeyRingMalformed, SealBroken
from assent.ledger import keyring
from assent.ledger.sealing import Sealer

SOME = settings(max_examples=100, deadline=None)
PARTS = st.lists(
    st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1) | st.text(max_size=12), max_size=4
)
BYTES = st.binary(max_size=200)


def random(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(size))


SEALER = Sealer({1: bytes(range(32))}, 1, random)


def framing_is_unambiguous(case: tuple[list[int | str], list[int | str]]) -> bool:
    first, second = case
    return first == second or keyring._framed(*first) != keyring._framed(*second)


@SOME
@given(st.tuples(PARTS, PARTS))
def test_no_two_lists_of_parts_are_framed_alike(case: tuple[list[int | str], list[int | str]]) -> None:
    assert framing_is_unambiguous(case)


@SOME
@given(st.text(max_size=12), st.text(max_size=12), st.integers(min_value=0, max_value=24))
def test_no_cut_of_one_text_is_framed_like_another(left: str, right: str, cut: int) -> None:
    whole = left + right
    assert framing_is_unambiguous(([left, right], [whole[:cut], whole[cut:]]))


@SOME
@given(st.lists(st.tuples(BYTES, BYTES), max_size=5))
def test_what_was_sealed_opens_in_its_place(values: list[tuple[bytes, bytes]]) -> None:
    sealed = SEALER.seal_many(values)
    assert [SEALER.open(one, aad) for one, (_, aad) in zip(sealed, values, strict=True)] == [
        plaintext for plaintext, _ in values
    ]


@SOME
@given(BYTES, BYTES, BYTES)
def test_what_was_sealed_opens_nowhere_else(plaintext: bytes, aad: bytes, other: bytes) -> None:
    sealed = SEALER.seal(plaintext, aad)
    if other != aad:
        with pytest.raises(SealBroken):
            SEALER.open(sealed, other)


@SOME
@given(BYTES, st.integers(min_value=0), st.integers(min_value=1, max_value=255), st.binary(max_size=3))
def test_a_changed_cut_or_lengthened_value_does_not_open(
    plaintext: bytes, at: int, flip: int, tail: bytes
) -> None:
    sealed = SEALER.seal(plaintext, b"place")
    at %= len(sealed)
    changed = [sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :], sealed[:at]]
    for other in [*changed, *([sealed + tail] if tail else [])]:
        with pytest.raises(SealBroken):
            SEALER.open(other, b"place")


@SOME
@given(st.binary(max_size=300))
def test_no_content_of_the_file_is_anything_but_a_ring_or_refused(content: bytes) -> None:
    with pytest.raises(KeyRingMalformed):
        keyring._parse(content)


def test_the_framing_law_finds_parts_without_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_framed", lambda *parts: "|".join(map(str, parts)).encode())
    first, second = find(st.tuples(PARTS, PARTS), lambda case: not framing_is_unambiguous(case))
    assert first != second
