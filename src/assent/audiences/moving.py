"""A population kept current, with what each new sight and time alone do to the audiences that are followed.

    moving.follow(watch, now)
    moving.look({profile}, [shown], now)
    journal.moved(turn, "loyal", watch)

What was seen of somebody and what is seen now are both at hand here, so who entered and left what is found
once, for all audiences and all who follow them, and written in the journal. Time alone is asked about by
`follow`, and moves nobody but those of whom something lies where it passed (`Watch.spans`). Where too many
changed to ask one by one, or a clock went back, the journal says that it may be anybody.

Pure but for the population, and a thread's alone while it is asked. Raises nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from assent.audiences.engine import Population
from assent.audiences.journal import MOST, Journal
from assent.audiences.rule import Rule
from assent.audiences.seen import Shown
from assent.audiences.watch import NOTHING, Watch
from assent.core.errors import Refused
from assent.core.ids import ProfileId
from assent.core.policy import Policy
from assent.core.time import Instant

_FEW: Final = 2_000
"""More than so many are quicker counted with everybody else."""

_NOBODY: Final = frozenset[ProfileId]()


class Moving:
    """A population and its journal. Whatever is put into the population is put here."""

    def __init__(self, population: Population, journal: Journal, now: Instant) -> None:
        """Begin with audiences that nobody follows, and with people as they were at `now` at the latest."""
        self.population: Final = population
        self._journal = journal
        self._watch: Watch | None = None
        self._then = now
        """As of when everybody is accounted for, but for who was looked at since."""
        self._latest = now
        """No sight is of later."""
        self._behind = False
        """Whether the clock was before that when it was last asked."""
        self._looked: dict[ProfileId, Instant] = {}

    def look(self, asked: AbstractSet[ProfileId], found: Sequence[Shown], now: Instant) -> None:
        """Hold those who were asked about as the gate shows them now; who is not found is shown no more."""
        population, watch = self.population, self._watch
        self._latest = max(self._latest, now)
        if watch is None or len(asked) > _FEW:
            self._put(asked, found)
            self._journal.note(asked, None, watch)
            return
        before = [(profile, population.shown(profile)) for profile in asked]
        self._put(asked, found)
        moves = []
        looked, then = self._looked, self._then
        for profile, was in before:
            moved = watch.change(was, looked.get(profile, then), population.shown(profile), now)
            looked[profile] = now
            if moved is not NOTHING:
                moves.append((profile, moved))
        self._journal.note(asked, moves, watch)
        if len(looked) > MOST:
            self._watch = None  # nobody has followed for long

    def follow(self, watch: Watch, now: Instant) -> None:
        """From now on follow these audiences; say whom time alone moved, where they were followed before."""
        then, self._then = self._then, now
        looked, self._looked = self._looked, {}
        latest, self._latest = self._latest, max(self._latest, now)
        behind, self._behind = self._behind, now < latest
        # A sight says until when it holds, and not since when it would have.
        if watch is not self._watch or behind or self._behind:
            self._watch = watch
            self._journal.note(_NOBODY, None, watch)
        else:
            self._pass(watch, looked, then, now)

    def inside(
        self, name: str, moved: Mapping[ProfileId, bool], now: Instant, profiles: Iterable[ProfileId]
    ) -> AbstractSet[ProfileId]:
        """Return which profiles are members of a followed audience; of those who `moved`, that is known."""
        found = set()
        for profile in profiles:
            held = moved.get(profile)
            if held is None and self._watch is not None:
                held = name in self._watch.members(self.population.shown(profile), now)
            if held:
                found.add(profile)
        return found

    def _pass(self, watch: Watch, looked: Mapping[ProfileId, Instant], then: Instant, now: Instant) -> None:
        population = self.population
        turned = population.turning(watch.spans(then, now))
        if len(turned) > _FEW:
            self._journal.note(_NOBODY, None, watch)
            return
        moves = []
        for profile in map(ProfileId, turned.tolist()):
            shown = population.shown(profile)
            moved = watch.change(shown, looked.get(profile, then), shown, now)
            if moved is not NOTHING:
                moves.append((profile, moved))
        if moves:
            self._journal.note(_NOBODY, moves, watch)

    def _put(self, asked: AbstractSet[ProfileId], found: Sequence[Shown]) -> None:
        if len(found) < len(asked):
            self.population.drop_all(asked - {each.profile for each in found})
        self.population.put_all(found)


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
