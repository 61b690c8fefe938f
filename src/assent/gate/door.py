"""Release: the numbered steps by which data leaves for a purpose, several requests in one transaction.

    async with Door(...) as door:
        answer = await door.release(Ask(...))

(1) one snapshot, as the reader role; (2) the purpose, the controller and now are set, literally; (3) the
policy in force and the purpose's sequence; (4) identifiers become profiles, those the purpose may use; (5)
what the view yields of them; (6) the rows become profiles; (7) each answer is recorded; (8) the record is
committed, and only then does an answer leave. Failing anywhere, nothing leaves.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final, Self

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from assent.consent.shelf import PolicyShelf
from assent.core.errors import AssentError, OverCapacity, RevisionAhead, Unavailable, UnknownPurpose
from assent.core.ids import ControllerId, FeatureId, IdentifierId, NamespaceId, ProfileId, PurposeId
from assent.core.policy import IdentifierKind, Policy, Purpose
from assent.core.time import Instant
from assent.database.pool import Database
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.profile import Profile, profiles
from assent.gate.references import References
from assent.ledger.append import Ref
from assent.ledger.entries import SALT_BYTES, commit
from assent.ledger.keyring import KeyRing

_SQL = load("gate")

MOST_ASKS: Final = 64
"""Requests that share a transaction: more would make the first wait for the last."""

MOST_WAITING: Final = 4_096

_AT_ONCE: Final = 32
"""Profiles put together before others get their turn: a few milliseconds."""

LANES: Final = 2
"""Transactions under way at once: one waits for the disk while the other reads."""

_log = structlog.get_logger()


class Ask(Struct, frozen=True, kw_only=True):
    """Who asks, for which purpose, about whom."""

    controller_id: ControllerId
    purpose: str
    consumer: str
    refs: tuple[Ref | None, ...]
    """The identifiers asked about; None for one that cannot exist."""
    rules: str = ""
    """Names and versions of the rules that will be evaluated on the answer."""
    kind: str = "decision"
    at_least: int = 0
    """The purpose's sequence that the answer must have reached."""


class Answer(Struct, frozen=True, kw_only=True):
    """What is released: one profile or None per identifier, and what the answer rests on."""

    policy: Policy
    purpose: Purpose
    now: Instant
    sequence: int
    release: int
    profiles: tuple[Profile | None, ...]


class Position(Struct, frozen=True, kw_only=True):
    """Where a purpose stands in a snapshot."""

    policy: Policy
    purpose: Purpose
    now: Instant
    sequence: int
    catalogue: int
    """How often the derived features changed."""


class Record(Struct, frozen=True, kw_only=True):
    """One answer to record: who was in it, and how many it said there are."""

    kind: str
    consumer: str
    rules: str
    profiles: tuple[ProfileId, ...] = ()
    number: int | None = None


class Exported(Struct, frozen=True, kw_only=True):
    """An identifier that the purpose may hand out, and the payload that first named it, sealed."""

    profile: ProfileId
    namespace: NamespaceId
    identifier: IdentifierId
    sealed: bytes


class _Asked:
    __slots__ = ("ask", "future")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()


