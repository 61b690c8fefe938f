"""Plant millions of stored events: what a few thousand ingested ones left, multiplied where it stands.

A copy is every row that the service wrote for the controller, with indexes, identifiers, sequences and
message keys of its own. Copied people are called what the benchmarks call them (`people`), so that events to
come reach them. The tree over all leaves is grown by the ledger's own code: the service goes on from it, and
inclusion in it can be proven. What is sealed was sealed for the original's place: a copy's does not open. No
service may run meanwhile.

Raises AssertionError when what was ingested is not what can be multiplied.
"""

from typing import Final

import msgspec

from assent.app import ring_path
from assent.config import Settings
from assent.core.ids import ControllerId, NamespaceId
from assent.core.names import NameBook
from assent.database.types import Connection
from assent.ledger.keyring import KeyRing, load_ring
from assent.ledger.store import Log, Trees, read_head
from tests.benchmarks import people
from tests.benchmarks.world import Controller, World

_POSITIONS: Final = 64
"""An identifier's number is its entry's index times this, and its position."""

_COPIED: Final = {
    "ledger": ("entry", "payload", "content", "batch", "message", "change"),
    "projection": (
        *("identifier", "link", "denied_link", "cluster", "statement", "permit"),
        *("feature_state", "feature_item"),
    ),
}
_LEFT: Final = {
    "ledger": (
        *("controller", "head", "purpose_head", "tile", "api_key", "idempotency", "import_progress"),
        *("refusal", "intake", "release", "release_head", "release_entry", "backfill", "upkeep", "retained"),
        *("preparation", "prepared_cluster", "prepared_denies", "touched"),
        *("feed", "feed_change", "feed_subject", "webhook", "ping"),
        *("deletion", "release_reference", "account_change", "erasing", "erasing_entry", "asked"),
    ),
    "projection": (
        "policy",
        "purpose",
        "audience",
        "derived_feature",
        "former_link",
        "parted",
        "suppression",
    ),
}
"""What does not grow with events, what is counted by day, and what is moved once at the end."""

_READ: Final = (
    "ledger.message",
    *(f"projection.{name}" for name in ("identifier", "link", "cluster", "statement", "permit")),
    "projection.feature_state",
)

SHOWN: Final = ("identifier", "permit", "cluster", "feature_state", "feature_item")
"""What the gate's view reads of people."""

_ENTRIES: Final = ("entry_index", "first_entry", "last_entry", "first_index")
_IDENTIFIERS: Final = ("identifier_id", "low_id", "high_id", "profile_id")

_SEQUENCE: Final = """
o.seq + {copy} * (
    SELECT p.seq FROM ledger.purpose_head AS p
    WHERE p.controller_id = o.controller_id AND p.purpose_id = o.purpose_id
)
"""

_COLUMNS: Final = """
SELECT table_schema AS schema, table_name AS table, array_agg(c.column_name::text) AS columns
FROM information_schema.columns AS c
INNER JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE table_schema IN ('ledger', 'projection') AND t.table_type = 'BASE TABLE'
GROUP BY table_schema, table_name
ORDER BY table_schema, table_name
"""

_MOVED: Final = (
    "UPDATE ledger.head SET revision = $2, frontier = $3, checkpoint = $4 WHERE controller_id = $1"
)
_SEQUENCES_MOVED: Final = "UPDATE ledger.purpose_head SET seq = seq * $2 WHERE controller_id = $1"
_LEAVES: Final = "SELECT leaf FROM ledger.entry WHERE controller_id = $1 ORDER BY entry_index"


