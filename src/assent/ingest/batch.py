"""One commit: what happens between the lock on a controller's head and its end, in numbered steps.

The caller's transaction makes it one. Nothing outside the database is touched.
"""

from collections.abc import Callable, Sequence
from math import inf
from time import monotonic
from uuid import UUID

from msgspec import Struct

from assent.consent.store import load_policy
from assent.core.errors import Refused, Unauthorized
from assent.core.ids import ControllerId, EntryIndex, ProfileId, PurposeId, Revision
from assent.core.time import DAY, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest import preparation
from assent.ingest.board import Board
from assent.ingest.board_parts import Taken
from assent.ingest.deleting import put_off
from assent.ingest.erasure_chunks import close
from assent.ingest.erasure_store import any_suppression, erase_payloads, forget_answers, with_suppressions
from assent.ingest.fold import load_for, save, strips
from assent.ingest.memory import Memory
from assent.ledger.append import Fact, Outcome
from assent.ledger.entries import Header, encode_leaf, to_minute
from assent.ledger.keyring import KeyRing
from assent.ledger.store import (
    Head,
    Log,
    NewEntry,
    Trees,
    append,
    lock_head,
    messages_seen,
    sequences_of,
)
from assent.ledger.tree import TreeState

_SQL = load("ledger")
_DERIVATIONS = load("derivations")
_IMPORTS = load("imports")


class Committed(Struct, frozen=True, kw_only=True):
    """What a commit did. `tree` is None when nothing became an entry."""

    revision: Revision
    now: Instant
    outcomes: tuple[Outcome, ...]
    tree: TreeState | None = None
    checkpoint: str = ""
    memory: Memory | None = None
    """What the next commit need not load, once this one is durable."""


async def commit_batch(
    connection: Connection,
    controller_id: ControllerId,
    facts: Sequence[Fact],
    *,
    trees: Trees,
    clock: Callable[[], Instant],
    batch_id: UUID,
    memory: Memory | None = None,
    longest_s: float = inf,
) -> Committed:
    """Apply facts to a controller's ledger and projections; durable once the caller's transaction is.

    Those that cannot be applied within `longest_s` are left for another commit, the first aside: `outcomes`
    then are those of the facts before them. `memory` is what the commit before gave; it is used up, and of no
    use when this fails. Raises Unauthorized when there is no such controller.
    """
    # (1) lock the head: what is loaded after this, in later statements, cannot change underneath.
    head = await lock_head(connection, controller_id)
    if head is None:
        raise Unauthorized
    # Commits are a microsecond apart at least, so that what one says is before what the next says.
    now = Instant(max(clock(), head.at + 1))
    # (2) load
    memory = await _remembered(connection, controller_id, head, memory)
    board = await _load(connection, trees.ring, controller_id, facts, memory, now)
    # (3) apply
    entries, outcomes = _apply(board, head, facts, longest_s)
    facts = facts[: len(outcomes)]
    if board.refusals:
        await _count_refusals(connection, controller_id, board)
    await _save_progress(connection, controller_id, facts)
    if not entries:
        return Committed(revision=head.revision, now=now, outcomes=outcomes, memory=memory)
    # (4) write the projections, contents and changes
    await _project(connection, controller_id, head, board, facts)
    # (5) entries, tree, head
    tree, checkpoint = await trees.extend(
        connection, controller_id, Log.FACTS, head.frontier, [entry.leaf for entry in entries]
    )
    moved = Head(
        revision=Revision(head.revision + len(entries)),
        at=now,
        policy_version=board.policy.version,
        frontier=tree.frontier.to_bytes(),
        checkpoint=checkpoint,
    )
    await append(connection, controller_id, entries, board.new_messages, moved, batch_id)
    # (6) what follows of some facts
    if head.preparing is not None and board.activated is None:
        await preparation.touch(connection, controller_id, moved.revision, board.touched())
    await _derive(connection, controller_id, board)
    await _erase(connection, controller_id, board, facts)
    memory.keep(moved.revision, now, board)
    return Committed(
        revision=moved.revision,
        now=now,
        outcomes=outcomes,
        tree=tree,
        checkpoint=checkpoint,
        # A policy is other permits for everybody: what is kept of anybody is of the old one. Of who was
        # erased nothing is kept.
        memory=None if board.activated is not None or board.erasures else memory,
    )


async def was_committed(connection: Connection, controller_id: ControllerId, batch_id: UUID) -> bool:
    """Return whether a batch stands in the ledger, for a committer whose connection was lost at the end."""
    return await connection.fetchval(_SQL.batch_committed, controller_id, batch_id) is not None


async def _project(
    connection: Connection, controller_id: ControllerId, head: Head, board: Board, facts: Sequence[Fact]
) -> None:
    """Write what the board holds; what is too much to delete here is closed, and deleted after."""
    await put_off(connection, controller_id, board, head.revision)
    if facts[0].erasing is not None:
        board.put_off.update(one for _, erasure in board.erasures for one in erasure.erased)
    await save(connection, controller_id, board)
    await save_contents(connection, controller_id, board)
    await save_changes(connection, controller_id, board)


