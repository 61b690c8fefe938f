"""What is stored of feeds, and the lease by which one worker at a time writes each.

A lease is a row with an expiry, taken by compare-and-swap. It spares work; what makes the feed right is the
second swap: a writer says which commit it continues, so one whose lease was taken over while it computed
writes nothing. A crash leaves a whole number of commits, and whoever is next goes on from there.

Raises LeaseLost.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from assent.audiences.feed import Kind, Said, Step, Written, written
from assent.audiences.holdout import Arm
from assent.audiences.spoken import Spoken
from assent.core.ids import ControllerId, ProfileId, PurposeId
from assent.core.time import SECOND, Instant
from assent.database.statements import load
from assent.database.statistics import Statistics
from assent.database.types import Connection, Pool

_SQL = load("feed")
_WEBHOOKS = load("webhooks")

LEASE: Final = 15 * SECOND
"""How long the others wait for a worker that was killed."""


class LeaseLost(Exception):
    """Another worker writes this feed now."""


class Feed(Struct, frozen=True, kw_only=True):
    """One stored feed, and the sequence that its purpose stood at when it was listed."""

    controller_id: ControllerId
    id: int
    purpose_id: PurposeId
    purpose: str
    audience: str
    consumer: str
    seq: int
    """Its last change."""
    position: int
    head: int


class Feeds:
    """Feeds in the database, written under one worker's name."""

    def __init__(self, pool: Pool, clock: Callable[[], Instant], holder: str) -> None:
        self._pool = pool
        self._clock = clock
        self._holder = holder
        self._taken: set[ControllerId] = set()
        self._statistics = Statistics(pool)

    async def every(self) -> list[Feed]:
        """Return all feeds of all controllers."""
        return [
            _feed(row)
            for (controller_id,) in await self._pool.fetch(_SQL.controllers_followed)
            for row in await self._pool.fetch(_SQL.feeds, controller_id)
        ]

    async def begun(
        self, controller_id: ControllerId, purpose: str, audience: str, consumer: str
    ) -> Feed | None:
        """Return the feed, begun if it was not; None when the policy declares no such purpose."""
        key = (controller_id, purpose, audience, consumer)
        row = await self._pool.fetchrow(_SQL.feed_of, *key)
        if row is None:
            await self._pool.execute(_SQL.make_feed, *key)
            row = await self._pool.fetchrow(_SQL.feed_of, *key)
        return None if row is None else _feed(row)

    async def take(self, feed: Feed) -> int:
        """Hold the feed for a while; return how many commits it has. Raises LeaseLost."""
        now = self._clock()
        commits = await self._pool.fetchval(
            _SQL.take_feed, feed.controller_id, feed.id, self._holder, now, now + LEASE
        )
        if commits is None:
            raise LeaseLost
        self._taken.add(feed.controller_id)
        return int(commits)

    async def give_back(self) -> None:
        """Hold nothing any more."""
        await self._statistics.stop()
        for controller_id in self._taken:
            await self._pool.execute(_SQL.give_feeds_back, controller_id, self._holder)

    async def spoken(self, feed: Feed) -> Spoken:
        """Return whom a feed speaks of."""
        rows = await self._pool.fetch(_SQL.feed_profiles, feed.controller_id, feed.id)

        def spoken() -> Spoken:
            entered = [one for one, is_member in rows if is_member]
            return Spoken(entered, [one for one, is_member in rows if not is_member])

        return await asyncio.to_thread(spoken)

    async def spoken_again(self, feed: Feed, spoken: Spoken, profiles: Collection[ProfileId]) -> None:
        """Take what is stored of some profiles in place of what `spoken` has of them."""
        rows = await self._pool.fetch(_SQL.feed_profiles_of, feed.controller_id, feed.id, list(profiles))
        spoken.put(
            profiles, {one for one, entered in rows if entered}, {one for one, entered in rows if not entered}
        )

    async def said(self, feed: Feed, profiles: Sequence[ProfileId], subjects: Sequence[str]) -> list[Said]:
        """Return what a feed last said of these profiles, and of these subjects."""
        rows = await self._pool.fetch(_SQL.feed_subjects, feed.controller_id, feed.id, profiles, subjects)
        return [
            Said(
                subject=row["subject"],
                anchor=row["anchor_id"],
                profile=row["profile_id"],
                kind=Kind(row["kind"]),
                into=row["into_subject"],
                bucket=None if row["bucket"] is None else Arm(row["bucket"]),
                first_seq=row["first_seq"],
            )
            for row in rows
        ]

    async def write(
        self, feed: Feed, commits: int, steps: Sequence[Step], position: int, at: Instant
    ) -> Written:
        """Store steps as commit `commits` + 1; everything narrower up to `position` is in them then.

        Raises LeaseLost, with nothing stored.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                _SQL.lock_feed, feed.controller_id, feed.id, self._holder, commits
            )
            if row is None:
                raise LeaseLost
            result = await asyncio.to_thread(written, steps, row["delivered"], row["seq"])
            await _store(connection, feed, result, at)
            if result.changes:
                await connection.execute(
                    _WEBHOOKS.ping, feed.controller_id, feed.purpose, feed.consumer, feed.audience, at
                )
            await connection.execute(_SQL.move_feed, feed.controller_id, feed.id, result.seq, position)
        self._statistics.grown(len(result.changes))
        return result


async def _store(connection: Connection, feed: Feed, result: Written, at: Instant) -> None:
    key = (feed.controller_id, feed.id)
    if result.forgotten:
        since = dict(result.forgotten)
        subjects = list(since)
        # Looked up first: however these are joined to the feed, it must never be read once for each of them.
        said = await connection.fetch(_SQL.changes_of, *key, subjects)
        await connection.execute(
            _SQL.forget_changes, *key, [seq for seq, subject in said if seq >= since[subject]]
        )
        await connection.execute(_SQL.forget_becoming, *key, subjects)
        await connection.execute(_SQL.forget_subjects, *key, subjects)
    if result.returned:
        await connection.execute(_SQL.forget_mergers, *key, result.returned)
    if result.changes:
        await connection.execute(
            _SQL.insert_feed_changes,
            *key,
            [one.seq for one in result.changes],
            [one.subject for one in result.changes],
            [one.anchor for one in result.changes],
            [one.kind.value for one in result.changes],
            [one.into for one in result.changes],
            [one.bucket for one in result.changes],
            at,
        )
    if result.said:
        await connection.execute(
            _SQL.save_feed_subjects,
            *key,
            [one.subject for one in result.said],
            [one.anchor for one in result.said],
            [one.profile for one in result.said],
            [one.kind.value for one in result.said],
            [one.into for one in result.said],
            [one.bucket for one in result.said],
            [one.first_seq for one in result.said],
        )


def _feed(row: asyncpg.Record) -> Feed:
    return Feed(
        controller_id=row["controller_id"],
        id=row["feed_id"],
        purpose_id=row["purpose_id"],
        purpose=row["purpose"],
        audience=row["audience_id"],
        consumer=row["consumer"],
        seq=row["seq"],
        position=row["position"],
        head=row["head"],
    )
