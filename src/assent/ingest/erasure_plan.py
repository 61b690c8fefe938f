"""Work out what erasing somebody takes, from one snapshot of the ledger.

(1) who: the identifiers that are theirs beyond a public key's claim; (2) who else is named beside them, and
stays; (3) what the policy retains under Art. 17(3); (4) every entry that names them: its payload goes or,
where it names others too, becomes what is left of it; (5) what is left of who stays, and the objections that
outlast it. Nothing is changed. Raises Forbidden, SealBroken.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import asyncpg
from msgspec import Struct, structs

from assent.consent.statement import NARROWING, WIDENING, State, Statement
from assent.core.errors import Forbidden
from assent.core.ids import (
    HIGHEST_BIT,
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
from assent.database.types import Connection
from assent.identity.store import known_by_id
from assent.ingest.component import Component, Derived, derive, heard, resolution_of
from assent.ingest.deleting import rows_held
from assent.ingest.erasure_reading import Reading
from assent.ingest.facts import CarriedDenial, ErasureBody, Identifier, Random, refs, seal_rest
from assent.ingest.loading import load_components
from assent.ingest.person import Person, find_person, values_of
from assent.ingest.restriction import standing_marks
from assent.ledger.append import Ref, Remain
from assent.ledger.keyring import KeyRing

_SQL = load("erasure")

MOST_ENTRIES: Final = 10_000
"""Entries of an erasure that one commit does, and rows of their content and items.

