"""Load what a batch touches, and save what it made different. The rest of the fold is `board`, which is pure.

The caller holds the controller's head, so nothing loaded can change underneath. Every statement names the
projection tables without a schema: the same fold fills the live schema and a rebuilt one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from assent.consent import store as consent_store
from assent.core.ids import (
    CategoryMask,
    ControllerId,
    EntryIndex,
    IdentifierId,
    ProfileId,
    PurposeId,
    PurposeMask,
    ViewId,
)
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.features import store as feature_store
from assent.features.accumulate import State, pack_value
from assent.identity import store as identity_store
from assent.identity.store import Known
from assent.ingest import preparation
from assent.ingest.board import Board
from assent.ingest.board_parts import Activated, KeptItem, Loaded, StateKey, Told
from assent.ingest.component import Derived
from assent.ingest.erasure_store import newest_entry, save_erasure, save_parted
from assent.ingest.facts import (
    AudienceBody,
    DerivationBody,
    ErasureBody,
    EventBody,
    MarkBody,
    PolicyBody,
    StatedBody,
)
from assent.ingest.loading import load_components
from assent.ingest.memory import Held, Memory, recall
from assent.ledger.append import Fact, Ref

if TYPE_CHECKING:
    from assent.consent.permit import Permit

_CONSENT = load("consent")
_DERIVATIONS = load("derivations")

_PAGE = 10_000

_STATING = (StatedBody, MarkBody, ErasureBody)


async def load_for(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    facts: Sequence[Fact],
    now: Instant,
    sequences: dict[PurposeId, int],
    messages: dict[bytes, EntryIndex],
    memory: Memory | None = None,
    *,
    replaying: bool = False,
) -> Loaded:
    """Return everything that applying these facts may read; what `memory` keeps is not read again.

    When `replaying`, a policy that had been prepared is derived for everybody at once.
    """
    known, found = await _known(connection, controller_id, policy, facts, memory, replaying=replaying)
    # An event about one identifier alone joins nothing and states nothing: what it needs has been derived.
    # What a memory keeps must serve any fact after it.
    joining = memory is not None or any(
        not isinstance(fact.body, EventBody) or len(fact.refs) > 1 for fact in facts
    )
    loaded = await load_components(connection, controller_id, policy, known, evidence=joining)
    recall(loaded, found)
    loaded.sequences = sequences
    loaded.messages = messages
    if isinstance(facts[0].body, ErasureBody):
        loaded.moved_since = await newest_entry(connection, controller_id, loaded.denies)
    # Only a statement, or a permit found lapsed, takes data away: then from everybody it is about.
    stating = any(isinstance(fact.body, _STATING) for fact in facts) or any(
        permit.until <= now
        for derived in loaded.derived
        for held in derived.permits.values()
        for permit in held
    )
    owners = {
        loaded.identifiers[fact.refs[0]]
        for fact in facts
        if fact.contents and fact.refs[0] in loaded.identifiers
    }
    wanted = set(loaded.denies) if stating else owners
    wanted -= loaded.states.keys()
    loaded.states |= await feature_store.states_of(connection, controller_id, wanted)
    for one in wanted:
        loaded.states.setdefault(one, {})
    if policy.accounts and not replaying:
        loaded.told = await told_of(connection, controller_id, loaded.denies)
    await _load_catalogue(connection, controller_id, facts, loaded)
    return loaded


async def _known(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    facts: Sequence[Fact],
    memory: Memory | None,
    *,
    replaying: bool,
) -> tuple[Sequence[Known], list[Held]]:
    """Return those whom these facts may concern: read, and those whom the memory keeps."""
    activation = next((fact.body for fact in facts if isinstance(fact.body, PolicyBody)), None)
    if activation is not None:
        ids = None if replaying else await preparation.left(connection, controller_id, policy, activation)
        if ids is None:
            return await _everybody(connection, controller_id), []
        return await identity_store.known_by_id(connection, controller_id, ids), []
    if isinstance(body := facts[0].body, ErasureBody):
        around = [*body.erased, *(one for one, _ in body.stays)]
        return await identity_store.known_by_id(connection, controller_id, around), []
    refs: Collection[Ref] = {ref for fact in facts for ref in fact.refs}
    found, refs = ([], refs) if memory is None else memory.find(refs)
    return await identity_store.known_by_ref(connection, controller_id, refs), found


async def _load_catalogue(
    connection: Connection, controller_id: ControllerId, facts: Sequence[Fact], loaded: Loaded
) -> None:
    """Load what facts about audiences and derived features need."""
    audiences = [fact.body.audience for fact in facts if isinstance(fact.body, AudienceBody)]
    if audiences:
        rows = await connection.fetch(_CONSENT.audience_versions, controller_id, audiences)
        loaded.audience_versions = dict(map(tuple, rows))
    if any(isinstance(fact.body, DerivationBody) for fact in facts):
        rows = await connection.fetch(_DERIVATIONS.derived_folded, controller_id)
        loaded.derivations = {name: number for number, name in rows}
        loaded.derivations_given = await connection.fetchval(_DERIVATIONS.derived_count, controller_id)


async def states_of(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[IdentifierId, dict[StateKey, State]]:
    """Return the states of these identifiers, for jobs that make them anew; never for an engine."""
    return await feature_store.states_of(connection, controller_id, ids)


async def told_of(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[IdentifierId, set[Told]]:
    """Return what identifiers told of accounts."""
    found: dict[IdentifierId, set[Told]] = defaultdict(set)
    for one, account, category, basis in await feature_store.told_of(connection, controller_id, ids):
        found[one].add(Told(account, category, basis))
    return dict(found)


async def load_states(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> list[State]:
    """Return all states of these identifiers, for who may see the whole person; never for an engine."""
    states = await feature_store.states_of(connection, controller_id, ids)
    return [state for held in states.values() for state in held.values()]


async def save(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    """Write what the board made different, in an order that deletes before it inserts."""
    if board.activated is not None:
        await _save_policy(connection, controller_id, board, board.activated)
    for _, erasure in board.erasures:
        await save_erasure(connection, controller_id, board, erasure)
    await _save_identity(connection, controller_id, board)
    if board.statements:
        await consent_store.insert_statements(connection, controller_id, board.statements)
    await _save_derived(connection, controller_id, board)
    await _save_features(connection, controller_id, board)
    await _save_derivations(connection, controller_id, board)
    for audience in board.audiences:
        await connection.execute(
            _CONSENT.insert_audiences,
            controller_id,
            audience.body.audience,
            audience.version,
            audience.entry,
            audience.body.title,
            list(audience.body.purposes),
            audience.body.rule,
            audience.body.holdout,
            audience.body.goals,
        )


async def _save_policy(
    connection: Connection, controller_id: ControllerId, board: Board, activated: Activated
) -> None:
    await consent_store.insert_policy(
        connection, controller_id, board.policy, board.names, activated.entry, activated.documents
    )
    if activated.flips:
        # Everybody who is not on the board was prepared. The old permits are swept afterwards.
        await preparation.flip(connection, controller_id, activated.before, board.policy, board.moved)
    else:
        await consent_store.delete_permits_before(connection, controller_id, board.policy.version)


def strips(board: Board) -> Iterable[tuple[list[IdentifierId], CategoryMask, PurposeMask]]:
    """Yield what is taken away in this commit, identifiers grouped by what they lose."""
    grouped: dict[tuple[CategoryMask, PurposeMask], list[IdentifierId]] = defaultdict(list)
    for closing in (one for one in board.strips if one.identifier not in board.put_off):
        grouped[closing.categories, PurposeMask(1 << closing.purpose)].append(closing.identifier)
    for (categories, purposes), ids in grouped.items():
        yield ids, categories, purposes


async def _everybody(connection: Connection, controller_id: ControllerId) -> list[Known]:
    found: list[Known] = []
    while page := await identity_store.known_after(
        connection, controller_id, found[-1].node.id if found else IdentifierId(-1), _PAGE
    ):
        found += page
    return found


async def _save_identity(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    if board.new_identifiers:
        await identity_store.insert_identifiers(
            connection, controller_id, board.new_identifiers, board.denies, board.seen_by
        )
    fresh = {node.id for node in board.new_identifiers}
    none = PurposeMask(0)
    masks = {
        one: (board.denies.get(one, none), board.seen_by.get(one, none))
        for one in sorted(board.new_masks - fresh)
    }
    if masks:
        await identity_store.update_masks(connection, controller_id, masks)
    if board.gone_links or board.lifted:
        # An identifier that stayed shared has a pair with itself.
        parted = {key[:2] for key in board.gone_links} | {one for one in board.lifted if one[0] != one[1]}
        await save_parted(connection, controller_id, parted)
        await identity_store.delete_links(connection, controller_id, board.gone_links, board.lifted)
    if board.former:
        await identity_store.insert_former(connection, controller_id, board.former)
    if board.links:
        await identity_store.upsert_links(connection, controller_id, list(board.links.values()))
    if board.denied:
        await identity_store.upsert_denied(connection, controller_id, board.denied)


async def _save_derived(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    gone_permits: list[Permit] = []
    opened: list[Permit] = []
    gone: list[tuple[ViewId, IdentifierId]] = []
    placed: list[tuple[ViewId, IdentifierId, ProfileId]] = []
    for one in sorted(board.moved):
        before, after = board.stored.get(one), board.derived_of(one)
        old = before.permits.get(one, ()) if before is not None and board.activated is None else ()
        new = after.permits[one]
        if old != new:
            gone_permits += [permit for permit in old if permit not in new]
            opened += [permit for permit in new if permit not in old]
        _moves(one, before, after, gone, placed)
    await consent_store.move_permits(connection, controller_id, board.policy.version, gone_permits, opened)
    await identity_store.move_clusters(connection, controller_id, gone, placed)


def _moves(
    one: IdentifierId,
    before: Derived | None,
    after: Derived,
    gone: list[tuple[ViewId, IdentifierId]],
    placed: list[tuple[ViewId, IdentifierId, ProfileId]],
) -> None:
    old = {view: rows[one] for view, rows in before.profiles.items() if one in rows} if before else {}
    new = {view: rows[one] for view, rows in after.profiles.items() if one in rows}
    if old != new:
        gone += [(view, one) for view in old if view not in new]
        placed += [(view, one, profile) for view, profile in new.items() if old.get(view) != profile]


async def _save_features(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    for ids, categories, purposes in strips(board):
        await feature_store.strip_items(connection, controller_id, ids, categories, purposes)
    kept, gone = [], []
    for one, key in sorted(board.dirty_states):
        state = board.states.get(one, {}).get(key)
        if state is None:
            gone.append((one, key))
        else:
            kept.append((one, key, state))
    if gone:
        await feature_store.delete_states(connection, controller_id, gone)
    if kept:
        await feature_store.upsert_states(connection, controller_id, kept)
    await keep_items(connection, controller_id, [row for row in board.items if row.basis])


async def keep_items(connection: Connection, controller_id: ControllerId, kept: Sequence[KeptItem]) -> None:
    """Insert items of windowed, distinct and derived features."""
    if kept:
        rows = [
            (
                row.identifier,
                row.item.feature,
                row.item.entry,
                row.category,
                row.basis,
                row.item.at,
                pack_value(row.item.value),
                row.account,
                row.slot,
            )
            for row in kept
        ]
        await feature_store.insert_items(connection, controller_id, rows)
        if slots := {row.slot for row in kept if row.slot is not None}:
            await feature_store.settle_items(connection, controller_id, slots)


async def _save_derivations(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    if board.new_derivations:
        await connection.execute(
            _DERIVATIONS.insert_derived,
            controller_id,
            list(board.new_derivations),
            [name for name, _ in board.new_derivations.values()],
            [entry for _, entry in board.new_derivations.values()],
        )
    if board.gone_derivations:
        gone = sorted(board.gone_derivations)
        await connection.execute(_DERIVATIONS.drop_derived, controller_id, gone)
        await connection.execute(_DERIVATIONS.delete_derived_items, controller_id, gone)


__all__ = ["keep_items", "load_for", "save", "strips"]
