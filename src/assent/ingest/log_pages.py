"""Pages of the two logs for the officer: what was released and read, and the headers of the ledger's entries.

Headers and records name nobody; what is sealed beside them stays sealed.
"""

from collections.abc import Sequence

import asyncpg
from msgspec import Struct, structs

from assent.core.ids import ControllerId, PurposeId
from assent.core.time import BEGINNING, FOREVER, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ledger.entries import Entry

_RELEASES = load("releases")
_LEDGER = load("ledger")


class Wanted(Struct, frozen=True, kw_only=True):
    """Which records: after one, in [since, until), at most `limit`; of what is named. As SQL takes them."""

    access: bool
    after: int
    purpose: PurposeId | None = None
    consumer: str | None = None
    since: Instant = BEGINNING
    until: Instant = FOREVER
    limit: int
    reference: int | None = None
    last: int = 1 << 62
    """No record after this one."""


async def releases_page(
    connection: Connection, controller_id: ControllerId, wanted: Wanted
) -> Sequence[asyncpg.Record]:
    """Return records of the release log, in order."""
    return await connection.fetch(_RELEASES.release_page, controller_id, *structs.astuple(wanted))


async def newest_release(connection: Connection, controller_id: ControllerId) -> int:
    """Return the number of the newest record."""
    newest: int = await connection.fetchval(_RELEASES.newest_release, controller_id)
    return newest


async def entries_page(
    connection: Connection, controller_id: ControllerId, first: int, limit: int
) -> tuple[tuple[int, Entry], ...]:
    """Return the entries from index `first` on, each with its index."""
    rows = await connection.fetch(_LEDGER.leaves_from, controller_id, first, first + limit)
    return tuple((first + place, Entry.from_leaf(row["leaf"])) for place, row in enumerate(rows))
