"""A rule as gates: each counts what holds of its parts, by weight, and holds itself from a sum on.

A member is who makes a rule true, so nothing else than true has to be told apart here: a part that must be
true counts where it is true, one that must be false where it is false, and one that is unknown counts
neither way. A negation is pushed inwards until it stands at a leaf. So strong Kleene logic becomes adding and
comparing: `and` holds when all its parts do, `or` from one on, a score from its least weight on.

Pure; raises what `leaf` raises on a rule that was not checked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import gcd
from typing import Final

from msgspec import Struct

from assent.audiences.derive import expanded
from assent.audiences.leaf import Negative, Positive, feature_named, opposite
from assent.audiences.rule import (
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Bucket,
    Did,
    Has,
    Held,
    Ids,
    In,
    Not,
    Or,
    Rule,
    Score,
    Seq,
    Tier,
)
from assent.core.policy import Policy, ValueType
from assent.features.catalogue import millionths

Leaf = Positive | Ids | Tier | Bucket | Score | Audience
"""What is asked of a profile as it stands."""

_LARGEST: Final = 64
"""Leaves of an audience that is taken into what refers to it; a larger one is asked as it stands."""

_HEAVIEST: Final = 1 << 20
"""What the weights of one gate come to at most; a score beyond is asked as it stands."""


class Literal(Struct, frozen=True):
    """What counts where a leaf is true; or, where it does not hold, where it is false."""

    leaf: Leaf
    holds: bool


class Gate(Struct, frozen=True):
    """What holds when the weights of the parts that do come to so much."""

    least: int
    parts: tuple[tuple[int, "Part"], ...]

    @property
    def total(self) -> int:
        """What the weights come to if every part holds."""
        return sum(weight for weight, _ in self.parts)

    def inner(self) -> Iterator[tuple[int, "Gate"]]:
        """Yield the parts that are gates, with their weights."""
        return ((weight, part) for weight, part in self.parts if isinstance(part, Gate))


Part = Gate | Literal

_ALWAYS: Final = Gate(0, ())
_NEVER: Final = Gate(1, ())


class Gates:
    """Makes gates of the rules of one policy."""

    def __init__(self, policy: Policy, rules: Mapping[str, Rule]) -> None:
        """`rules` hold whatever they refer to."""
        self._policy = policy
        self._rules = rules
        self._opened: list[str] = []
        self._made: dict[tuple[str, bool], Part] = {}

    def named(self, name: str) -> Gate:
        """Return the gate of an audience, one of no parts where it does not exist."""
        part = self._referred(name, holds=True)
        return part if isinstance(part, Gate) else Gate(1, ((1, part),))

    def _referred(self, name: str, *, holds: bool) -> Part:
        made = self._made.get((name, holds))
        if made is not None:
            return made
        rule = self._rules.get(name)
        if rule is None or name in self._opened:
            return _NEVER  # of what does not exist, and of a circle, nothing is known
        self._opened.append(name)
        try:
            made = self._made[name, holds] = self._part(expanded(rule, self._policy), holds=holds)
        finally:
            self._opened.pop()
        return made

    def _part(self, rule: Rule, *, holds: bool) -> Part:
        match rule:
            case Not(of=inner):
                return self._part(inner, holds=not holds)
            case And(of=of):
                return self._counted(len(of), of, holds=holds)
            case Or(of=of):
                return self._counted(1, of, holds=holds)
            case AtLeast(count=count, of=of):
                return self._counted(count, of, holds=holds)
            case Score():
                return self._score(rule, holds=holds)
            case All():
                return _ALWAYS if holds else _NEVER
            case Audience(audience=name):
                part = self._referred(name, holds=holds)
                return part if _leaves(part) <= _LARGEST else Literal(rule, holds)
            case Did() | Agg() | Seq() | AnyItem() | Held():
                return _NEVER
            case _:
                return self._leaf(rule, holds=holds)

    def _leaf(self, rule: Positive | Negative | Ids | Tier | Bucket, *, holds: bool) -> Part:
        if isinstance(rule, Negative):
            return self._part(opposite(rule), holds=not holds)
        if isinstance(rule, In) and len(rule.values) > 1:
            feature = feature_named(self._policy, rule.feature)
            if feature.type is ValueType.SET:
                # One by one, so that the members of a set add up.
                some = tuple(Has(feature=rule.feature, value=raw) for raw in rule.values)
                return self._counted(1, some, holds=holds)
        return Literal(rule, holds)

    def _counted(self, count: int, of: Sequence[Rule], *, holds: bool) -> Part:
        if not of:
            return _NEVER  # an empty group says nothing
        # So many are no longer true once enough of them are false.
        least = count if holds else len(of) - count + 1
        return _gate(least, ((1, self._part(each, holds=holds)) for each in of))

    def _score(self, score: Score, *, holds: bool) -> Part:
        least = millionths(score.at_least) or 0
        weighed = [(millionths(part.weight) or 0, part.rule) for part in score.parts]
        # What is taken off counts, as given, until it is ruled out; what is added, once it is proven. For the
        # opposite both the other way: how far what is ruled out leaves the most below what is asked.
        if holds:
            least -= sum(min(0, weight) for weight, _ in weighed)
        else:
            least = sum(max(0, weight) for weight, _ in weighed) - least + 1
        unit = gcd(*(weight for weight, _ in weighed)) or 1
        parts = [
            (abs(weight) // unit, self._part(rule, holds=holds is (weight > 0)))
            for weight, rule in weighed
            if weight
        ]
        if sum(weight for weight, _ in parts) > _HEAVIEST:
            return Literal(score, holds)
        return _gate(-(-least // unit), parts)


def _gate(least: int, parts: Iterable[tuple[int, Part]]) -> Part:
    """Return a gate; what is inside and of its kind becomes its own."""
    given = list(parts)
    light = all(weight == 1 for weight, _ in given)
    if light and least == 1:
        given = _opened(given, lambda inner: inner.least == 1)
    elif light and least == len(given):
        given = _opened(given, lambda inner: inner.least == len(inner.parts))
        least = len(given)
    if least == 1 and len(given) == 1 and light:
        return given[0][1]
    return Gate(least, tuple(given))


def _opened(given: list[tuple[int, Part]], alike: Callable[[Gate], bool]) -> list[tuple[int, Part]]:
    found: list[tuple[int, Part]] = []
    for weight, part in given:
        if isinstance(part, Gate) and part.parts and part.total == len(part.parts) and alike(part):
            found += part.parts
        else:
            found.append((weight, part))
    return found


def _leaves(part: Part) -> int:
    if isinstance(part, Literal):
        return 1
    # A gate counts too: one without parts, such as everyone's, would else be taken in without end.
    return 1 + sum(_leaves(inner) for _, inner in part.parts)
