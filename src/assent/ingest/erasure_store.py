"""Read and write what an erasure touches: rows that go, payloads that go, objections that stay.

The caller's transaction holds the controller's head. Nothing is decided here.
"""

from collections.abc import Collection, Sequence

from assent.core.ids import HIGHEST_BIT, ControllerId, EntryIndex, IdentifierId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.board import Board
from assent.ingest.board_parts import Loaded
from assent.ingest.deleting import forget
from assent.ingest.facts import ErasureBody, Identifier
from assent.ledger.append import Fact, Ref, Remain
from assent.ledger.keyring import KeyRing

_SQL = load("erasure")


async def newest_entry(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> int:
    """Return the newest entry that one of these identifiers owns, or -1."""
    newest: int = await connection.fetchval(_SQL.newest_of, controller_id, list(ids))
    return newest


async def save_erasure(
    connection: Connection, controller_id: ControllerId, board: Board, body: ErasureBody
) -> None:
    """Remove every row of who was erased from the projections; keep the tokens of their objections."""
    erased = list(body.erased)
    around = [*erased, *(one for one, _ in body.stays)]
    await connection.execute(_SQL.delete_identifiers, controller_id, erased)
    await connection.execute(_SQL.delete_links_of, controller_id, erased, around)
    await connection.execute(_SQL.delete_denied_of, controller_id, erased, around)
    await connection.execute(_SQL.delete_clusters_of, controller_id, erased)
    await connection.execute(_SQL.delete_statements_of, controller_id, erased, [str(one) for one in erased])
    # Of the policy in force, and of the one that may be being prepared.
    versions = [board.policy.version, board.policy.version + 1]
    purposes = list(range(HIGHEST_BIT + 1))
    await connection.execute(_SQL.delete_permits_of, controller_id, erased, versions, purposes)
    # (A rebuild, which is rolled back, deletes them too: of who was erased there are none.)
    await connection.execute(_SQL.delete_prepared_clusters_of, controller_id, erased)
    await connection.execute(_SQL.delete_prepared_denies_of, controller_id, erased)
    await connection.execute(_SQL.delete_parted_of, controller_id, erased, around)
    await connection.execute(_SQL.delete_former_of, controller_id, erased)
    await connection.execute(_SQL.delete_states_of, controller_id, erased)
    if board.put_off.isdisjoint(erased):
        await connection.execute(_SQL.delete_items_of, controller_id, erased)
    if body.suppressed:
        spaces, tokens = zip(*body.suppressed, strict=True)
        await connection.execute(
            _SQL.insert_suppressions, controller_id, list(spaces), list(tokens), board.now
        )


async def erase_payloads(
    connection: Connection,
    controller_id: ControllerId,
    index: EntryIndex,
    body: ErasureBody,
    remains: Sequence[Remain],
) -> None:
    """Delete what the entries of an erasure said, as far as nothing retains it; call it behind the entry."""
    erased = list(body.erased)
    if body.parts:
        entries, parts, until = zip(*body.parts, strict=True)
        later = {one.entry: one for one in remains if one.is_retained}
        left = [later.get(entry, Remain(entry=entry)) for entry in entries]
        await connection.execute(
            _SQL.insert_retained,
            controller_id,
            list(entries),
            list(parts),
            list(until),
            index,
            erased,
            [one.sealed for one in left],
            [one.owner for one in left],
        )
    await connection.execute(_SQL.delete_contents_of, controller_id, erased)
    await forget(connection, controller_id, erased)
    now = [one for one in remains if not one.is_retained]
    changed = [one.entry for one in now]
    await connection.execute(_SQL.delete_messages, controller_id, changed)
    await connection.execute(
        _SQL.erase,
        controller_id,
        index,
        changed,
        [one.sealed for one in now],
        [one.owner for one in now],
    )


async def forget_answers(connection: Connection, controller_id: ControllerId, body: ErasureBody) -> None:
    """Let go of the answers that were kept to repeat what entries said which are erased now."""
    oldest = await connection.fetchval(_SQL.oldest_answered, controller_id)
    if oldest is None:
        return
    said = {*body.gone, *(entry for entry, _ in body.rest), *(entry for entry, _ in body.retained)}
    await connection.execute(
        _SQL.erase_answers, controller_id, sorted(entry for entry in said if entry >= oldest)
    )


async def save_parted(
    connection: Connection, controller_id: ControllerId, pairs: Collection[tuple[IdentifierId, IdentifierId]]
) -> None:
    """Keep which identifiers entries link that no evidence links any more: an erasure looks there too."""
    await connection.execute(
        _SQL.insert_parted, controller_id, [low for low, _ in pairs], [high for _, high in pairs]
    )


async def any_suppression(connection: Connection, controller_id: ControllerId) -> bool:
    """Return whether anybody who objected to direct marketing was erased."""
    return await connection.fetchval(_SQL.any_suppression, controller_id) is not None


async def with_suppressions(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, facts: Sequence[Fact], loaded: Loaded
) -> None:
    """Add which of the identifiers that are new belong to somebody who objected before being erased."""
    new: dict[Ref, Identifier] = {
        ref: one
        for fact in facts
        for ref, one in zip(fact.refs, getattr(fact.body, "identifiers", ()), strict=False)
        if ref not in loaded.identifiers
    }
    if not new:
        return
    tokens = {
        (ref.namespace, ring.suppression(controller_id, one.namespace, one.value)): ref
        for ref, one in new.items()
    }
    rows = await connection.fetch(_SQL.suppressions, controller_id, [token for _, token in tokens])
    for namespace, token, at in rows:
        if (namespace, token) in tokens:
            loaded.suppressed[tokens[namespace, token]] = Instant(at)
