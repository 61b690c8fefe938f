"""Keep what saved rules ask of events: ask for derived features, read what came before, drop the unneeded.

A derived feature is asked for by an entry of the ledger; from it on, commits keep what the feature needs.
What came before is read again here, in chunks that each hold the controller's head, beside everything else: a
crash loses nothing, the next caller goes on, and two that read at once share the work. A rule is in force
once everything it needs has been read.

Raises FactRejected; OverCapacity where more is only tried than should be kept; and Unavailable where reading
takes longer than a caller should wait: it goes on.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from time import monotonic
from typing import Final

from assent.consent.store import load_policy
from assent.core import derived
from assent.core.errors import FactRejected, OverCapacity, Unavailable
from assent.core.ids import CategoryId, ControllerId, EntryIndex, FeatureId, IdentifierId, PurposeMask
from assent.core.policy import Feature, Policy
from assent.core.time import Instant
from assent.database.pool import Database
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.facts import DerivationBody, Draft, make_facts, open_content
from assent.ingest.fold import keep_items
from assent.ingest.keeping import content_of, kept_items
from assent.ledger.append import Append
from assent.ledger.keyring import KeyRing
from assent.ledger.store import lock_head

_SQL = load("derivations")

PATIENCE_S: Final = 20.0
"""How long a caller waits for what came before to be read; then it is told to come again."""

_PAGE: Final = 1_000
"""Contents read while the head is held: some hundredths of a second."""

_PEOPLE: Final = 2_000

_TRIED: Final = "Too many questions of events were tried lately. Save the rule, or come again in minutes."

_LATELY_S: Final = 600.0
"""For so long what was asked for is not dropped, though no rule in force needs it: a preview may."""

MOST_TRIED: Final = 200
"""So many features that no rule in force needs are kept: each costs every commit of such an event."""

_IDLE_S: Final = 3_600.0
"""For so long what no rule needs is kept all the same: another process may have asked for it."""


class Derivations:
    """The derived features of every controller."""

    def __init__(
        self, database: Database, ledger: Append, ring: KeyRing, random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._ring = ring
        self._random = random
        self._asked: dict[str, float] = {}
        self._idle: dict[ControllerId, dict[str, float]] = {}
        """Since when nothing needs what is kept."""
        self._reading: dict[tuple[ControllerId, EntryIndex], asyncio.Task[None]] = {}

    async def ensure(self, controller_id: ControllerId, needed: Mapping[str, Feature], role: str) -> None:
        """Return once these features are kept, of what came before too."""
        if not needed:
            return
        self._asked = {name: at for name, at in self._asked.items() if monotonic() - at < _LATELY_S}
        self._asked |= dict.fromkeys(needed, monotonic())
        known = await self._known(controller_id)
        if halfway := needed.keys() & await self._halfway(controller_id, known):
            await self._delete(controller_id, known, halfway, role)
            known = await self._known(controller_id)
        missing = tuple(sorted(needed.keys() - known.keys()))
        if missing:
            await self._append(controller_id, DerivationBody(definitions=missing), role)
            known = await self._known(controller_id)
        entries = sorted({known[name][1] for name in needed})
        unready = await self._database.writer.fetch(_SQL.unready, controller_id, entries)
        for (entry,) in unready:
            await self._read(controller_id, entry)

    async def make_room(
        self, controller_id: ControllerId, tried: Iterable[str], in_force: Iterable[str], role: str
    ) -> None:
        """Return once what a preview tries may be kept beside what rules need. Raises OverCapacity."""
        needed, wanted = set(in_force), set(tried)
        for is_last in (False, True):
            known = (await self._known(controller_id)).keys()
            if wanted <= known or len((known | wanted) - needed) <= MOST_TRIED:
                return
            if not is_last:
                await self.drop_unneeded(controller_id, needed | wanted, role)
        raise OverCapacity(_TRIED)

    async def drop_unneeded(self, controller_id: ControllerId, needed: Iterable[str], role: str) -> None:
        """Drop the derived features that none of the rules in force needs, and what is kept for them."""
        known = await self._known(controller_id)
        await self._drop(controller_id, known, known.keys() - set(needed), role)

    async def drop_idle(self, controller_id: ControllerId, needed: Iterable[str], role: str) -> None:
        """Drop what none of the rules in force needed for an hour, as far as this process knows."""
        known, now = await self._known(controller_id), monotonic()
        before = self._idle.get(controller_id, {})
        idle = {name: before.get(name, now) for name in known.keys() - set(needed)}
        self._idle[controller_id] = idle
        over = {name for name, since in idle.items() if now - since >= _IDLE_S}
        await self._drop(controller_id, known, over, role)

    async def _drop(
        self,
        controller_id: ControllerId,
        known: Mapping[str, tuple[FeatureId, EntryIndex]],
        names: Iterable[str],
        role: str,
    ) -> None:
        lately = {name for name, at in self._asked.items() if monotonic() - at < _LATELY_S}
        if unneeded := set(names) - lately:
            await self._delete(controller_id, known, unneeded, role)

    async def _delete(
        self,
        controller_id: ControllerId,
        known: Mapping[str, tuple[FeatureId, EntryIndex]],
        names: Iterable[str],
        role: str,
    ) -> None:
        """Delete what is kept, in chunks, then say so. A crash between leaves it marked: deleted halfway."""
        unneeded = sorted(names)
        ids = [known[name][0] for name in unneeded]
        await self._database.writer.execute(_SQL.begin_dropping, controller_id, ids)
        after = IdentifierId(-1)
        while True:
            last = await self._database.writer.fetchval(_SQL.identifier_after, controller_id, after, _PEOPLE)
            if last is None:
                break
            async with self._database.writer.acquire() as connection, connection.transaction():
                await lock_head(connection, controller_id)
                await connection.execute(_SQL.delete_derived_items_until, controller_id, ids, after, last)
            after = last
        await self._append(controller_id, DerivationBody(dropped=tuple(unneeded)), role)
        await self._database.writer.execute(_SQL.end_dropping, controller_id, ids)

    async def _halfway(
        self, controller_id: ControllerId, known: Mapping[str, tuple[FeatureId, EntryIndex]]
    ) -> AbstractSet[str]:
        """Return what somebody began to delete and did not end: a crash, or another process just now."""
        numbers = [number for number, _ in known.values()]
        rows = await self._database.writer.fetch(_SQL.dropping, controller_id, numbers)
        found = {number for (number,) in rows}
        return {name for name, (number, _) in known.items() if number in found}

    async def _append(self, controller_id: ControllerId, body: DerivationBody, role: str) -> None:
        facts = make_facts(self._ring, self._random, controller_id, [Draft(body=body, role=role)])
        appended = await self._ledger.append(controller_id, facts)
        if appended.outcomes[0].code is not None:
            raise FactRejected(
                "Audiences ask more of events than can be kept. Delete those that nobody needs."
            )

    async def _known(self, controller_id: ControllerId) -> dict[str, tuple[FeatureId, EntryIndex]]:
        rows = await self._database.writer.fetch(_SQL.derived_features, controller_id)
        return {name: (number, entry) for number, name, entry in rows}

    async def _read(self, controller_id: ControllerId, entry: EntryIndex) -> None:
        """Wait for what came before an entry to be read, by one task of this process."""
        key = controller_id, entry
        task = self._reading.get(key)
        if task is None or task.done():
            task = asyncio.create_task(self._backfill(controller_id, entry), name="backfill")
            self._reading[key] = task
        try:
            await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
        except TimeoutError as error:
            raise Unavailable("What came before is being read. Ask again.") from error

    async def _backfill(self, controller_id: ControllerId, entry: EntryIndex) -> None:
        done = False
        while not done:
            async with self._database.writer.acquire() as connection, connection.transaction():
                done = await backfill_chunk(connection, self._ring, controller_id, entry)
            await asyncio.sleep(0)  # commits that wait for the head go first


async def backfill_chunk(
    connection: Connection, ring: KeyRing, controller_id: ControllerId, entry: EntryIndex
) -> bool:
    """Read the next contents from before an entry for its features; return whether that was all.

    The caller's transaction makes items and progress one.
    """
    head = await lock_head(connection, controller_id)
    place = await connection.fetchrow(_SQL.backfill, controller_id, entry)
    if head is None or place is None or place["ready"]:
        return True
    policy, _ = await load_policy(connection, controller_id, head.policy_version)
    asked = [row for row in await connection.fetch(_SQL.derived_features, controller_id) if row[2] == entry]
    only = _only(policy, [FeatureId(number) for number, _, _ in asked])
    rows = await connection.fetch(
        _SQL.contents_after,
        controller_id,
        sorted({feature.category for feature in only.features.values()}),
        place["identifier_id"],
        place["content_index"],
        place["part"],
        entry,
        _PAGE,
    )
    kept = []
    for one, index, _, category, basis, at, sealed in rows:
        body = open_content(ring, controller_id, sealed)
        if body.account is None:  # no rule's leaf is made of what is said of accounts
            content = content_of(body, CategoryId(category), Instant(at), EntryIndex(index))
            kept += kept_items(only, one, content, PurposeMask(basis), b"")
    numbers = list(only.features)
    people, entries = [row[0] for row in rows], [row[1] for row in rows]
    await connection.execute(_SQL.delete_derived_items_of, controller_id, numbers, people, entries)
    await keep_items(connection, controller_id, kept)
    done = len(rows) < _PAGE
    last = rows[-1][:3] if rows else (place["identifier_id"], place["content_index"], place["part"])
    await connection.execute(_SQL.move_backfill, controller_id, entry, *last, done)
    if done:
        await connection.execute(_SQL.move_catalogue, controller_id)
    return done


def _only(policy: Policy, numbers: list[FeatureId]) -> Policy:
    """Return the policy with these features alone; those of categories no longer declared are left out."""
    wanted = {number: policy.features[number] for number in numbers if number in policy.features}
    return derived.narrowed(policy, wanted)
