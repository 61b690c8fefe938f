"""A sealed value opens with its own ring, in its own place, unchanged, and in no other way."""

import itertools
import time

import pytest

from assent.core.errors import SealBroken
from assent.ledger.sealing import OVERHEAD, Random, Sealer


def counting() -> Random:
    """Return randomness that never repeats and is the same in every run."""
    counter = itertools.count()
    return lambda size: b"".join(next(counter).to_bytes(4, "big") for _ in range(-(-size // 4)))[:size]


KEYS = {1: bytes(range(32)), 2: bytes(range(32, 64))}
SEALER = Sealer(KEYS, 2, counting())


def test_what_was_sealed_opens() -> None:
    assert SEALER.open(SEALER.seal(b"a@example.com", b"1/5/0"), b"1/5/0") == b"a@example.com"


def test_a_sealed_value_is_93_bytes_longer_and_shows_nothing() -> None:
    sealed = SEALER.seal(b"a@example.com", b"1/5/0")
    assert len(sealed) == len(b"a@example.com") + OVERHEAD == 13 + 93
    assert b"example" not in sealed


def test_equal_values_are_sealed_differently() -> None:
    first, second = SEALER.seal_many([(b"same", b"place")] * 2)
    assert first != second
    assert SEALER.open(first, b"place") == SEALER.open(second, b"place") == b"same"


def test_another_place_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"a@example.com", b"1/5/0"), b"1/6/0")


def test_any_changed_byte_is_found() -> None:
    sealed = SEALER.seal(b"secret", b"place")
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SealBroken):
            SEALER.open(changed, b"place")


@pytest.mark.parametrize("length", [0, 1, 5, OVERHEAD - 1])
def test_a_cut_value_is_refused(length: int) -> None:
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"secret", b"place")[:length], b"place")


def test_a_value_of_an_older_wrapping_key_opens_and_one_of_a_missing_key_does_not() -> None:
    older, alone = Sealer(KEYS, 1, counting()), Sealer({2: KEYS[2]}, 2, counting())
    sealed = older.seal(b"secret", b"place")
    assert SEALER.open(sealed, b"place") == b"secret"
    with pytest.raises(SealBroken, match="not in the ring"):
        alone.open(sealed, b"place")


def test_another_ring_with_the_same_key_ids_opens_nothing() -> None:
    other = Sealer({1: bytes(32), 2: bytes(32)}, 2, counting())
    with pytest.raises(SealBroken):
        other.open(SEALER.seal(b"secret", b"place"), b"place")


def test_nothing_sealed_draws_nothing() -> None:
    assert SEALER.seal_many([]) == []


def test_a_sealer_shows_no_key() -> None:
    assert repr(SEALER) == "Sealer(***)"


def test_a_batch_is_sealed_in_far_less_time_than_a_commit_takes() -> None:
    values = [(b"x" * 100, b"place")] * 2_000
    began = time.perf_counter()
    SEALER.seal_many(values)
    assert time.perf_counter() - began < 0.5  # 6 ms where nothing else runs: 370,000 a second


def test_the_place_test_finds_a_sealer_that_forgets_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    seal, opened = Sealer.seal, Sealer.open
    monkeypatch.setattr(Sealer, "seal", lambda self, plaintext, _: seal(self, plaintext, b""))
    monkeypatch.setattr(Sealer, "open", lambda self, sealed, _: opened(self, sealed, b""))
    with pytest.raises(pytest.fail.Exception):
        test_another_place_does_not_open_it()
