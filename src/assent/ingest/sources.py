"""What came through each source: counts for who looks after them, and nothing of what anybody sent.

A source is a collector's key, or an import. Raises nothing but what asyncpg raises.
"""

from collections.abc import Iterable

from msgspec import Struct

from assent.core.ids import ControllerId
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.counts import BOUNDS_S, LATER

_SQL = load("sources")
_ACCESS = load("access")

_NOT_PERMITTED = "not_permitted"


class Lateness(Struct, frozen=True, kw_only=True):
    """How many events came within so many seconds of happening; None: later than every bound."""

    within_s: int | None
    accepted: int


class Lag(Struct, frozen=True, kw_only=True):
    """From event to receipt: the bounds within which half of the events came, and all of them."""

    median_s: int | None
    highest_s: int | None
    counts: tuple[Lateness, ...]


class Source(Struct, frozen=True, kw_only=True):
    """What became of all that one source sent."""

    source: str
    key_id: int | None
    name: str
    channel: str
    revoked: bool
    accepted: int
    repeated: int
    """Sent again after it had been taken: taken once."""
    not_permitted: int
    """No purpose permitted it: nothing of it was kept."""
    refused: dict[str, int]
    """By code."""
    lag: Lag


async def sources(
    connection: Connection, controller_id: ControllerId, first_day: int, last_day: int
) -> tuple[Source, ...]:
    """Return every source of a controller: collectors' keys in force, and whatever else sent something.

    Days count from 1970-01-01, both included.
    """
    taken: dict[str, list[tuple[int, int, int]]] = {}
    for source, bound, accepted, repeated in await connection.fetch(
        _SQL.taken, controller_id, first_day, last_day
    ):
        taken.setdefault(source, []).append((bound, accepted, repeated))
    refused: dict[str, dict[str, int]] = {}
    for source, code, number in await connection.fetch(_SQL.refused, controller_id, first_day, last_day):
        refused.setdefault(source, {})[code] = number
    keys = {f"key:{row['key_id']}": row for row in await connection.fetch(_ACCESS.keys_of, controller_id)}
    silent = [name for name, row in keys.items() if row["role"] == "collector" and row["revoked_at"] is None]
    found = []
    # Statements come without a source: each is receipted or refused by name.
    for source in sorted({*taken, *refused, *silent} - {""}, key=_rank):
        row, codes, late = keys.get(source), dict(refused.get(source, {})), taken.get(source, [])
        found.append(
            Source(
                source=source,
                key_id=None if row is None else row["key_id"],
                name="" if row is None else row["source"],
                channel="" if row is None else row["channel"],
                revoked=row is not None and row["revoked_at"] is not None,
                accepted=sum(accepted for _, accepted, _ in late),
                repeated=sum(repeated for _, _, repeated in late),
                not_permitted=codes.pop(_NOT_PERMITTED, 0),
                refused=codes,
                lag=lag_of((bound, accepted) for bound, accepted, _ in late),
            )
        )
    return tuple(found)


def lag_of(counted: Iterable[tuple[int, int]]) -> Lag:
    """Return how late events came, from how many came within each bound."""
    by_bound = {bound: number for bound, number in counted if number}
    bounds = [bound for bound in (*BOUNDS_S, LATER) if bound in by_bound]
    total = sum(by_bound.values())
    median, passed = None, 0
    for bound in bounds:
        passed += by_bound[bound]
        if 2 * passed >= total:
            median = bound
            break
    return Lag(
        median_s=median or None,
        highest_s=bounds[-1] or None if bounds else None,
        counts=tuple(Lateness(within_s=bound or None, accepted=by_bound[bound]) for bound in bounds),
    )


def _rank(source: str) -> tuple[bool, int, str]:
    """Rank keys by number, before everything else."""
    number = source.removeprefix("key:")
    is_key = number != source and number.isdecimal()
    return not is_key, int(number) if is_key else 0, source
