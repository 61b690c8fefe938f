"""Delete what is closed: in its own commit when it is small, else in chunks soon after.

`put_off` is asked by every commit that closes anything, before it writes: whose rows are more than the commit
may touch, or name somebody whom a purpose knows by them, is noted (`ledger.deletion`). From that commit on
nobody is shown them: the gate, rules, exports and rebuilds read what is kept through `ledger.kept_content`
and `ledger.kept_item`, which leave them out.
States are never put off: they are few, and made anew by what closes them. `delete_chunk` deletes some of what
was noted, in a transaction of its own: a worker that is killed leaves whole chunks, and the place where they
end. What is collected after the closing is no part of it, whoever consents anew meanwhile.

Raises nothing of its own.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import reduce
from operator import or_
from typing import Final

from msgspec import Struct

from assent.consent.permit import standing
from assent.core.ids import CategoryMask, ControllerId, EntryIndex, IdentifierId, PurposeId, Revision, members
from assent.core.policy import Policy
from assent.core.time import DAY, Instant, shifted
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.board import Board
from assent.ingest.closing import Closing

_SQL = load("deletion")

MOST_ROWS: Final = 20_000
"""Rows of content and items that one commit takes along, of the 50,000 that it may touch."""

CHUNK: Final = 5_000
"""Rows of one chunk, in some hundredths of a second: whoever waits for the head waits no longer."""


class Waiting(Struct, frozen=True, kw_only=True):
    """What is closed and not deleted yet."""

    identifiers: int
    since: Instant | None = None
    due: Instant | None = None
    """By when the first of it is to be gone, as its policy says."""


async def put_off(
    connection: Connection, controller_id: ControllerId, board: Board, revision: Revision
) -> None:
    """Note what the board closes of whoever holds more than one commit may delete; the rest is left to it.

    Noted too is whose data a purpose may know somebody by: who else it is known by is looked up when there is
    time for it. The caller holds the head, which stands at `revision`: what is stored came before that.
    """
    closed = {closing.identifier for closing in board.strips}
    if not closed:
        return
    room = MOST_ROWS
    for one, held in (await rows_held(connection, controller_id, closed)).items():
        if held > room:
            board.put_off.add(one)
        else:
            room -= held
    noted = board.put_off | {closing.identifier for closing in _knowing(board)}
    if noted:
        await _note(connection, controller_id, board, noted, revision)


def _knowing(board: Board) -> Iterator[Closing]:
    """Yield those closings by which a purpose may know of somebody: it needed no statement to."""
    bare = {one.purpose for one in standing(board.policy)}
    # Under a policy before, too.
    bare |= {PurposeId(one) for one in members(reduce(or_, board.seen_by.values(), 0))}
    for closing in board.strips:
        back = (board.policy.purposes[one].retroactive for one in bare & board.policy.purposes.keys())
        if closing.purpose in bare or any(categories & closing.categories for categories in back):
            yield closing


async def rows_held(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[IdentifierId, int]:
    """Return how many rows of content and items each of these holds, counted as far as it matters."""
    rows = await connection.fetch(_SQL.rows_held, controller_id, sorted(ids), MOST_ROWS + 1)
    return dict(map(tuple, rows))


async def _note(
    connection: Connection,
    controller_id: ControllerId,
    board: Board,
    noted: Collection[IdentifierId],
    revision: Revision,
) -> None:
    closed: dict[tuple[IdentifierId, PurposeId], int] = defaultdict(int)
    for closing in board.strips:
        if closing.identifier in noted:
            closed[closing.identifier, closing.purpose] |= closing.categories
    rows = [
        (one, 1 << purpose, CategoryMask(categories), _due(board.policy, purpose, board.now))
        for (one, purpose), categories in sorted(closed.items())
    ]
    ids, purposes, categories, due = zip(*rows, strict=True)
    await connection.execute(
        _SQL.note, controller_id, list(ids), list(purposes), list(categories), revision, board.now, list(due)
    )


async def note_all(
    connection: Connection,
    controller_id: ControllerId,
    ids: Collection[IdentifierId],
    before: EntryIndex,
    now: Instant,
) -> None:
    """Note that everything of these goes, whatever carries it: they are erased by entry `before`."""
    every = [-1] * len(ids)
    await connection.execute(_SQL.note, controller_id, list(ids), every, every, before, now, [now] * len(ids))


def _due(policy: Policy, purpose: PurposeId, now: Instant) -> Instant:
    declared = policy.purposes.get(purpose)
    # Of a purpose that the policy declares no more, the time that policies have unless they say another.
    return Instant(now + DAY) if declared is None else shifted(now, declared.erase_within)


async def noted_after(
    connection: Connection, controller_id: ControllerId, after: tuple[Instant, IdentifierId], limit: int
) -> list[tuple[Instant, IdentifierId]]:
    """Return of whom something waits, the most urgent first, after a place in that order."""
    rows = await connection.fetch(_SQL.noted, controller_id, *after, limit)
    return [(row["due"], row["identifier_id"]) for row in rows]


async def delete_chunk(
    connection: Connection, controller_id: ControllerId, one: IdentifierId, limit: int = CHUNK
) -> tuple[int, bool]:
    """Delete some of what is noted of an identifier; return how many rows went, and whether that was all.

    The caller's transaction holds the head.
    """
    at = await connection.fetchrow(_SQL.place, controller_id, one)
    if at is None:
        return 0, True
    if not at["contents_done"]:
        page = await connection.fetchrow(
            _SQL.delete_contents_page, controller_id, one, at["content_entry"], at["content_part"], limit
        )
        entry, part, looked_at, deleted = page or (at["content_entry"], at["content_part"], 0, 0)
        done = looked_at < limit
        await connection.execute(_SQL.move_contents, controller_id, one, entry, part, done)
        return deleted, False
    # Items after contents: what events are read again for (`derivations`) is made of content that is kept.
    page = await connection.fetchrow(
        _SQL.delete_items_page, controller_id, one, at["item_feature"], at["item_entry"], limit
    )
    if page is None or page["looked_at"] < limit:
        await forget(connection, controller_id, [one])
        return 0 if page is None else page["deleted"], True
    await connection.execute(_SQL.move_items, controller_id, one, page["feature_id"], page["entry_index"])
    return page["deleted"], False


async def forget(connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]) -> None:
    """Let nothing wait of these identifiers any more: it is gone."""
    await connection.execute(_SQL.finish, controller_id, list(ids))


async def waiting(connection: Connection, controller_id: ControllerId) -> Waiting:
    """Return how much is closed and not deleted yet."""
    row = await connection.fetchrow(_SQL.waiting, controller_id)
    return Waiting(identifiers=0) if row is None else Waiting(**dict(row))