With payloads, message keys and what follows, that is less than the 50,000 rows that it may touch.
"""

_EVERY_CATEGORY: Final = tuple(CategoryId(number) for number in range(HIGHEST_BIT + 1))


class Kept(Struct, frozen=True, kw_only=True):
    """What stays of a category under Art. 17(3)."""

    category: CategoryId
    until: Instant
    number: int


class Plan(Struct, frozen=True, kw_only=True):
    """What an erasure takes: the body of its entry, and what the ledger does with it."""

    body: ErasureBody
    remains: tuple[Remain, ...]
    shared: tuple[tuple[str, IdentifierId], ...]
    kept: tuple[Kept, ...]
    reading: Reading
    """What was read for it: who must look again reads on from there."""
    is_large: bool
    """Whether it is more than one commit may do."""


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
        before: Reading | None = None,
    ) -> None:
        self._connection = connection
        self._ring = ring
        self._random = random
        self._controller_id = controller_id
        self._policy = policy
        self._now = now
        self._before = before

    async def plan(
        self, revision: int, named: Sequence[Identifier], *, alone: bool, despite_restriction: bool
    ) -> Plan | None:
        """Return what erasing these takes; None when nobody is known by them. Raises Forbidden."""
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
        reading = await self._read(around, erased)
        # (3) what is retained
        parts, kept = await self._retained(erased)
        # (4) what every entry becomes
        numbers = self._numbers(around, erased)
        remains, rest = self._remains(reading, {entry for entry, _, _ in parts}, numbers)
        # (5) what stays, and what outlasts
        body = ErasureBody(
            erased=tuple(sorted(erased)),
            stays=await self._stay(around.nodes.keys() - erased, numbers, reading),
            gone=tuple(one.entry for one in remains if one.sealed is None),
            rest=rest,
            retained=tuple(
                (entry, left.positions if (left := reading.naming.get(entry)) is not None else ())
                for entry in sorted({entry for entry, _, _ in parts})
            ),
            parts=parts,
            denials=tuple(self._denials(around, erased, people)),
            shared=self._shared_for_good(around, erased),
            suppressed=self._suppressed(people, reading.erased.values()),
            as_of=revision,
        )
        return Plan(
            body=body,
            remains=remains,
            shared=self._shared(people, erased),
            kept=kept,
            reading=reading,
            is_large=await self._is_large(erased, len(remains)),
        )

    async def _read(self, around: Component, erased: frozenset[IdentifierId]) -> Reading:
        values = await values_of(self._connection, self._ring, self._controller_id, around.nodes)
        theirs = {one: value for one, value in values.items() if one in erased}
        reading = self._before
        if reading is None or not reading.is_of(around.nodes, theirs):
            others = [value for one, value in values.items() if one not in erased]
            reading = Reading(around.nodes, theirs, others)
        await reading.read(self._connection, self._ring, self._controller_id)
        return reading

    def _remains(
        self, reading: Reading, retained: Collection[EntryIndex], numbers: Mapping[Ref, IdentifierId]
    ) -> tuple[tuple[Remain, ...], tuple[tuple[EntryIndex, bytes], ...]]:
        """Return what every entry becomes, and what commits to what is left of it."""
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
        return tuple(remains), tuple(rest)

    async def _is_large(self, erased: Collection[IdentifierId], entries: int) -> bool:
        """Return whether it is more than one commit may do, with their content and items."""
        if entries > MOST_ENTRIES:
            return True
        held = await rows_held(self._connection, self._controller_id, erased)
        return sum(held.values()) > MOST_ENTRIES

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

    async def _retained(
        self, erased: frozenset[IdentifierId]
    ) -> tuple[tuple[tuple[EntryIndex, int, Instant], ...], tuple[Kept, ...]]:
        """Return what the law keeps of them: by part and until when, and in a word."""
        if not self._policy.retained:
            return (), ()
        parts: list[tuple[EntryIndex, int, Instant]] = []
        ends: dict[CategoryId, list[Instant]] = defaultdict(list)
        for _, entry, part, category, _, at, _ in await self._contents(erased, self._policy.retained):
            until = shifted(at, self._policy.retained[category].period)
            if until > self._now:
                parts.append((entry, part, until))
                ends[category].append(until)
        kept = tuple(
            Kept(category=category, until=max(until), number=len(until))
            for category, until in sorted(ends.items())
        )
        return tuple(parts), kept

    async def _contents(
        self, owners: Iterable[IdentifierId], categories: Iterable[CategoryId]
    ) -> list[asyncpg.Record]:
        return await self._connection.fetch(
            _SQL.contents_owned, self._controller_id, list(owners), list(categories)
        )

    async def _stay(
        self, stays: Collection[IdentifierId], numbers: Mapping[Ref, IdentifierId], reading: Reading
    ) -> tuple[tuple[IdentifierId, PurposeMask], ...]:
        """Return who stays, with the purposes that may know of them by the content that stays."""
        named = {
            entry: [numbers[ref] for ref in refs(self._ring, self._controller_id, values) if ref in numbers]
            for entry, values in reading.staying.items()
        }
        known: dict[IdentifierId, int] = dict.fromkeys(stays, 0)
        for row in await self._contents(stays, _EVERY_CATEGORY):
            if row["of_account"]:
                continue
            basis, category = row["basis"], row["category_id"]
            for purpose in self._policy.purposes.values():
                if (basis >> purpose.id | purpose.retroactive >> category) & 1:
                    for one in named.get(row["entry_index"], ()):
                        known[one] = known.get(one, 0) | 1 << purpose.id
        return tuple((one, PurposeMask(self._seen_by.get(one, 0) & known[one])) for one in sorted(known))

    def _numbers(self, around: Component, erased: frozenset[IdentifierId]) -> dict[Ref, IdentifierId]:
        return {
            Ref(namespace=node.namespace, lookup=node.key): one
            for one, node in around.nodes.items()
            if one not in erased
        }

    def _shared_for_good(
        self, around: Component, erased: frozenset[IdentifierId]
    ) -> tuple[IdentifierId, ...]:
        """Return who stays shared, though the erased were among those who shared them.

        What came by them without a name may be of whoever was erased, so it becomes nobody else's.
        """
        before = resolution_of(around, self._policy, self._now).shared - erased
        if not before:
            return ()
        links = {key: link for key, link in around.links.items() if erased.isdisjoint(key[:2])}
        near = {one for key in around.links.keys() - links.keys() for one in key[:2]}
        rest = structs.replace(
            around, nodes={one: node for one, node in around.nodes.items() if one not in erased}, links=links
        )
        after = resolution_of(rest, self._policy, self._now).shared
        return tuple(
            sorted(
                one for one in before if (one in near or one not in after) and (one, one) not in around.denied
            )
        )

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
