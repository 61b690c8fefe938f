"""Answer about whole audiences: count, preview, overlap, members. Recorded before the first byte leaves.

Counting runs in a thread on a consistent snapshot, so decisions keep their latency meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from assent.audiences import goal as goals
from assent.audiences.check import Needs, check
from assent.audiences.distinctive import Distinctive, described, distinctive
from assent.audiences.floors import floored
from assent.audiences.holdout import ARMS, Arm, Holdout, arm_of
from assent.audiences.live import Live, Standing
from assent.audiences.naming import PAGE, named
from assent.audiences.question import Question
from assent.audiences.reach import reached, referred
from assent.audiences.rule import And, Audience, Rule, listed
from assent.audiences.shelf import Audience as Saved
from assent.audiences.shelf import AudienceShelf
from assent.audiences.singling import singling
from assent.core.errors import Forbidden, RevisionAhead, UnknownAudience
from assent.core.ids import ControllerId, NamespaceId, ProfileId
from assent.core.policy import Policy
from assent.gate.door import Door, Exported, Record
from assent.ledger.keyring import KeyRing

CHUNK: Final = 1_000
"""Members between two looks at what became narrower."""

_WHOLE: Final = 2
"""Whole audiences asked for at once: each takes a connection that decisions need too, for seconds."""

_NAME: Final = "S33"
"""A pairwise id."""

_SINGLING: Final = "What names people singly is not counted for a key that may not know members."


class Member(NamedTuple):
    """One member: the pairwise id, the profile inside, and the bucket where somebody is held out."""

    subject: str
    profile: ProfileId
    bucket: Arm | None


Chunk = tuple[Member, ...]


class Asking(Struct, frozen=True, kw_only=True):
    """Who asks, for which purpose."""

    controller_id: ControllerId
    purpose: str
    consumer: str
    exact: bool
    """Whether the key may know members; a count is floored to multiples of k otherwise."""
    at_least: int = 0
    """The purpose's sequence that the answer must have reached."""


class Count(Struct, frozen=True, kw_only=True):
    """How many; `floored_to` is 1 for an exact count."""

    count: int
    floored_to: int
    sequence: int


class Members(Struct, frozen=True, kw_only=True):
    """Who: pairwise ids in order, with the record of the answer. They are checked again while they leave."""

    subjects: Chunk
    sequence: int
    release: int
    rules: Sequence[Rule]
    """What that takes."""
    asked: Callable[[Standing], Question]
    """Asks who they are once more."""
    turn: int
    """Of the population's journal, as of which they are those."""


class Goals(Struct, frozen=True, kw_only=True):
    """How many members reached each goal of an audience, in treatment and control."""

    goals: tuple[goals.Reached, ...]
    floored_to: int
    sequence: int


class Standout(Struct, frozen=True, kw_only=True):
    """What is more frequent among members than in the population; every number is floored."""

    members: int
    population: int
    values: tuple[Distinctive, ...]
    floored_to: int
    sequence: int


