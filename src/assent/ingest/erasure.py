"""Work out what erasing somebody takes, and do it: one commit, after which nothing of them can be read.

(1) who: the identifiers that are theirs beyond a public key's claim; (2) who else is named beside them, and
stays; (3) every entry that names them: its payload goes or, where it names others too, becomes what is left
of it; (4) what the policy retains under Art. 17(3); (5) objections that outlast it; (6) one entry, taken
only if nothing was said or seen of these people meanwhile: else all is worked out again.

Leaves of the log stay as they are, so proofs over them hold. Raises NotVerified, Forbidden, OverCapacity.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from assent.consent.statement import NARROWING, WIDENING, State, Statement
from assent.core.errors import Forbidden, OverCapacity
from assent.core.ids import (
    RESOLUTION,
    CategoryId,
    ControllerId,
    EntryIndex,
    IdentifierId,
    NamespaceId,
    PurposeId,
    PurposeMask,
)
from assent.core.policy import IdentifierKind, Policy
from assent.core.time import Instant, shifted
from assent.database.statements import load
from assent.database.types import Connection, Pool
from assent.identity.store import known_by_id
from assent.ingest.component import Component, Derived, derive, heard
from assent.ingest.facts import (
    Body,
    CarriedDenial,
    Draft,
    ErasureBody,
    EventBody,
    Identifier,
    Random,
    RestBody,
    make_facts,
    open_body,
    refs,
    seal_rest,
)
from assent.ingest.fold import load_components
from assent.ingest.person import Person, find_person, values_of
from assent.ingest.restriction import standing_marks
from assent.ledger.append import Append, Ref, Remain
from assent.ledger.keyring import KeyRing
from assent.ledger.store import read_head

_SQL = load("erasure")

MOST_ENTRIES: Final = 20_000
"""Entries of one erasure: with their content about the 50,000 rows that one commit may touch."""

_PAGE: Final = 500
_ATTEMPTS: Final = 5


class Kept(Struct, frozen=True, kw_only=True):
    """What stays of a category under Art. 17(3)."""

    category: CategoryId
    until: Instant
    number: int


class Erased(Struct, frozen=True, kw_only=True):
    """What an erasure did."""

    revision: int
    identifiers: int
    entries: int
    shared: tuple[tuple[str, IdentifierId], ...] = ()
    """Namespaces and ids of those that others use too."""
    kept: tuple[Kept, ...] = ()
    suppressed: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    body: ErasureBody
    remains: tuple[Remain, ...]
    shared: tuple[tuple[str, IdentifierId], ...]
    kept: tuple[Kept, ...]


class Eraser:
    """Erases people of one controller."""

    def __init__(
        self,
        pool: Pool,
        ledger: Append,
        ring: KeyRing,
        random: Random,
        clock: Callable[[], Instant],
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._ring = ring
        self._random = random
        self._clock = clock

    async def erase(
        self,
        controller_id: ControllerId,
        policy: Policy,
        named: Sequence[Identifier],
        *,
        role: str,
        alone: bool = False,
        despite_restriction: bool = False,
    ) -> Erased:
        """Erase whom the identifiers name; with `alone`, these identifiers and nobody they are linked to.

        Raises Forbidden while the person is restricted, unless it is they who ask.
        """
        for _ in range(_ATTEMPTS):
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                head = await read_head(connection, controller_id)
                now = Instant(max(self._clock(), head.at))
                planning = Planning(connection, self._ring, self._random, controller_id, policy, now)
                plan = await planning.plan(
                    head.revision, named, alone=alone, despite_restriction=despite_restriction
                )
            if plan is None:
                return Erased(revision=head.revision, identifiers=0, entries=0)
            draft = Draft(body=plan.body, role=role, remains=plan.remains)
            facts = make_facts(self._ring, self._random, controller_id, [draft])
            appended = await self._ledger.append(controller_id, facts)
            if appended.outcomes[0].index is not None:
                return Erased(
                    revision=appended.revision,
                    identifiers=len(plan.body.erased),
                    entries=len(plan.remains),
                    shared=plan.shared,
                    kept=plan.kept,
                    suppressed=bool(plan.body.suppressed),
                )
        raise OverCapacity


class Planning:
    """One look at the ledger, from one snapshot."""

    def __init__(
        self,
        connection: Connection,
        ring: KeyRing,
        random: Random,
        controller_id: ControllerId,
        policy: Policy,
        now: Instant,
    ) -> None:
        self._connection = connection
        self._ring = ring
        self._random = random
        self._controller_id = controller_id
        self._policy = policy
        self._now = now

    async def plan(
        self, revision: int, named: Sequence[Identifier], *, alone: bool, despite_restriction: bool
    ) -> Plan | None:
        # (1) who
        people = await self._people(refs(self._ring, self._controller_id, named))
        if not people:
            return None
        if not despite_restriction and any(standing_marks(one.history) for one in people):
            raise Forbidden("The person's data is restricted (Art. 18): lift the restriction first.")
        erased = frozenset(
            one for person in people for one in ((person.asked[0],) if alone else sorted(person.own))
        )
        # (2) who is named beside them
        around = await self._around(erased)
        stays = around.nodes.keys() - erased
        values = await values_of(self._connection, self._ring, self._controller_id, erased)
        # (3) what every entry becomes
        reading = _Reading(frozenset(values.values()))
        async for entry, body in self._entries(around.nodes):
            reading.take(entry, body)
        # (4) what is retained
        contents = await self._connection.fetch(_SQL.contents_owned, self._controller_id, list(around.nodes))
        parts, kept = self._retained(contents, erased)
        retained = {entry for entry, _, _ in parts}
        numbers = self._numbers(around, erased)
        remains: list[Remain] = []
        rest: list[tuple[EntryIndex, bytes]] = []
        for entry, left in sorted(reading.naming.items()):
            if left is None:
                if entry not in retained:
                    remains.append(Remain(entry=entry))
                continue
            sealed, commitment = seal_rest(self._ring, self._random, self._controller_id, left)
            (first,) = refs(self._ring, self._controller_id, left.identifiers[:1])
            remains.append(
                Remain(entry=entry, sealed=sealed, owner=numbers[first], is_retained=entry in retained)
            )
            rest.append((entry, commitment))
        if len(remains) > MOST_ENTRIES:
            raise OverCapacity("This erasure is larger than one commit may be.")
        body = ErasureBody(
            erased=tuple(sorted(erased)),
            stays=await self._stay(stays, around, contents, reading, erased),
            gone=tuple(one.entry for one in remains if one.sealed is None),
            rest=tuple(rest),
            retained=tuple(
                (entry, left.positions if (left := reading.naming.get(entry)) is not None else ())
                for entry in sorted(retained)
            ),
            parts=parts,
            denials=tuple(self._denials(around, erased, people)),
            suppressed=self._suppressed(people, values.values()),
            as_of=revision,
        )
        return Plan(body=body, remains=tuple(remains), shared=self._shared(people, erased), kept=kept)

    async def _people(self, named: Sequence[Ref]) -> list[Person]:
        found = [
            await find_person(self._connection, self._controller_id, self._policy, [ref], self._now)
            for ref in named
        ]
        return [person for person in found if person.is_known]

    async def _around(self, erased: frozenset[IdentifierId]) -> Component:
        """Return the whole components of everybody whom an entry may name beside those who are erased."""
        rows = await self._connection.fetch(_SQL.denied_around, self._controller_id, list(erased))
        near = set(erased) | {one for row in rows for one in row}
        addresses = [str(one) for one in erased]
        for (one,) in await self._connection.fetch(_SQL.addressed, self._controller_id, addresses):
            near.add(one)
        found = await self._components(near)
        bound = {
            said.address
            for one in erased
            for said in found.statements.get(one, ())
            if said.address is not None and said.address not in found.nodes
        }
        return await self._components(near | bound) if bound else found

    async def _components(self, ids: Iterable[IdentifierId]) -> Component:
        known = await known_by_id(self._connection, self._controller_id, set(ids))
        loaded = await load_components(self._connection, self._controller_id, self._policy, known)
        self._seen_by = loaded.seen_by
        return Component.of(loaded.components)

    async def _entries(self, ids: Iterable[IdentifierId]) -> AsyncIterator[tuple[EntryIndex, Body]]:
        owners, after = list(ids), -1
        while rows := await self._connection.fetch(
            _SQL.payloads_owned, self._controller_id, owners, after, _PAGE
        ):
            for entry, sealed in rows:
                yield entry, open_body(self._ring, self._controller_id, sealed)
            after = rows[-1]["entry_index"]
            await asyncio.sleep(0)  # whoever has a long history must not hold up everybody else

    def _retained(
        self, contents: Sequence[asyncpg.Record], erased: frozenset[IdentifierId]
    ) -> tuple[tuple[tuple[EntryIndex, int, Instant], ...], tuple[Kept, ...]]:
        parts: list[tuple[EntryIndex, int, Instant]] = []
        ends: dict[CategoryId, list[Instant]] = defaultdict(list)
        for one, entry, part, category, _, at, _ in contents:
            said = self._policy.retained.get(category)
            until = None if said is None or one not in erased else shifted(at, said.period)
            if until is not None and until > self._now:
                parts.append((entry, part, until))
                ends[category].append(until)
        kept = tuple(
            Kept(category=category, until=max(until), number=len(until))
            for category, until in sorted(ends.items())
        )
        return tuple(parts), kept

    async def _stay(
        self,
        stays: Iterable[IdentifierId],
        around: Component,
        contents: Sequence[asyncpg.Record],
        reading: "_Reading",
        erased: frozenset[IdentifierId],
    ) -> tuple[tuple[IdentifierId, PurposeMask], ...]:
        """Return who stays, with the purposes that may know of them by the content that stays."""
        numbers = self._numbers(around, erased)
        named = {
            entry: [numbers[ref] for ref in refs(self._ring, self._controller_id, body) if ref in numbers]
            for entry, body in reading.by_value.items()
        }
        known: dict[IdentifierId, int] = dict.fromkeys(stays, 0)
        for owner, entry, _, category, basis, _, of_account in contents:
            if owner in erased or of_account:
                continue
            for purpose in self._policy.purposes.values():
                if (basis >> purpose.id | purpose.retroactive >> category) & 1:
                    for one in named.get(entry, ()):
                        known[one] = known.get(one, 0) | 1 << purpose.id
        return tuple((one, PurposeMask(self._seen_by.get(one, 0) & known[one])) for one in sorted(known))

    def _numbers(self, around: Component, erased: frozenset[IdentifierId]) -> dict[Ref, IdentifierId]:
        return {
            Ref(namespace=node.namespace, lookup=node.key): one
            for one, node in around.nodes.items()
            if one not in erased
        }

    def _denials(
        self, around: Component, erased: frozenset[IdentifierId], people: Sequence[Person]
    ) -> Iterable[CarriedDenial]:
        """Yield what somebody erased denied for a device that stays, because others use it too."""
        derived: Derived = derive(around, self._policy, self._now)
        seen: set[CarriedDenial] = set()
        theirs = {said.entry: said for person in people for said in person.history}
        for one in sorted(around.nodes.keys() - erased):
            for said in heard(around, self._policy, derived.members(RESOLUTION, one)):
                by_erased = said.entry in theirs and theirs[said.entry].identifier in erased
                if said.identifier != one or not by_erased or said.state not in NARROWING:
                    continue
                carried = CarriedDenial(one, said.purpose, said.state.value, said.acted_at)
                if carried not in seen:
                    seen.add(carried)
                    yield carried
        # One identifier erased alone: what it denied, the rest of the person goes on denying.
        for person in people:
            rest = [one for one in person.cluster.members if one not in erased]
            for said in _last_words(said for said in person.history if said.identifier in erased):
                if said.state in NARROWING and said.address is None:
                    for one in rest:
                        yield CarriedDenial(one, said.purpose, said.state.value, said.acted_at)

    def _suppressed(
        self, people: Sequence[Person], values: Iterable[Identifier]
    ) -> tuple[tuple[NamespaceId, bytes], ...]:
        """Return the tokens of persons' identifiers, where the person objected to direct marketing."""
        said = [one for person in people for one in person.history]
        if not any(_objects(one, self._policy) for one in said):
            return ()
        spaces = self._policy.namespaces
        return tuple(
            sorted(
                (one.namespace, self._ring.suppression(self._controller_id, one.namespace, one.value))
                for one in values
                if one.namespace in spaces and spaces[one.namespace].kind is IdentifierKind.PERSON
            )
        )

    def _shared(
        self, people: Sequence[Person], erased: frozenset[IdentifierId]
    ) -> tuple[tuple[str, IdentifierId], ...]:
        """Return who is linked to the erased by more than a claim, and stays because others use it too."""
        found: dict[IdentifierId, str] = {}
        for person in people:
            for low, high, kind in person.component.links:
                for one, other in ((low, high), (high, low)):
                    if one in erased and other not in erased and kind.name != "CLAIMED":
                        space = self._policy.namespaces.get(person.component.nodes[other].namespace)
                        found[other] = "" if space is None else space.name
        return tuple((name, one) for one, name in sorted(found.items()))


