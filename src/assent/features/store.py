"""Read and write feature states and items for the fold. What leaves for an answer leaves by the gate."""

from collections.abc import Collection, Iterable, Sequence

from assent.core.ids import (
    CategoryId,
    CategoryMask,
    ControllerId,
    EntryIndex,
    FeatureId,
    IdentifierId,
    PurposeMask,
)
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.features.accumulate import State, pack, unpack

_SQL = load("features")

StateKey = tuple[CategoryId, PurposeMask]
ItemRow = tuple[
    IdentifierId,
    FeatureId,
    EntryIndex,
    CategoryId,
    PurposeMask,
    Instant,
    bytes,
    bytes | None,
    bytes | None,
]
"""The last two are the account that it is about and the place that it takes over, if any."""


async def states_of(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[IdentifierId, dict[StateKey, State]]:
    """Return the states of these identifiers, by category and basis set."""
    found: dict[IdentifierId, dict[StateKey, State]] = {}
    if ids:
        for one, category, basis, state in await connection.fetch(_SQL.states_of, controller_id, list(ids)):
            found.setdefault(one, {})[category, basis] = unpack(state)
    return found


async def upsert_states(
    connection: Connection,
    controller_id: ControllerId,
    states: Sequence[tuple[IdentifierId, StateKey, State]],
) -> None:
    """Insert or replace states."""
    await connection.execute(
        _SQL.upsert_states,
        controller_id,
        [one for one, _, _ in states],
        [category for _, (category, _), _ in states],
        [basis for _, (_, basis), _ in states],
        [pack(state) for _, _, state in states],
    )


async def delete_states(
    connection: Connection, controller_id: ControllerId, keys: Iterable[tuple[IdentifierId, StateKey]]
) -> None:
    """Delete states."""
    gone = list(keys)
    await connection.execute(
        _SQL.delete_states,
        controller_id,
        [one for one, _ in gone],
        [category for _, (category, _) in gone],
        [basis for _, (_, basis) in gone],
    )


async def insert_items(connection: Connection, controller_id: ControllerId, rows: Sequence[ItemRow]) -> None:
    """Insert items of windowed and distinct features."""
    columns = zip(*rows, strict=True)
    await connection.execute(_SQL.insert_items, controller_id, *(list(column) for column in columns))


async def settle_items(connection: Connection, controller_id: ControllerId, slots: Collection[bytes]) -> None:
    """Let the newest item of each place take over the purposes of those before it."""
    await connection.execute(_SQL.settle_items, controller_id, list(slots))


async def told_of(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> list[tuple[IdentifierId, bytes, CategoryId, PurposeMask]]:
    """Return what these identifiers told of accounts: of which, in which category, carried for whom."""
    return [tuple(row) for row in await connection.fetch(_SQL.told_of, controller_id, list(ids))]


async def strip_items(
    connection: Connection,
    controller_id: ControllerId,
    ids: Sequence[IdentifierId],
    categories: CategoryMask,
    purposes: PurposeMask,
) -> None:
    """Take purposes from the basis sets of these identifiers' items; delete what nothing carries then."""
    await connection.execute(_SQL.delete_items, controller_id, list(ids), categories, purposes)
    await connection.execute(_SQL.strip_items, controller_id, list(ids), categories, purposes)
