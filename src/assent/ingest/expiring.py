"""Find the links that time ended, and let an entry say so: the fold is a function of the ledger alone.

A link with a lifetime counts until that long after it was seen last; the fold asks so whenever it derives a
component. Nobody derives one while nothing happens to it, so this looks for links that are over, and appends
an `expiry` for each component in which that changes who belongs together. From its entry on it is so, live,
in a rebuild and in the answers about that time; a view made of stored profiles could not split by time alone
without the parts of every split to come being stored beforehand, with every purpose's engine holding them.

It decides nothing: where somebody else has derived the component since, the fold takes no entry. Whoever is
killed here leaves whole entries; the next finds what is left, because progress moves last.

Raises what `Append` raises.
"""

from collections.abc import AsyncIterator, Collection
from typing import Final

from assent.core.document_places import shortest
from assent.core.ids import ControllerId, IdentifierId
from assent.core.policy import Namespace, Policy
from assent.core.time import Duration, Instant, longest, shifted
from assent.database.statements import load
from assent.database.types import Connection
from assent.identity.store import known_by_id
from assent.ingest.component import derive
from assent.ingest.facts import Draft, ExpiryBody, Random, make_facts
from assent.ingest.joining import is_moved
from assent.ingest.loading import load_components
from assent.ingest.person import values_of
from assent.ledger.append import Append
from assent.ledger.keyring import KeyRing

_SQL = load("upkeep")

_PEOPLE: Final = 200
"""Links of one chunk, each in a component of its own at worst."""


class Expiry:
    """What is needed to say that links are over."""

    def __init__(self, ring: KeyRing, ledger: Append, random: Random) -> None:
        self._ring = ring
        self._ledger = ledger
        self._random = random

    async def expire(
        self,
        connection: Connection,
        controller_id: ControllerId,
        policy: Policy,
        since: Instant,
        now: Instant,
    ) -> int:
        """Append an entry for every component that links which ended after `since` and by `now` changed."""
        appended = 0
        for space in policy.namespaces.values():
            if space.lifetime is None:
                continue
            async for ids in _over(connection, controller_id, space, space.lifetime, since, now):
                appended += await self._say(connection, controller_id, policy, ids, now)
        return appended

    async def _say(
        self,
        connection: Connection,
        controller_id: ControllerId,
        policy: Policy,
        ids: Collection[IdentifierId],
        now: Instant,
    ) -> int:
        # Of one moment, or a component would be read before a commit and its links after it.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            known = await known_by_id(connection, controller_id, ids)
            loaded = await load_components(connection, controller_id, policy, known)
            moved = [
                min(component.nodes)
                for component, before in zip(loaded.components, loaded.derived, strict=True)
                if is_moved(before, derive(component, policy, now), now)
            ]
            values = await values_of(connection, self._ring, controller_id, moved)
        drafts = [
            Draft(body=ExpiryBody(identifiers=(values[one],)), role="system")
            for one in moved
            if one in values
        ]
        if not drafts:
            return 0
        facts = make_facts(self._ring, self._random, controller_id, drafts)
        answer = await self._ledger.append(controller_id, facts)
        return sum(outcome.index is not None for outcome in answer.outcomes)


async def _over(
    connection: Connection,
    controller_id: ControllerId,
    space: Namespace,
    lifetime: Duration,
    since: Instant,
    now: Instant,
) -> AsyncIterator[set[IdentifierId]]:
    """Yield one end of every link of a namespace that ended after `since` and by `now`, chunk by chunk."""
    seen_after, seen_by = since - longest(lifetime), now - shortest(lifetime)
    after = (seen_after, -1, -1)
    while True:
        rows = await connection.fetch(_SQL.aged, controller_id, space.id, seen_by, *after, _PEOPLE)
        if not rows:
            return
        # Months have no one length: what the statement finds is asked once more on the calendar.
        ids = {row["low_id"] for row in rows if since < shifted(row["last_at"], lifetime) <= now}
        if ids:
            yield ids
        after = (rows[-1]["last_at"], rows[-1]["low_id"], rows[-1]["high_id"])
