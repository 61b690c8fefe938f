"""Sets of numbers, as TCF and GPP write them: a field of bits or ranges, each range once and in order.

Pure. Raises MalformedSignal.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from assent.consent.carriers.bits import Bits
from assent.core.errors import MalformedSignal

HIGHEST: Final = 0xFFFF
"""The highest number of a vendor: 16 bits hold it."""

MOST_RESTRICTED: Final = 250_000
"""Vendors that all restrictions together may name: every vendor there is, for every purpose, is a tenth."""

Ranges = tuple[tuple[int, int], ...]
"""First and last of each run, ascending and apart."""


NOT_ALLOWED: Final = 0
REQUIRE_CONSENT: Final = 1
REQUIRE_LEGITIMATE_INTERESTS: Final = 2


class Restriction(Struct, frozen=True, kw_only=True):
    """What a publisher does not let vendors do for a purpose."""

    purpose: int
    kind: int
    """`NOT_ALLOWED`, `REQUIRE_CONSENT` or `REQUIRE_LEGITIMATE_INTERESTS`; 3 is undefined."""
    vendors: Ranges


def optimized(bits: Bits, ranges: Callable[[Bits, int], Ranges]) -> Ranges:
    """Return a set whose highest number stands first, then which of the two encodings follows."""
    highest = bits.integer(16)
    if bits.flag():
        return ranges(bits, highest)
    return runs(number for number, held in enumerate(bits.flags(highest), start=1) if held)


def fixed_ranges(bits: Bits, highest: int = HIGHEST) -> Ranges:
    """Return ranges of 16 bit numbers."""
    return _ascending(bits.integer(12), lambda _: _fixed_entry(bits), highest)


def fibonacci_ranges(bits: Bits, highest: int = HIGHEST) -> Ranges:
    """Return ranges of Fibonacci coded numbers, each the distance from the number before."""

    def entry(last: int) -> tuple[int, int]:
        is_range = bits.flag()
        first = last + bits.fibonacci(HIGHEST)
        return first, first + bits.fibonacci(HIGHEST) if is_range else first

    return _ascending(bits.integer(12), entry, highest)


def restrictions(bits: Bits, vendors: Callable[[Bits], Ranges]) -> tuple[Restriction, ...]:
    """Return the restrictions of a publisher, each purpose and kind once."""
    found: dict[tuple[int, int], Ranges] = {}
    for _ in range(bits.integer(12)):
        about = bits.integer(6), bits.integer(2)
        found[about] = union((*found.get(about, ()), *vendors(bits)))
    if sum(size(held) for held in found.values()) > MOST_RESTRICTED:
        raise MalformedSignal
    return tuple(
        Restriction(purpose=purpose, kind=kind, vendors=held) for (purpose, kind), held in found.items()
    )


def restricted(bits: Bits) -> Ranges:
    """Return ranges of 16 bit numbers in any order: encoders repeat some, and a restriction only narrows."""
    entries = [_fixed_entry(bits) for _ in range(bits.integer(12))]
    if any(not 1 <= first <= end for first, end in entries):
        raise MalformedSignal
    return union(entries)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the same numbers in runs that neither touch nor overlap."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)


def runs(numbers: Iterable[int]) -> Ranges:
    """Return ascending numbers as ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return tuple(found)


def listed(ranges: Ranges) -> list[int]:
    """Return every number of the ranges."""
    return [number for first, last in ranges for number in range(first, last + 1)]


def size(ranges: Ranges) -> int:
    """Return how many numbers the ranges hold."""
    return sum(last - first + 1 for first, last in ranges)


def holds(ranges: Ranges, number: int) -> bool:
    """Return whether the number lies in one of the ranges."""
    return any(first <= number <= last for first, last in ranges)


def _fixed_entry(bits: Bits) -> tuple[int, int]:
    is_range = bits.flag()
    first = bits.integer(16)
    return first, bits.integer(16) if is_range else first


def _ascending(count: int, entry: Callable[[int], tuple[int, int]], highest: int) -> Ranges:
    found: list[tuple[int, int]] = []
    last = 0
    for _ in range(count):
        first, end = entry(last)
        if not last < first <= end <= highest:
            raise MalformedSignal
        found.append((first, end))
        last = end
    return tuple(found)


def mask(ranges: Iterable[tuple[int, int]]) -> int:
    """Return the numbers as bits: number n is the bit 1 << n."""
    bits = 0
    for first, last in ranges:
        bits |= (1 << (last + 1)) - (1 << first)
    return bits
