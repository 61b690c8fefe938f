"""What a value adds to gates, looked up: the leaves of one feature, asked once for every value that matters.

`leaf_ask` says what a leaf means, here as everywhere. Its answers are kept by value: between two thresholds,
and for all values that no leaf names, they are the same. Pure; raises what `leaf` raises on a leaf that was
not checked.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from msgspec import Struct

from assent.audiences.holding import FALSE, TRUE, Ask, Person
from assent.audiences.leaf import Positive, Range, asked_range, integer, literal
from assent.audiences.rows import ABSENT, INTEGER_TYPES
from assent.audiences.rule import Between, Eq, Ge, Gt, Has, In, Known, Le, Lt, Tier
from assent.audiences.seen import POSSIBLE, Seen
from assent.core.ids import CategoryMask
from assent.core.policy import Feature, ValueType
from assent.core.time import BEGINNING, Instant
from assent.features.catalogue import Value

Added = Callable[[Value | None], int]
"""What a value adds, None where it is absent."""


class Weighed(Struct, frozen=True):
    """A leaf with what it adds where it is true and where it is false; unknown adds nothing."""

    leaf: object
    ask: Ask
    true: int
    false: int

    def of(self, person: Person) -> int:
        """Return what the leaf adds for one profile."""
        truth = self.ask(person)
        return self.true if truth is TRUE else self.false if truth is FALSE else 0


def tabled(leaf: Positive | Tier, feature: Feature) -> bool:
    """Say whether values of a feature can be told apart by what a leaf names, once and for all."""
    match leaf:
        case Known() | Tier():
            return True
        case Lt() | Le() | Gt() | Ge() | Between():
            return feature.type in INTEGER_TYPES
        case Has():
            return feature.type is ValueType.SET
        case Eq() | In():
            return feature.type is not ValueType.SET or (isinstance(leaf, In) and len(leaf.values) == 1)
        case _:
            return False


def added(leaves: Sequence[Weighed], feature: Feature) -> Added:
    """Return what gives, for a value of a feature that shows and is whole, what the leaves add together."""
    told = _Told(feature)
    if feature.type in INTEGER_TYPES:
        return _by_size(leaves, feature, told)
    if feature.type is ValueType.SET:
        return _by_member(leaves, told)
    return _by_value(leaves, feature, told)


class _Told:
    """Asks leaves over one feature about a value, of a profile that shows nothing else."""

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        self._before = Instant(BEGINNING - 1)

    def __call__(self, weighed: Weighed, value: Value | None) -> int:
        feature = self._feature
        seen = Seen(
            values={} if value is None else {feature.id: value},
            visible=CategoryMask(1 << feature.category),
            since={feature.category: self._before},
        )
        return weighed.of(Person(seen, Instant(0)))

    def all(self, leaves: Iterable[Weighed], value: Value | None) -> int:
        return sum(self(weighed, value) for weighed in leaves)


class Sized(Struct, frozen=True):
    """What integers add: up to the first of `lasts` the first of `sums`, and so on.

    Absent is the least of all integers.
    """

    lasts: list[int]
    sums: list[int]

    def __call__(self, value: Value | None) -> int:
        """Return what a value adds."""
        return self.sums[bisect_left(self.lasts, ABSENT if value is None else value)]


def _by_size(leaves: Sequence[Weighed], feature: Feature, told: _Told) -> Sized:
    turns: dict[int, int] = defaultdict(int)
    """By the greatest integer for which something is still another than above it: what is added above it."""
    for weighed in leaves:
        for last in {last for asked in _ranges(weighed.leaf, feature) for last in _lasts(asked)}:
            turns[last] += told(weighed, last + 1) - told(weighed, last)
    lasts = sorted(turns)
    lowest = told.all(leaves, lasts[0] if lasts else 0)
    sums = accumulate((turns[last] for last in lasts), initial=lowest)
    return Sized([ABSENT, *lasts], [told.all(leaves, None), *sums])


def _by_member(leaves: Sequence[Weighed], told: _Told) -> Added:
    named = _named(leaves, ValueType.TEXT)
    other = frozenset({_unnamed(named)})
    absent, nothing = told.all(leaves, None), told.all(leaves, other)
    by_member: dict[Value, int] = {
        member: sum(told(weighed, frozenset({str(member)})) - told(weighed, other) for weighed in naming)
        for member, naming in named.items()
    }
    members = frozenset(by_member)

    def add(value: Value | None) -> int:
        if not isinstance(value, frozenset):
            return absent
        found = nothing
        for member in members & value:
            found += by_member[member]
        return found

    return add


def _by_value(leaves: Sequence[Weighed], feature: Feature, told: _Told) -> Added:
    named = _named(leaves, feature.type)
    if feature.type is ValueType.BOOLEAN:
        both: dict[Value | None, int] = {value: told.all(leaves, value) for value in (True, False, None)}
        return both.__getitem__
    other = _unnamed(named)
    nothing = told.all(leaves, other)
    sums = _Sums(
        {
            value: nothing + sum(told(weighed, value) - told(weighed, other) for weighed in naming)
            for value, naming in named.items()
        }
    )
    sums[None] = told.all(leaves, None)
    sums.other = nothing
    return sums.__getitem__


class _Sums(dict[Value | None, int]):
    """What values add, of which those that are not here add the same."""

    other = 0

    def __missing__(self, _: Value | None) -> int:
        return self.other


def _named(leaves: Iterable[Weighed], kind: ValueType) -> dict[Value, list[Weighed]]:
    """Return the values that leaves name, each with those that do."""
    found: dict[Value, list[Weighed]] = defaultdict(list)
    for weighed in leaves:
        match weighed.leaf:
            case Eq(value=raw) | Has(value=raw):
                values = {literal(kind, raw)}
            case In(values=raws):
                values = {literal(kind, raw) for raw in raws}
            case Tier():
                values = set(POSSIBLE)
            case _:
                continue  # says the same of every value
        for value in values:
            found[value].append(weighed)
    return found


def _unnamed(named: Iterable[Value]) -> str:
    """Return a text that is none of these."""
    return "\0" * (1 + max((len(value) for value in named if isinstance(value, str)), default=0))


def _ranges(leaf: object, feature: Feature) -> list[Range]:
    """Return the ranges of integers that a leaf asks for; none where only `known` is asked."""
    match leaf:
        case In(values=raws):
            return [(integer(feature, raw), integer(feature, raw)) for raw in raws]
        case Eq() | Lt() | Le() | Gt() | Ge() | Between():
            return [asked_range(leaf, feature, Instant(0))]
        case _:
            return []


def _lasts(asked: Range) -> Iterable[int]:
    least, most = asked
    if least is not None:
        yield least - 1
    if most is not None:
        yield most