class Audiences:
    """Everything an engine may ask about more than one person."""

    def __init__(self, shelf: AudienceShelf, live: Live, door: Door, ring: KeyRing) -> None:
        self.shelf = shelf
        self._live = live
        self._door = door
        self._ring = ring
        self._whole = asyncio.Semaphore(_WHOLE)

    async def count(self, asking: Asking, name: str) -> Count:
        """Return how many members an audience has. Raises UnknownAudience, UnknownPurpose."""
        saved, known = await self._saved(asking, name)
        return await self._count(asking, saved.rule, known, "count", _named(saved))

    async def needs(self, asking: Asking, policy: Policy, rule: Rule) -> Needs:
        """Return what a rule that is not saved looks at. Raises what `check` raises, and Forbidden."""
        known = await self._known(asking, referred(rule))
        needs = check(rule, policy, policy.purpose_ids[asking.purpose], known)
        if not asking.exact and (place := singling(rule, policy, known)) is not None:
            raise Forbidden(_SINGLING, pointer=f"/rule{place}")
        return needs

    async def preview(self, asking: Asking, rule: Rule) -> Count:
        """Return how many would be members of a rule that is not saved, and was checked."""
        known = await self._known(asking, referred(rule))
        return await self._count(asking, rule, known, "preview", "-")

    async def overlap(self, asking: Asking, names: Sequence[str]) -> Count:
        """Return how many are members of all of several audiences."""
        known = await self._known(asking, names)
        for place, name in enumerate(names):
            if name not in known:
                raise UnknownAudience(pointer=f"/audiences/{place}")
        rule = And(of=tuple(Audience(audience=name) for name in names))
        return await self._count(asking, rule, known, "overlap", ",".join(names))

    async def goals(self, asking: Asking, name: str) -> Goals:
        """Return how many members reached each goal, all of one moment; every number is recorded."""
        saved, known = await self._saved(asking, name)
        wanted = goals.cells(saved.rule, saved.holdout, saved.goals)
        every = And(of=tuple(wanted.values()))
        async with self._standing(asking, reached(every, known)) as standing:
            ids = await self._ids(asking, standing, every, known)
            now = standing.position.now
            questions = {
                cell: standing.population.ask(rule, now, known, ids) for cell, rule in wanted.items()
            }
            counted = await asyncio.to_thread(
                lambda: {cell: question.count() for cell, question in questions.items()}
            )
            k = 1 if asking.exact else standing.position.purpose.k
            numbers = goals.shown(counted, k)
            records = [
                Record(kind="goals", consumer=asking.consumer, rules=_named(saved, *cell), number=one)
                for cell, one in numbers.items()
            ]
            await self._record(asking, standing, records)
            sequence = standing.position.sequence
        return Goals(goals=goals.reached(saved.goals, numbers), floored_to=k, sequence=sequence)

    async def distinctive(self, asking: Asking, name: str, limit: int) -> Standout:
        """Return what is more frequent among members than in the population, floored for every key."""
        saved, known = await self._saved(asking, name)
        async with self._standing(asking, reached(saved.rule, known)) as standing:
            purpose, k = standing.position.purpose, standing.position.purpose.k
            ids = await self._ids(asking, standing, saved.rule, known)
            features = described(standing.position.policy, purpose.categories)
            question = standing.population.ask(saved.rule, standing.position.now, known, ids)
            names = standing.population.names(features)
            standing.leave()
            tally = await asyncio.to_thread(question.tally, features, names)
            found = await asyncio.to_thread(distinctive, tally, features, names, k, limit)
            shown = floored(tally.members, k)
            record = Record(kind="distinctive", consumer=asking.consumer, rules=_named(saved), number=shown)
            await self._record(asking, standing, [record])
            sequence = standing.position.sequence
        return Standout(
            members=shown,
            population=floored(tally.population, k),
            values=found,
            floored_to=k,
            sequence=sequence,
        )

    async def members(
        self,
        asking: Asking,
        name: str,
        namespaces: Sequence[str] = (),
        buckets: AbstractSet[Arm] = ARMS,
    ) -> Members:
        """Return all members of an audience now, recorded; `namespaces` are what they leave with.

        Of `buckets` alone; whoever is in an audience that holds nobody out counts as treated.
        """
        saved, known = await self._saved(asking, name)
        rules = reached(saved.rule, known)
        async with self._whole, self._standing(asking, rules) as standing:
            ids = await self._ids(asking, standing, saved.rule, known)

            def asked(stands: Standing) -> Question:
                return stands.population.ask(saved.rule, stands.position.now, known, ids)

            question, turn = asked(standing), standing.journal.turn
            standing.leave()  # the others' turn: the question is of this moment
            found = await asyncio.to_thread(question.members)
            subjects = await self._people(asking, standing, found.tolist(), saved.holdout, buckets)
            profiles = await asyncio.to_thread(lambda: tuple([member.profile for member in subjects]))
            (release,) = await self._record(
                asking,
                standing,
                [
                    Record(
                        kind="members",
                        consumer=asking.consumer,
                        rules=_named(saved, *namespaces),
                        profiles=profiles,
                    )
                ],
            )
            sequence = standing.position.sequence
        return Members(
            subjects=subjects, sequence=sequence, release=release, rules=rules, asked=asked, turn=turn
        )

    async def chunks(self, asking: Asking, members: Members) -> AsyncIterator[Chunk | None]:
        """Yield the members in order, in chunks; None, and nothing more, once any of them became narrower.

        Who is no member any more when their chunk leaves is left out: consents lapse at any moment, and a
        list that began again for each would never end.
        """
        everyone: set[ProfileId] = set()
        after = members.sequence
        for start in range(0, len(members.subjects), CHUNK):
            after, narrowed = await self._live.narrowed(asking.controller_id, asking.purpose, after)
            if narrowed and not everyone:  # most lists leave while nobody withdraws
                everyone = {member.profile for member in members.subjects}
            if narrowed and (0 in narrowed or narrowed & everyone):
                yield None
                return
            yield await self._still(asking, members, members.subjects[start : start + CHUNK])

    async def _still(self, asking: Asking, members: Members, chunk: Chunk) -> Chunk:
        async with self._live.current(asking.controller_id, asking.purpose, members.rules) as standing:
            moved = standing.journal.since(members.turn)
            if moved is not None and moved.isdisjoint(member.profile for member in chunk):
                return chunk
            found = await asyncio.to_thread(members.asked(standing).members)
        still = set(found.tolist())
        return tuple(member for member in chunk if member.profile in still)

    async def exported(
        self, asking: Asking, chunk: Chunk, namespaces: Sequence[NamespaceId]
    ) -> list[Exported]:
        """Return the identifiers that a chunk's members are handed out with, as the gate permits them now."""
        profiles = [member.profile for member in chunk]
        return await self._live.exported(asking.controller_id, asking.purpose, profiles, namespaces)

    async def _count(
        self, asking: Asking, rule: Rule, known: Mapping[str, Rule], kind: str, rules: str
    ) -> Count:
        async with self._standing(asking, reached(rule, known)) as standing:
            ids = await self._ids(asking, standing, rule, known)
            question = standing.population.ask(rule, standing.position.now, known, ids)
            number = await asyncio.to_thread(question.count)
            k = 1 if asking.exact else standing.position.purpose.k
            shown = floored(number, k)
            record = Record(kind=kind, consumer=asking.consumer, rules=rules, number=shown)
            await self._record(asking, standing, [record])
            sequence = standing.position.sequence
        return Count(count=shown, floored_to=k, sequence=sequence)

    async def _record(self, asking: Asking, standing: Standing, records: Sequence[Record]) -> list[int]:
        """Record answers in the snapshot that they are of; return what the consumer calls them."""
        purpose = standing.position.purpose.id
        return await self._door.record(standing.connection, asking.controller_id, purpose, records)

    @asynccontextmanager
    async def _standing(self, asking: Asking, rules: Sequence[Rule]) -> AsyncIterator[Standing]:
        async with self._live.current(asking.controller_id, asking.purpose, rules) as standing:
            if asking.at_least > standing.position.sequence:
                raise RevisionAhead
            yield standing

    async def _ids(
        self, asking: Asking, standing: Standing, rule: Rule, known: Mapping[str, Rule]
    ) -> dict[str, ProfileId]:
        """Return whom the lists of a rule name, for this consumer and this purpose.

        A name cannot be turned back, so everyone's is computed, off the loop: it costs what all members do.
        Every answer about several people passes here: raises Forbidden where the key may not ask for these.
        """
        if not asking.exact and singling(rule, standing.position.policy, known) is not None:
            raise Forbidden(_SINGLING)
        wanted = listed(rule, known)
        if not wanted:
            return {}
        everyone = await self._people(asking, standing, standing.population.profiles().tolist())
        return {name: profile for name, profile, _ in everyone if name in wanted}

    async def _people(
        self,
        asking: Asking,
        standing: Standing,
        profiles: Sequence[ProfileId],
        holdout: Holdout | None = None,
        buckets: AbstractSet[Arm] = ARMS,
    ) -> Chunk:
        """Return people as the consumer knows them, in order."""
        who = asking.controller_id, asking.consumer, standing.position.purpose.id
        found: list[Member] = []
        names = [np.zeros(0, _NAME)]
        for start in range(0, len(profiles), PAGE):
            page = profiles[start : start + PAGE]
            subjects = await self._door.subjects(standing.connection, standing.position, page)
            people = [
                Member(name, one, arm_of(holdout, subjects[one]))
                for one, name in (await named(self._ring, *who, subjects)).items()
            ]
            people = [one for one in people if (one.bucket or Arm.TREATMENT) in buckets]
            found += people
            names.append(np.array([one.subject for one in people], _NAME))

        def in_order() -> Chunk:
            # Not by Python's own sort, which lets nobody else in until it ends.
            return tuple([found[place] for place in np.argsort(np.concatenate(names)).tolist()])

        return await asyncio.to_thread(in_order)

    async def _saved(self, asking: Asking, name: str) -> tuple[Saved, dict[str, Rule]]:
        known = await self.shelf.of_purpose(asking.controller_id, asking.purpose, (name,))
        if name not in known:
            raise UnknownAudience
        return known[name], {one.id: one.rule for one in known.values()}

    async def _known(self, asking: Asking, wanted: Iterable[str]) -> dict[str, Rule]:
        known = await self.shelf.of_purpose(asking.controller_id, asking.purpose, wanted)
        return {one.id: one.rule for one in known.values()}


def _named(saved: Saved, *parts: str) -> str:
    """Return an audience, and what of it was asked for, as releases name it."""
    return ":".join((f"{saved.id}@{saved.version}", *filter(None, parts)))
