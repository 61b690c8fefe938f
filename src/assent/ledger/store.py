"""Read and write entries, trees and heads. The caller's transaction holds the head's lock.

Two logs per controller grow by the same code: the facts and the releases. Nothing is decided here.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

from assent.core.errors import Unauthorized
from assent.core.ids import ControllerId, EntryIndex, IdentifierId, PurposeId, Revision
from assent.core.time import DAY, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ledger.checkpoint import Checkpoint, sign_checkpoint
from assent.ledger.keyring import KeyRing
from assent.ledger.note import Signer
from assent.ledger.tiles import TileAt, TileHashes, tile_width, tiles_of
from assent.ledger.tree import (
    HASH_BYTES,
    TILE_WIDTH,
    Frontier,
    Node,
    TreeState,
    consistency_nodes,
    consistency_proof,
    extend,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    pending_widths,
)

_SQL = load("ledger")
_RELEASES = load("releases")

MESSAGE_WINDOW: Final = 35 * DAY
"""How long a retried message is recognised (DESIGN section 4); older events enter by import alone."""


class Log(IntEnum):
    """The two trees of a controller; the number is stored."""

    FACTS = 0
    RELEASES = 1


class Head(Struct, frozen=True, kw_only=True):
    """Where a controller stands: the ledger's size, its time, the policy in force, the tree."""

    revision: Revision
    at: Instant
    policy_version: int
    frontier: bytes
    checkpoint: str = ""
    preparing: int | None = None
    """The policy version that is being prepared beside the one in force."""
    catalogue: int = 0
    """How often the derived features changed."""


class Trees:
    """The trees this process writes, kept between commits; read anew when another process wrote."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._states: dict[tuple[ControllerId, Log], TreeState] = {}

    @property
    def ring(self) -> KeyRing:
        """The ring the trees are signed with."""
        return self._ring

    def signer(self, controller_id: ControllerId, log: Log) -> Signer:
        """Return the key that signs a log's checkpoints."""
        return self._ring.signer(str(controller_id), log.name.lower())

    async def extend(
        self,
        connection: Connection,
        controller_id: ControllerId,
        log: Log,
        frontier: bytes,
        leaves: Sequence[bytes],
    ) -> tuple[TreeState, str]:
        """Grow a tree whose head has `frontier`, write the tiles that became complete, sign the checkpoint.

        Returns the tree and the checkpoint; `kept` takes the tree over once the transaction is committed.
        """
        state = self._states.get((controller_id, log))
        if state is None or state.frontier.to_bytes() != frontier:
            state = await _read(connection, controller_id, log, Frontier.from_bytes(frontier).size)
        state, tiles = extend(state, [leaf_hash(leaf) for leaf in leaves])
        if tiles:
            await connection.execute(
                _SQL.insert_tiles,
                controller_id,
                int(log),
                [tile.level for tile in tiles],
                [tile.index for tile in tiles],
                [tile.hashes for tile in tiles],
                [tile.root for tile in tiles],
            )
        return state, self.sign(controller_id, log, state)

    def sign(self, controller_id: ControllerId, log: Log, state: TreeState) -> str:
        """Return the signed checkpoint of a tree."""
        signer = self.signer(controller_id, log)
        checkpoint = Checkpoint(origin=signer.name, size=state.size, root=state.root())
        return sign_checkpoint(checkpoint, signer).decode()

    def kept(self, controller_id: ControllerId, log: Log, state: TreeState) -> None:
        """Keep a committed tree for the next append."""
        self._states[controller_id, log] = state


async def lock_head(connection: Connection, controller_id: ControllerId) -> Head | None:
    """Lock and return a controller's head; None when there is no such controller."""
    row = await connection.fetchrow(_SQL.lock_head, controller_id)
    return None if row is None else Head(**dict(row))


async def read_head(connection: Connection, controller_id: ControllerId) -> Head:
    """Return where a controller stands. Raises Unauthorized when there is no such controller."""
    row = await connection.fetchrow(_SQL.head, controller_id)
    if row is None:
        raise Unauthorized
    return Head(**dict(row))


async def sequences_of(connection: Connection, controller_id: ControllerId) -> dict[PurposeId, int]:
    """Return every purpose's sequence."""
    rows = await connection.fetch(_SQL.sequences, controller_id)
    return {row["purpose_id"]: row["seq"] for row in rows}


async def messages_seen(
    connection: Connection, controller_id: ControllerId, keys: Sequence[bytes], now: Instant
) -> dict[bytes, EntryIndex]:
    """Return those message keys that were taken within the window, with the entries they became."""
    if not keys:
        return {}
    rows = await connection.fetch(_SQL.messages_seen, controller_id, keys, now - MESSAGE_WINDOW)
    return {row["message_key"]: row["entry_index"] for row in rows}


