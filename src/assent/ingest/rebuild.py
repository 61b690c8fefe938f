"""Fold the ledger again, into a second schema beside the live one, and compare the two row for row.

The same fold runs as in a commit, over what the payloads still say, once `proving` found that they say what
the leaves commit to: from a fault on, a log is read to its end and no longer folded. All of it happens in one
transaction that sees one moment of the ledger, while the service goes on; at its end the second schema is
dropped again. The clusters that stand are also held against all links at once (`resolved`).
What a withdrawal deleted is not folded again and is not in the live rows either.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from assent.consent.store import load_policy
from assent.core.ids import CategoryId, ControllerId, EntryIndex, PurposeMask
from assent.core.time import Instant
from assent.database.roles import OWNER
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.board import Board
from assent.ingest.erased import Erasures, read_erasures
from assent.ingest.erasure_store import with_suppressions
from assent.ingest.facts import Body, account_of, open_body, open_content, refs
from assent.ingest.fold import load_for, save
from assent.ingest.proving import Facts, prove_releases, read_rest
from assent.ingest.refold import refold
from assent.ingest.resolved import prove_clusters
from assent.ledger.append import ContentPart, Fact, Part
from assent.ledger.entries import Entry
from assent.ledger.keyring import KeyRing

_SQL = load("rebuild")

SCHEMA: Final = "projection_rebuild"

_PAGE: Final = 4_096
"""Entries read at once; a commit's entries stay together."""

_NOTHING: Final = Part(sealed=b"", commitment=b"")

Progress = Callable[[int, int], None]
"""Called with how many entries are folded, and of how many."""


