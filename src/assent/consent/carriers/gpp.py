"""Decode a string of IAB's Global Privacy Platform: a header that lists sections, then the sections.

Section 2 is a TC string of the European framework; the sections of the United States, national and of states,
and the Canadian one are decoded too. A section whose number we do not know says nothing to us, and has to be
nothing but text. ("Global Privacy Platform Consent String Specification", String Structure.)

Pure. Raises MalformedSignal for every string that is not wholly one.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from assent.consent.carriers import gpp_us
from assent.consent.carriers.bits import Bits
from assent.consent.carriers.gpp_canada import CanadianString, decode_canada
from assent.consent.carriers.numbers import fibonacci_ranges, listed, size
from assent.consent.carriers.tcf import LONGEST, TcString, decode_segments
from assent.core.errors import MalformedSignal

HEADER: Final = 3
VERSION: Final = 1

TCF_EU: Final = 2
TCF_CANADA: Final = 5

_UNKNOWN: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


class GppString(Struct, frozen=True, kw_only=True):
    """What a GPP string says: the numbers of its sections, and those of them that we read."""

    section_ids: tuple[int, ...]
    tcf_eu: TcString | None = None
    tcf_canada: CanadianString | None = None
    united_states: Mapping[str, gpp_us.Section] = {}
    """By the sections' names, in the order of their numbers."""


def decode_gpp(text: str) -> GppString:
    """Return what a GPP string says."""
    if len(text) > LONGEST:
        raise MalformedSignal
    header, *sections = text.split("~")
    ids = _section_ids(header, len(sections))
    eu = canada = None
    states: dict[str, gpp_us.Section] = {}
    for number, section in zip(ids, sections, strict=True):
        if number == TCF_EU:
            eu = decode_segments(section)
        elif number == TCF_CANADA:
            canada = decode_canada(section)
        elif number in gpp_us.SECTIONS:
            states[gpp_us.SECTIONS[number].name] = gpp_us.decode_section(number, section)
        elif not _UNKNOWN.fullmatch(section):
            raise MalformedSignal
    return GppString(section_ids=ids, tcf_eu=eu, tcf_canada=canada, united_states=states)


def _section_ids(header: str, count: int) -> tuple[int, ...]:
    bits = Bits(header)
    if (bits.integer(6), bits.integer(6)) != (HEADER, VERSION):
        raise MalformedSignal
    ranges = fibonacci_ranges(bits)
    bits.end()
    if not count or size(ranges) != count:
        raise MalformedSignal
    return tuple(listed(ranges))
