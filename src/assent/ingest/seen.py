"""Which purposes may know of identifiers by the content that is left: a datum they may use names them.

Read for the jobs that delete. Opens the payloads of entries whose content is left, to see whom each names.
Raises SealBroken.
"""

from collections import defaultdict
from collections.abc import Collection
from itertools import islice
from typing import Final

from assent.core.ids import HIGHEST_BIT, ControllerId, EntryIndex, IdentifierId, PurposeMask
from assent.core.policy import Policy
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.board import Board
from assent.ingest.facts import open_body, refs
from assent.ledger.keyring import KeyRing

_SQL = load("erasure")
_LEDGER = load("ledger")

_ALL = list(range(HIGHEST_BIT + 1))
"""Every category."""

_OWNERS: Final = 200
"""Whose content is read at once: of thousands at one telephone, the first few name it."""


async def parted_from(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[IdentifierId, set[IdentifierId]]:
    """Return, of each of these, whom an event may name beside it though nothing links them any more."""
    found: dict[IdentifierId, set[IdentifierId]] = {one: set() for one in ids}
    for low, high in await connection.fetch(_SQL.denied_around, controller_id, list(ids)):
        for one, other in ((low, high), (high, low)):
            if one in found:
                found[one].add(other)
    return found


async def named_beside(
    connection: Connection, controller_id: ControllerId, board: Board, ids: Collection[IdentifierId]
) -> dict[IdentifierId, set[IdentifierId]]:
    """Return, of each of these, itself and everybody whom an event may name beside it: an event links them.

    Expects on the board whole components.
    """
    beside = await parted_from(connection, controller_id, ids)
    for one, others in beside.items():
        others.add(one)
    for component, _ in board.components():
        if beside.keys().isdisjoint(component.nodes):
            continue
        for low, high, _ in component.links:
            for one, other in ((low, high), (high, low)):
                if one in beside:
                    beside[one].add(other)
    return beside


async def known_by_what_is_left(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    board: Board,
    ids: Collection[IdentifierId],
) -> dict[IdentifierId, PurposeMask]:
    """Return, of those whom any purpose knows, the purposes that may use a datum which names them."""
    known = {one: PurposeMask(0) for one in ids if board.seen_by.get(one)}
    beside = await named_beside(connection, controller_id, board, known)
    names = {ref: one for ref, one in board.identifiers.items() if one in known}
    owners = iter(sorted(set().union(*beside.values())))
    while some := list(islice(owners, _OWNERS)):
        if all(board.seen_by[one] & ~mask == 0 for one, mask in known.items()):
            break  # nothing is to be found that is not known
        usable = await _usable(connection, controller_id, board.policy, some)
        for entry, sealed in await connection.fetch(_LEDGER.payloads_of, controller_id, list(usable)):
            for ref in refs(ring, controller_id, open_body(ring, controller_id, sealed).identifiers):
                one = names.get(ref)
                if one is not None:
                    known[one] = PurposeMask(known[one] | usable[entry])
    return known


async def _usable(
    connection: Connection, controller_id: ControllerId, policy: Policy, owners: Collection[IdentifierId]
) -> dict[EntryIndex, int]:
    """Return the entries of which content of these is left, with the purposes that may use any of it."""
    usable: dict[EntryIndex, int] = defaultdict(int)
    for row in await connection.fetch(_SQL.contents_owned, controller_id, owners, _ALL):
        if row["of_account"]:
            continue  # it makes nobody known
        usable[row["entry_index"]] |= row["basis"]
        for number, purpose in policy.purposes.items():
            usable[row["entry_index"]] |= (purpose.retroactive >> row["category_id"] & 1) << number
    return usable
