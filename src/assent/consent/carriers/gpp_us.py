"""Decode GPP's sections of the United States: national, of states, and the older `uspv1`.

Each is a core segment of two-bit answers (0 not applicable, 1 yes or opted out, 2 no or not opted out) after
its version, and at most one further segment: the browser's privacy control, or consents for sensitive data.
A layout is a line of `SECTIONS`, fields by the specification's names in the order of their bits.

Pure. Raises MalformedSignal.
"""

import re
from collections.abc import Mapping
from itertools import chain
from typing import Final, Literal

from msgspec import Struct

from assent.consent.carriers.bits import Bits
from assent.core.errors import MalformedSignal

Section = Mapping[str, int | bool | str | tuple[int, ...]]
"""Fields by name."""

Fields = dict[str, int | bool | str | tuple[int, ...]]
Answers = dict[str, int | tuple[int, ...]]

Layout = tuple[tuple[str, int], ...]
"""Names with the number of answers; 0 is one that stands alone."""

_UNDEFINED: Final = 3
"""No answer is written with both bits."""

_USP: Final = re.compile(r"1[YN-][YN-][YN-]", re.ASCII)


class UsLayout(Struct, frozen=True, kw_only=True):
    """What a section holds."""

    name: str
    core: Layout
    second: Literal["gpc", "sensitive"] | None = "gpc"
    version: str = "Version"


def _layout(text: str) -> Layout:
    return tuple((name, int(count or 0)) for name, _, count in (one.partition("*") for one in text.split()))


_MSPA: Final = "MspaCoveredTransaction MspaOptOutOptionMode MspaServiceProviderMode"
_NOTICES: Final = "SaleOptOutNotice TargetedAdvertisingOptOutNotice"
_OPT_OUTS: Final = "SaleOptOut TargetedAdvertisingOptOut"
_MORE: Final = "AdditionalDataProcessingConsent"
_NATIONAL: Final = (
    "SharingNotice SaleOptOutNotice SharingOptOutNotice TargetedAdvertisingOptOutNotice"
    " SensitiveDataProcessingOptOutNotice SensitiveDataLimitUseNotice SaleOptOut SharingOptOut"
    " TargetedAdvertisingOptOut SensitiveDataProcessing*{sensitive}"
    " KnownChildSensitiveDataConsents*{children} PersonalDataConsents " + _MSPA
)


def _state(
    name: str, *, sensitive: int, children: int, first: str = "Processing", more: bool = True
) -> UsLayout:
    """Return the layout that most states have."""
    core = (
        f"{first}Notice {_NOTICES} {_OPT_OUTS} SensitiveDataProcessing*{sensitive}"
        f" KnownChildSensitiveDataConsents*{children} {_MORE if more else ''} {_MSPA}"
    )
    return UsLayout(name=name, core=_layout(core))


def _later_state(name: str, *, children: bool, second: Literal["gpc", "sensitive"]) -> UsLayout:
    """Return the layout of the states that joined in 2025 and later."""
    core = (
        f"MspaCoveredTransaction MspaMode ProcessingNotice {_NOTICES} {_OPT_OUTS}"
        f" {'KnownChildSensitiveDataConsents' if children else ''} {_MORE}"
    )
    return UsLayout(name=name, core=_layout(core), second=second, version="MspaVersion")


def _without_second(layout: UsLayout) -> UsLayout:
    return UsLayout(name=layout.name, core=layout.core, second=None)


USP: Final = 6
NATIONAL: Final = 7

_SENSITIVE: Final = _layout("SensitiveDataProcessing*8")

