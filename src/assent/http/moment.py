"""One moment of a controller's ledger, as people and officers ask it: everything read is of one snapshot.

Never for an engine: what engines receive passes the gate.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from assent.core.errors import UnknownPurpose
from assent.core.ids import ControllerId, Revision
from assent.core.policy import Policy, Purpose
from assent.core.time import Instant
from assent.database.types import Connection
from assent.http.at_least import refuse_ahead, revision_asked
from assent.http.consents import SubjectReference, identifier_of
from assent.http.keys import Caller
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.facts import refs
from assent.ingest.past import Past, past_of
from assent.ingest.person import Person, find_person
from assent.ledger.append import Ref
from assent.ledger.keyring import KeyRing
from assent.ledger.store import read_head


class Moment(Struct, frozen=True, kw_only=True):
    """A read-only transaction, and what holds in it."""

    connection: Connection
    ring: KeyRing
    controller_id: ControllerId
    revision: Revision
    policy: Policy
    now: Instant

    def ref(self, subject: SubjectReference, pointer: str) -> Ref:
        """Return an identifier as the database knows it. Raises what normalising raises, at `pointer`."""
        named = identifier_of(self.policy, subject, pointer)
        return refs(self.ring, self.controller_id, [named])[0]

    def purpose(self, name: str | None, pointer: str = "/purpose") -> Purpose | None:
        """Return a purpose by name, None for none. Raises UnknownPurpose."""
        if name is None:
            return None
        number = self.policy.purpose_ids.get(name)
        if number is None or number not in self.policy.purposes:
            raise UnknownPurpose(pointer=pointer)
        return self.policy.purposes[number]

    async def person(self, named: Sequence[Ref]) -> Person:
        """Return the person whom identifiers name; when none of them is known, one who said nothing yet."""
        return await find_person(self.connection, self.controller_id, self.policy, named, self.now)

    async def past(self, person: Person, at: Instant, known_at: Instant) -> Past:
        """Return the person as they were linked at `at`, by what was known at `known_at`."""
        if not person.is_known or at == known_at == self.now:
            return Past(cluster=person.cluster, history=person.history)
        return await past_of(
            self.connection, self.controller_id, self.policy, person.asked[0], at=at, known_at=known_at
        )


@asynccontextmanager
async def moment(request: AnyRequest, who: Caller) -> AsyncIterator[Moment]:
    """Yield the present moment. Raises RevisionAhead when the caller asks for one that has not come."""
    async with moment_of(service(request), who.controller_id, revision_asked(request)) as present:
        yield present


@asynccontextmanager
async def moment_of(wired: Service, controller_id: ControllerId, at_least: int) -> AsyncIterator[Moment]:
    """Yield the present moment of a controller's ledger. Raises RevisionAhead where it has not come."""
    async with (
        wired.database.auditor.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        head = await read_head(connection, controller_id)
        refuse_ahead(at_least, head.revision)
        yield Moment(
            connection=connection,
            ring=wired.ring,
            controller_id=controller_id,
            revision=head.revision,
            policy=await wired.policies.version(controller_id, head.policy_version, head.catalogue),
            now=Instant(max(wired.clock(), head.at)),
        )
