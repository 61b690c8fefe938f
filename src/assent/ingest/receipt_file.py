"""A receipt as a file: what a person keeps, and what anybody checks it by, offline.

    receipt   the document (JSON-LD), for people and programs to read
    jws       the same document, signed
    entry     the entry's leaf, and what opens it: the salt and the words that the leaf commits to
    proof     that the leaf is in the log (c2sp.org/tlog-proof), with the log's signed checkpoint

So two keys say the same thing: the receipts' key that the controller says so, the log's key that it stands
where nobody can change it quietly. `verify` believes neither without the other. Pure. Raises ProofInvalid.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from assent.consent.receipt_schema import check_receipt
from assent.consent.receipts import Said, position, receipt
from assent.consent.signature import Jwk, opened
from assent.consent.statement import EVERY, state_of
from assent.core.errors import ProofInvalid
from assent.ingest.facts import StatedBody, read_payload
from assent.ledger.checkpoint import Checkpoint
from assent.ledger.note import Verifier, decode_base64
from assent.ledger.proof import Proof
from assent.ledger.verify import verify_checkpoint, verify_disclosure, verify_proof

LARGEST: Final = 1 << 20


class Opening(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The leaf of an entry and what it commits to, in base64."""

    leaf: str
    salt: str
    payload: str


class ReceiptFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receipt with its proofs; `id`, `purpose`, `state` and `index` as its statement was answered with."""

    id: str
    purpose: str
    state: str
    index: int | str
    receipt: Raw
    jws: str
    entry: Opening
    proof: str


class Verified(Struct, frozen=True, kw_only=True):
    """What a file proves: this was said, and stands in this log."""

    id: str
    purpose: str
    state: str
    at: str
    index: int
    checkpoint: Checkpoint


def make_file(
    said: Said, *, signed: str, document: bytes, salt: bytes, payload: bytes, proof: Proof
) -> ReceiptFile:
    """Return the file of a receipt."""
    return ReceiptFile(
        id=receipt_id(said.statement.entry),
        purpose=said.body.purpose,
        state=said.statement.state.value,
        index=position(said.statement.entry),
        receipt=Raw(document),
        jws=signed,
        entry=Opening(leaf=_text(said.leaf), salt=_text(salt), payload=_text(payload)),
        proof=proof.to_bytes().decode(),
    )


def receipt_id(index: int) -> str:
    """Return what a receipt is called within its controller."""
    return f"s:{index}"


def document_of(said: Said) -> bytes:
    """Return the receipt as it is signed."""
    return msgspec.json.encode(receipt(said))


def verify(content: bytes, logs: Sequence[Verifier], keys: Sequence[Jwk]) -> Verified:
    """Return what a receipt file proves by the logs' keys and the receipts' keys given."""
    # (1) it is a receipt file
    file = _parsed(content)
    # (2) one of the keys signed it
    payload = opened(file.jws, keys)
    # (3) what is read is what was signed
    if _canonical(bytes(file.receipt)) != _canonical(payload):
        raise ProofInvalid("the receipt says something else than what was signed")
    # (4) it says what a receipt has to
    document = msgspec.json.decode(payload)
    check_receipt(document)
    # (5) its entry is in the log that it names, where it says
    leaf = decode_base64(file.entry.leaf)
    checkpoint = _included(file, document, leaf, logs)
    # (6) the entry commits to the words of the statement
    salt, words = decode_base64(file.entry.salt), decode_base64(file.entry.payload)
    header = verify_disclosure(leaf, 0, salt, words).header
    stated = _stated(words)
    # (7) and those are the words of the receipt
    if header.purpose != (None if stated.statement.purpose == EVERY else stated.statement.purpose):
        raise ProofInvalid("the entry is about another purpose than its statement")
    _agree(file, document, stated)
    status = _status(document["dpv:hasRecordOfActivity"])
    return Verified(
        id=file.id,
        purpose=file.purpose,
        state=file.state,
        at=status["dpv:isIndicatedAtTime"],
        index=int(file.index),
        checkpoint=checkpoint,
    )


def _parsed(content: bytes) -> ReceiptFile:
    if len(content) > LARGEST:
        raise ProofInvalid("a receipt is shorter than 1 MiB")
    try:
        return msgspec.json.decode(content, type=ReceiptFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofInvalid("expected a receipt as the service gives it, with its proofs") from error


def _included(
    file: ReceiptFile, document: dict[str, Any], leaf: bytes, logs: Sequence[Verifier]
) -> Checkpoint:
    source = document["dct:source"]
    named = [log for log in logs if log.name == source["dct:isPartOf"]]
    if not named:
        raise ProofInvalid("the receipt names a log whose key was not given")
    proof = verify_proof(leaf, _encoded(file.proof), named[0])
    if proof.extra:
        raise ProofInvalid("the proof of a receipt brings nothing else along")
    if hashlib.sha256(leaf).hexdigest() != source["schema:sha256"]:
        raise ProofInvalid("the receipt is about another entry")
    if not file.index == source["schema:position"] == position_of(proof):
        raise ProofInvalid("the receipt names another place in the log than its proof")
    return verify_checkpoint(proof.checkpoint, named[0])


def position_of(proof: Proof) -> int | str:
    """Return the index of a proof as receipts spell it."""
    return position(proof.index)  # type: ignore[arg-type]


def _stated(words: bytes) -> StatedBody:
    try:
        body = read_payload(words)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofInvalid("the entry holds no statement") from error
    if not isinstance(body, StatedBody):
        raise ProofInvalid("the entry holds no statement")
    return body


def _agree(file: ReceiptFile, document: dict[str, Any], stated: StatedBody) -> None:
    """Hold what is read against what was said."""
    record = document["dpv:hasRecordOfActivity"]
    status, notice = _status(record), record.get("dpv:hasNotice", {})
    body, named = stated.statement, stated.statement.notice
    state = state_of(body, stated.signal).value
    pairs: list[tuple[object, object]] = [
        (file.id, receipt_id(int(file.index))),
        (file.purpose, body.purpose),
        (file.state, state),
        (status["rdf:value"], state),
        (record["dpv:hasProcess"]["dpv:hasPurpose"]["dct:identifier"], body.purpose),
        (status.get("dpv:hasIndicationMethod", ""), body.mechanism or stated.signal),
        (status.get("dpv:hasContext", ""), body.channel),
        (notice.get("dct:identifier"), named and named.id),
        (notice.get("schema:version"), named and str(named.version)),
        (notice.get("dct:language"), named and (named.language or "und")),
    ]
    if any(told != said for told, said in pairs):
        raise ProofInvalid("the receipt says something else than the entry in the log")


def _status(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record.get("dpv:hasConsentStatus") or record["dpv:hasStatus"]
    return found


def _canonical(content: bytes) -> bytes:
    """Return JSON in one spelling: members sorted, no spaces."""
    try:
        return msgspec.json.encode(msgspec.json.decode(content), order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofInvalid("expected JSON") from error


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ProofInvalid("a proof is text") from error


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
