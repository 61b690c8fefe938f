"""Records and receipts as documents: JSON-LD that means what it says, and the words of each case."""

from typing import Any, Literal

import msgspec
import pytest
from msgspec.structs import replace
from rdflib import Graph, Namespace, URIRef
from rdflib.namespace import DCTERMS, RDF

from assent.consent.receipt_schema import RECEIPT_SCHEMA, RECORD_SCHEMA, check_receipt
from assent.consent.receipts import CONTEXT, Said, position, receipt, record
from assent.core.errors import ProofInvalid
from assent.core.ids import EntryIndex
from assent.core.policy import LegalBasis
from tests.support.receipts import made, shipped_policy, words

DPV = Namespace("https://w3id.org/dpv#")
GDPR = Namespace("https://w3id.org/dpv/legal/eu/gdpr#")
KNOWN = tuple(one for one in CONTEXT.values() if isinstance(one, str))


def on_basis(said: Said, basis: LegalBasis) -> Said:
    """Return the statement as if its purpose rested on another basis."""
    policy = shipped_policy()
    number = policy.purpose_ids[said.body.purpose]
    purposes = {**policy.purposes, number: replace(policy.purposes[number], legal_basis=basis)}
    return replace(said, policy=replace(policy, purposes=purposes))


def status(document: Any) -> Any:  # noqa: ANN401
    found = document["dpv:hasRecordOfActivity"]
    return found.get("dpv:hasConsentStatus") or found["dpv:hasStatus"]


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # rdflib's reader uses its own
def test_a_receipt_is_json_ld_whose_terms_are_those_of_dpv() -> None:
    graph = Graph().parse(data=msgspec.json.encode(receipt(made().said)), format="json-ld")
    (found,) = graph.subjects(RDF.type, DPV.ConsentReceipt)
    (inside,) = graph.objects(found, DPV.hasRecordOfActivity)
    assert (inside, RDF.type, DPV.ConsentRecord) in graph
    (process,) = graph.objects(inside, DPV.hasProcess)
    assert (process, DPV.hasLegalBasis, GDPR["A6-1-a"]) in graph
    (given,) = graph.objects(inside, DPV.hasConsentStatus)
    assert (given, DPV.isIndicatedBy, DPV.DataSubject) in graph
    (purpose,) = graph.objects(process, DPV.hasPurpose)
    assert str(graph.value(purpose, DCTERMS.identifier)) == "personalisation"
    # Every word is of a vocabulary that the context names: nothing is lost, nothing is invented.
    for _, predicate, value in graph:
        assert str(predicate).startswith(KNOWN), predicate
        if isinstance(value, URIRef):
            assert str(value).startswith((*KNOWN, "urn:uuid:", "https://w3id.org/dpv/schema/")), value


def test_an_objection_to_interests_is_no_state_of_a_consent() -> None:
    said = on_basis(made(words(state="objected")).said, LegalBasis.LEGITIMATE_INTERESTS)
    document = receipt(said)
    check_receipt(document)
    assert "dpv:hasConsentStatus" not in document["dpv:hasRecordOfActivity"]
    assert status(document)["@type"] == ["dpv:LegitimateInterestObjected"]
    assert document["dpv:hasRecordOfActivity"]["dpv:hasRight"][0]["@type"][1] == "eu-gdpr:A21"


def test_explicit_consent_says_so() -> None:
    body = replace(words(), explicit=True)
    document = receipt(on_basis(made(body).said, LegalBasis.EXPLICIT_CONSENT))
    check_receipt(document)
    assert status(document)["@type"][1] == "dpv:ExplicitlyExpressedConsent"
    assert document["dpv:hasRecordOfActivity"]["dpv:hasProcess"]["dpv:hasLegalBasis"] == "eu-gdpr:A9-2-a"


def recipients(said: Said) -> Any:  # noqa: ANN401
    document = receipt(said)
    check_receipt(document)
    return document["dpv:hasRecordOfActivity"]["dpv:hasProcess"]["dpv:hasRecipient"]


@pytest.mark.parametrize("state", ["given", "refused"])
def test_a_yes_that_opens_to_some_vendors_alone_names_them(state: Literal["given", "refused"]) -> None:
    said = made(words(state=state)).said
    carried = replace(said, statement=replace(said.statement, vendors=f"{1 << 28 | 1 << 2:x}"))
    named = ["TCF vendor 2", "TCF vendor 28"] if state == "given" else []
    assert recipients(carried) == recipients(said) + named


def test_withdrawing_from_everything_has_a_receipt() -> None:
    document = receipt(made(replace(words("*", "withdrawn"), notice=None)).said)
    check_receipt(document)
    assert "dpv:hasLegalBasis" not in document["dpv:hasRecordOfActivity"]["dpv:hasProcess"]


def test_a_consent_without_a_notice_is_none_of_the_schema() -> None:
    document = receipt(made(replace(words(), notice=None)).said)
    with pytest.raises(ProofInvalid, match="dpv:hasRecordOfActivity"):
        check_receipt(document)


def test_the_words_of_the_notice_are_hashed_where_the_policy_holds_them() -> None:
    shown = record(made().said)["dpv:hasNotice"]
    assert (shown["dct:language"], len(shown["schema:sha256"])) == ("en", 64)
    body = words()
    assert body.notice is not None
    older = replace(body, state="withdrawn", notice=replace(body.notice, version=0))
    assert "schema:sha256" not in record(made(older).said)["dpv:hasNotice"]


def test_ids_follow_from_the_entry_alone() -> None:
    one = receipt(made().said)
    assert one["@id"] != one["dpv:hasRecordOfActivity"]["@id"]
    assert one == receipt(made(size=20).said)
    assert one["@id"] != receipt(made(words(state="refused")).said)["@id"]
    assert one["dct:identifier"][14] == "8"


def test_an_index_beyond_what_readers_of_json_take_exactly_is_text() -> None:
    assert position(EntryIndex(1 << 53)) == 1 << 53
    assert position(EntryIndex((1 << 53) + 1)) == str((1 << 53) + 1)
    one = made().said
    far = replace(one, statement=replace(one.statement, entry=EntryIndex((1 << 60) + 1)))
    check_receipt(receipt(far))


def test_the_schemas_stand_alone() -> None:
    assert RECEIPT_SCHEMA["$defs"]["record"] is RECORD_SCHEMA
    for schema in (RECORD_SCHEMA, RECEIPT_SCHEMA):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["additionalProperties"] is False
