from decimal import Decimal

import numpy as np
import pytest

from assent.audiences.rule import Bucket
from assent.audiences.share import key_of_subject, key_of_value, span, span_of
from assent.features.catalogue import Value

KEYS = np.random.default_rng(1).integers(0, (1 << 64) - 1, 100_000, np.uint64)


def test_a_share_holds_about_as_many_people_as_it_says() -> None:
    for low, high in ((0, 100_000), (100_000, 200_000), (250_000, 1_000_000)):
        held = int(np.count_nonzero(span("spring", low, high).among(KEYS)))
        # five standard deviations of as many draws
        assert abs(held - (high - low) / 10) < 5 * (len(KEYS) * 0.25) ** 0.5


def test_shares_beside_each_other_hold_everybody_once() -> None:
    parts = [span("spring", low, low + 250_000).among(KEYS) for low in range(0, 1_000_000, 250_000)]
    assert np.all(np.sum(parts, axis=0) == 1)
    assert np.all(span("spring", 0, 1_000_000).among(KEYS))


def test_a_larger_share_of_one_salt_keeps_whom_the_smaller_holds() -> None:
    smaller, larger = (span("spring", 0, high).among(KEYS) for high in (50_000, 100_000))
    assert np.all(larger[smaller])


def test_another_salt_draws_anew() -> None:
    one, other = (span(salt, 0, 500_000).among(KEYS) for salt in ("spring", "autumn"))
    both = int(np.count_nonzero(one & other))
    assert abs(both - len(KEYS) / 4) < 5 * (len(KEYS) * 0.25) ** 0.5


def test_one_draw_equals_the_draw_of_many() -> None:
    some = span_of(Bucket(salt="spring", low=Decimal("0.25"), high=Decimal("0.75")))
    assert [some.holds(int(key)) for key in KEYS[:500]] == some.among(KEYS[:500]).tolist()


def test_the_draws_are_pinned_for_good() -> None:
    # People would change groups under a running test: these numbers may never change.
    half = span("spring", 0, 500_000)
    assert half == (0x622A494D3EA8C7BA, 0, (1 << 63) - 1)
    drawn = [half.holds(key_of_subject(bytes([n]) * 32)) for n in range(8)]
    assert drawn == [True, True, False, False, True, True, True, True]
    keys = [key_of_value(value) for value in (7, -1, True, "IT")]
    assert keys == [7, (1 << 64) - 1, 12555831362277424496, 15511439719359409017]


def test_nobody_is_drawn_into_no_share() -> None:
    assert not span("spring", 300_000, 300_000).among(KEYS).any()


@pytest.mark.parametrize(("one", "other"), [(1, True), ("1", 1), ("a", "b")])
def test_other_values_have_other_keys(one: Value, other: Value) -> None:
    assert key_of_value(one) != key_of_value(other)