async def plant(world: World, controller: Controller, number: int, copies: int) -> int:
    """Multiply what a controller with `number` people holds; return how many people it holds then.

    Person `p` of the original is person `p + n * number` of the n-th copy.
    """
    if number % 2:
        message = "expected an even number of people: who has an account is who has an even number"
        raise AssertionError(message)
    connection, controller_id = world.connection, ControllerId(controller.id)
    ring = load_ring(ring_path(Settings(folder=world.folder)))
    tables = await _tables(connection)
    size = await world.size(controller)
    await connection.execute("SET synchronous_commit = off")
    # Read once: the original must not be looked for among its copies.
    for schema, table in tables:
        await connection.execute(
            f"CREATE TEMPORARY TABLE original_{table} AS SELECT * FROM {schema}.{table} "
            f"WHERE controller_id = {controller_id:d}"
        )
    leaves = [leaf for (leaf,) in await connection.fetch(_LEAVES, controller_id)]
    original = await _original(connection, ring, controller_id, number)
    for copy in range(1, copies + 1):
        async with connection.transaction():
            for (schema, table), columns in tables.items():
                if table != "identifier":
                    await connection.execute(_insert(schema, table, columns, size, copy))
            shift = size * copy * _POSITIONS
            await _name(connection, ring, controller_id, original, shift=shift, further=copy * number)
    async with connection.transaction():
        await _grow(connection, ring, controller_id, leaves, copies)
        await connection.execute(_SEQUENCES_MOVED, controller_id, copies + 1)
    for _, table in tables:
        await connection.execute(f"DROP TABLE original_{table}")
    await connection.execute("SET synchronous_commit = on")
    await _settle(connection)
    return number * (copies + 1)


async def multiply(world: World, controller: Controller, copies: int, *, named: int | None = None) -> None:
    """Let the gate show everybody so many times more: what it reads is copied, and no entry is.

    Nobody can ask for a copy by name, unless it is said that there are `named` people: then copies are called
    as `plant` calls them. Keyed hashes, and so pairwise ids, are each copy's own.
    """
    connection, size = world.connection, await world.size(controller)
    columns = {(row["schema"], row["table"]): row["columns"] for row in await connection.fetch(_COLUMNS)}
    if named is not None:
        await _multiply_names(world, controller, named, copies)
    for table in SHOWN:
        if table == "identifier" and named is not None:
            continue
        names = columns["projection", table]
        shifted = ", ".join(_shifted_by(column, size) for column in names)
        await connection.execute(
            f"CREATE TEMPORARY TABLE original AS SELECT * FROM projection.{table} "
            f"WHERE controller_id = {controller.id} AND identifier_id < {size * _POSITIONS}"
        )
        # One copy after another: a row's copies go to as many places of an index as there are copies.
        await connection.execute(
            f"INSERT INTO projection.{table} ({', '.join(names)}) SELECT {shifted} "
            f"FROM generate_series(1::bigint, {copies}) AS n (copy) "
            "CROSS JOIN LATERAL (SELECT s.*, n.copy FROM original AS s OFFSET 0) AS o"
        )
        await connection.execute("DROP TABLE original")
        await connection.execute(f"VACUUM ANALYZE projection.{table}")
    await connection.execute("CHECKPOINT")


async def _multiply_names(world: World, controller: Controller, number: int, copies: int) -> None:
    connection, controller_id = world.connection, ControllerId(controller.id)
    ring = load_ring(ring_path(Settings(folder=world.folder)))
    size = await world.size(controller)
    await connection.execute(
        "CREATE TEMPORARY TABLE original_identifier AS SELECT * FROM projection.identifier "
        f"WHERE controller_id = {controller_id:d}"
    )
    original = await _original(connection, ring, controller_id, number)
    for copy in range(1, copies + 1):
        shift = size * copy * _POSITIONS
        await _name(connection, ring, controller_id, original, shift=shift, further=copy * number)
    await connection.execute("DROP TABLE original_identifier")
    await connection.execute("VACUUM ANALYZE projection.identifier")


def _shifted_by(column: str, entries: int) -> str:
    if column in _IDENTIFIERS:
        return f"o.{column} + n.copy * {entries * _POSITIONS}"
    return "sha256(o.lookup || int8send(n.copy))" if column == "lookup" else f"o.{column}"


async def _tables(connection: Connection) -> dict[tuple[str, str], list[str]]:
    """Return the tables to multiply with their columns; refuse one that nobody decided about."""
    found = {(row["schema"], row["table"]): row["columns"] for row in await connection.fetch(_COLUMNS)}
    known = {(schema, table) for part in (_COPIED, _LEFT) for schema in part for table in part[schema]}
    if found.keys() != known:
        message = f"what is planted must be decided for {sorted(found.keys() ^ known)}"
        raise AssertionError(message)
    return {(schema, table): found[schema, table] for schema in _COPIED for table in _COPIED[schema]}