async def _derive(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    """Let what rules ask of events be read from the beginning, and what none asks any more be dropped."""
    if board.new_derivations:
        asked = sorted({entry for _, entry in board.new_derivations.values()})
        await connection.execute(_DERIVATIONS.begin_backfill, controller_id, asked)
    if board.gone_derivations:
        await connection.execute(_DERIVATIONS.move_catalogue, controller_id)


async def _erase(
    connection: Connection, controller_id: ControllerId, board: Board, facts: Sequence[Fact]
) -> None:
    """Erase what the logs hold of who was erased, or close it where that is too much for one commit."""
    for index, erasure in board.erasures:
        if facts[0].erasing is None:
            await erase_payloads(connection, controller_id, index, erasure, facts[0].remains)
        else:
            await close(connection, controller_id, facts[0].erasing, index, erasure.erased, board.now)
        await forget_answers(connection, controller_id, erasure)


async def _remembered(
    connection: Connection, controller_id: ControllerId, head: Head, memory: Memory | None
) -> Memory:
    """Return the memory when it is still true, a new one otherwise."""
    if memory is not None and memory.is_of(head.revision, head.at):
        return memory
    policy, names = await load_policy(connection, controller_id, head.policy_version)
    sequences = await sequences_of(connection, controller_id)
    suppressing = await any_suppression(connection, controller_id)
    return Memory(head.revision, head.at, policy, names, sequences, suppressing=suppressing)


async def _load(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    facts: Sequence[Fact],
    memory: Memory,
    now: Instant,
) -> Board:
    keys = [fact.message_key for fact in facts if fact.message_key is not None]
    messages = await messages_seen(connection, controller_id, keys, now)
    loaded = await load_for(
        connection, controller_id, memory.policy, facts, now, memory.sequences, messages, memory
    )
    if memory.suppressing:
        await with_suppressions(connection, ring, controller_id, facts, loaded)
    return Board(memory.policy, memory.names, now, loaded)


def _apply(
    board: Board, head: Head, facts: Sequence[Fact], longest_s: float
) -> tuple[list[NewEntry], tuple[Outcome, ...]]:
    entries: list[NewEntry] = []
    outcomes: list[Outcome] = []
    lines: dict[tuple[str, str, str | None, int], bytes] = {}
    until = monotonic() + longest_s
    for fact in facts:
        if outcomes and monotonic() >= until:
            break
        index = EntryIndex(head.revision + len(entries))
        before = board.entry_of(fact)
        if fact.reading is not None and before is None:
            for code, number in fact.reading.refused.items():
                board.refusals[fact.source, code] += number
        try:
            taken = board.apply(index, fact)
        except Refused as refusal:
            board.refusals[fact.source, refusal.code] += 1
            outcomes.append(Outcome(code=refusal.code))
            continue
        if taken is None:
            outcomes.append(Outcome(index=before, repeated=before is not None))
            continue
        outcomes.append(Outcome(index=index))
        entries.append(
            NewEntry(
                index=index,
                leaf=_leaf(board, fact, taken, lines),
                identifier=taken.identifier,
                sealed=fact.who.sealed,
            )
        )
    return entries, tuple(outcomes)


def _leaf(
    board: Board, fact: Fact, taken: Taken, lines: dict[tuple[str, str, str | None, int], bytes]
) -> bytes:
    """Return the leaf: the header, a commitment to who, and one to each content that was kept."""
    key = (fact.kind, fact.role, fact.purpose, board.policy.version)
    line = lines.get(key)
    if line is None:
        header = Header(
            kind=fact.kind,
            minute=to_minute(board.now),
            role=fact.role,
            purpose=fact.purpose,
            policy_version=board.policy.version,
        )
        lines[key] = line = encode_leaf(header, ())
    return b"".join((line, fact.who.commitment, *(content.part.commitment for content in taken.contents)))


async def save_contents(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    """Delete and strip what closed; insert what was kept."""
    for ids, categories, purposes in strips(board):
        await connection.execute(_SQL.delete_contents, controller_id, ids, categories, purposes)
        await connection.execute(_SQL.strip_contents, controller_id, ids, categories, purposes)
    kept = [content for content in board.contents if content.basis]
    if kept:
        await connection.execute(
            _SQL.insert_contents,
            controller_id,
            [content.identifier for content in kept],
            [content.entry for content in kept],
            [content.number for content in kept],
            [content.category for content in kept],
            [content.basis for content in kept],
            [content.part.sealed for content in kept],
            [content.at for content in kept],
            [content.slot for content in kept],
        )
        if slots := list({content.slot for content in kept if content.slot is not None}):
            await connection.execute(_SQL.settle_contents, controller_id, slots)


async def save_changes(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    """Say what changed for which purpose, and move the purposes' heads."""
    rows: list[tuple[PurposeId, int, ProfileId | None, bool, bytes | None]] = [
        (purpose, seq, profile, narrow, None) for (purpose, profile), (seq, narrow) in board.changed.items()
    ]
    for (purpose, account), (seq, narrow) in board.changed_accounts.items():
        rows.append((purpose, seq, None, narrow, account))
    if rows:
        await connection.execute(_SQL.insert_changes, controller_id, *map(list, zip(*rows, strict=True)))


async def _count_refusals(connection: Connection, controller_id: ControllerId, board: Board) -> None:
    rows = sorted(board.refusals.items())
    await connection.execute(
        _SQL.count_refusals,
        controller_id,
        board.now // DAY,
        [source for (source, _), _ in rows],
        [code for (_, code), _ in rows],
        [count for _, count in rows],
    )


async def _save_progress(connection: Connection, controller_id: ControllerId, facts: Sequence[Fact]) -> None:
    """Move the progress of files that facts are read from, unless something before them is not durable."""
    read: dict[bytes, tuple[int, int]] = {}
    for reading in (fact.reading for fact in facts if fact.reading is not None):
        first, following = read.get(reading.file, (reading.first, reading.first))
        if reading.first <= following:
            read[reading.file] = first, max(following, reading.next)
    for file, (first, following) in sorted(read.items()):
        await connection.execute(_IMPORTS.move_progress, controller_id, file, first, following)


__all__ = ["Committed", "commit_batch", "was_committed"]
