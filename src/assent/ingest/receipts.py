"""Read the statements of some identifiers, and make the receipt of each: signed, opened and proved.

Whose identifiers those are is the caller's to know: a person's own, or whoever a data
protection officer asks about. A statement that hangs on an address is left out unless the address is among
them, and one that was erased is gone. Nothing is stored: the same receipt is made again, byte for byte,
whenever it is asked for; only its proof is against the newest checkpoint.
"""

from collections.abc import Awaitable, Callable, Collection

from msgspec import Struct

from assent.consent.receipts import RECEIPTED, Said
from assent.consent.signature import sign
from assent.consent.store import Entered, statements_before
from assent.core.ids import ControllerId, IdentifierId
from assent.core.policy import Policy
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.facts import StatedBody, aad, read_payload
from assent.ingest.receipt_file import ReceiptFile, document_of, make_file
from assent.ledger.entries import SALT_BYTES, Entry
from assent.ledger.keyring import KeyRing
from assent.ledger.proof import Proof
from assent.ledger.store import Head, Log, inclusion_proofs

_SQL = load("ledger")

PolicyAt = Callable[[int], Awaitable[Policy]]
"""Returns a version of the controller's policy."""


class Page(Struct, frozen=True, kw_only=True):
    """Some receipts, newest first, and before which entry the next ones stand; None: there are no more."""

    receipts: tuple[ReceiptFile, ...]
    next: int | None


async def read_receipts(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    policy_at: PolicyAt,
    head: Head,
    ids: Collection[IdentifierId],
    *,
    before: int | None = None,
    limit: int = 20,
) -> Page:
    """Return a page of the receipts of these identifiers' statements, newest first.

    `head` is of the snapshot that `connection` sees.
    """
    end = head.revision if before is None else min(before, head.revision)
    # One more than asked for says whether there are more.
    found = await statements_before(connection, controller_id, ids, RECEIPTED, end, limit + 1)
    page = found[:limit]
    name = await connection.fetchval(_SQL.controller_name, controller_id)
    indexes = [one.statement.entry for one in page]
    proofs = await inclusion_proofs(connection, controller_id, Log.FACTS, indexes, head.revision)
    receipts = []
    for entered, hashes in zip(page, proofs, strict=True):
        version = Entry.from_leaf(entered.leaf).header.policy_version
        proof = Proof(index=entered.statement.entry, hashes=hashes, checkpoint=head.checkpoint.encode())
        receipts.append(_file(ring, controller_id, await policy_at(version), name, entered, proof))
    more = len(found) > limit
    return Page(receipts=tuple(receipts), next=page[-1].statement.entry if more else None)


def _file(
    ring: KeyRing, controller_id: ControllerId, policy: Policy, name: str, entered: Entered, proof: Proof
) -> ReceiptFile:
    salted = ring.open(entered.sealed, aad(controller_id))
    salt, payload = salted[:SALT_BYTES], salted[SALT_BYTES:]
    stated = read_payload(payload)
    if not isinstance(stated, StatedBody):
        message = "the entry of a statement holds something else"
        raise TypeError(message)
    said = Said(
        statement=entered.statement,
        body=stated.statement,
        signal=stated.signal,
        policy=policy,
        controller=name,
        log=ring.signer(str(controller_id), Log.FACTS.name.lower()).name,
        leaf=entered.leaf,
    )
    document = document_of(said)
    return make_file(
        said,
        signed=sign(document, ring.receipt_key()),
        document=document,
        salt=salt,
        payload=payload,
        proof=proof,
    )