class Difference(Struct, frozen=True, kw_only=True):
    """Rows of a table that stand in one fold alone."""

    table: str
    live_only: int
    rebuilt_only: int


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What was folded, and what is wrong with it: nothing, in a sound ledger.

    With faults among the facts the folds were not compared: what was not proven was not folded.
    """

    entries: int
    rows: Mapping[str, int]
    differences: tuple[Difference, ...]
    faults: tuple[str, ...] = ()
    """What the logs, their payloads and releases, and links and clusters say against each other."""


async def rebuild(connection: Connection, ring: KeyRing, *, progress: Progress | None = None) -> Rebuilt:
    """Prove every controller's logs, fold its facts again and compare.

    `connection` may become the owner of the schemas.
    """
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        tables = await _create_schema(connection)
        await connection.execute(f"SET LOCAL search_path = {SCHEMA}, pg_temp")
        await connection.execute("SET LOCAL enable_seqscan = off")
        heads = await connection.fetch(_SQL.heads)
        total = sum(head["revision"] or 0 for head in heads)
        folded = 0
        faults: list[str] = []
        for head in heads:
            erasures = await read_erasures(connection, ring, head["controller_id"])
            facts = Facts(ring, head["controller_id"], erasures)
            async for count in _fold(connection, ring, head["controller_id"], facts):
                folded += count
                if progress is not None:
                    progress(folded, total)
            facts.finish(head)
            faults += facts.faults
        await connection.execute("SET LOCAL enable_seqscan = on")
        compared = [] if faults else [await _compare(connection, table) for table in tables]
        for head in heads:
            faults += await prove_releases(connection, head)
            faults += await _prove_clusters(connection, head)
        rows = {table: await _count(connection, table) for table in tables}
    finally:
        await transaction.rollback()
    return Rebuilt(
        entries=folded,
        rows=rows,
        differences=tuple(one for one in compared if one.live_only or one.rebuilt_only),
        faults=tuple(faults),
    )


async def _prove_clusters(connection: Connection, head: asyncpg.Record) -> tuple[str, ...]:
    """Hold the live clusters against all live links at once, under the policy in force."""
    if not head["policy_version"]:
        return ()
    await connection.execute("SET LOCAL search_path = projection, pg_temp")
    policy, _ = await load_policy(connection, head["controller_id"], head["policy_version"])
    faults = await prove_clusters(connection, head["controller_id"], policy)
    await connection.execute(f"SET LOCAL search_path = {SCHEMA}, pg_temp")
    return faults


async def _create_schema(connection: Connection) -> list[str]:
    """Make the second schema with empty tables like the live ones; return their names."""
    await connection.execute(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {OWNER}")
    await connection.execute(f"SET LOCAL ROLE {OWNER}")
    tables = [row["table_name"] for row in await connection.fetch(_SQL.projection_tables)]
    for table in tables:
        await connection.execute(f'CREATE TABLE {SCHEMA}."{table}" (LIKE projection."{table}" INCLUDING ALL)')
    return tables


async def _fold(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, proven: Facts
) -> AsyncIterator[int]:
    batches = await connection.fetch(_SQL.batches, controller_id)
    page: list[asyncpg.Record] = []
    for place, batch in enumerate(batches):
        page.append(batch)
        size = batch["first_index"] + batch["size"] - page[0]["first_index"]
        if size >= _PAGE or place == len(batches) - 1:
            await _fold_page(connection, ring, controller_id, page, proven)
            yield size
            page = []
    await read_rest(connection, controller_id, proven)


async def _fold_page(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    page: Sequence[asyncpg.Record],
    proven: Facts,
) -> None:
    between = (controller_id, proven.next, page[-1]["first_index"] + page[-1]["size"])
    entries = await connection.fetch(_SQL.entries_between, *between)
    kept = await connection.fetch(_SQL.contents_between, *between)
    proven.commits(page)
    proven.page(entries, kept)
    if proven.faults:
        return
    contents: dict[int, list[ContentPart]] = defaultdict(list)
    erasures = proven.erasures
    for index, _, category, sealed, identifier, basis in kept:
        if index in erasures.retained or erasures.is_settled(identifier, index):
            continue
        content = open_content(ring, controller_id, sealed)
        contents[index].append(
            ContentPart(
                sealed=b"",
                commitment=b"",
                category=CategoryId(category),
                content=content,
                account=account_of(ring, controller_id, content),
                carried=PurposeMask(basis),
            )
        )
    facts: dict[int, Fact] = {}
    for index, leaf, sealed in entries:
        body = None if sealed is None else erasures.left_of(index, open_body(ring, controller_id, sealed))
        if body is not None:
            facts[index] = _fact(ring, controller_id, leaf, body, contents.get(index, ()))
    for batch in page:
        await _fold_batch(connection, ring, controller_id, batch, facts, erasures)


async def _fold_batch(
    connection: Connection,
    ring: KeyRing,
    controller_id: ControllerId,
    batch: asyncpg.Record,
    facts: Mapping[int, Fact],
    erasures: Erasures,
) -> None:
    indexes = [
        index for index in range(batch["first_index"], batch["first_index"] + batch["size"]) if index in facts
    ]
    together = [facts[index] for index in indexes]
    if not together:
        return  # erased, all of it
    version = await connection.fetchval(_SQL.folded_policy, controller_id)
    policy, names = await load_policy(connection, controller_id, version)
    now = Instant(batch["at"])
    loaded = await load_for(connection, controller_id, policy, together, now, {}, {}, replaying=True)
    await with_suppressions(connection, ring, controller_id, together, loaded)
    board = Board(policy, names, now, loaded)
    for index, fact in zip(indexes, together, strict=True):
        board.apply(EntryIndex(index), fact, replaying=True)
    for index, erasure in board.erasures:
        here = [one for one, _ in erasure.stays if erasures.settled[one] == index]
        left = await refold(connection, ring, controller_id, here, index)
        board.settle(left.states, left.items)
    await save(connection, controller_id, board)


def _fact(
    ring: KeyRing,
    controller_id: ControllerId,
    leaf: bytes,
    body: Body,
    contents: Sequence[ContentPart],
) -> Fact:
    header = Entry.from_leaf(leaf).header
    return Fact(
        kind=header.kind,
        role=header.role,
        purpose=header.purpose,
        body=body,
        refs=refs(ring, controller_id, body.identifiers),
        who=_NOTHING,
        contents=tuple(contents),
    )


async def _count(connection: Connection, table: str) -> int:
    count: int = await connection.fetchval(f'SELECT count(*) FROM {SCHEMA}."{table}"')  # noqa: S608 our names
    return count


_STANDS: Final = {"feature_item": "ledger.kept_item", "identifier": f"({_SQL.identifier_stands})"}
"""Where what stands is read, of tables in which some of it is closed and waits to be deleted."""

_IN_FORCE: Final = {
    # Of a policy being prepared, or that was in force until just now, rows may stand beside these.
    "permit": "WHERE (r.controller_id, r.policy_version) IN "
    "(SELECT h.controller_id, h.policy_version FROM ledger.head AS h)",
    "cluster": "WHERE r.view_id < 2 OR (r.controller_id, r.view_id) IN (SELECT h.controller_id, p.view_id "
    "FROM ledger.head AS h JOIN projection.purpose AS p USING (controller_id, policy_version))",
}


async def _compare(connection: Connection, table: str) -> Difference:
    where = _IN_FORCE.get(table, "")
    stands = _STANDS.get(table, f'projection."{table}"')
    live = f"SELECT r.* FROM {stands} AS r {where}"  # noqa: S608 our names
    rebuilt = f'SELECT r.* FROM {SCHEMA}."{table}" AS r {where}'  # noqa: S608 our names
    return Difference(
        table=table,
        live_only=await connection.fetchval(
            f"SELECT count(*) FROM ({live} EXCEPT ALL {rebuilt}) AS difference"  # noqa: S608 our names
        ),
        rebuilt_only=await connection.fetchval(
            f"SELECT count(*) FROM ({rebuilt} EXCEPT ALL {live}) AS difference"  # noqa: S608 our names
        ),
    )