class Door:
    """Takes asks, and answers those that wait together from one snapshot."""

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        policies: PolicyShelf,
        clock: Callable[[], Instant],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._ring = ring
        self._policies = policies
        self._clock = clock
        self._random = random
        self._references = References(database.writer)
        self._waiting: dict[ControllerId, deque[_Asked]] = defaultdict(deque)
        self._lanes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._lanes:
            await asyncio.gather(*self._lanes, return_exceptions=True)

    async def release(self, ask: Ask) -> Answer:
        """Return what the purpose may see of those asked about, recorded before it is returned.

        Raises UnknownPurpose, RevisionAhead, OverCapacity, Unavailable.
        """
        queue = self._waiting[ask.controller_id]
        if len(queue) >= MOST_WAITING:
            raise OverCapacity
        asked = _Asked(ask)
        queue.append(asked)
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._work(), name="door")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await asked.future

    async def _work(self) -> None:
        while batch := self._next():
            try:
                await self._release(batch)
            except Exception as error:  # noqa: BLE001 whatever fails, every caller gets an answer
                if not isinstance(error, AssentError):
                    _log.error("release failed", error=type(error).__name__)
                    error = Unavailable()
                for asked in batch:
                    if not asked.future.done():
                        asked.future.set_exception(error)

    def _next(self) -> list[_Asked]:
        for queue in self._waiting.values():
            if queue:
                return [queue.popleft() for _ in range(min(MOST_ASKS, len(queue)))]
        return []

    async def _release(self, batch: Sequence[_Asked]) -> None:
        by_purpose: dict[str, list[_Asked]] = defaultdict(list)
        for asked in batch:
            by_purpose[asked.ask.purpose].append(asked)
        answers: list[tuple[_Asked, Answer | AssentError]] = []
        async with (
            self._database.reader.acquire() as connection,
            # (1) one snapshot: everything below is of one moment, which began after every ask of the batch.
            connection.transaction(isolation="repeatable_read"),
        ):
            for purpose, together in by_purpose.items():
                answers += await self._for_purpose(connection, purpose, together)
        # (8) committed: the records are durable.
        for asked, answer in answers:
            if asked.future.done():
                continue
            if isinstance(answer, AssentError):
                asked.future.set_exception(answer)
            else:
                asked.future.set_result(answer)

    async def _for_purpose(
        self, connection: Connection, name: str, together: Sequence[_Asked]
    ) -> list[tuple[_Asked, Answer | AssentError]]:
        controller_id = together[0].ask.controller_id
        refs = [ref for asked in together for ref in asked.ask.refs if ref is not None]
        try:
            purpose_id = await self._ask_for(connection, controller_id, name)
            # (3) where the purpose stands; (4) identifiers become profiles
            rows = await connection.fetch(
                _SQL.opened, [ref.namespace for ref in refs], [ref.lookup for ref in refs]
            )
            position = await self._position(controller_id, purpose_id, rows[0] if rows else None)
        except UnknownPurpose as unknown:
            return [(asked, unknown) for asked in together]
        ahead = [asked for asked in together if asked.ask.at_least > position.sequence]
        if ahead:
            reached = [asked for asked in together if asked not in ahead]
            rest = await self._for_purpose(connection, name, reached) if reached else []
            return [*((asked, RevisionAhead()) for asked in ahead), *rest]
        by_place = {row["place"] - 1: row["profile_id"] for row in rows if row["place"] is not None}
        # (5) what the view yields of them, (6) as profiles
        found = await self.look(connection, position, sorted(set(by_place.values())))
        by_id = {profile.id: profile for profile in found}
        by_ref = {ref: by_id.get(by_place[place]) for place, ref in enumerate(refs) if place in by_place}
        shown = [
            tuple(_shown(position, ref, by_ref.get(ref) if ref else None) for ref in asked.ask.refs)
            for asked in together
        ]
        # (7) record
        numbers = await self.record(
            connection,
            controller_id,
            position.purpose.id,
            [
                Record(kind=a.ask.kind, consumer=a.ask.consumer, rules=a.ask.rules, profiles=_ids(seen))
                for a, seen in zip(together, shown, strict=True)
            ],
        )
        return [
            (
                asked,
                Answer(
                    policy=position.policy,
                    purpose=position.purpose,
                    now=position.now,
                    sequence=position.sequence,
                    release=number,
                    profiles=seen,
                ),
            )
            for asked, seen, number in zip(together, shown, numbers, strict=True)
        ]

    async def stand(self, connection: Connection, controller_id: ControllerId, name: str) -> Position:
        """Set who asks and for what in this transaction, and return where the purpose stands.

        Raises UnknownPurpose when the policy in force declares none of that name.
        """
        purpose_id = await self._ask_for(connection, controller_id, name)
        # (3) the policy in force, now, and the purpose's sequence
        row = await connection.fetchrow(_SQL.position)
        return await self._position(controller_id, purpose_id, row)

    async def _ask_for(self, connection: Connection, controller_id: ControllerId, name: str) -> PurposeId:
        # A purpose keeps its number through every version, so any version at hand names it.
        policy = await self._policies.current(controller_id)
        if name not in policy.purpose_ids:
            policy = await self._policies.refreshed(controller_id)
        purpose_id = policy.purpose_ids.get(name)
        if purpose_id is None:
            raise UnknownPurpose
        # (2) literals: PostgreSQL takes no parameters here, and the numbers are ours.
        await connection.execute(
            f"SET LOCAL assent.controller = '{int(controller_id)}';"
            f"SET LOCAL assent.purpose = '{int(purpose_id)}';"
            f"SET LOCAL assent.now = '{int(self._clock())}'"
        )
        return purpose_id

    async def _position(
        self, controller_id: ControllerId, purpose_id: PurposeId, row: asyncpg.Record | None
    ) -> Position:
        if row is None:
            raise UnknownPurpose
        policy = await self._policies.version(controller_id, row["policy_version"], row["catalogue"])
        return Position(
            policy=policy,
            purpose=policy.purposes[purpose_id],
            now=row["now"],
            sequence=row["seq"],
            catalogue=row["catalogue"],
        )

    async def derived(self, connection: Connection) -> dict[str, FeatureId]:
        """Return the numbers of the derived features of which all is kept that came before, by name."""
        return {name: number for number, name in await connection.fetch(_SQL.derived)}

    async def look(
        self, connection: Connection, position: Position, ids: Sequence[ProfileId]
    ) -> list[Profile]:
        """Return what the purpose may see of profiles; those it may not see are missing."""
        if not ids:
            return []
        rows = await connection.fetch(_SQL.released, ids)
        rows.sort(key=lambda row: row[0])
        found: list[Profile] = []
        for one in profiles(position.policy, position.purpose, rows, position.now):
            found.append(one)
            if not len(found) % _AT_ONCE:
                await asyncio.sleep(0)  # decisions wait meanwhile
        return found

    async def subjects(
        self, connection: Connection, position: Position, ids: Sequence[ProfileId]
    ) -> dict[ProfileId, bytes]:
        """Return the keyed hash of the identifier that stands for each profile."""
        rows = await connection.fetch(_SQL.subjects, ids, _ranking(position.policy))
        return {row["profile_id"]: row["lookup"] for row in rows}

    async def anchors(
        self, connection: Connection, position: Position, ids: Sequence[ProfileId]
    ) -> dict[ProfileId, tuple[IdentifierId, bytes]]:
        """Return the identifier that stands for each profile, with its keyed hash."""
        rows = await connection.fetch(_SQL.anchors, ids, _ranking(position.policy))
        return {row["profile_id"]: (row["identifier_id"], row["lookup"]) for row in rows}

    async def usable(
        self, connection: Connection, ids: Sequence[IdentifierId]
    ) -> dict[IdentifierId, ProfileId]:
        """Return which identifiers the purpose may use now, each with the profile it is in for it."""
        rows = await connection.fetch(_SQL.usable, ids)
        return {row["identifier_id"]: row["profile_id"] for row in rows}

    async def exported(
        self, connection: Connection, ids: Sequence[ProfileId], namespaces: Sequence[NamespaceId]
    ) -> list[Exported]:
        """Return what may be handed out of profiles: what the policy exports, each permitted."""
        return [
            Exported(profile=profile, namespace=namespace, identifier=identifier, sealed=sealed)
            for profile, namespace, identifier, sealed in await connection.fetch(
                _SQL.exported, ids, namespaces
            )
        ]

    async def record(
        self,
        connection: Connection,
        controller_id: ControllerId,
        purpose: PurposeId,
        records: Sequence[Record],
    ) -> list[int]:
        """Record answers; durable when the caller's transaction is committed. Returns their `references`."""
        called = await self._references.take(controller_id, purpose, [one.consumer for one in records])
        salts = self._random(SALT_BYTES * len(records))
        commitments, plain = [], []
        for place, one in enumerate(records):
            salt = salts[SALT_BYTES * place : SALT_BYTES * (place + 1)]
            who = msgspec.json.encode(one.profiles)
            commitments.append(commit(salt, who))
            plain.append((salt + who, b"assent/release@1 %d" % controller_id))
        await connection.execute(
            _SQL.record,
            [one.kind for one in records],
            [one.consumer for one in records],
            called,
            [one.rules for one in records],
            [len(one.profiles) if one.number is None else one.number for one in records],
            commitments,
            self._ring.seal_many(plain),
        )
        return called


def _ranking(policy: Policy) -> list[NamespaceId]:
    """Return the namespaces, the one of highest priority first."""
    return sorted(policy.namespaces, key=lambda number: policy.namespaces[number].priority)


def _ids(shown: Sequence[Profile | None]) -> tuple[ProfileId, ...]:
    return tuple(profile.id for profile in shown if profile is not None)


def _shown(position: Position, ref: Ref | None, profile: Profile | None) -> Profile | None:
    """Return the profile, unless an identifier of this kind may not alone open a named person."""
    if ref is None or profile is None:
        return None
    namespace = position.policy.namespaces.get(ref.namespace)
    if namespace is None:
        # Read by a policy that declared it; the one in force does not, and opens nobody by it.
        return None
    named = IdentifierKind.PERSON in profile.kinds
    return None if named and namespace.kind not in position.purpose.opened_by else profile
