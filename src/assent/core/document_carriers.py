"""`[tcf]` and `[gpp]` of signals.toml: what strings of a consent management platform mean here.

A string speaks for a person, so it gives only what is written down: for which purpose, in front of which
version of its notice, under which conditions. What is refused: a purpose nobody declared, one without the
framework's number or without a notice, and legitimate interests where the framework knows consent alone.

Pure. Raises PolicyInvalid.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from assent.core.carried import GppTerms, TcfTerms
from assent.core.document_places import Place, one_of
from assent.core.ids import PurposeId
from assent.core.policy import LegalBasis, Purpose

CONSENT_ALONE: Final = frozenset({1, 3, 4, 5, 6})
"""TCF 2.2: for these purposes no vendor may rest on legitimate interests."""

_SPOKEN_FOR: Final = frozenset({LegalBasis.CONSENT, LegalBasis.LEGITIMATE_INTERESTS})
"""Bases that the framework's bits are about. A string is never explicit, and asks nobody for a contract."""

_PLACE: Final = Place("signals")

Version = Annotated[int, Meta(ge=1, le=100_000)]
Vendor = Annotated[int, Meta(ge=1, le=65_535)]
Platform = Annotated[int, Meta(ge=2, le=4_095)]
PolicyVersion = Annotated[int, Meta(ge=2, le=63)]
Declared = Annotated[str, Meta(max_length=64, extra={"expected": "a declared purpose"})]


class TcfShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tcf]`: TC strings of IAB Europe's Transparency and Consent Framework."""

    notices: dict[Declared, Version]
    """By purpose, the version of its notice that the platform shows."""
    min_policy_version: PolicyVersion = 4
    """4 came with TCF 2.2; strings of earlier policies have been invalid since 30 September 2023."""
    require_service_specific: bool = True
    vendor: Vendor | None = None
    """The controller's own number in the Global Vendor List, where it acts as a vendor."""
    cmps: tuple[Platform, ...] = ()
    """The platforms whose strings count; none named: every registered one's."""


class GppShape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gpp]`: the purposes that an opt-out of the sections of the United States objects to."""

    sale: tuple[Declared, ...] = ()
    sharing: tuple[Declared, ...] = ()
    targeted_advertising: tuple[Declared, ...] = ()
    gpc: tuple[Declared, ...] = ()


def tcf_terms(shape: TcfShape | None, purposes: Mapping[PurposeId, Purpose]) -> TcfTerms | None:
    """Return what TC strings mean, each purpose checked."""
    if shape is None:
        return None
    named = {each.name: each for each in purposes.values()}
    for name in shape.notices:
        place = _PLACE.at("tcf", "notices", name)
        if name not in named:
            raise place.fault(one_of(named))
        _check_mapped(place, named[name])
    return TcfTerms(
        notices={named[name].id: version for name, version in sorted(shape.notices.items())},
        min_policy_version=shape.min_policy_version,
        require_service_specific=shape.require_service_specific,
        vendor=shape.vendor,
        cmps=frozenset(shape.cmps),
    )


def gpp_terms(shape: GppShape | None, purpose_ids: Mapping[str, PurposeId]) -> GppTerms | None:
    """Return what the sections of the United States mean."""
    if shape is None:
        return None

    def known(key: str, names: tuple[str, ...]) -> tuple[PurposeId, ...]:
        for number, name in enumerate(names):
            if name not in purpose_ids:
                raise _PLACE.at("gpp", key, number).fault(one_of(purpose_ids))
        return tuple(purpose_ids[name] for name in dict.fromkeys(names))

    return GppTerms(
        sale=known("sale", shape.sale),
        sharing=known("sharing", shape.sharing),
        targeted_advertising=known("targeted_advertising", shape.targeted_advertising),
        gpc=known("gpc", shape.gpc),
    )


def _check_mapped(place: Place, purpose: Purpose) -> None:
    if purpose.tcf_purpose is None:
        raise place.fault("expected a purpose that has a tcf_purpose: no bit of a string is about this one")
    if not purpose.notice:
        raise place.fault("expected a purpose that has a notice, which people see before they choose")
    bases = {purpose.legal_basis, *(change.legal_basis for change in purpose.basis_changes)}
    if not bases & _SPOKEN_FOR:
        raise place.fault("expected a purpose resting on consent or on legitimate_interests")
    if LegalBasis.LEGITIMATE_INTERESTS in bases and purpose.tcf_purpose in CONSENT_ALONE:
        raise place.fault("expected consent: the framework has no legitimate interests for its purpose")
