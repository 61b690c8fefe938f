"""Make the record and the receipt of a statement: ISO/IEC TS 27560:2023 as JSON-LD with W3C DPV terms.

Follows "Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV" (DPVCG, w3id.org/dpv/guides/
consent-27560). A function of the statement, the policy under which it was said and its ledger entry, and of
nothing else: the same whenever it is asked for, and about nobody else. Identifiers stand in it as the
ledger's own numbers, never as values. Pure, raises nothing.
"""

import hashlib
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from assent.consent.duties import lapse, legal_basis
from assent.consent.statement import EVERY, NoticeReference, State, Statement, StatementBody
from assent.core.ids import EntryIndex, members
from assent.core.policy import Category, LegalBasis, Policy, Purpose
from assent.core.time import FOREVER, Duration, Instant, format_duration, format_time

Document = dict[str, Any]

RECORD: Final = "https://w3id.org/dpv/schema/dpv-27560#record"
RECEIPT: Final = "https://w3id.org/dpv/schema/dpv-27560#receipt"

RECEIPTED: Final = (
    State.GIVEN,
    State.REFUSED,
    State.WITHDRAWN,
    State.OBJECTED,
    State.RENEWED,
    State.CONFIRMED,
    State.DEFERRED,
    State.NOTICE_SHOWN,
    State.GPC,
)
"""What somebody said, was shown or signalled. The others are made inside and state no choice."""

_STATUS: Final = {
    State.GIVEN: "dpv:ConsentGiven",
    State.REFUSED: "dpv:ConsentRefused",
    State.WITHDRAWN: "dpv:ConsentWithdrawn",
    State.OBJECTED: "dpv:ConsentWithdrawn",
    State.RENEWED: "dpv:RenewedConsentGiven",
    State.CONFIRMED: "dpv:RenewedConsentGiven",
    State.DEFERRED: "dpv:ConsentRequestDeferred",
    State.NOTICE_SHOWN: "dpv:ConsentRequested",
    State.GPC: "dpv:ConsentWithdrawn",
}
"""ISO's event state. An objection to a use that rests on interests has a word of its own."""

_GIVING: Final = frozenset({State.GIVEN, State.RENEWED, State.CONFIRMED})

_BASIS: Final = {
    LegalBasis.CONSENT: "eu-gdpr:A6-1-a",
    LegalBasis.EXPLICIT_CONSENT: "eu-gdpr:A9-2-a",
    LegalBasis.CONTRACT: "eu-gdpr:A6-1-b",
    LegalBasis.LEGAL_OBLIGATION: "eu-gdpr:A6-1-c",
    LegalBasis.LEGITIMATE_INTERESTS: "eu-gdpr:A6-1-f",
}

_SPEAKER: Final = {
    "subject": "dpv:DataSubject",
    "guardian": "dpv:GuardianOfDataSubject",
    "system": "dpv:DataController",
}

_HERE: Final = "POST /v1/me/withdraw-all"
"""Where consent is withdrawn if the controller names no page of its own."""

_IRI: Final = {"@type": "@id"}
_TIME: Final = {"@type": "xsd:dateTime"}

CONTEXT: Final[Document] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dct:audience": _IRI,
    "dct:conformsTo": _IRI,
    "dct:created": _TIME,
    "dpv:hasApplicableLaw": _IRI,
    "dpv:hasJurisdiction": _IRI,
    "dpv:hasLegalBasis": _IRI,
    "dpv:hasLocation": _IRI,
    "dpv:isIndicatedAtTime": _TIME,
    "dpv:isIndicatedBy": _IRI,
}
"""Written out in every document, so that reading one fetches nothing."""


class Said(Struct, frozen=True, kw_only=True):
    """A statement with all that its record is made of."""

    statement: Statement
    body: StatementBody
    """The words, as the entry's payload holds them."""
    signal: str = ""
    """The section of signals.toml that they were read by; empty: somebody said them."""
    policy: Policy
    """In force when it was said."""
    controller: str
    """The controller's name, where its policy says none."""
    log: str
    """The log's name, as its checkpoints say."""
    leaf: bytes


