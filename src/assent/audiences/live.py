"""Keep each purpose's population current: fed by the gate, following the purpose's own changes.

Before a question is asked, everything up to the purpose's sequence on the primary has been applied, in one
snapshot with the record of the answer. So a withdrawal that was acknowledged before a question began is in
it, on every worker. Another policy, or a change that says so, loads the population anew: beside everything
else, page by page, one population at a time. Who asks meanwhile waits a little, and is told to come again.
Where rules merely ask other things of events than before, what asks nothing new goes on being answered from
the people who are held, until those that are loaded beside them take their place.

Raises UnknownPurpose, Unavailable.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final, Self

import numpy as np
import structlog
from msgspec import Struct, structs

from assent.audiences.derive import needed_by_all
from assent.audiences.engine import Population
from assent.audiences.journal import Journal
from assent.audiences.loading import apart, batch_of
from assent.audiences.moving import Moving
from assent.audiences.rule import Rule
from assent.audiences.seen import Shown
from assent.audiences.shelf import shown
from assent.core.errors import Unavailable
from assent.core.ids import ControllerId, FeatureId, NamespaceId, ProfileId
from assent.core.policy import Policy
from assent.core.time import BEGINNING, MINUTE
from assent.database.pool import Database
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.door import Door, Exported, Position
from assent.gate.page import Page, pages

_SQL = load("gate")

EVERYTHING: Final = ProfileId(0)
"""A change of this profile says: load the population anew."""

_PAGE: Final = 1_000
"""Profiles asked for in one statement: whoever waits for a decision waits meanwhile."""

LOT: Final = 8_192
"""Profiles put at once: together they cost less, and are asked together when somebody follows them."""

PATIENCE_S: Final = 5.0
"""How long a question waits for a population that is being loaded."""

_TIDY: Final = MINUTE
"""How often what people left behind in memory is looked for, a segment at a time."""

_LOADS: Final = 1
"""Populations loaded at once: each takes a connection and a core."""

_LOADING: Final = "The people whom the purpose may see are still being loaded; come again."
_log = structlog.get_logger()


class Standing(Struct, frozen=True, kw_only=True):
    """A population that has applied everything up to a position, and the snapshot to record the answer in."""

    connection: Connection
    position: Position
    """Its policy is the population's."""
    population: Population
    journal: Journal
    """Who was looked at again, of this population."""
    moving: Moving
    """Who moved, by time alone too, once audiences are followed."""
    leave: Callable[[], None]
    """Let others have the population; of these only `connection` and `position` may be used then."""


