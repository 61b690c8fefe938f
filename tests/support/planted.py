"""Faults laid over the product's code, by name: each breaks one guarantee."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assent.audiences.feed import Written
from assent.audiences.lease import Feed, Feeds
from assent.audiences.live import Live, _Held
from assent.audiences.moving import Moving
from assent.core.errors import AssentError
from assent.core.ids import EntryIndex, Revision
from assent.database.types import Connection
from assent.gate.door import Door, _Asked
from assent.ingest import batch
from assent.ingest.committer import Committer, _Item
from assent.ingest.memory import Memory
from assent.ledger.append import Outcome


def stale_population() -> None:
    """Count and list from what was loaded once: changes are not followed."""

    async def caught_up(_: Live, __: Connection, held: _Held, *___: object) -> Moving | None:
        return held.moving

    Live._caught_up = caught_up  # type: ignore[method-assign, assignment]


def kept_snapshot() -> None:
    """Decide from a snapshot that is kept open: every answer is of the moment of the first."""
    kept: list[Connection] = []
    alone = asyncio.Lock()

    async def release(door: Door, waiting: Sequence[_Asked]) -> None:
        async with alone:
            if not kept:
                connection = await door._database.reader.acquire()
                await connection.transaction(isolation="repeatable_read").start()
                kept.append(connection)
            by_purpose = defaultdict(list)
            for asked in waiting:
                by_purpose[asked.ask.purpose].append(asked)
            for purpose, together in by_purpose.items():
                for asked, answer in await door._for_purpose(kept[0], purpose, together):
                    if isinstance(answer, AssentError):
                        asked.future.set_exception(answer)
                    else:
                        asked.future.set_result(answer)

    Door._release = release  # type: ignore[method-assign, assignment]


def early_answer() -> None:
    """Acknowledge facts first and commit them a moment later."""
    sound = Committer._commit

    async def commit(committer: Committer, items: Sequence[_Item]) -> None:
        for item in items:
            item.waiting.answer(item.place, Outcome(), Revision(1))
        await asyncio.sleep(0.3)
        await sound(committer, items)

    Committer._commit = commit  # type: ignore[method-assign, assignment]


def no_message_keys() -> None:
    """Take a message whether or not it was taken before."""

    async def messages_seen(*_: object) -> dict[bytes, EntryIndex]:
        return {}

    batch.messages_seen = messages_seen  # type: ignore[attr-defined, assignment]


def feed_told_twice() -> None:
    """Write what a feed has to say again, as if it were not known that the first commit went through."""
    sound = Feeds.write

    async def write(feeds: Feeds, feed: Feed, commits: int, *rest: Any) -> Written:  # noqa: ANN401
        await sound(feeds, feed, commits, *rest)
        return await sound(feeds, feed, commits + 1, *rest)

    Feeds.write = write  # type: ignore[method-assign, assignment]


def stale_memory() -> None:
    """Go on with what the last commit left, whoever has moved the head since."""
    Memory.is_of = lambda *_: True  # type: ignore[method-assign]


FAULTS: Mapping[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        stale_population,
        kept_snapshot,
        early_answer,
        no_message_keys,
        feed_told_twice,
        stale_memory,
    )
}
