"""What a turn took of time, disk and processors, and how the processor time is shared out."""

import os
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from tests.benchmarks.processes import seconds_of, seconds_of_postgres
from tests.benchmarks.world import World

_SCHEMAS: Final = ["ledger", "projection", "bench"]

_BYTES: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
WHERE c.relkind = 'r' AND n.nspname = ANY($1)
"""


class Used(Struct, frozen=True, kw_only=True):
    """What one side of a round took."""

    events: int
    seconds: float
    bytes_stored: int
    bytes_logged: int
    client_s: float
    service_s: float
    postgres_s: float

    @property
    def busy_s(self) -> float:
        """Return the processor time of all."""
        return self.client_s + self.service_s + self.postgres_s


async def so_far(world: World, services: Sequence[int] = ()) -> Used:
    """Return what this world's database, these services and this process used until now."""
    postmaster = world.server.pid
    return Used(
        events=0,
        seconds=0.0,
        bytes_stored=await world.connection.fetchval(_BYTES, _SCHEMAS),
        bytes_logged=await world.connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"),
        client_s=seconds_of(os.getpid()),
        service_s=sum(seconds_of(pid) for pid in services),
        postgres_s=seconds_of_postgres(postmaster) if postmaster else 0.0,
    )


def used(before: Used, after: Used, events: int, seconds: float) -> Used:
    """Return what was used in between."""
    return Used(
        events=events,
        seconds=seconds,
        bytes_stored=after.bytes_stored - before.bytes_stored,
        bytes_logged=after.bytes_logged - before.bytes_logged,
        client_s=after.client_s - before.client_s,
        service_s=after.service_s - before.service_s,
        postgres_s=after.postgres_s - before.postgres_s,
    )


def shares(turns: Iterable[Used]) -> str:
    """Return in words how the processor time of these turns is shared."""
    turns = list(turns)
    total = sum(one.busy_s for one in turns)
    parts = {
        "service": sum(one.service_s for one in turns),
        "PostgreSQL": sum(one.postgres_s for one in turns),
        "client": sum(one.client_s for one in turns),
    }
    said = ", ".join(f"{name} {part / total:.0%}" for name, part in parts.items()) if total else "none"
    events = sum(one.events for one in turns)
    busy = total / sum(one.seconds for one in turns)
    return f"{said} ({total * 1e6 / events:,.0f} µs/event, {busy:.2f} cores busy)"
