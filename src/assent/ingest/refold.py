"""Make states and items anew from the content that is left: what cannot be subtracted is added up again.

Each content is read under the policy it was taken under, so that what comes out is what the fold would have
made, had it never seen what is gone.
"""

from collections.abc import Callable, Collection

from msgspec import Struct

from assent.consent.store import load_policy
from assent.core.ids import CategoryId, ControllerId, EntryIndex, IdentifierId, PurposeMask
from assent.core.policy import Policy
from assent.core.time import FOREVER, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.features.accumulate import EMPTY, Content, State, absorb
from assent.ingest.board_parts import KeptItem, StateKey
from assent.ingest.facts import account_of, open_content
from assent.ingest.keeping import content_of, kept_items
from assent.ledger.entries import Entry
from assent.ledger.keyring import KeyRing

_SQL = load("erasure")


class Refolded(Struct, frozen=True, kw_only=True):
    """What is left of some identifiers' data."""

    states: dict[IdentifierId, dict[StateKey, State]]
    items: list[KeptItem]
    contents: list[tuple[IdentifierId, PurposeMask, Content]]
    """What they were made of, if that is wanted."""


async def refold(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    ids: Collection[IdentifierId],
    before: EntryIndex,
    *,
    until: Instant = FOREVER,
    reading: Callable[[Policy], Policy] | None = None,
) -> Refolded:
    """Return what the content of these identifiers from before an entry, up to an instant, comes to.

    `reading` makes the policy that content is read by of the one it was taken under; then it is kept, too.
    """
    made = Refolded(states={one: {} for one in ids}, items=[], contents=[])
    for row in await connection.fetch(_SQL.contents_folded, controller_id, list(ids), before):
        one, entry, category, basis, at, sealed, leaf = row
        if at > until:
            continue
        policy, _ = await load_policy(connection, controller_id, Entry.from_leaf(leaf).header.policy_version)
        if reading is not None:
            policy = reading(policy)
        body = open_content(ring, controller_id, sealed)
        content = content_of(body, CategoryId(category), Instant(at), EntryIndex(entry))
        if reading is not None:
            made.contents.append((one, PurposeMask(basis), content))
        states, key = made.states[one], (content.category, PurposeMask(basis))
        if content.account is None:
            states[key] = absorb(policy, states.get(key, EMPTY), content)
        account = account_of(ring, controller_id, body)
        made.items.extend(kept_items(policy, one, content, key[1], account))
    return made
