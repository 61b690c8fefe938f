"""Receipts made without a service: a statement, its entry, a small log around it, and the keys."""

from functools import cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from assent.consent.receipts import Said
from assent.consent.signature import Jwk, public_jwk, sign
from assent.consent.statement import NoticeReference, StatementBody, WireState, statement_of
from assent.core.documents import parse_policy
from assent.core.ids import EntryIndex, IdentifierId, NamespaceId
from assent.core.policy import Policy
from assent.core.time import parse_time
from assent.ingest.facts import Identifier, StatedBody
from assent.ingest.receipt_file import ReceiptFile, document_of, make_file
from assent.ledger.checkpoint import Checkpoint, sign_checkpoint
from assent.ledger.entries import EntryKind, Header, commit, encode_leaf, to_minute
from assent.ledger.keyring import KeyRing
from assent.ledger.note import Verifier
from assent.ledger.proof import Proof
from assent.ledger.tree import Frontier, Node, inclusion_proof, leaf_hash, node_hash
from tests.support.policy_documents import shipped

NOW = parse_time("2026-03-01T12:00:00.5Z")
SALT = bytes(range(32))
RING = KeyRing(
    "assent.test",
    {name: name.encode().ljust(32) for name in ("signing", "lookup", "pairwise", "suppression")},
    {1: bytes(32)},
    1,
    bytes,
)
SIGNER = RING.signer("1", "facts")
LOG: Verifier = SIGNER.verifier
KEY: Jwk = public_jwk(RING.receipt_key())


@cache
def shipped_policy() -> Policy:
    """Return the shipped policy."""
    return parse_policy(shipped())[0]


class Made(Struct, frozen=True, kw_only=True):
    """A receipt file and what it was made of."""

    said: Said
    payload: bytes
    file: ReceiptFile

    @property
    def content(self) -> bytes:
        """The file as the service answers it."""
        return msgspec.json.encode(self.file)


def words(purpose: str = "personalisation", state: WireState = "given") -> StatementBody:
    """Return a statement as it is sent."""
    return StatementBody(
        purpose=purpose,
        state=state,
        mechanism="click",
        channel="web",
        notice=NoticeReference(id=purpose, version=1, language="en"),
    )


def made(body: StatementBody | None = None, *, index: int = 5, size: int = 11) -> Made:
    """Return the receipt of a statement that stands at `index` of a log of `size` entries."""
    body = body or words()
    policy = shipped_policy()
    person = Identifier(NamespaceId(policy.namespace_ids["user_id"]), "anna-0001")
    payload = msgspec.json.encode(StatedBody(identifiers=(person,), statement=body, authenticated=True))
    header = Header(
        kind=EntryKind.STATEMENT,
        minute=to_minute(NOW),
        role="collector",
        purpose=None if body.purpose == "*" else body.purpose,
        policy_version=policy.version,
    )
    leaf = encode_leaf(header, [commit(SALT, payload)])
    statement = statement_of(
        body, policy, identifier=IdentifierId(64), known_at=NOW, entry=EntryIndex(index), authenticated=True
    )
    said = Said(statement=statement, body=body, policy=policy, controller="shop", log=SIGNER.name, leaf=leaf)
    document = document_of(said)
    return Made(
        said=said,
        payload=payload,
        file=make_file(
            said,
            signed=sign(document, RING.receipt_key()),
            document=document,
            salt=SALT,
            payload=payload,
            proof=proof_of(leaf, index, size),
        ),
    )


def proof_of(leaf: bytes, index: int, size: int) -> Proof:
    """Return the proof that a leaf stands in a log of other leaves."""
    hashes = [leaf_hash(leaf if at == index else b"leaf %d" % at) for at in range(size)]

    def node(one: Node) -> bytes:
        if one.height == 0:
            return hashes[one.place]
        below = one.height - 1
        return node_hash(node(Node(below, 2 * one.place)), node(Node(below, 2 * one.place + 1)))

    checkpoint = Checkpoint(origin=SIGNER.name, size=size, root=Frontier().append(hashes).root())
    return Proof(
        index=index,
        hashes=inclusion_proof(index, size, node),
        checkpoint=sign_checkpoint(checkpoint, SIGNER),
    )


def with_document(one: Made, document: object) -> Made:
    """Return a file whose receipt says something else, signed by the controller all the same."""
    content = msgspec.json.encode(document)
    file = replace(one.file, receipt=msgspec.Raw(content), jws=sign(content, RING.receipt_key()))
    return replace(one, file=file)
