"""Keep every feed current: what the gate's changes and time alone did to an audience, written once.

    async with Following(...) as following:
        page = await following.read(asking, "loyal", after=0, limit=1000)

A worker holds each feed's lease while it follows. (1) The journal of the population says who entered and left
since the last commit (`Moving`); where it cannot, the audience's members now are compared with those the feed
last spoke of; (2) whoever moved, and whoever of those it spoke of was looked at again, is asked about at the
gate, in the same snapshot; (3) what `follow` makes of it is written, in order, a chunk a commit. A feed
is read only when everything that became narrower before the question is in it.

Raises UnknownAudience, UnknownPurpose, RevisionAhead, Unavailable.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Final, Self

import asyncpg
import numpy as np
import structlog
from msgspec import Struct

from assent.audiences.answers import Asking
from assent.audiences.feed import Present, Step, follow, in_order
from assent.audiences.followed import Followed
from assent.audiences.holdout import Holdout, arm_of
from assent.audiences.lease import Feed, Feeds, LeaseLost
from assent.audiences.live import Live, Standing
from assent.audiences.moving import watching
from assent.audiences.naming import named
from assent.audiences.reach import reached
from assent.audiences.rows import Ints
from assent.audiences.rule import Rule, listed
from assent.audiences.shelf import Audience, AudienceShelf
from assent.audiences.watch import Watch
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

_PATIENCE_S: Final = 2.0
"""How long a read goes on trying while another worker holds the feed."""
_PAUSE_S: Final = 0.05

_log = structlog.get_logger()


class _News(Struct, frozen=True, kw_only=True):
    """Whom to ask about at the gate, and what says which of some profiles are members now."""

    affected: Sequence[ProfileId]
    inside: Callable[[Sequence[ProfileId]], AbstractSet[ProfileId]]
    holdout: Holdout | None
    apart: bool
    """Whether it knows that by itself: others may have the population."""


_Watched = tuple[Mapping[str, Rule], Policy, Watch]


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
        self._followed: dict[tuple[ControllerId, int], Followed] = defaultdict(Followed)
        self._watched: dict[tuple[ControllerId, str], _Watched] = {}
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
        known = await self._shelf.of_purpose(asking.controller_id, asking.purpose, (audience,))
        saved = known.get(audience)
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
        until = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            with suppress(LeaseLost):
                await self._advance(feed)
            with suppress(asyncpg.SerializationError):
                found = await self._page(asking, wanted)
                if found is not None:
                    return found
            if asyncio.get_running_loop().time() >= until:
                raise Unavailable
            await asyncio.sleep(_PAUSE_S)

    async def is_ahead(self, asking: Asking, audience: str, after: int) -> bool:
        """Say whether the asking consumer's feed has changes after one, as far as they are written."""
        feed = await self._feeds.begun(asking.controller_id, asking.purpose, audience, asking.consumer)
        return feed is not None and feed.seq > after

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
            except (*LOST, asyncpg.PostgresError):
                raise
            except Exception as error:  # noqa: BLE001 a fault of one feed must not be the end of all
                _log.error("following a feed failed", error=type(error).__name__)

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
            known = await self._shelf.of_purpose(feed.controller_id, feed.purpose)
            rules = {one.id: one.rule for one in known.values()}
            saved = known.get(feed.audience)
            asked = [] if saved is None else reached(saved.rule, rules)
            current = self._live.current(
                feed.controller_id, feed.purpose, asked, patient=patient, counting=False
            )
            async with current as standing:
                news = await self._news(feed, followed, standing, rules, saved)
                turn = standing.journal.turn
                if news.apart:
                    standing.leave()
                steps, concerned = await self._steps(feed, standing, news)
                sequence, now = standing.position.sequence, standing.position.now
            try:
                await self._write(feed, followed, steps, sequence, now)
                await self._remembered(feed, followed, concerned if steps else ())
            except BaseException:
                followed.commits = -1  # what was stored is read again
                raise
            followed.turn, followed.holdout, followed.looked = turn, news.holdout, self._clock()

    async def _held(self, feed: Feed, followed: Followed) -> None:
        commits = await self._feeds.take(feed)
        if commits != followed.commits:
            followed.spoken = await self._feeds.spoken(feed)
            followed.commits, followed.turn = commits, -1

    async def _news(
        self,
        feed: Feed,
        followed: Followed,
        standing: Standing,
        rules: Mapping[str, Rule],
        saved: Audience | None,
    ) -> _News:
        """Return what the feed has to be told: by what moved since, or by asking everybody."""
        watch = await self._watch(feed, rules, standing.position.policy)
        await asyncio.to_thread(standing.moving.follow, watch, standing.position.now)
        holdout = None if saved is None else saved.holdout
        # Under another holdout anybody's bucket may be another.
        turn = followed.turn if holdout == followed.holdout else -1
        journal, spoken = standing.journal, followed.spoken
        again = journal.since(turn) if turn >= 0 else None
        wanted = () if saved is None else listed(saved.rule, rules)
        names = await followed.whom(feed, standing, self._door, self._ring, again, wanted)
        moved = journal.moved(turn, feed.audience, watch)
        if again is not None and moved is not None:
            return _News(
                affected=sorted({*moved, *spoken.among(again)}),
                inside=partial(standing.moving.inside, feed.audience),
                holdout=holdout,
                apart=False,
            )
        members = await self._members(saved, rules, standing, names)
        if not followed.listed:  # what lists name is each consumer's own
            await asyncio.to_thread(standing.moving.enter, feed.audience, members)
        differs = np.setxor1d(members, spoken.entered())
        stored = spoken.everybody() if again is None else np.array(spoken.among(again), np.int64)
        return _News(
            affected=[ProfileId(one) for one in np.union1d(differs, stored).tolist()],
            inside=lambda ids: frozenset(np.intersect1d(members, np.array(ids, np.int64)).tolist()),
            holdout=holdout,
            apart=True,
        )

    async def _members(
        self,
        saved: Audience | None,
        rules: Mapping[str, Rule],
        standing: Standing,
        names: Mapping[str, ProfileId],
    ) -> Ints:
        """Return everybody who is a member now."""
        if saved is None:
            return np.zeros(0, np.int64)
        ask = standing.population.members
        try:
            return await asyncio.to_thread(ask, saved.rule, standing.position.now, rules, names)
        except Refused:
            # The policy changed under the rule: nobody is a member until it is mended.
            return np.zeros(0, np.int64)

    async def _watch(self, feed: Feed, rules: Mapping[str, Rule], policy: Policy) -> Watch:
        """Return what watches the audiences of the feed's purpose; anew where rules or policy are others."""
        key = (feed.controller_id, feed.purpose)
        held = self._watched.get(key)
        if held is None or held[1] is not policy or held[0] != rules:
            held = self._watched[key] = rules, policy, await asyncio.to_thread(watching, policy, rules)
        return held[2]

    async def _steps(self, feed: Feed, standing: Standing, news: _News) -> tuple[list[Step], set[ProfileId]]:
        """Return what to say, and all profiles under whom it says other things then."""
        steps: dict[str, Step] = {}
        concerned: set[ProfileId] = set()
        for start in range(0, len(news.affected), _PAGE):
            ids = news.affected[start : start + _PAGE]
            said = await self._feeds.said(feed, ids, [])
            opened = await self._door.usable(standing.connection, [one.anchor for one in said])
            present = await self._present(feed, standing, news, {*ids, *opened.values()})
            # Whoever stands for a profile now may have been spoken of under another one.
            more = await self._feeds.said(feed, [], [one.subject for one in present.values()])
            said = list({one.subject: one for one in (*said, *more)}.values())
            opened |= await self._door.usable(standing.connection, [one.anchor for one in more])
            missing = set(opened.values()) - present.keys()
            present |= await self._present(feed, standing, news, missing)
            found = await asyncio.to_thread(follow, said, present, opened)
            # Who was erased and is back may be met twice, and is only stopped where they are not met again.
            back = {name for name, step in steps.items() if step.stopped is not None}
            steps |= {step.now.subject: step for step in found if step.now.subject not in back}
            concerned.update(one.profile for one in said)
            concerned.update(step.now.profile for step in found)
        return await asyncio.to_thread(in_order, steps.values()), concerned

    async def _present(
        self, feed: Feed, standing: Standing, news: _News, ids: Iterable[ProfileId]
    ) -> dict[ProfileId, Present]:
        wanted = sorted(ids)
        if not wanted:
            return {}
        anchors = await self._door.anchors(standing.connection, standing.position, wanted)
        inside = news.inside(wanted)
        who = feed.controller_id, feed.consumer, feed.purpose_id
        lookups = {profile: lookup for profile, (_, lookup) in anchors.items()}
        return {
            profile: Present(
                subject=name,
                anchor=IdentifierId(anchors[profile][0]),
                member=profile in inside,
                bucket=arm_of(news.holdout, lookups[profile]),
            )
            for profile, name in (await named(self._ring, *who, lookups)).items()
        }

    async def _write(
        self, feed: Feed, followed: Followed, steps: list[Step], sequence: int, now: Instant
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

    async def _remembered(self, feed: Feed, followed: Followed, concerned: Collection[ProfileId]) -> None:
        """Know what is stored now of those whom a commit concerned."""
        if len(concerned) > _CHUNK:
            followed.spoken = await self._feeds.spoken(feed)
        elif concerned:
            await self._feeds.spoken_again(feed, followed.spoken, concerned)
