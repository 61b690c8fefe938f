"""Who is a member of an audience after some profiles were looked at again, from who was one before.

Pure. What the gate shows of somebody changes when the gate is asked again, and whoever is asked about again
is known. Where nothing but that can move anybody, those alone are asked about; `moved` says None where
everybody must be: a rule that time alone moves, other rules, another policy, or too many to ask one by one.
"""

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from assent.audiences.engine import Population
from assent.audiences.evaluate import Evaluator
from assent.audiences.rows import Ints
from assent.audiences.rule import Rule
from assent.audiences.seen import seen_at
from assent.audiences.watch import moved_by_time
from assent.core.ids import ProfileId
from assent.core.policy import Policy
from assent.core.time import Instant

_FEW: Final = 2_000
"""More than so many are quicker counted with everybody else."""


class Kept(Struct, frozen=True, kw_only=True):
    """Who was a member, by which rules, under which policy."""

    rules: Mapping[str, Rule]
    policy: Policy
    members: Ints
    """Lowest id first."""


def moved(
    kept: Kept | None,
    name: str,
    rules: Mapping[str, Rule],
    policy: Policy,
    population: Population,
    touched: Collection[ProfileId] | None,
    now: Instant,
) -> Ints | None:
    """Return who is a member of an audience of `rules` now, when `touched` were looked at since `kept`."""
    if kept is None or touched is None or len(touched) > _FEW:
        return None
    if policy is not kept.policy or rules != kept.rules or moved_by_time(rules[name], policy, rules):
        return None
    inside = []
    evaluator = Evaluator(policy, rules)
    for profile in touched:
        shown = population.shown(profile)
        if shown is not None and evaluator.holding((name,), seen_at(shown, now), now):
            inside.append(profile)
    others = np.setdiff1d(kept.members, np.array(sorted(touched), np.int64), assume_unique=True)
    return np.union1d(others, np.array(inside, np.int64))
