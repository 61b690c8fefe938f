"""Masks are sets."""

from assent.core.ids import HIGHEST_BIT, mask, members


def test_a_mask_holds_exactly_its_members_lowest_first() -> None:
    assert list(members(mask([5, 1, 62, 5]))) == [1, 5, 62]


def test_no_member_is_no_bit() -> None:
    assert mask([]) == 0
    assert list(members(0)) == []


def test_the_highest_bit_fits_a_signed_64_bit_integer() -> None:
    assert mask([HIGHEST_BIT]) < 1 << 63
    assert mask([HIGHEST_BIT + 1]) >= 1 << 63
