"""Take back what one source proved: links that it alone proved end, those that others prove too stand.

An entry for each pair, chunk by chunk; whoever is killed here leaves whole entries, and asking again goes on
with what is left. Neither events nor statements are touched, and what the source proves from then on counts.

Raises FactRejected (no such source, or a pair that could not be taken back), and what `Append` raises.
"""

from typing import Final

from msgspec import Struct

from assent.core.errors import FactRejected
from assent.core.ids import ControllerId, IdentifierId
from assent.database.statements import load
from assent.database.types import Pool
from assent.identity.proofs import number_of
from assent.identity.store import Pair, pairs_proven_by
from assent.ingest.facts import Draft, Random, UnlinkBody, make_facts
from assent.ingest.person import values_of
from assent.ledger.append import Append
from assent.ledger.keyring import KeyRing

_SQL = load("sources")

MOST_LINKS: Final = 5_000
"""Pairs of one request, which somebody waits for."""

_CHUNK: Final = 200
"""Pairs of one commit, each in a component of its own at worst."""

_BEGINNING: Final[Pair] = (IdentifierId(-1), IdentifierId(-1))


class Retracted(Struct, frozen=True, kw_only=True):
    """How many pairs lost evidence, and whether none is left that would."""

    links: int
    complete: bool


class Retracting(Struct, frozen=True, kw_only=True):
    """What is needed to take back evidence."""

    pool: Pool
    ring: KeyRing
    ledger: Append
    random: Random

    async def sources_named(self, controller_id: ControllerId, name: str) -> tuple[str, ...]:
        """Return the sources that a name stands for: as they are counted, else every key that declares it.

        Raises FactRejected: none.
        """
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(_SQL.named, controller_id, name)
        counted = tuple(row["source"] for row in rows)
        if not counted:
            raise FactRejected("There is no such source.", pointer="/source")
        return (name,) if name in counted else counted

    async def retract(
        self, controller_id: ControllerId, sources: tuple[str, ...], role: str, most: int = MOST_LINKS
    ) -> Retracted:
        """Take back what these sources proved of at most so many pairs; `role`: whose word it is."""
        numbers = [number_of(source) for source in sources]
        links, after = 0, _BEGINNING
        for _ in range(0, most, _CHUNK):
            async with self.pool.acquire() as connection:
                pairs = await pairs_proven_by(connection, controller_id, numbers, after, _CHUNK)
                ends = {one for pair in pairs for one in pair}
                values = await values_of(connection, self.ring, controller_id, ends)
            drafts = [
                Draft(body=UnlinkBody(identifiers=(values[low], values[high]), sources=sources), role=role)
                for low, high in pairs
                if low in values and high in values  # or erased meanwhile
            ]
            links += await self._say(controller_id, drafts)
            if len(pairs) < _CHUNK:
                return Retracted(links=links, complete=True)
            after = pairs[-1]
        return Retracted(links=links, complete=False)

    async def _say(self, controller_id: ControllerId, drafts: list[Draft]) -> int:
        if not drafts:
            return 0
        facts = make_facts(self.ring, self.random, controller_id, drafts)
        outcomes = (await self.ledger.append(controller_id, facts)).outcomes
        if any(outcome.code is not None for outcome in outcomes):
            raise FactRejected("Not everything could be taken back: ask again.")
        return sum(outcome.index is not None for outcome in outcomes)
