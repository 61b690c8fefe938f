"""What the entries around somebody who is to be erased say, and what is left of each without them.

Entries are read once: who looks again, because something was said meanwhile, reads on where it ended. Of
entries that name nobody else nothing is kept but their number, however many there are.

Pure but for the pages that `read` asks for. Raises SealBroken.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from assent.core.ids import ControllerId, EntryIndex, IdentifierId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.facts import Body, EventBody, Identifier, RestBody, open_body
from assent.ledger.keyring import KeyRing

_SQL = load("erasure")

_PAGE: Final = 500


class Reading:
    """What the entries that some identifiers own say of whom."""

    def __init__(
        self,
        owners: Collection[IdentifierId],
        erased: Mapping[IdentifierId, Identifier],
        stays: Collection[Identifier],
    ) -> None:
        """Begin before the first entry; `stays` are those who may be named beside who is erased."""
        self.owners = frozenset(owners)
        self.erased = dict(erased)
        self._values = frozenset(erased.values())
        self._stays = frozenset(stays)
        self._after = EntryIndex(-1)
        self.staying: dict[EntryIndex, tuple[Identifier, ...]] = {}
        """Entries that name somebody who stays."""
        self.naming: dict[EntryIndex, RestBody | None] = {}
        """Entries that name somebody erased, and what is left of each; None when they named nobody else."""

    @property
    def everybody(self) -> frozenset[Identifier]:
        """Return who is erased, and who may be named beside them."""
        return self._values | self._stays

    def is_of(self, owners: Collection[IdentifierId], erased: Mapping[IdentifierId, Identifier]) -> bool:
        """Return whether this is what would be read of these."""
        return self.owners == frozenset(owners) and self.erased == erased

    async def read(self, connection: Connection, ring: KeyRing, controller_id: ControllerId) -> None:
        """Read on to the end of the connection's snapshot."""
        owners = sorted(self.owners)
        while rows := await connection.fetch(_SQL.payloads_owned, controller_id, owners, self._after, _PAGE):
            for entry, sealed in rows:
                self._take(entry, open_body(ring, controller_id, sealed))
            self._after = rows[-1]["entry_index"]
            await asyncio.sleep(0)  # whoever has a long history must not hold up everybody else

    def _take(self, entry: EntryIndex, body: Body) -> None:
        if not self._stays.isdisjoint(body.identifiers):
            self.staying[entry] = body.identifiers
        if not self._values.isdisjoint(body.identifiers):
            self.naming[entry] = rest_of(body, self._values)


def rest_of(body: Body, erased: frozenset[Identifier]) -> RestBody | None:
    """Return what is left of an entry without somebody; None when it named nobody else."""
    positions = body.positions if isinstance(body, RestBody) else range(len(body.identifiers))
    left = [
        (position, one)
        for position, one in zip(positions, body.identifiers, strict=True)
        if one not in erased
    ]
    if not left:
        return None
    links = isinstance(body, EventBody | RestBody) and body.link is not None
    return RestBody(
        identifiers=tuple(one for _, one in left),
        positions=tuple(position for position, _ in left),
        link=body.link if links else None,  # type: ignore[union-attr]
        at=body.at if links else Instant(0),  # type: ignore[union-attr]
        source=body.source if links else "",  # type: ignore[union-attr]
    )
