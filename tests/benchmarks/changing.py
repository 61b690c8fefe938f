"""One person's change through 100 audiences' counts and feeds, against PostgreSQL evaluating that one person.

This is what a worker does of each change that its purpose's sequence tells it of (`Live`), and of a feed
before it is written (`Following`): the gate's answer and the feed's lines are the same for either side.
"""

import random
from collections.abc import Sequence
from time import perf_counter
from typing import Final

import msgspec
from msgspec import Struct

from assent.audiences.engine import Population
from assent.audiences.journal import Journal
from assent.audiences.live import LOT
from assent.audiences.moving import Moving, watching
from assent.audiences.rows import Ints
from assent.audiences.rule import Rule
from assent.audiences.seen import Shown
from assent.cli.running import collect_less_often
from assent.core.ids import FeatureId, ProfileId
from assent.core.time import Instant
from assent.features.catalogue import MILLIONTHS, Value
from tests.benchmarks.crowd import FEATURES, NOW, policy, rules
from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.rivals import PostgreSQL, postgres_of_one

AUDIENCES: Final = 100

_FEW: Final = 200
_CHANGES: Final = {LOT: 8 * LOT, _FEW: 16_384}
"""By how many are put and followed at once, of how many a round is: each pays for making eight segments.

A worker puts `LOT` at once where as many wait, and at the rate measured a second brings more. Of few each is
put by itself, as it comes."""

_ASKED: Final = 4_096
"""Of so many of them a round asks PostgreSQL."""

_PEERS: Final = {
    "counted": "PostgreSQL evaluating that one person, a set as it is counted",
    "beside": "PostgreSQL evaluating that one person, a set as an array beside the person",
    "together": f"PostgreSQL evaluating {_ASKED:,} people at once, a set as an array beside the person",
}


class Changes(Struct, frozen=True, kw_only=True):
    """What was measured."""

    figures: list[Figure]
    moved: float
    """Audiences that a change moved, on average."""
    bytes_a_person: float
    """What following takes beside the population."""


class Followed:
    """A population that changes, and the counts of audiences, kept by what their feeds are told."""

    def __init__(self, population: Population, watched: dict[str, Rule]) -> None:
        self.population = population
        self.watched = watched
        self.watch = watching(policy(), watched)
        self.journal = Journal()
        self.moving = Moving(population, self.journal, NOW)
        self.now = NOW
        self.moves = 0
        self.moving.follow(self.watch, NOW)
        for name, rule in watched.items():
            self.moving.enter(name, population.members(rule, NOW, {}))
        self.counts = {name: population.count(rule, NOW, {}) for name, rule in watched.items()}

    def change(self, people: Sequence[Shown]) -> None:
        """Let people change, one by one where they are few, and follow every audience."""
        turn = self.journal.turn
        for some in [people] if len(people) > _FEW else [(one,) for one in people]:
            self.now = Instant(self.now + 1)
            self.moving.look({one.profile for one in some}, some, self.now)
        self.moving.follow(self.watch, self.now)
        for name in self.counts:
            moved = self.journal.moved(turn, name, self.watch)
            if moved is None:
                message = f"it is no longer known who moved in {name!r}"
                raise AssertionError(message)
            self.counts[name] += 2 * sum(moved.values()) - len(moved)
            self.moves += len(moved)

    def agree(self) -> None:
        """Raise AssertionError where a count is not what the engine counts now."""
        for name, rule in self.watched.items():
            if self.population.count(rule, self.now, {}) != self.counts[name]:
                message = "following the changes and the engine disagree about a count"
                raise AssertionError(message)


async def changed(population: Population, server: PostgreSQL, ids: Ints, rounds: int) -> Changes:
    """Change people whom the purpose sees: an order more, seen now. Follow 100 audiences."""
    watched = dict(list(rules(seed=5, number=AUDIENCES).items())[-AUDIENCES:])
    await server.singly()
    statements = {
        name: await server.connection.prepare(statement)
        for name, statement in postgres_of_one(list(watched.values())).items()
    }
    followed = Followed(population, watched)
    collect_less_often()  # as whoever serves does
    draw = random.Random(7)
    seen = population.profiles()
    ours: dict[int, list[float]] = {lot: [] for lot in _CHANGES}
    theirs: dict[str, list[float]] = {name: [] for name in statements}
    touched: set[ProfileId] = set()
    for _ in range(rounds):
        for lot, number in _CHANGES.items():
            chosen = [ProfileId(int(seen[draw.randrange(len(seen))])) for _ in range(number)]
            # Who is chosen twice has changed twice: what the gate shows then is made ready before.
            changes = _changes(population, chosen)
            began = perf_counter()
            for start in range(0, len(changes), lot):
                followed.change(changes[start : start + lot])
            ours[lot].append(len(changes) / (perf_counter() - began))
            touched.update(chosen)
        for name, statement in statements.items():
            began = perf_counter()
            if name == "together":
                await statement.fetch(chosen[:_ASKED])
            else:
                for profile in chosen[:_ASKED]:
                    await statement.fetchrow(profile)
            theirs[name].append(_ASKED / (perf_counter() - began))
    followed.agree()
    for profile in set(ids[:200].tolist()) - touched:
        for name in ("counted", "beside"):
            _agree_on_one(followed, profile, list(await statements[name].fetchrow(profile) or ()))
    return Changes(
        figures=[
            figure(
                f"a change through {AUDIENCES} audiences, {lot:,} followed at once",
                "/s",
                ours[lot],
                peer,
                theirs[name],
            )
            for lot in _CHANGES
            for name, peer in _PEERS.items()
        ],
        moved=round(followed.moves / (rounds * sum(_CHANGES.values())), 2),
        bytes_a_person=round(followed.moving.nbytes / len(population), 1),
    )


def _agree_on_one(followed: Followed, profile: ProfileId, said: list[bool]) -> None:
    watch = followed.watch
    held = watch.held(followed.population.shown(profile), NOW)
    if [bool(held >> watch.places[name] & 1) for name in followed.watched] != said:
        message = "PostgreSQL and the engine disagree about one person"
        raise AssertionError(message)


def _changes(population: Population, chosen: Sequence[ProfileId]) -> list[Shown]:
    """Return how the gate shows people after an order more."""
    people: dict[ProfileId, Shown | None] = {}
    found: list[Shown] = []
    for profile in chosen:
        before = people.get(profile) or population.shown(profile)
        if before is not None:
            after = msgspec.structs.replace(before, values=_ordered(before))
            people[profile] = after
            found.append(after)
    return found


def _ordered(shown: Shown) -> dict[FeatureId, Value]:
    orders, seen = FEATURES["orders"].id, FEATURES["last_seen"].id
    return {**shown.values, orders: int(shown.values.get(orders, 0)) + MILLIONTHS, seen: int(NOW)}  # type: ignore[arg-type]