def receipt(said: Said) -> Document:
    """Return the receipt of a statement, its record inside."""
    unique = _unique(b"receipt", said.leaf)
    claims = {} if said.policy.controller is None else {"dct:conformsTo": RECEIPT}
    return {
        "@context": CONTEXT,
        "@id": f"urn:uuid:{unique}",
        "@type": "dpv:ConsentReceipt",
        **claims,
        "dct:identifier": unique,
        "dct:created": format_time(said.statement.known_at),
        "dct:publisher": _publisher(said),
        "dct:audience": "dpv:DataSubject",
        "dct:source": {
            "@type": "schema:DigitalDocument",
            "dct:isPartOf": said.log,
            "schema:position": position(said.statement.entry),
            "schema:sha256": hashlib.sha256(said.leaf).hexdigest(),
        },
        "dpv:hasRecordOfActivity": record(said),
    }


def record(said: Said) -> Document:
    """Return the record of a statement, to stand in a document with `CONTEXT`."""
    unique = _unique(b"record", said.leaf)
    controller = said.policy.controller
    purpose = _purpose(said)
    document: Document = {
        "@id": f"urn:uuid:{unique}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": unique,
        "dpv:hasDataSubject": {
            "@type": "dpv:DataSubject",
            "dct:identifier": f"i:{said.statement.identifier}",
        },
        "dpv:hasDataController": _party(said),
        "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
        "dpv:hasProcess": _process(said, purpose),
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": (controller.preferences if controller else "") or _HERE,
        },
        "dpv:hasRight": _rights(said, purpose),
    }
    if controller is not None:  # without one, what ISO asks of every record cannot be said
        document["dct:conformsTo"] = RECORD
        document["dpv:hasJurisdiction"] = [f"loc:{one}" for one in controller.jurisdictions]
    if said.body.notice is not None:
        document["dpv:hasNotice"] = _notice(said.policy, said.body.notice)
    basis = None if purpose is None else legal_basis(purpose, said.statement.acted_at)
    interests = basis is LegalBasis.LEGITIMATE_INTERESTS and said.statement.state is State.OBJECTED
    # An objection to interests is no state of a consent.
    document["dpv:hasStatus" if interests else "dpv:hasConsentStatus"] = _status(said, purpose, interests)
    return document


def position(index: EntryIndex) -> int | str:
    """Return an index as JSON's readers take it exactly."""
    return index if index <= 1 << 53 else str(index)


def _unique(kind: bytes, leaf: bytes) -> str:
    """Return the UUID (version 8, RFC 9562) of an entry's record or receipt.

    A leaf commits to its payload under 32 random bytes, so no two installations give the same.
    """
    digest = bytearray(hashlib.sha256(b"assent/consent-%s@1\n" % kind + leaf).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest)))


def _purpose(said: Said) -> Purpose | None:
    number = said.statement.purpose
    return None if number is None else said.policy.purposes.get(number)


def _publisher(said: Said) -> str:
    return said.policy.controller.name if said.policy.controller else said.controller


def _party(said: Said) -> Document:
    party: Document = {
        "@type": ["dpv:Organisation", "dpv:DataController"],
        "dct:identifier": said.log.rpartition("/")[0],
        "dpv:hasName": _publisher(said),
    }
    if said.policy.controller is not None:
        party["dpv:hasAddress"] = said.policy.controller.address
        party["dpv:hasContact"] = said.policy.controller.contact
    return party


def _process(said: Said, purpose: Purpose | None) -> Document:
    controller = said.policy.controller
    if purpose is None:
        described: Document = {"dct:identifier": EVERY, "dct:title": "Every purpose"}
        categories = []
    else:
        described = {"dct:identifier": purpose.name, "dct:title": purpose.title}
        if purpose.text:
            described["dct:description"] = purpose.text
        stated = said.statement.categories or purpose.categories
        known = said.policy.categories
        categories = [known[number] for number in members(stated) if number in known]  # type: ignore[index]
    process: Document = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {"@type": "dpv:Purpose", **described},
        "dpv:hasPersonalData": [_data(one) for one in categories],
        "dpv:hasStorageCondition": _storage(said, purpose),
        "dpv:hasRecipient": [*(controller.recipients if controller else ()), *_vendors(said.statement)],
    }
    if purpose is not None:
        process["dpv:hasLegalBasis"] = _BASIS[legal_basis(purpose, said.statement.acted_at)]
    return process


def _vendors(statement: Statement) -> list[str]:
    """Return to whom alone a carried yes opens, by their numbers in IAB Europe's Global Vendor List."""
    if statement.vendors is None or statement.state not in _GIVING:
        return []
    mask = int(statement.vendors, 16)
    return [f"TCF vendor {number}" for number in range(mask.bit_length()) if mask >> number & 1]


