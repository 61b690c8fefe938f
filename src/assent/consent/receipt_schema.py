"""What a consent record and a receipt look like: JSON Schema (draft 2020-12), as the service publishes them.

Strict: a member that is not described is none of ours. A record that claims to conform to ISO/IEC TS 27560
must bring what that asks of every record; one whose controller said too little of itself makes no such claim.

Pure. `check_receipt` raises ProofInvalid, naming where a document differs and never what stands there.
"""

from typing import Any, Final

import jsonschema_rs

from assent.consent.receipts import RECEIPT, RECORD, Document
from assent.core.errors import ProofInvalid

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

RECORD_PATH: Final = "/v1/schemas/consent-record.json"
RECEIPT_PATH: Final = "/v1/schemas/consent-receipt.json"

_TEXT: Final = {"type": "string", "minLength": 1}
_TIME: Final = {"type": "string", "format": "date-time"}
_UUID: Final = {"type": "string", "format": "uuid"}
_URN: Final = {"type": "string", "pattern": "^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
_SHA256: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_PLACES: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^loc:[A-Z]{2}$"}}
_ISO_DURATION: Final = {"type": "string", "pattern": "^P[0-9YMDTHS.]+$"}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: object) -> Document:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _kind(*names: str) -> Document:
    return {"const": names[0] if len(names) == 1 else list(names)}


_TEMPORAL: Final = _object({"@type": _kind("dpv:TemporalDuration"), "rdf:value": _ISO_DURATION})
_UNTIL_EVENT: Final = _object({"@type": _kind("dpv:UntilEventDuration"), "rdf:value": _TEXT})
_KEPT_FOR: Final = _object({"@type": _kind("dpv:StorageDuration"), "dpv:hasDuration": _TEMPORAL})

_STORAGE: Final = {
    "oneOf": [
        _object({"@type": _kind("dpv:StorageLocation"), "dpv:hasLocation": _PLACES}),
        _object({"@type": _kind("dpv:StorageDuration"), "dpv:hasDuration": _UNTIL_EVENT}),
        _object({"@type": _kind("dpv:StorageDeletion"), "dpv:hasDuration": _TEMPORAL}),
    ]
}

_PARTY: Final = _object(
    {
        "@type": _kind("dpv:Organisation", "dpv:DataController"),
        "dct:identifier": _TEXT,
        "dpv:hasName": _TEXT,
    },
    {"dpv:hasAddress": _TEXT, "dpv:hasContact": _TEXT},
)

_PROCESS: Final = _object(
    {
        "@type": _kind("dpv:Process"),
        "dpv:hasPurpose": _object(
            {"@type": _kind("dpv:Purpose"), "dct:identifier": _TEXT, "dct:title": _TEXT},
            {"dct:description": _TEXT},
        ),
        "dpv:hasPersonalData": {
            "type": "array",
            "items": _object(
                {
                    "@type": {"enum": ["dpv:PersonalData", "dpv:SpecialCategoryPersonalData"]},
                    "dct:identifier": _TEXT,
                },
                {"dpv:hasStorageCondition": _KEPT_FOR},
            ),
        },
        "dpv:hasStorageCondition": {"type": "array", "minItems": 1, "items": _STORAGE},
        "dpv:hasRecipient": {"type": "array", "items": _TEXT},
    },
    {
        "dpv:hasLegalBasis": {
            "enum": [f"eu-gdpr:A{one}" for one in ("6-1-a", "9-2-a", "6-1-b", "6-1-c", "6-1-f")]
        }
    },
)

_RIGHT: Final = _object(
    {
        "@type": {
            "type": "array",
            "prefixItems": [
                _kind("dpv:DataSubjectRight"),
                {"enum": [f"eu-gdpr:A{one}" for one in ("7-3", "21", "15", "17", "77")]},
            ],
            "minItems": 2,
            "items": False,
        },
        "dct:title": _TEXT,
    },
    {"dpv:isExercisedAt": _TEXT},
)

_NOTICE: Final = _object(
    {
        "@type": _kind("dpv:ConsentNotice"),
        "dct:identifier": _TEXT,
        "schema:version": {"type": "string", "pattern": "^-?[0-9]+$"},
        "dct:language": _TEXT,
    },
    {"dct:title": _TEXT, "schema:sha256": _SHA256},
)


def _status(words: dict[str, tuple[str, ...]], *, expressed: bool = False) -> Document:
    """Describe the states of one kind: ISO's word, and our own beside it."""
    first: list[Document] = []
    for kind, states in words.items():
        kinds: list[list[str]] = [[kind]]
        if expressed:
            kinds = [[kind, f"dpv:{how}"] for how in ("ExpressedConsent", "ExplicitlyExpressedConsent")]
        first.append({"properties": {"@type": {"enum": kinds}, "rdf:value": {"enum": list(states)}}})
    until = {
        "oneOf": [
            _object({"@type": _kind("dpv:UntilTimeDuration"), "rdf:value": _TIME}),
            _object({"@type": _kind("dpv:EndlessDuration")}),
        ]
    }
    return _object(
        {
            "@type": {"type": "array"},
            "rdf:value": {"type": "string"},
            "dpv:isIndicatedAtTime": _TIME,
            "dpv:isIndicatedBy": {
                "enum": ["dpv:DataSubject", "dpv:GuardianOfDataSubject", "dpv:DataController"]
            },
            "dpv:hasDuration": until if expressed else _UNTIL_EVENT,
        },
        {"dpv:hasIndicationMethod": _TEXT, "dpv:hasContext": _TEXT},
        oneOf=first,
    )