class NewEntry(Struct, frozen=True, kw_only=True):
    """One entry to insert, with its payload: who it is about, sealed."""

    index: EntryIndex
    leaf: bytes
    identifier: IdentifierId
    sealed: bytes


async def append(
    connection: Connection,
    controller_id: ControllerId,
    entries: Sequence[NewEntry],
    messages: Mapping[bytes, EntryIndex],
    head: Head,
    batch_id: UUID,
) -> None:
    """Append at least one entry, and move the head to `head`."""
    await connection.execute(
        _SQL.append,
        controller_id,
        [entry.index for entry in entries],
        [entry.leaf for entry in entries],
        [entry.identifier for entry in entries],
        [entry.sealed for entry in entries],
        list(messages),
        list(messages.values()),
        entries[0].index,
        len(entries),
        batch_id,
        head.at,
        head.policy_version,
        head.frontier,
        head.checkpoint,
    )


async def inclusion_proofs(
    connection: Connection, controller_id: ControllerId, log: Log, indexes: Sequence[int], size: int
) -> list[tuple[bytes, ...]]:
    """Return, for each index, the proof that its leaf is in the tree a log had at `size`, which it reached.

    Raises ValueError when the tree has no such leaf.
    """
    nodes = [node for index in indexes for part in inclusion_nodes(index, size) for node in part]
    hashes = await _hashes(connection, controller_id, log, size, nodes)
    return [inclusion_proof(index, size, hashes) for index in indexes]


async def consistency(
    connection: Connection, controller_id: ControllerId, log: Log, first: int, second: int
) -> tuple[bytes, ...]:
    """Return the proof that the tree of `second` leaves, which the log reached, begins with that of `first`.

    Every tree begins with the empty one: that proof is empty. Raises ValueError when `first` is the larger.
    """
    if first == 0:
        return ()
    nodes = [node for part in consistency_nodes(first, second) for node in part]
    return consistency_proof(first, second, await _hashes(connection, controller_id, log, second, nodes))


async def tile(
    connection: Connection, controller_id: ControllerId, log: Log, at: TileAt, size: int
) -> bytes | None:
    """Return the hashes of a tile, or None when the tree of `size` leaves does not have that many."""
    if isinstance(at.level, str) or tile_width(at.level, at.number, size) < at.width:
        return None
    first = at.number * TILE_WIDTH
    if at.level == 0:
        found = await leaves(connection, controller_id, log, first, first + at.width)
        return b"".join(map(leaf_hash, found))
    rows = await connection.fetch(
        _SQL.tile_roots, controller_id, int(log), at.level - 1, first, first + at.width
    )
    return b"".join(root for (root,) in rows)


async def leaves(
    connection: Connection, controller_id: ControllerId, log: Log, first: int, end: int
) -> list[bytes]:
    """Return the leaves of a log from `first` to before `end`, in order."""
    statement = _SQL.leaves_from if log is Log.FACTS else _RELEASES.release_leaves_from
    return [leaf for (leaf,) in await connection.fetch(statement, controller_id, first, end)]


async def root_at_size(connection: Connection, controller_id: ControllerId, log: Log, size: int) -> bytes:
    """Return the root that a log had at a size it has reached."""
    return (await _read(connection, controller_id, log, size)).root()


async def _read(connection: Connection, controller_id: ControllerId, log: Log, size: int) -> TreeState:
    pending = []
    for level, width in enumerate(pending_widths(size)):
        end = size >> 8 * level
        if level == 0:
            found = await leaves(connection, controller_id, log, end - width, end)
            pending.append(b"".join(map(leaf_hash, found)))
        else:
            rows = await connection.fetch(
                _SQL.tile_roots, controller_id, int(log), level - 1, end - width, end
            )
            pending.append(b"".join(root for (root,) in rows))
    return TreeState.resume(size, pending)


async def _hashes(
    connection: Connection, controller_id: ControllerId, log: Log, size: int, nodes: Iterable[Node]
) -> TileHashes:
    """Return a reader of the hashes that proofs over the tree of `size` leaves ask for."""
    wanted = tiles_of(nodes)
    whole = [at for at in wanted if tile_width(*at, size) == TILE_WIDTH]
    rows = await connection.fetch(
        _SQL.tiles, controller_id, int(log), [level for level, _ in whole], [index for _, index in whole]
    )
    tiles = {(level, index): digests for level, index, digests in rows}
    if len(whole) < len(wanted):
        # What is not complete at that size is computed from what stands below it, one tile for each level.
        for level, hashes in enumerate((await _read(connection, controller_id, log, size)).pending):
            tiles[level, (size >> 8 * level) // TILE_WIDTH] = hashes
    if any(len(tiles.get(at, b"")) < HASH_BYTES for at in wanted):
        message = "the database does not hold the tiles of its own tree"
        raise LookupError(message)
    return TileHashes(tiles)