def _data(category: Category) -> Document:
    kind = "dpv:SpecialCategoryPersonalData" if category.special else "dpv:PersonalData"
    data: Document = {"@type": kind, "dct:identifier": category.name}
    if category.retention is not None:
        data["dpv:hasStorageCondition"] = _kept("dpv:StorageDuration", category.retention)
    return data


def _storage(said: Said, purpose: Purpose | None) -> list[Document]:
    conditions: list[Document] = []
    if said.policy.controller is not None:
        places = [f"loc:{one}" for one in said.policy.controller.storage]
        conditions.append({"@type": "dpv:StorageLocation", "dpv:hasLocation": places})
    conditions.append(
        {
            "@type": "dpv:StorageDuration",
            "dpv:hasDuration": {
                "@type": "dpv:UntilEventDuration",
                "rdf:value": "no purpose that the person agreed to carries it any more",
            },
        }
    )
    if purpose is not None:
        conditions.append(_kept("dpv:StorageDeletion", purpose.erase_within))
    return conditions


def _kept(kind: str, duration: Duration) -> Document:
    return {
        "@type": kind,
        "dpv:hasDuration": {"@type": "dpv:TemporalDuration", "rdf:value": format_duration(duration)},
    }


def _rights(said: Said, purpose: Purpose | None) -> list[Document]:
    interests = purpose is not None and legal_basis(purpose, said.statement.acted_at) is (
        LegalBasis.LEGITIMATE_INTERESTS
    )
    main = ("eu-gdpr:A21", "To object") if interests else ("eu-gdpr:A7-3", "To withdraw consent")
    named = [main, ("eu-gdpr:A15", "To see what is kept"), ("eu-gdpr:A17", "To have it erased")]
    rights: list[Document] = [
        {"@type": ["dpv:DataSubjectRight", article], "dct:title": title} for article, title in named
    ]
    if said.policy.controller is not None and said.policy.controller.authority:
        rights.append(
            {
                "@type": ["dpv:DataSubjectRight", "eu-gdpr:A77"],
                "dct:title": "To complain",
                "dpv:isExercisedAt": said.policy.controller.authority,
            }
        )
    return rights


def _notice(policy: Policy, named: NoticeReference) -> Document:
    """Return the notice; its words too, where the policy of the time holds that version in that language."""
    notice: Document = {
        "@type": "dpv:ConsentNotice",
        "dct:identifier": named.id,
        "schema:version": str(named.version),
        "dct:language": named.language or "und",
    }
    shown = policy.notices.get(named.id, {}).get(named.language)
    if shown is not None and shown.version == named.version:
        notice["dct:title"] = shown.title
        notice["schema:sha256"] = shown.hash
    return notice


def _status(said: Said, purpose: Purpose | None, interests: bool) -> Document:  # noqa: FBT001
    statement, body = said.statement, said.body
    kinds = ["dpv:LegitimateInterestObjected" if interests else _STATUS[statement.state]]
    if statement.state in _GIVING:
        kinds.append("dpv:ExplicitlyExpressedConsent" if body.explicit else "dpv:ExpressedConsent")
    status: Document = {
        "@type": kinds,
        "rdf:value": statement.state.value,
        "dpv:isIndicatedAtTime": format_time(statement.acted_at),
        # A browser's signal is the person's own word (Art. 21(5)).
        "dpv:isIndicatedBy": _SPEAKER["subject" if statement.state is State.GPC else body.actor],
        "dpv:hasDuration": _duration(statement, purpose),
    }
    if body.mechanism or said.signal:
        status["dpv:hasIndicationMethod"] = body.mechanism or said.signal
    if body.channel:
        status["dpv:hasContext"] = body.channel
    return status


def _duration(statement: Statement, purpose: Purpose | None) -> Document:
    if statement.state not in _GIVING:
        return {"@type": "dpv:UntilEventDuration", "rdf:value": "a later statement"}
    end: Instant = lapse(
        statement.acted_at, statement.expires_at, [None if purpose is None else purpose.validity]
    )
    if end == FOREVER:
        return {"@type": "dpv:EndlessDuration"}
    return {"@type": "dpv:UntilTimeDuration", "rdf:value": format_time(end)}
