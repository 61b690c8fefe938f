"""Keep every feed current: what the gate's changes and time alone did to an audience, written once.

    async with Following(...) as following:
        page = await following.read(asking, "loyal", after=0, limit=1000)

A worker holds each feed's lease while it follows. (1) The audience's members now are compared with those the
feed last spoke of; (2) whoever differs, and whoever was looked at again since (`Journal`), is asked about at
the gate, in the same snapshot; (3) what `follow` makes of it is written, in order, a chunk a commit. A feed
is read only when everything that became narrower before the question is in it.

Raises UnknownAudience, UnknownPurpose, RevisionAhead, Unavailable.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Self

import asyncpg
import numpy as np
import structlog

from assent.audiences.answers import Asking
from assent.audiences.feed import Present, Step, follow, in_order
from assent.audiences.lease import Feed, Feeds, Ids, LeaseLost
from assent.audiences.live import Live, Standing
from assent.audiences.moving import Kept, Together, moved
from assent.audiences.rule import Rule
from assent.audiences.shelf import AudienceShelf
from assent.core.errors import (
    AssentError,
    Refused,
    RevisionAhead,
    Unavailable,
    UnknownAudience,
    UnknownPurpose,
)
from assent.core.ids import ControllerId, IdentifierId, ProfileId
from assent.core.policy import Policy
from assent.core.time import SECOND, Instant
from assent.database.lost import LOST
from assent.database.pool import Database
from assent.gate.door import Door
from assent.gate.feeds import Page, Wanted, page
from assent.ledger.keyring import KeyRing

EVERY_S: Final = 1.0

_QUIET: Final = 5 * SECOND
"""How long a feed rests while nothing changed: time alone opens, closes and leaves windows."""

_CHUNK: Final = 10_000
"""Steps of one commit."""

_PAGE: Final = 5_000
"""Profiles asked about in one statement."""

_TRIES: Final = 40
_PAUSE_S: Final = 0.05
"""A read waits two seconds in all for the worker that holds the feed."""

_log = structlog.get_logger()


class _Followed:
    """What this worker knows of a feed that it writes, as of its last commit."""

    __slots__ = ("commits", "entered", "kept", "lock", "looked", "others", "turn")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.commits = -1
        self.turn = -1
        self.looked = Instant(0)
        self.kept: Kept | None = None
        """Who was a member at `turn`."""
        self.entered: Ids = np.zeros(0, np.int64)
        self.others: Ids = np.zeros(0, np.int64)


class Following:
    """Follows feeds while the context is open, and reads them."""

    def __init__(
        self,
        database: Database,
        feeds: Feeds,
        live: Live,
        door: Door,
        shelf: AudienceShelf,
        ring: KeyRing,
        clock: Callable[[], Instant],
    ) -> None:
        self._database = database
        self._feeds = feeds
        self._live = live
        self._door = door
        self._shelf = shelf
        self._ring = ring
        self._clock = clock
        self._followed: dict[tuple[ControllerId, int], _Followed] = defaultdict(_Followed)
        self._together: dict[tuple[ControllerId, str], Together] = {}
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work(), name="feeds")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        if self._task is not None:
            await self._task
        with suppress(*LOST, asyncpg.PostgresError):
            await self._feeds.give_back()

    async def read(self, asking: Asking, audience: str, *, after: int, limit: int) -> tuple[Page, int]:
        """Return a page of the asking consumer's feed and the purpose's sequence, recorded.

        A feed that was never read begins with everybody who is a member now.
        """
        saved = (await self._shelf.of_purpose(asking.controller_id, asking.purpose)).get(audience)
        if saved is None:
            raise UnknownAudience
        wanted = Wanted(
            controller_id=asking.controller_id,
            audience=audience,
            consumer=asking.consumer,
            rules=f"{saved.id}@{saved.version}",
            after=after,
            limit=limit,
        )
        feed = await self._feeds.begun(asking.controller_id, asking.purpose, audience, asking.consumer)
        if feed is None:
            raise UnknownPurpose
        for _ in range(_TRIES):
            with suppress(LeaseLost):
                await self._advance(feed)
            with suppress(asyncpg.SerializationError):
                found = await self._page(asking, wanted)
                if found is not None:
                    return found
            await asyncio.sleep(_PAUSE_S)
        raise Unavailable

    async def begin(self, controller_id: ControllerId, purpose: str, audience: str, consumer: str) -> None:
        """Keep a feed from now on, if nobody read it yet."""
        await self._feeds.begun(controller_id, purpose, audience, consumer)

    async def follow_all(self) -> None:
        """Bring every feed up to now that this worker holds, or may take."""
        for feed in await self._feeds.every():
            followed = self._followed[feed.controller_id, feed.id]
            if feed.position == feed.head and self._clock() - followed.looked < _QUIET:
                continue
            try:
                await self._advance(feed, patient=False)
            except LeaseLost:
                self._followed.pop((feed.controller_id, feed.id), None)
            except Unavailable:
                continue  # its people are being loaded
            except Refused as error:
                # The purpose or the rule is no longer what the policy declares: there is nobody to tell of.
                _log.warning("feed cannot be followed", code=error.code)

    async def _work(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), EVERY_S)
            if self._closing.is_set():
                return
            try:
                await self.follow_all()
            except (*LOST, AssentError, asyncpg.PostgresError) as error:
                _log.warning("feeds wait", error=type(error).__name__)

    async def _page(self, asking: Asking, wanted: Wanted) -> tuple[Page, int] | None:
        async with (
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            position = await self._door.stand(connection, asking.controller_id, asking.purpose)
            if asking.at_least > position.sequence:
                raise RevisionAhead
            found = await page(self._door, connection, position.purpose.id, wanted)
        return None if found is None else (found, position.sequence)

    async def _advance(self, feed: Feed, *, patient: bool = True) -> None:
        """Write what changed since the last commit. Raises LeaseLost."""
        followed = self._followed[feed.controller_id, feed.id]
        async with followed.lock:
            await self._held(feed, followed)
            async with self._live.current(feed.controller_id, feed.purpose, patient=patient) as standing:
                turn = standing.journal.turn
                members = await self._members(feed, followed, standing)
                affected = _affected(followed, members, standing)
                steps = await self._steps(feed, standing, members, affected)
                sequence, now = standing.position.sequence, standing.position.now
            try:
                await self._write(feed, followed, steps, sequence, now)
            except BaseException:
                followed.commits, followed.kept = -1, None  # what was stored is read again
                raise
            followed.turn, followed.looked = turn, self._clock()

    async def _held(self, feed: Feed, followed: _Followed) -> None:
        commits = await self._feeds.take(feed)
        if commits != followed.commits:
            stored = await self._feeds.profiles(feed)
            followed.entered, followed.others = stored.entered, stored.others
            followed.commits, followed.turn = commits, -1

    async def _members(self, feed: Feed, followed: _Followed, standing: Standing) -> Ids:
        before, followed.kept = followed.kept, None
        known = await self._shelf.of_purpose(feed.controller_id, feed.purpose)
        saved = known.get(feed.audience)
        if saved is None:
            return np.zeros(0, np.int64)
        rules = {one.id: one.rule for one in known.values()}
        policy, population, now = standing.position.policy, standing.population, standing.position.now
        touched = standing.journal.since(followed.turn) if followed.turn >= 0 else None
        try:
            together = await self._ready(feed, rules, policy)
            turn = standing.journal.turn
            members = moved(before, feed.audience, together, population, touched, turn, now)
            if members is None:
                question = population.ask(saved.rule, now, rules)
                members = await asyncio.to_thread(question.members)
        except Refused:
            # The policy changed under the rule: nobody is a member until it is mended.
            return np.zeros(0, np.int64)
        followed.kept = Kept(together=together, members=members)
        return members

    async def _ready(self, feed: Feed, rules: Mapping[str, Rule], policy: Policy) -> Together:
        """Return the audiences of the feed's purpose, made ready; anew where rules or policy are others."""
        key = (feed.controller_id, feed.purpose)
        held = self._together.get(key)
        if held is None or held.policy is not policy or held.rules != rules:
            held = self._together[key] = await asyncio.to_thread(Together, rules, policy)
        return held

    async def _steps(self, feed: Feed, standing: Standing, members: Ids, affected: Ids) -> list[Step]:
        steps: dict[str, Step] = {}
        for start in range(0, len(affected), _PAGE):
            ids = [ProfileId(int(one)) for one in affected[start : start + _PAGE]]
            said = await self._feeds.said(feed, ids, [])
            opened = await self._door.usable(standing.connection, [one.anchor for one in said])
            present = await self._present(feed, standing, members, {*ids, *opened.values()})
            # Whoever stands for a profile now may have been spoken of under another one.
            more = await self._feeds.said(feed, [], [one.subject for one in present.values()])
            said = list({one.subject: one for one in (*said, *more)}.values())
            opened |= await self._door.usable(standing.connection, [one.anchor for one in more])
            missing = set(opened.values()) - present.keys()
            present |= await self._present(feed, standing, members, missing)
            steps |= {step.now.subject: step for step in follow(said, present, opened)}
        return in_order(steps.values())

    async def _present(
        self, feed: Feed, standing: Standing, members: Ids, ids: Iterable[ProfileId]
    ) -> dict[ProfileId, Present]:
        wanted = sorted(ids)
        if not wanted:
            return {}
        anchors = await self._door.anchors(standing.connection, standing.position, wanted)
        inside = frozenset(np.intersect1d(members, np.array(wanted, np.int64)).tolist())
        return {
            profile: Present(
                subject=self._ring.pairwise(feed.controller_id, feed.consumer, feed.purpose_id, lookup),
                anchor=IdentifierId(anchor),
                member=profile in inside,
            )
            for profile, (anchor, lookup) in anchors.items()
        }

    async def _write(
        self, feed: Feed, followed: _Followed, steps: list[Step], sequence: int, now: Instant
    ) -> None:
        if not steps and feed.position == sequence:
            return
        for start in range(0, max(1, len(steps)), _CHUNK):
            chunk = steps[start : start + _CHUNK]
            # Until the last chunk is stored the feed lacks something of this moment.
            whole = start + _CHUNK >= len(steps)
            position = sequence if whole else feed.position
            await self._feeds.write(feed, followed.commits, chunk, position, now)
            followed.commits += 1
        if steps:
            stored = await self._feeds.profiles(feed)
            followed.entered, followed.others = stored.entered, stored.others


def _affected(followed: _Followed, members: Ids, standing: Standing) -> Ids:
    """Return the profiles to ask about: whose membership differs, and who was looked at again."""
    stored = np.union1d(followed.entered, followed.others)
    differs = np.setxor1d(members, followed.entered)
    again = standing.journal.since(followed.turn) if followed.turn >= 0 else None
    if again is None:
        return np.union1d(differs, stored)
    touched = np.intersect1d(stored, np.fromiter(again, np.int64, len(again)))
    return np.union1d(differs, touched)
