"""Decode GPP's section 5, the framework of IAB Canada. It is readable here and gives nothing.

Encoders before 2026 wrote vendors in the European way and restrictions in a way that no specification
describes. Such a section is read as IAB's own decoder reads it, and what then follows is left aside.

Pure. Raises MalformedSignal.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from assent.consent.carriers.bits import Bits
from assent.consent.carriers.numbers import (
    Ranges,
    Restriction,
    fibonacci_ranges,
    fixed_ranges,
    optimized,
    restricted,
    restrictions,
)
from assent.consent.carriers.tcf import DECISECOND, FEATURES, PURPOSES
from assent.core.errors import MalformedSignal
from assent.core.time import Instant

VERSION: Final = 1

DISCLOSED: Final = 1
PUBLISHER: Final = 3

Vendors = Callable[[Bits, int], Ranges]


class CanadianPublisher(Struct, frozen=True, kw_only=True):
    """The publisher's own purposes."""

    express: tuple[bool, ...]
    implied: tuple[bool, ...]
    custom_express: tuple[bool, ...]
    custom_implied: tuple[bool, ...]


class CanadianString(Struct, frozen=True, kw_only=True):
    """What the section says. Vectors hold purpose 1 first."""

    created: Instant
    last_updated: Instant
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str
    vendor_list_version: int
    policy_version: int
    use_non_standard_stacks: bool
    special_features: tuple[bool, ...]
    purposes_express: tuple[bool, ...]
    purposes_implied: tuple[bool, ...]
    vendors_express: Ranges
    vendors_implied: Ranges
    restrictions: tuple[Restriction, ...]
    publisher: CanadianPublisher | None = None
    vendors_disclosed: Ranges | None = None


def decode_canada(text: str) -> CanadianString:
    """Return what the section says."""
    core, *others = text.split(".")
    publisher: CanadianPublisher | None = None
    disclosed: Ranges | None = None
    for other in others:
        bits = Bits(other)
        kind = bits.integer(3)
        if kind == PUBLISHER and publisher is None:
            publisher = _publisher(bits)
        elif kind == DISCLOSED and disclosed is None:
            disclosed = _disclosed(other)
        else:
            raise MalformedSignal
    return _core(core, publisher, disclosed)


def _core(text: str, publisher: CanadianPublisher | None, disclosed: Ranges | None) -> CanadianString:
    bits = Bits(text)
    try:
        found = _fields(bits, fibonacci_ranges, publisher, disclosed)
        bits.end()
    except MalformedSignal:
        found = _fields(Bits(text), fixed_ranges, publisher, disclosed)
    return found


def _fields(
    bits: Bits, ranges: Vendors, publisher: CanadianPublisher | None, disclosed: Ranges | None
) -> CanadianString:
    if bits.integer(6) != VERSION:
        raise MalformedSignal
    return CanadianString(
        # In the order of the bits.
        created=Instant(bits.integer(36) * DECISECOND),
        last_updated=Instant(bits.integer(36) * DECISECOND),
        cmp_id=bits.integer(12),
        cmp_version=bits.integer(12),
        consent_screen=bits.integer(6),
        consent_language=bits.letters(),
        vendor_list_version=bits.integer(12),
        policy_version=bits.integer(6),
        use_non_standard_stacks=bits.flag(),
        special_features=bits.flags(FEATURES),
        purposes_express=bits.flags(PURPOSES),
        purposes_implied=bits.flags(PURPOSES),
        vendors_express=optimized(bits, ranges),
        vendors_implied=optimized(bits, ranges),
        restrictions=_restrictions(bits, ranges),
        publisher=publisher,
        vendors_disclosed=disclosed,
    )


def _restrictions(bits: Bits, ranges: Vendors) -> tuple[Restriction, ...]:
    if ranges is fixed_ranges:
        return restrictions(bits, restricted)
    return restrictions(bits, lambda each: optimized(each, ranges))


def _publisher(bits: Bits) -> CanadianPublisher:
    express, implied = bits.flags(PURPOSES), bits.flags(PURPOSES)
    custom = bits.integer(6)
    found = CanadianPublisher(
        express=express,
        implied=implied,
        custom_express=bits.flags(custom),
        custom_implied=bits.flags(custom),
    )
    bits.end()
    return found


def _disclosed(text: str) -> Ranges:
    bits = Bits(text)
    bits.integer(3)
    try:
        found = optimized(bits, fibonacci_ranges)
        bits.end()
    except MalformedSignal:
        bits = Bits(text)
        bits.integer(3)
        found = optimized(bits, fixed_ranges)
        bits.end()
    return found