SECTIONS: Final[Mapping[int, UsLayout]] = {
    USP: UsLayout(name="uspv1", core=(), second=None),
    NATIONAL: UsLayout(name="usnat", core=_layout(_NATIONAL.format(sensitive=16, children=3))),
    8: UsLayout(
        name="usca",
        core=_layout(
            "SaleOptOutNotice SharingOptOutNotice SensitiveDataLimitUseNotice SaleOptOut SharingOptOut"
            " SensitiveDataProcessing*9 KnownChildSensitiveDataConsents*2 PersonalDataConsents " + _MSPA
        ),
    ),
    9: _without_second(_state("usva", first="Sharing", sensitive=8, children=0, more=False)),
    10: _state("usco", first="Sharing", sensitive=7, children=0, more=False),
    11: UsLayout(
        name="usut",
        core=_layout(
            f"SharingNotice {_NOTICES} SensitiveDataProcessingOptOutNotice {_OPT_OUTS}"
            f" SensitiveDataProcessing*8 KnownChildSensitiveDataConsents {_MSPA}"
        ),
        second=None,
    ),
    12: _state("usct", first="Sharing", sensitive=8, children=3, more=False),
    13: _without_second(_state("usfl", sensitive=8, children=3)),
    14: _state("usmt", first="Sharing", sensitive=8, children=3),
    15: _state("usor", sensitive=11, children=3),
    16: _state("ustx", sensitive=8, children=0),
    17: _state("usde", sensitive=9, children=5),
    18: UsLayout(
        name="usia",
        core=_layout(
            f"ProcessingNotice {_NOTICES} SensitiveDataOptOutNotice {_OPT_OUTS}"
            f" SensitiveDataProcessing*8 KnownChildSensitiveDataConsents {_MSPA}"
        ),
    ),
    19: _state("usne", sensitive=8, children=0),
    20: _state("usnh", sensitive=8, children=3),
    21: _state("usnj", sensitive=10, children=5),
    22: _state("ustn", sensitive=8, children=0),
    23: _state("usmn", sensitive=8, children=0),
    24: _later_state("usmd", children=False, second="gpc"),
    25: _later_state("usin", children=True, second="sensitive"),
    26: _later_state("usky", children=True, second="sensitive"),
    27: _later_state("usri", children=True, second="sensitive"),
}
"""The sections by their numbers."""

_FIRST_NATIONAL: Final = _layout(_NATIONAL.format(sensitive=12, children=2))
_FIRST_NATIONAL_BITS: Final = 66
"""The first version of the national section holds 60 bits, filled up to whole letters."""


def decode_section(number: int, text: str) -> Section:
    """Return the fields of the section with this number, one of `SECTIONS`."""
    if number == USP:
        return _usp(text)
    layout = SECTIONS[number]
    core, *others = text.split(".")
    if len(others) > (layout.second is not None):
        raise MalformedSignal
    found = _core(number, layout, core)
    match layout.second:
        case "gpc":
            found |= _privacy_control(others)
        case "sensitive":
            found |= _sensitive(others)
        case None:
            pass
    return found


def _usp(text: str) -> Section:
    if not _USP.fullmatch(text):
        raise MalformedSignal
    return {"Version": 1, "Notice": text[1], "OptOutSale": text[2], "LspaCovered": text[3]}


def _core(number: int, layout: UsLayout, text: str) -> Fields:
    bits = Bits(text)
    size = bits.left
    version = bits.integer(6)
    if number == NATIONAL:
        return {layout.version: version, **_national(bits, version, size)}
    if version != 1:
        raise MalformedSignal
    return {layout.version: version, **_answers(bits, layout.core)}


def _national(bits: Bits, version: int, size: int) -> Answers:
    """Return the national answers; some encoders write the first version with the room of the second.

    What the first version does not know is then left out.
    """
    if version == 1 and size <= _FIRST_NATIONAL_BITS:
        return _answers(bits, _FIRST_NATIONAL)
    found = _answers(bits, SECTIONS[NATIONAL].core)
    match version:
        case 1:
            return {name: _cut(found[name], count) for name, count in _FIRST_NATIONAL}
        case 2:
            return found
        case _:
            raise MalformedSignal


def _cut(answer: int | tuple[int, ...], count: int) -> int | tuple[int, ...]:
    return answer[:count] if isinstance(answer, tuple) else answer


def _answers(bits: Bits, fields: Layout) -> Answers:
    """Return the answers, which are all that follows."""
    found: Answers = {
        name: tuple(bits.integer(2) for _ in range(count)) if count else bits.integer(2)
        for name, count in fields
    }
    given = chain.from_iterable(one if isinstance(one, tuple) else (one,) for one in found.values())
    if _UNDEFINED in given:
        raise MalformedSignal
    bits.end()
    return found


def _privacy_control(segments: list[str]) -> dict[str, int | bool]:
    """Return what the browser's privacy control said; without the segment it said nothing."""
    gpc = False
    for segment in segments:
        bits = Bits(segment)
        if bits.integer(2) != 1:
            raise MalformedSignal
        gpc = bits.flag()
        bits.end()
    return {"GpcSegmentType": 1, "Gpc": gpc}


def _sensitive(segments: list[str]) -> Answers:
    """Return the consents for sensitive data; without the segment nobody was asked."""
    for segment in segments:
        return _answers(Bits(segment), _SENSITIVE)
    return {name: (0,) * count for name, count in _SENSITIVE}
