"""What erasures say of the entries before them: whose payload is gone, what is left of it, what is retained.

Read before a log is folded or proven again. A payload may be missing only where an erasure says so, and must
be missing then. Of who stayed beside somebody erased, what happened before is settled: their data is what is
kept of it, however it came about.
"""

from assent.core.errors import SealBroken
from assent.core.ids import ControllerId, EntryIndex, IdentifierId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.facts import Body, ErasureBody, RestBody, open_body
from assent.ledger.keyring import KeyRing

_SQL = load("rebuild")


class Erasures:
    """What the erasures of one controller's ledger say; the newest of them last."""

    def __init__(self) -> None:
        """Begin with nobody erased."""
        self.gone: set[EntryIndex] = set()
        self.rest: dict[EntryIndex, bytes] = {}
        self.retained: dict[EntryIndex, tuple[int, ...]] = {}
        self.settled: dict[IdentifierId, EntryIndex] = {}

    def take(self, index: EntryIndex, body: ErasureBody) -> None:
        """Add an erasure that came after all others."""
        self.gone.update(body.gone)
        for entry in body.gone:
            self.rest.pop(entry, None)
        self.rest.update(body.rest)
        self.retained.update(body.retained)
        self.settled.update((one, index) for one, _ in body.stays)

    def is_settled(self, identifier: IdentifierId, entry: EntryIndex) -> bool:
        """Return whether what an entry says of an identifier was settled by an erasure after it."""
        return entry < self.settled.get(identifier, -1)

    def left_of(self, entry: EntryIndex, body: Body) -> Body | None:
        """Return what of an entry is folded: what it says, unless it is retained alone."""
        if entry not in self.retained or isinstance(body, RestBody):
            return body
        stay = self.retained[entry]
        if not stay:
            return None
        return RestBody(
            identifiers=tuple(one for place, one in enumerate(body.identifiers) if place in stay),
            positions=tuple(sorted(stay)),
            link=getattr(body, "link", None),
            at=getattr(body, "at", Instant(0)),
            source=getattr(body, "source", ""),
        )


async def read_erasures(connection: Connection, ring: KeyRing, controller_id: ControllerId) -> Erasures:
    """Return what the erasures say. One that does not open says nothing: proving finds it."""
    found = Erasures()
    for index, sealed in await connection.fetch(_SQL.erasures, controller_id):
        try:
            body = None if sealed is None else open_body(ring, controller_id, sealed)
        except SealBroken:
            continue
        if isinstance(body, ErasureBody):
            found.take(index, body)
    return found
