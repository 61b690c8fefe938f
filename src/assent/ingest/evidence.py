"""Say what the entries were that prove a link: who wrote them, and what kind of call or statement each is.

Reads entries and their payloads, for who may see the whole person; never for an engine. Of an entry whose
payload was erased only the header is left, and that is said.
"""

from collections.abc import Collection

from msgspec import Struct

from assent.core.ids import ControllerId, EntryIndex
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.facts import EventBody, LinkBody, open_body
from assent.ledger.entries import Entry
from assent.ledger.keyring import KeyRing

_SQL = load("ledger")


class Evidence(Struct, frozen=True, kw_only=True):
    """An entry, by its public header and by what it said."""

    role: str
    """Whose key wrote it."""
    said: str
    """The call (`identify`, `alias`, ...), a model's name, `stated`, `denied`; of an erased one its kind."""


async def evidence_of(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, entries: Collection[EntryIndex]
) -> dict[EntryIndex, Evidence]:
    """Return what these entries are."""
    wanted = sorted(set(entries))
    leaves = await connection.fetch(_SQL.leaves_at, controller_id, wanted)
    payloads = await connection.fetch(_SQL.payloads_of, controller_id, wanted)
    bodies = {row["entry_index"]: open_body(ring, controller_id, row["sealed"]) for row in payloads}
    found = {}
    for index, leaf in leaves:
        header = Entry.from_leaf(leaf).header
        match bodies.get(index):
            case EventBody() as body:
                said = body.call
            case LinkBody() as body:
                said = "denied" if body.denied else body.model or "stated"
            case _:
                said = header.kind.value
        found[index] = Evidence(role=header.role, said=said)
    return found