class _Turn:
    """A lock that whoever holds it may give back before the end."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._held = False

    async def __aenter__(self) -> Self:
        await self._lock.acquire()
        self._held = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._lock.release()


class _Held:
    """What this process holds of one purpose."""

    __slots__ = (
        *("catalogue", "derived", "gone", "journal", "lacks", "loading", "lock", "moving", "policy"),
        *("sequence", "tidied"),
    )

    def __init__(self) -> None:
        self.catalogue = -1
        """As of which the next three were looked at."""
        self.derived: dict[str, FeatureId] = {}
        """The derived features of which values are held, as long as they are kept under the same number."""
        self.lacks: frozenset[str] = frozenset()
        """Those that are kept, and not held."""
        self.gone: frozenset[str] = frozenset()
        """Those that were held, and are not kept as they were."""
        self.lock = asyncio.Lock()
        self.journal = Journal()
        self.moving: Moving | None = None
        self.policy: Policy | None = None
        self.sequence = -1
        self.tidied = BEGINNING
        self.loading: asyncio.Task[None] | None = None

    def look(self, kept: dict[str, FeatureId], catalogue: int) -> None:
        """Take note of the derived features that are kept now."""
        was = {} if self.policy is None else self.policy.features
        if any(number in was and was[number].name != name for name, number in kept.items()):
            self.moving = None  # a number that was given again: what is told under it cannot be held
        held = {name: number for name, number in self.derived.items() if kept.get(name) == number}
        self.gone |= self.derived.keys() - held.keys()
        self.lacks = frozenset(kept.keys() - held.keys())
        self.derived, self.catalogue = held, catalogue

    def answers(self, rules: Iterable[Rule], policy: Policy) -> bool:
        """Return whether what these rules ask is held; what nobody could hold now, a rule says itself."""
        if not self.lacks and not self.gone:
            return True
        return needed_by_all(rules, policy).keys() <= self.derived.keys()


class Live:
    """The populations of this process, by controller and purpose."""

    def __init__(self, database: Database, door: Door) -> None:
        self._database = database
        self._door = door
        self._held: dict[tuple[ControllerId, str], _Held] = defaultdict(_Held)
        self._turn = asyncio.Semaphore(_LOADS)
        self.progress: dict[tuple[ControllerId, str], Progress] = {}
        """How far the loads under way are."""

    async def close(self) -> None:
        """End what is being loaded."""
        loads = [held.loading for held in self._held.values() if held.loading is not None]
        for one in loads:
            one.cancel()
        await asyncio.gather(*loads, return_exceptions=True)

    @asynccontextmanager
    async def current(
        self,
        controller_id: ControllerId,
        purpose: str,
        rules: Sequence[Rule],
        *,
        patient: bool = True,
        counting: bool = True,
    ) -> AsyncIterator[Standing]:
        """Yield the population as of now, inside the snapshot it was brought up to; ready to count, or not.

        `rules` are those that will be asked, with all that they lead to (`reached`). What is recorded on the
        connection is durable when the context ends without an error. Raises UnknownPurpose, and Unavailable
        when what these rules ask is still being loaded: at once, or after a while for the patient.
        """
        held = self._held[controller_id, purpose]
        until = asyncio.get_running_loop().time() + (PATIENCE_S if patient else 0.0)
        while True:
            async with (
                _Turn(held.lock) as turn,
                self._database.reader.acquire() as connection,
                connection.transaction(isolation="repeatable_read"),
            ):
                position = await self._door.stand(connection, controller_id, purpose)
                moving = await self._caught_up(connection, held, position, rules)
                if moving is not None and held.policy is not None:
                    if held.lacks:
                        self._begin(controller_id, purpose, held)
                    population = moving.population
                    if counting and not population.settled:
                        await asyncio.to_thread(population.settle)
                    yield Standing(
                        connection=connection,
                        position=structs.replace(position, policy=held.policy),
                        population=population,
                        journal=held.journal,
                        moving=moving,
                        leave=turn.leave,
                    )
                    return
            await self._loaded(controller_id, purpose, held, until)

    async def _loaded(self, controller_id: ControllerId, purpose: str, held: _Held, until: float) -> None:
        """Wait for the load under way, begun if there is none. Raises Unavailable, and what it raised.

        What a load raised is told to everybody who waits for it; if nobody does, to whoever asks next.
        """
        loading = held.loading or self._begin(controller_id, purpose, held)
        await asyncio.wait([loading], timeout=max(0.0, until - asyncio.get_running_loop().time()))
        if not loading.done():
            raise Unavailable(_LOADING)
        if held.loading is loading:
            held.loading = None  # told now: who asks next begins another
        if loading.cancelled():
            raise Unavailable(_LOADING)
        loading.result()

    def _begin(self, controller_id: ControllerId, purpose: str, held: _Held) -> asyncio.Task[None]:
        """Load people, unless that is under way."""
        loading = held.loading
        if loading is None or loading.done():
            if loading is not None and not loading.cancelled() and (error := loading.exception()):
                _log.warning("a population could not be loaded", error=type(error).__name__)
            loading = asyncio.create_task(self._load(controller_id, purpose, held), name="population")
            held.loading = loading
        return loading

    async def narrowed(
        self, controller_id: ControllerId, purpose: str, after: int
    ) -> tuple[int, set[ProfileId]]:
        """Return the purpose's sequence now, and whose view became narrower after `after`."""
        async with (
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            position = await self._door.stand(connection, controller_id, purpose)
            rows = await connection.fetch(_SQL.changes, after)
        return position.sequence, {profile for _, profile, narrowing in rows if narrowing}

    async def exported(
        self,
        controller_id: ControllerId,
        purpose: str,
        profiles: Sequence[ProfileId],
        namespaces: Sequence[NamespaceId],
    ) -> list[Exported]:
        """Return what the purpose may hand out of profiles, now."""
        async with (
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            await self._door.stand(connection, controller_id, purpose)
            return await self._door.exported(connection, profiles, namespaces)

    async def _caught_up(
        self, connection: Connection, held: _Held, position: Position, rules: Sequence[Rule]
    ) -> Moving | None:
        """Apply everything to the population, and return what moves it; None when it must be loaded."""
        if held.policy is None or held.policy.version != position.policy.version:
            held.moving = None
        elif held.catalogue != position.catalogue:
            held.look(await self._door.derived(connection), position.catalogue)
        moving = held.moving
        if moving is None or not held.answers(rules, position.policy):
            return None
        touched: set[ProfileId] = set()
        if position.sequence != held.sequence:
            rows = await connection.fetch(_SQL.changes, held.sequence)
            touched = {profile for _, profile, _ in rows}
            if EVERYTHING in touched:
                held.moving = None
                return None
        touched.update(map(ProfileId, map(int, moving.population.stale(position.now))))
        # Until this is done the population is neither of one moment nor of the other.
        held.moving = None
        async for lot, found in self._looked(connection, position, sorted(touched)):
            # Once in a while this makes a large segment anew: not while others wait for the event loop.
            await asyncio.to_thread(moving.look, frozenset(lot), found, position.now)
        if not 0 <= position.now - held.tidied < _TIDY:
            await asyncio.to_thread(moving.population.tidy)
            held.tidied = position.now
        held.moving, held.sequence = moving, position.sequence
        return moving

    async def _looked(
        self, connection: Connection, position: Position, profiles: Sequence[ProfileId]
    ) -> AsyncIterator[tuple[Sequence[ProfileId], list[Shown]]]:
        """Yield some of the profiles at a time, and how the gate shows them now."""
        for start in range(0, len(profiles), LOT):
            lot = profiles[start : start + LOT]
            found: list[Shown] = []
            for first in range(0, len(lot), _PAGE):
                looked = await self._door.look(connection, position, lot[first : first + _PAGE])
                found += await asyncio.to_thread(list, map(shown, looked))
            yield lot, found

    async def _load(self, controller_id: ControllerId, purpose: str, held: _Held) -> None:
        """Load everybody as of one snapshot, and hold them."""
        key = controller_id, purpose
        async with (
            self._turn,
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            position = await self._door.stand(connection, controller_id, purpose)
            derived = await self._door.derived(connection)
            population = Population(position.policy, position.purpose.id)
            identifiers, highest = await connection.fetchrow(_SQL.extent) or (0, 0)
            progress = self.progress[key] = Progress(of=identifiers)
            began = perf_counter()
            besides: list[ProfileId] = []
            try:
                async for page in pages(connection, highest):
                    await asyncio.to_thread(_fill, population, position, page)
                    besides += apart(page)
                    progress.loaded += len(np.unique(page.identifiers))
                # Only now: until the last page is here the connection is busy reading ahead.
                async for _, found in self._looked(connection, position, besides):
                    await asyncio.to_thread(population.put_all, found)
            finally:
                del self.progress[key]
        async with held.lock:
            held.moving = Moving(population, held.journal, position.now)
            held.policy, held.sequence = position.policy, position.sequence
            held.derived, held.gone = derived, frozenset()
            held.look(derived, position.catalogue)
            held.journal.everybody()
        seconds = round(perf_counter() - began, 1)
        if seconds >= 1:  # whoever waited so long is told
            _log.info(
                "a population is loaded", identifiers=progress.loaded, people=len(population), s=seconds
            )


class Progress:
    """How many identifiers of a purpose are loaded, of how many."""

    __slots__ = ("loaded", "of")

    def __init__(self, of: int) -> None:
        self.loaded = 0
        self.of = of


def _fill(population: Population, position: Position, page: Page) -> None:
    told = position.purpose.categories
    population.fill(batch_of(position.policy, told, population.features, page, position.now))