def _insert(schema: str, table: str, columns: list[str], size: int, copy: int) -> str:
    shifted = ", ".join(_shifted(column, size * copy, copy) for column in columns)
    return f"INSERT INTO {schema}.{table} ({', '.join(columns)}) SELECT {shifted} FROM original_{table} AS o"


def _shifted(column: str, entries: int, copy: int) -> str:
    if column in _ENTRIES:  # below 0: no entry, and of no copy either
        return f"CASE WHEN o.{column} < 0 THEN o.{column} ELSE o.{column} + {entries} END"
    if column in _IDENTIFIERS:  # 0: nobody, or everybody
        return f"CASE WHEN o.{column} = 0 THEN 0 ELSE o.{column} + {entries * _POSITIONS} END"
    if column == "seq":
        return _SEQUENCE.format(copy=copy)
    if column == "batch_id":
        return f"md5(o.batch_id::text || '{copy}')::uuid"
    if column == "message_key":
        return f"substr(sha256(o.message_key || int4send({copy})), 1, length(o.message_key))"
    return f"o.{column}"


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """An identifier of the original, and which one of whom it is."""

    person: int
    namespace: str
    number: int
    identifier_id: int
    denies: int
    seen_by: int


async def _original(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, number: int
) -> list[_Named]:
    names = await connection.fetchval(
        "SELECT names FROM projection.policy WHERE controller_id = $1 AND policy_version = 1", controller_id
    )
    numbers = msgspec.json.decode(names, type=NameBook).namespace
    rows = {
        (row["namespace_id"], row["lookup"]): row
        for row in await connection.fetch("SELECT * FROM original_identifier")
    }
    found = []
    for person in range(number):
        for namespace, value in people.identifiers([person]):
            lookup = ring.lookup(controller_id, NamespaceId(numbers[namespace]), value)
            row = rows.pop((numbers[namespace], lookup))
            kept = {name: row[name] for name in ("identifier_id", "denies", "seen_by")}
            found.append(_Named(person=person, namespace=namespace, number=numbers[namespace], **kept))
    if rows:
        message = f"{len(rows)} identifiers of the original are not its people's"
        raise AssertionError(message)
    return sorted(found, key=lambda one: one.identifier_id)


async def _name(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    original: list[_Named],
    *,
    shift: int,
    further: int,
) -> None:
    """Give the people of a copy the names that the benchmarks know them by."""
    rows = []
    for one in original:
        value = dict(people.identifiers([one.person + further]))[one.namespace]
        lookup = ring.lookup(controller_id, NamespaceId(one.number), value)
        rows.append((controller_id, one.identifier_id + shift, one.number, lookup, one.denies, one.seen_by))
    await connection.copy_records_to_table(
        "identifier",
        schema_name="projection",
        columns=("controller_id", "identifier_id", "namespace_id", "lookup", "denies", "seen_by"),
        records=rows,
    )


async def _grow(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, leaves: list[bytes], copies: int
) -> None:
    """Append the leaves of every copy to the tree, and move the head there."""
    trees = Trees(ring)
    frontier = (await read_head(connection, controller_id)).frontier
    checkpoint = ""
    for _ in range(copies):
        state, checkpoint = await trees.extend(connection, controller_id, Log.FACTS, frontier, leaves)
        trees.kept(controller_id, Log.FACTS, state)
        frontier = state.frontier.to_bytes()
    await connection.execute(_MOVED, controller_id, len(leaves) * (copies + 1), frontier, checkpoint)


async def _settle(connection: Connection) -> None:
    """Leave what a commit reads as it would be by now: vacuumed, with the statistics the service asks for."""
    for table in _READ:
        await connection.execute(f"VACUUM {table}")
    await connection.execute("SELECT ledger.refresh_statistics()")
    await connection.execute("CHECKPOINT")
