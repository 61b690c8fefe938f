"""What the gate's view yields of many people at once, by column: decoded, nothing decided.

    async for page in pages(connection, highest): ...

Raises ValueError on bytes of another shape.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import asyncpg
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.database.statements import load
from assent.database.types import Connection
from assent.features.catalogue import Value, unpack_values
from assent.features.state import State, unpack_all

_SQL = load("gate")

Ints = npt.NDArray[np.int64]

_TOGETHER: Final = 512
"""Bodies unpacked in one go: no other thread of Python runs meanwhile."""

_FIRST: Final = 64 * 1_024
"""Ids that the first page spans: of 64, a profile has one at most."""

_PEOPLE: Final = 8_192
"""Profiles that a page is meant to have."""

_LAST: Final = (1 << 63) - 1


class Page(Struct, frozen=True, kw_only=True):
    """Rows of `gate.released`, in any order; `states` and `items` are those rows' bodies, in theirs."""

    profiles: Ints
    identifiers: Ints
    namespaces: Ints
    keys: npt.NDArray[np.uint64]
    """How the keyed hash of each row's identifier begins."""
    categories: Ints
    since: Ints
    until: Ints
    features: Ints
    at: Ints
    entries: Ints
    accounts: Ints
    """1 where an account says something: its members are to be asked about one by one."""
    lengths: Ints
    """Of the bodies; -1 for none."""
    states: bytes
    items: bytes

    def itemised(self) -> npt.NDArray[np.bool_]:
        """Return which rows are items."""
        found: npt.NDArray[np.bool_] = (self.features != 0) & (self.lengths >= 0)
        return found

    def unpacked(self) -> tuple[list[State], list[Value]]:
        """Return the states and the items' values, each in the order of their rows."""
        stated = self.lengths[(self.features == 0) & (self.lengths >= 0)]
        itemised = self.lengths[self.itemised()]
        return (
            _in_turns(unpack_all, self.states, stated),
            _in_turns(unpack_values, self.items, itemised),
        )


def page_of(row: Mapping[str, Any] | asyncpg.Record) -> Page:
    """Return a row of `released_page`."""

    def column(name: str, kind: str) -> Ints:
        return np.frombuffer(row.get(name) or b"", kind).astype(np.int64)

    return Page(
        profiles=column("profiles", ">i8"),
        identifiers=column("identifiers", ">i8"),
        namespaces=column("namespaces", ">i2"),
        keys=np.frombuffer(row.get("keys") or b"", ">u8").astype(np.uint64),
        categories=column("categories", ">i8"),
        since=column("since", ">i8"),
        until=column("until", ">i8"),
        features=column("features", ">i2"),
        at=column("at", ">i8"),
        entries=column("entries", ">i8"),
        accounts=column("accounts", ">i2"),
        lengths=column("lengths", ">i4"),
        states=row.get("states") or b"",
        items=row.get("items") or b"",
    )


async def pages(connection: Connection, highest: int) -> AsyncIterator[Page]:
    """Yield everything the purpose may see now, a profile's rows in one page; one page is read ahead.

    Expects a transaction that stands at a position, in a snapshot. Few profiles have an id above `highest`.
    """
    low, width = 0, _FIRST
    reading = asyncio.create_task(connection.fetchrow(_SQL.released_page, low, width))
    try:
        while True:
            page = page_of(await reading or {})
            last, low = low > highest, low + width
            people = len(np.unique(page.profiles))
            width = min(max(width * _PEOPLE // max(people, 1), width // 4), width * 8)
            if not last:
                end = _LAST if low > highest else low + width
                reading = asyncio.create_task(connection.fetchrow(_SQL.released_page, low, end))
            yield page
            if last:
                return
    finally:
        # A connection is given back only when nothing is asked of it any more.
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _in_turns(unpack: Any, packed: bytes, lengths: Ints) -> list[Any]:  # noqa: ANN401 - either of two
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    found: list[Any] = []
    for first in range(0, len(lengths), _TOGETHER):
        last = min(first + _TOGETHER, len(lengths))
        found += unpack(packed[ends[first] : ends[last]], last - first)
    return found
