"""A population kept current, with what each new sight and time alone do to the audiences that are followed.

    moving.follow(watch, now)
    moving.enter("loyal", members)
    moving.look({profile}, [shown], now)
    moving.follow(watch, now)
    journal.moved(turn, "loyal", watch)

Who is a member is held (`Roll`) from when an audience's members are told, so who entered and left what is
found once for all audiences and all who follow them. `follow` asks about whoever was looked at since it last
did, and about those of whom something lies where time has passed (`Watch.spans`): time alone moves nobody
else. Few are asked one by one, of all audiences together (`Watch`); of many who stand side by side every
audience is asked as it is to count (`Population`). Where a clock went back, no audience is followed until its
members are told again.

Pure but for the population, and a thread's alone while it is asked. Raises nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np

from assent.audiences.engine import Population
from assent.audiences.journal import MOST, Journal
from assent.audiences.question import Neighbours
from assent.audiences.roll import BitRows, Roll, packed_rows
from assent.audiences.rows import Ints
from assent.audiences.rule import Rule
from assent.audiences.seen import Shown
from assent.audiences.watch import Watch
from assent.core.errors import Refused
from assent.core.ids import ProfileId
from assent.core.policy import Policy
from assent.core.time import Instant

_TOGETHER: Final = 8
"""A rule that a segment is asked takes about as long as so many people who are asked one by one."""

_MANY: Final = 1_000
"""So many are asked together of however many audiences: of more, who is asked alone takes longer, too."""

_AT_ONCE: Final = 32_768
"""Of so many people at a time it is laid out, in a byte, whether each audience holds them."""

_NEW: Final = 64 + 36
"""Bytes of one who is new, roughly: a set's entry and a number."""

_NOBODY: Final = frozenset[ProfileId]()


class Moving:
    """A population and its journal. Whatever is put into the population is put here."""

    def __init__(self, population: Population, journal: Journal, now: Instant) -> None:
        """Begin with audiences that nobody follows, and with people as they were at `now` at the latest."""
        self.population: Final = population
        self._journal = journal
        self._watch: Watch | None = None
        self._roll: Roll | None = None
        self._followed = 0
        """The audiences of which the roll says who is in them, as bits."""
        self._new: set[ProfileId] = set()
        """Who was looked at since somebody last followed: of them the roll may be wrong."""
        self._then = now
        """As of when everybody is accounted for, but for who was looked at since."""
        self._latest = now
        """No sight is of later."""
        self._behind = False
        """Whether the clock was before that when it was last asked."""

    def look(self, asked: AbstractSet[ProfileId], found: Sequence[Shown], now: Instant) -> None:
        """Hold those who were asked about as the gate shows them now; who is not found is shown no more."""
        self._latest = max(self._latest, now)
        if len(found) < len(asked):
            self.population.drop_all(asked - {each.profile for each in found})
        self.population.put_all(found)
        self._journal.note(asked)
        if self._roll is not None:
            self._new |= asked
            if len(self._new) > MOST:
                self._begin(None)  # nobody has followed for long

    def follow(self, watch: Watch, now: Instant) -> None:
        """From now on these audiences may be followed; tell the journal who moved in those that are."""
        then, self._then = self._then, now
        latest, self._latest = self._latest, max(self._latest, now)
        behind, self._behind = self._behind, now < latest
        # A sight says until when it holds, and not since when it would have.
        if watch is not self._watch or behind or self._behind:
            self._begin(watch)
        elif self._roll is not None:
            turned = self.population.turning(watch.spans(then, now))
            self._new.update(map(ProfileId, turned.tolist()))
            self._tell(watch, self._roll, now)

    def enter(self, name: str, members: Ints) -> None:
        """Follow an audience of the watch, if it is not: these are its members now, lowest id first."""
        place = None if self._watch is None else self._watch.places.get(name)
        if self._watch is None or place is None or self._followed >> place & 1:
            return
        if self._roll is None:
            self._roll = Roll(np.sort(self.population.profiles()), self._watch.width)
        self._roll.enter(place, members)
        self._followed |= 1 << place
        self._journal.followed(place)

    def inside(self, name: str, profiles: Iterable[ProfileId]) -> AbstractSet[ProfileId]:
        """Return which profiles are members of a followed audience, as of when it was last followed."""
        if self._watch is None or self._roll is None:
            return _NOBODY
        place, asked = self._watch.places[name], np.fromiter(profiles, np.int64)
        inside = self._roll.of(asked)[:, place >> 3] >> (place & 7) & 1
        return set(map(ProfileId, asked[inside.astype(np.bool_)].tolist()))

    @property
    def nbytes(self) -> int:
        """Bytes held of who is a member, beside the population."""
        return _NEW * len(self._new) + (0 if self._roll is None else self._roll.nbytes)

    def _tell(self, watch: Watch, roll: Roll, now: Instant) -> None:
        """Write down who moved of those of whom the roll may be wrong."""
        everybody = np.sort(np.fromiter(self._new, np.int64, len(self._new)))
        followed = packed_rows([self._followed], watch.width)
        for start in range(0, len(everybody), _AT_ONCE):
            profiles = everybody[start : start + _AT_ONCE]
            held = self._held(watch, profiles, now)
            self._journal.tell(profiles, held, (held ^ roll.swap(profiles, held)) & followed)
        self._new.clear()

    def _held(self, watch: Watch, profiles: Ints, now: Instant) -> BitRows:
        """Return of each, lowest id first, which followed audiences they are members of."""
        rows = np.zeros((len(profiles), watch.width), np.uint8)
        alone = np.ones(len(profiles), np.bool_)
        enough = min(_TOGETHER * self._followed.bit_count(), _MANY)
        for some in self.population.neighbours(profiles):
            if len(some.slots) >= enough:
                rows[some.which] = self._together(watch, some, now)
                alone[some.which] = False
        shown, singly = self.population.shown, map(ProfileId, profiles[alone].tolist())
        rows[alone] = packed_rows((watch.held(shown(one), now) for one in singly), watch.width)
        return rows

    def _together(self, watch: Watch, some: Neighbours, now: Instant) -> BitRows:
        places = {name: place for name, place in watch.places.items() if self._followed >> place & 1}
        rules = [watch.rules[name] for name in places]
        held = np.zeros((8 * watch.width, len(some.slots)), np.bool_)
        held[list(places.values())] = self.population.holding(some, rules, now, watch.rules)
        return np.packbits(held, axis=0, bitorder="little").T

    def _begin(self, watch: Watch | None) -> None:
        """Let these be the audiences that may be followed, and none of them be yet."""
        self._watch, self._roll, self._followed = watch, None, 0
        self._new.clear()
        self._journal.follow(watch)


def watching(policy: Policy, rules: Mapping[str, Rule]) -> Watch:
    """Return what watches every audience of `rules` that the policy still allows."""
    try:
        return Watch(policy, rules)
    except Refused:
        # One rule harms no other audience.
        return Watch(policy, rules, [name for name in rules if _allowed(policy, rules, name)])


def _allowed(policy: Policy, rules: Mapping[str, Rule], name: str) -> bool:
    try:
        Watch(policy, rules, [name])
    except Refused:
        return False
    return True
