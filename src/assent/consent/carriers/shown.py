"""Say what a decoded string holds, by the names and in the forms of IAB's specifications and own decoders.

Pure. Raises nothing.
"""

from collections.abc import Mapping, Sequence

from assent.consent.carriers.gpp import GppString
from assent.consent.carriers.gpp_canada import CanadianString
from assent.consent.carriers.numbers import Restriction, listed
from assent.consent.carriers.tcf import PURPOSES, TcString
from assent.core.time import Instant, format_time, to_datetime

Shown = dict[str, object]

_NONE = (False,) * PURPOSES


def shown_tcf(said: TcString) -> Shown:
    """Return the fields of a TC string; sets as the numbers in them."""
    found: Shown = {
        "version": 2,
        "created": format_time(said.created),
        "lastUpdated": format_time(said.last_updated),
        "cmpId": said.cmp_id,
        "cmpVersion": said.cmp_version,
        "consentScreen": said.consent_screen,
        "consentLanguage": said.consent_language,
        "vendorListVersion": said.vendor_list_version,
        "policyVersion": said.policy_version,
        "isServiceSpecific": said.is_service_specific,
        "useNonStandardTexts": said.use_non_standard_texts,
        "specialFeatureOptins": _set(said.special_feature_optins),
        "purposeConsents": _set(said.purpose_consents),
        "purposeLegitimateInterests": _set(said.purpose_legitimate_interests),
        "purposeOneTreatment": said.purpose_one_treatment,
        "publisherCountryCode": said.publisher_country_code,
        "vendorConsents": listed(said.vendor_consents),
        "vendorLegitimateInterests": listed(said.vendor_legitimate_interests),
        "publisherRestrictions": _restrictions(said.restrictions, "purposeId", "restrictionType", "vendors"),
    }
    if said.vendors_disclosed is not None:
        found["vendorsDisclosed"] = listed(said.vendors_disclosed)
    if said.vendors_allowed is not None:
        found["vendorsAllowed"] = listed(said.vendors_allowed)
    if said.publisher is not None:
        found |= {
            "publisherConsents": _set(said.publisher.consents),
            "publisherLegitimateInterests": _set(said.publisher.legitimate_interests),
            "numCustomPurposes": len(said.publisher.custom_consents),
            "publisherCustomConsents": _set(said.publisher.custom_consents),
            "publisherCustomLegitimateInterests": _set(said.publisher.custom_legitimate_interests),
        }
    return found


def shown_gpp(said: GppString) -> Shown:
    """Return the fields of every section that was read; a segment that is not there shows as an empty one."""
    sections: dict[str, Mapping[str, object]] = {}
    if said.tcf_eu is not None:
        sections["tcfeuv2"] = _european(said.tcf_eu)
    if said.tcf_canada is not None:
        sections["tcfcav1"] = _canadian(said.tcf_canada)
    return {"header": {"sectionIds": said.section_ids}, "sections": {**sections, **said.united_states}}


def _european(said: TcString) -> Shown:
    publisher = said.publisher
    return {
        "Version": 2,
        "Created": _milliseconds(said.created),
        "LastUpdated": _milliseconds(said.last_updated),
        "CmpId": said.cmp_id,
        "CmpVersion": said.cmp_version,
        "ConsentScreen": said.consent_screen,
        "ConsentLanguage": said.consent_language,
        "VendorListVersion": said.vendor_list_version,
        "PolicyVersion": said.policy_version,
        "IsServiceSpecific": said.is_service_specific,
        "UseNonStandardStacks": said.use_non_standard_texts,
        "SpecialFeatureOptins": said.special_feature_optins,
        "PurposeConsents": said.purpose_consents,
        "PurposeLegitimateInterests": said.purpose_legitimate_interests,
        "PurposeOneTreatment": said.purpose_one_treatment,
        "PublisherCountryCode": said.publisher_country_code,
        "VendorConsents": listed(said.vendor_consents),
        "VendorLegitimateInterests": listed(said.vendor_legitimate_interests),
        "PublisherRestrictions": _restrictions(said.restrictions, "key", "type", "ids"),
        "PublisherPurposesSegmentType": 3,
        "PublisherConsents": publisher.consents if publisher else _NONE,
        "PublisherLegitimateInterests": publisher.legitimate_interests if publisher else _NONE,
        "NumCustomPurposes": len(publisher.custom_consents) if publisher else 0,
        "PublisherCustomConsents": publisher.custom_consents if publisher else (),
        "PublisherCustomLegitimateInterests": publisher.custom_legitimate_interests if publisher else (),
        "VendorsAllowedSegmentType": 2,
        "VendorsAllowed": listed(said.vendors_allowed or ()),
        "VendorsDisclosedSegmentType": 1,
        "VendorsDisclosed": listed(said.vendors_disclosed or ()),
    }


def _canadian(said: CanadianString) -> Shown:
    publisher = said.publisher
    return {
        "Version": 1,
        "Created": _milliseconds(said.created),
        "LastUpdated": _milliseconds(said.last_updated),
        "CmpId": said.cmp_id,
        "CmpVersion": said.cmp_version,
        "ConsentScreen": said.consent_screen,
        "ConsentLanguage": said.consent_language,
        "VendorListVersion": said.vendor_list_version,
        "TcfPolicyVersion": said.policy_version,
        "UseNonStandardStacks": said.use_non_standard_stacks,
        "SpecialFeatureExpressConsent": said.special_features,
        "PurposesExpressConsent": said.purposes_express,
        "PurposesImpliedConsent": said.purposes_implied,
        "VendorExpressConsent": listed(said.vendors_express),
        "VendorImpliedConsent": listed(said.vendors_implied),
        "PubRestrictions": _restrictions(said.restrictions, "key", "type", "ids"),
        "PubPurposesSegmentType": 3,
        "PubPurposesExpressConsent": publisher.express if publisher else _NONE,
        "PubPurposesImpliedConsent": publisher.implied if publisher else _NONE,
        "NumCustomPurposes": len(publisher.custom_express) if publisher else 0,
        "CustomPurposesExpressConsent": publisher.custom_express if publisher else (),
        "CustomPurposesImpliedConsent": publisher.custom_implied if publisher else (),
        "DisclosedVendorsSegmentType": 1,
        "DisclosedVendors": listed(said.vendors_disclosed or ()),
    }


def _restrictions(
    restrictions: Sequence[Restriction], purpose: str, kind: str, vendors: str
) -> list[dict[str, object]]:
    return [{purpose: each.purpose, kind: each.kind, vendors: listed(each.vendors)} for each in restrictions]


def _set(flags: Sequence[bool]) -> list[int]:
    return [number for number, held in enumerate(flags, start=1) if held]


def _milliseconds(at: Instant) -> str:
    return to_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
