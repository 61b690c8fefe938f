"""Plans of rules, kept between questions while what they were made of is the same.

A plan is made of the rule, of the audiences it refers to, of the books' numbers, and, where it has a window
or asks what was recent, of the instant. Belongs to the thread of the population. Raises nothing on a checked
rule.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from msgspec import Struct

from assent.audiences.codebook import Codebook
from assent.audiences.contradiction import never
from assent.audiences.derive import expanded
from assent.audiences.plan import Plan
from assent.audiences.planner import Planner
from assent.audiences.rule import Rule
from assent.core.ids import CategoryMask, FeatureId
from assent.core.policy import Policy, ValueType
from assent.core.time import Instant

MOST: Final = 512
"""So many rules' plans at most, the last ones made."""


_EDITION: Final = attrgetter("edition")


class Ready(Struct, frozen=True, kw_only=True):
    """A rule as segments are asked it."""

    rule: Rule
    plan: Plan
    never: bool
    """It is true for nobody, whoever there is."""
    windows: Mapping[FeatureId, Instant]
    lists: tuple[tuple[str, ...], ...]
    referred: Mapping[str, Rule | None]
    """What the rule refers to, and what that does; None where there was none of the name."""
    edition: int
    now: Instant | None
    """None where the plan is the same at every instant."""

    def holds(self, rule: Rule, now: Instant, audiences: Mapping[str, Rule], edition: int) -> bool:
        """Say whether it would be made just the same again."""
        return (
            self.rule is rule
            and self.edition == edition
            and (self.now is None or self.now == now)
            and (
                not self.referred or all(audiences.get(name) is each for name, each in self.referred.items())
            )
        )


class Plans:
    """The plans of one population."""

    def __init__(self, policy: Policy, categories: CategoryMask, books: Mapping[FeatureId, Codebook]) -> None:
        self._policy = policy
        self._categories = categories
        self._books = books
        self._sets = {one.id for one in policy.features.values() if one.type is ValueType.SET}
        self._kept: dict[int, Ready] = {}

    def of(self, rule: Rule, now: Instant, audiences: Mapping[str, Rule]) -> Ready:
        """Return the plan of a rule as of this moment."""
        edition = sum(map(_EDITION, self._books.values()))
        kept = self._kept.get(id(rule))
        if kept is not None and kept.holds(rule, now, audiences, edition):
            return kept
        made = self._made(rule, now, audiences, edition)
        self._kept.pop(id(rule), None)
        self._kept[id(rule)] = made  # which holds the rule: nothing else is given its id
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return made

    def _made(self, rule: Rule, now: Instant, audiences: Mapping[str, Rule], edition: int) -> Ready:
        planner = Planner(self._policy, self._categories, self._books, now, audiences)
        plan = planner.plan(expanded(rule, self._policy))
        return Ready(
            rule=rule,
            plan=plan,
            never=never(plan, self._sets),
            windows=planner.windows,
            lists=tuple(planner.lists),
            referred={name: audiences.get(name) for name in planner.referred},
            edition=edition,
            now=now if planner.timely else None,
        )
