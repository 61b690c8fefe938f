"""Who is a member of an audience after some profiles were looked at again, from who was one before.

Pure. What the gate shows of somebody changes when the gate is asked again, and whoever is asked about again
is known. Where nothing but that can move anybody, those alone are asked about, each once for all audiences of
the purpose (`Together`); `moved` says None where everybody must be: a rule that time alone moves, other
rules, another policy, or too many to ask one by one.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final

import numpy as np
from msgspec import Struct

from assent.audiences.engine import Population
from assent.audiences.evaluate import Evaluator
from assent.audiences.rows import Ints
from assent.audiences.rule import Rule
from assent.audiences.seen import seen_at
from assent.audiences.watch import Watch, moved_by_time
from assent.core.errors import Refused
from assent.core.ids import ProfileId
from assent.core.policy import Policy
from assent.core.time import Instant

_FEW: Final = 2_000
"""More than so many are quicker counted with everybody else."""


class Together:
    """The audiences of a purpose, of which somebody who was looked at again is asked once for all."""

    def __init__(self, rules: Mapping[str, Rule], policy: Policy) -> None:
        """Make the rules ready. One that the policy no longer allows raises when it is asked, not here."""
        self.rules = rules
        self.policy = policy
        self._turn = -1
        self._inside: dict[ProfileId, AbstractSet[str]] = {}
        self._alone = Evaluator(policy, rules)
        self._watch: Watch | None = None
        with suppress(Refused):
            self._watch = Watch(policy, rules)

    def holds(self, name: str, profile: ProfileId, population: Population, turn: int, now: Instant) -> bool:
        """Say whether a profile is a member of an audience that time alone moves nobody in or out of.

        `turn` is another one whenever somebody was looked at again (`Journal`). Raises what `evaluate` raises
        on a rule that the policy does not allow.
        """
        if self._watch is None:  # each for itself, so that one rule harms no other audience
            shown = population.shown(profile)
            return shown is not None and bool(self._alone.holding((name,), seen_at(shown, now), now))
        if turn != self._turn:
            self._turn, self._inside = turn, {}
        inside = self._inside.get(profile)
        if inside is None:
            inside = self._inside[profile] = self._watch.members(population.shown(profile), now)
        return name in inside


class Kept(Struct, frozen=True, kw_only=True):
    """Who was a member, by which rules under which policy."""

    together: Together
    members: Ints
    """Lowest id first."""


def moved(
    kept: Kept | None,
    name: str,
    together: Together,
    population: Population,
    touched: Collection[ProfileId] | None,
    turn: int,
    now: Instant,
) -> Ints | None:
    """Return who is a member of an audience now, when `touched` were looked at since `kept`."""
    if kept is None or touched is None or len(touched) > _FEW:
        return None
    rules = together.rules
    if kept.together is not together or moved_by_time(rules[name], together.policy, rules):
        return None
    inside = [profile for profile in touched if together.holds(name, profile, population, turn, now)]
    others = np.setdiff1d(kept.members, np.array(sorted(touched), np.int64), assume_unique=True)
    return np.union1d(others, np.array(inside, np.int64))
