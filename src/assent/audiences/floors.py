"""Round counts down to multiples of a purpose's k, so that no published number tells of fewer than k people.

A count below k is 0. Of a part of a group, what is left of the group is as telling as the part: if a hundred
of a hundred did something, each did. So a part is never said to leave fewer than k: 91 to 100 of a hundred
are all said to be 90. Two numbers that were rounded so differ by a multiple of k, and their difference says
what it says to within k. Rules that name people singly are not counted at all (`singling`). What rounding
does not do: a key that may ask many rules can set one beside another that differs, by ordinary facts, in a
single person, and see a number turn. Every answer is in the log of releases. k of 1 leaves numbers exact.
Pure.
"""


def floored(count: int, k: int) -> int:
    """Return a count, rounded down."""
    return count - count % k


def floored_part(part: int, whole: int, k: int) -> int:
    """Return how many of a group are in a part of it, rounded so that neither it nor the rest is small."""
    return part if k == 1 else max(0, min(floored(part, k), floored(whole, k) - k))
