"""Which purposes may know of identifiers by the content that is left: a datum they may use names them.

Read for the jobs that delete. Opens the payloads of entries whose content is left, to see whom each names.
"""

from collections import defaultdict

from assent.core.ids import HIGHEST_BIT, ControllerId, EntryIndex, IdentifierId, PurposeMask
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.board import Board
from assent.ingest.facts import open_body, refs
from assent.ledger.keyring import KeyRing

_SQL = load("erasure")
_LEDGER = load("ledger")

_ALL = list(range(HIGHEST_BIT + 1))
"""Every category."""


async def known_by_what_is_left(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, board: Board
) -> dict[IdentifierId, PurposeMask]:
    """Return, of everybody on a board, the purposes that may use a datum which names them."""
    everybody = [one for component, _ in board.components() for one in component.nodes]
    if not any(board.seen_by.get(one) for one in everybody):
        return {}
    usable: dict[EntryIndex, int] = defaultdict(int)
    for row in await connection.fetch(_SQL.contents_owned, controller_id, everybody, _ALL):
        if row["of_account"]:
            continue  # it makes nobody known
        usable[row["entry_index"]] |= row["basis"]
        for number, purpose in board.policy.purposes.items():
            usable[row["entry_index"]] |= (purpose.retroactive >> row["category_id"] & 1) << number
    known = dict.fromkeys(everybody, PurposeMask(0))
    for entry, sealed in await connection.fetch(_LEDGER.payloads_of, controller_id, list(usable)):
        body = open_body(ring, controller_id, sealed)
        for ref in refs(ring, controller_id, body.identifiers):
            one = board.identifiers.get(ref)
            if one is not None:
                known[one] = PurposeMask(known[one] | usable[entry])
    return known