_GIVING: Final = _status(
    {"dpv:ConsentGiven": ("given",), "dpv:RenewedConsentGiven": ("renewed", "confirmed")}, expressed=True
)
_OTHERS: Final = _status(
    {
        "dpv:ConsentRefused": ("refused",),
        "dpv:ConsentWithdrawn": ("withdrawn", "objected", "gpc"),
        "dpv:ConsentRequestDeferred": ("deferred",),
        "dpv:ConsentRequested": ("notice_shown",),
    }
)
_OBJECTION: Final = _status({"dpv:LegitimateInterestObjected": ("objected",)})

_RECORD: Final = _object(
    {
        "@id": _URN,
        "@type": _kind("dpv:ConsentRecord"),
        "dct:identifier": _UUID,
        "dpv:hasDataSubject": _object(
            {
                "@type": _kind("dpv:DataSubject"),
                "dct:identifier": {"type": "string", "pattern": "^i:[0-9]+$"},
            }
        ),
        "dpv:hasDataController": _PARTY,
        "dpv:hasApplicableLaw": {"const": "eu-gdpr:GDPR"},
        "dpv:hasProcess": _PROCESS,
        "dpv:hasConsentControl": _object({"@type": _kind("dpv:WithdrawConsent"), "dpv:isExercisedAt": _TEXT}),
        "dpv:hasRight": {"type": "array", "minItems": 1, "items": _RIGHT},
    },
    {
        "@context": {"type": "object"},
        "dct:conformsTo": {"const": RECORD},
        "dpv:hasJurisdiction": _PLACES,
        "dpv:hasNotice": _NOTICE,
        "dpv:hasConsentStatus": {"oneOf": [_GIVING, _OTHERS]},
        "dpv:hasStatus": _OBJECTION,
    },
    oneOf=[{"required": ["dpv:hasConsentStatus"]}, {"required": ["dpv:hasStatus"]}],
    dependentSchemas={
        "dct:conformsTo": {
            "required": ["dpv:hasJurisdiction"],
            "properties": {
                "dpv:hasDataController": {"required": ["dpv:hasAddress", "dpv:hasContact"]},
                "dpv:hasProcess": {
                    "properties": {
                        "dpv:hasStorageCondition": {
                            "contains": {"properties": {"@type": _kind("dpv:StorageLocation")}}
                        }
                    }
                },
            },
        }
    },
    # Nobody agrees to what nobody showed them.
    **{
        "if": {
            "properties": {
                "dpv:hasConsentStatus": {"properties": {"rdf:value": {"enum": ["given", "renewed"]}}}
            },
            "required": ["dpv:hasConsentStatus"],
        },
        "then": {"required": ["dpv:hasNotice"]},
    },
)

RECORD_SCHEMA: Final[Document] = {
    "$schema": _DRAFT,
    "$id": "urn:assent:consent-record",
    "title": "Consent record (ISO/IEC TS 27560:2023) in W3C DPV terms",
    **_RECORD,
}

RECEIPT_SCHEMA: Final[Document] = {
    "$schema": _DRAFT,
    "$id": "urn:assent:consent-receipt",
    "title": "Consent receipt (ISO/IEC TS 27560:2023) in W3C DPV terms",
    **_object(
        {
            "@context": {"type": "object"},
            "@id": _URN,
            "@type": _kind("dpv:ConsentReceipt"),
            "dct:identifier": _UUID,
            "dct:created": _TIME,
            "dct:publisher": _TEXT,
            "dct:audience": {"const": "dpv:DataSubject"},
            "dct:source": _object(
                {
                    "@type": _kind("schema:DigitalDocument"),
                    "dct:isPartOf": _TEXT,
                    "schema:position": {
                        "oneOf": [
                            {"type": "integer", "minimum": 0, "maximum": 1 << 53},
                            {"type": "string", "pattern": "^[1-9][0-9]{15,18}$"},
                        ]
                    },
                    "schema:sha256": _SHA256,
                }
            ),
            "dpv:hasRecordOfActivity": {"$ref": "urn:assent:consent-record"},
        },
        {"dct:conformsTo": {"const": RECEIPT}},
        dependentSchemas={
            "dct:conformsTo": {
                "properties": {"dpv:hasRecordOfActivity": {"required": ["dct:conformsTo"]}},
            }
        },
    ),
    "$defs": {"record": RECORD_SCHEMA},
}
"""Holds the record's schema, so that one file is enough."""

_CHECK: Final = jsonschema_rs.Draft202012Validator(RECEIPT_SCHEMA, offline=True, validate_formats=True)


def check_receipt(document: object) -> None:
    """Raise ProofInvalid unless a document is a receipt as `RECEIPT_SCHEMA` describes one."""
    try:
        _CHECK.validate(document)
    except jsonschema_rs.ValidationError as fault:
        where = "".join(f"/{step}" for step in fault.instance_path)
        raise ProofInvalid(f"the receipt is not what its schema describes, at `{where or '/'}`") from fault