class _Reading:
    """What the entries around somebody say of whom."""

    def __init__(self, erased: frozenset[Identifier]) -> None:
        self._erased = erased
        self.by_value: dict[EntryIndex, tuple[Identifier, ...]] = {}
        self.naming: dict[EntryIndex, RestBody | None] = {}

    def take(self, entry: EntryIndex, body: Body) -> None:
        self.by_value[entry] = body.identifiers
        if not self._erased.isdisjoint(body.identifiers):
            self.naming[entry] = rest_of(body, self._erased)


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
    )


def _last_words(history: Iterable[Statement]) -> Iterable[Statement]:
    """Return the newest word of each identifier about each purpose."""
    newest: dict[tuple[IdentifierId, PurposeId | None], Statement] = {}
    for said in history:
        if said.state in NARROWING | WIDENING:
            held = newest.get((said.identifier, said.purpose))
            if held is None or (said.acted_at, said.state in NARROWING) > (
                held.acted_at,
                held.state in NARROWING,
            ):
                newest[said.identifier, said.purpose] = said
    return newest.values()


def _objects(said: Statement, policy: Policy) -> bool:
    if said.state is not State.OBJECTED:
        return said.state is State.SUPPRESSED
    if said.purpose is None:
        return True
    purpose = policy.purposes.get(said.purpose)
    return purpose is not None and purpose.direct_marketing


__all__ = ["Erased", "Eraser", "Kept", "rest_of"]
