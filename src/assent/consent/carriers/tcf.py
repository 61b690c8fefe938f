"""Decode a TC string of IAB Europe's Transparency and Consent Framework, versions 2.0 to 2.3.

A core string, then at most one segment of each kind: disclosed vendors, allowed vendors (until TCF 2.1), the
publisher's own purposes. ("Transparency and Consent String with Global Vendor & CMP List Formats", TC String
Format.) What is decoded is only readable: whether it can give anything is for `tcf_statements`.

Pure. Raises MalformedSignal for every string that is not wholly one.
"""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from assent.consent.carriers.bits import Bits
from assent.consent.carriers.numbers import (
    REQUIRE_LEGITIMATE_INTERESTS,
    Ranges,
    Restriction,
    fixed_ranges,
    optimized,
    restricted,
    restrictions,
)
from assent.core.errors import MalformedSignal
from assent.core.time import Instant

VERSION: Final = 2

LONGEST: Final = 16_384
"""Letters. A field of bits for each of 65,535 vendors would need 10,923; real strings stay below 2,000."""

PURPOSES: Final = 24
FEATURES: Final = 12

DECISECOND: Final = 100_000
"""In microseconds."""

FIRST_CMP: Final = 2
"""0 and 1 are nobody's numbers: IAB's own decoder refuses them."""


class _Kind(IntEnum):
    """The first three bits of every segment but the core, which begins with its version."""

    CORE = 0
    DISCLOSED = 1
    ALLOWED = 2
    PUBLISHER = 3


class Publisher(Struct, frozen=True, kw_only=True):
    """The segment "Publisher Purposes Transparency and Consent"."""

    consents: tuple[bool, ...]
    legitimate_interests: tuple[bool, ...]
    custom_consents: tuple[bool, ...]
    custom_legitimate_interests: tuple[bool, ...]


class TcString(Struct, frozen=True, kw_only=True):
    """What a TC string says. Vectors hold purpose 1 first."""

    created: Instant
    last_updated: Instant
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str
    vendor_list_version: int
    policy_version: int
    is_service_specific: bool
    use_non_standard_texts: bool
    special_feature_optins: tuple[bool, ...]
    purpose_consents: tuple[bool, ...]
    purpose_legitimate_interests: tuple[bool, ...]
    purpose_one_treatment: bool
    publisher_country_code: str
    vendor_consents: Ranges
    vendor_legitimate_interests: Ranges
    restrictions: tuple[Restriction, ...]
    vendors_disclosed: Ranges | None = None
    vendors_allowed: Ranges | None = None
    publisher: Publisher | None = None


def decode_tcf(text: str) -> TcString:
    """Return what a TC string says, which a registered platform made."""
    found = decode_segments(text)
    if found.cmp_id < FIRST_CMP:
        raise MalformedSignal
    return found


def decode_segments(text: str) -> TcString:
    """Return what a TC string says, whoever made it."""
    if len(text) > LONGEST:
        raise MalformedSignal
    first, *others = text.split(".")
    core = Bits(first)
    if core.integer(6) != VERSION:
        raise MalformedSignal
    segments: dict[_Kind, Ranges | Publisher] = {}
    for other in others:
        bits = Bits(other)
        kind = _kind(bits.integer(3))
        if kind in segments:
            raise MalformedSignal
        segments[kind] = _publisher(bits) if kind is _Kind.PUBLISHER else optimized(bits, fixed_ranges)
        bits.end()
    found = _core(core, segments)
    core.end()
    return found


def _kind(number: int) -> _Kind:
    if number not in (_Kind.DISCLOSED, _Kind.ALLOWED, _Kind.PUBLISHER):
        raise MalformedSignal
    return _Kind(number)


def _core(bits: Bits, segments: dict[_Kind, Ranges | Publisher]) -> TcString:
    disclosed, allowed = segments.get(_Kind.DISCLOSED), segments.get(_Kind.ALLOWED)
    publisher = segments.get(_Kind.PUBLISHER)
    return TcString(
        # In the order of the bits.
        created=_time(bits),
        last_updated=_time(bits),
        cmp_id=bits.integer(12),
        cmp_version=bits.integer(12),
        consent_screen=bits.integer(6),
        consent_language=bits.letters(),
        vendor_list_version=bits.integer(12),
        policy_version=bits.integer(6),
        is_service_specific=bits.flag(),
        use_non_standard_texts=bits.flag(),
        special_feature_optins=bits.flags(FEATURES),
        purpose_consents=bits.flags(PURPOSES),
        purpose_legitimate_interests=bits.flags(PURPOSES),
        purpose_one_treatment=bits.flag(),
        publisher_country_code=bits.letters(),
        vendor_consents=optimized(bits, fixed_ranges),
        vendor_legitimate_interests=optimized(bits, fixed_ranges),
        restrictions=_checked(restrictions(bits, restricted)),
        vendors_disclosed=disclosed if isinstance(disclosed, tuple) else None,
        vendors_allowed=allowed if isinstance(allowed, tuple) else None,
        publisher=publisher if isinstance(publisher, Publisher) else None,
    )


def _time(bits: Bits) -> Instant:
    return Instant(bits.integer(36) * DECISECOND)


def _checked(found: tuple[Restriction, ...]) -> tuple[Restriction, ...]:
    """Refuse a restriction of no purpose or of no kind."""
    if any(not 1 <= each.purpose <= PURPOSES or each.kind > REQUIRE_LEGITIMATE_INTERESTS for each in found):
        raise MalformedSignal
    return found


def _publisher(bits: Bits) -> Publisher:
    consents, interests = bits.flags(PURPOSES), bits.flags(PURPOSES)
    custom = bits.integer(6)
    return Publisher(
        consents=consents,
        legitimate_interests=interests,
        custom_consents=bits.flags(custom),
        custom_legitimate_interests=bits.flags(custom),
    )
