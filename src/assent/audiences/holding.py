"""What a leaf asks of one profile, made ready once: its feature found, its literals typed, its ends counted.

`leaf_ask` is the one definition of what a leaf means; what it returns converts nothing any more, and is asked
of any number of profiles. Pure. Raises UnknownFeature or WrongType, when it is made, on a leaf that `check`
would refuse; what it returns raises nothing.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import partial
from operator import eq
from typing import Final, assert_never

from assent.audiences.leaf import (
    Negative,
    Positive,
    Range,
    feature_named,
    is_inside,
    literal,
    needle,
    opposite,
    ranging,
)
from assent.audiences.rows import INTEGER_TYPES
from assent.audiences.rule import (
    Between,
    Contains,
    Eq,
    Ge,
    Gt,
    Has,
    In,
    Known,
    Le,
    Lt,
    Near,
    Recent,
)
from assent.audiences.seen import Bound, Seen, bound_of, value_of
from assent.core.policy import Feature, Policy, ValueType
from assent.core.time import Instant
from assent.features.catalogue import Value
from assent.features.read import begins


class Truth(IntEnum):
    """Ordered, so that `and` is the least and `or` the greatest."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


FALSE: Final = Truth.FALSE
UNKNOWN: Final = Truth.UNKNOWN
TRUE: Final = Truth.TRUE

OPPOSITES: Final = (TRUE, UNKNOWN, FALSE)
"""By truth, what its negation is."""


class Person:
    """One profile being asked about at one instant; an audience referred to twice is evaluated once."""

    __slots__ = ("answered", "key", "now", "since", "subject", "values", "visible")

    def __init__(self, seen: Seen, now: Instant, key: str = "") -> None:
        """`key` is what `ids` lists name the profile."""
        self.values = seen.values
        self.visible = seen.visible
        self.since = seen.since
        self.subject = seen.subject
        self.now = now
        self.key = key
        self.answered: dict[str, Truth] = {}

    def fulfils(self, ask: "Ask") -> bool:
        """Say whether the profile is a member by what `ask` asks; of whom nothing is visible never."""
        return self.visible != 0 and ask(self) is TRUE


Ask = Callable[[Person], Truth]
Test = Callable[[Value], bool]
"""Whether a leaf holds for a value that is the whole value."""


def told(holds: bool) -> Truth:  # noqa: FBT001 - a claim becomes a truth
    """Return a claim as a truth."""
    return TRUE if holds else FALSE


def negated(ask: Ask) -> Ask:
    """Return what says the opposite; unknown stays unknown."""
    return lambda person: OPPOSITES[ask(person)]


def leaf_ask(leaf: Positive | Negative, policy: Policy) -> Ask:
    """Return what says of a profile whether a leaf over one feature holds."""
    if isinstance(leaf, Negative):
        return _positive(opposite(leaf), policy, yes=FALSE, no=TRUE)
    return _positive(leaf, policy, yes=TRUE, no=FALSE)


def _positive(leaf: Positive, policy: Policy, *, yes: Truth, no: Truth) -> Ask:
    feature = feature_named(policy, leaf.feature)
    if begins(feature, Instant(0)) is not None:
        asked = _windowed(leaf, feature)
        return asked if yes is TRUE else negated(asked)
    if isinstance(leaf, Recent):
        asked = _recent(leaf, feature)
        return asked if yes is TRUE else negated(asked)
    test = _test(leaf, feature)
    shown, number, nothing = 1 << feature.category, feature.id, value_of(feature, {})

    def ask(person: Person) -> Truth:
        if not person.visible & shown:
            return UNKNOWN
        value = person.values.get(number, nothing)
        return no if value is None or not test(value) else yes

    return ask


def _recent(leaf: Recent, feature: Feature) -> Ask:
    at = _tests(leaf, feature)

    def ask(person: Person) -> Truth:
        if not person.visible >> feature.category & 1:
            return UNKNOWN
        value = value_of(feature, person.values)
        return told(value is not None and at(person.now)(value))

    return ask


def _windowed(leaf: Positive, feature: Feature) -> Ask:
    """Return what asks of a whole window, or of its later part where the permit covers no more."""
    at = _tests(leaf, feature)
    partly = _partly(leaf, feature, at)

    def ask(person: Person) -> Truth:
        if not person.visible >> feature.category & 1:
            return UNKNOWN
        value, now = value_of(feature, person.values), person.now
        begin = begins(feature, now)
        if begin is None or person.since[feature.category] <= begin:
            return told(value is not None and at(now)(value))
        return UNKNOWN if value is None else partly(value, now)

    return ask


def _tests(leaf: Positive, feature: Feature) -> Callable[[Instant], Test]:
    """Return what gives, for an instant, the test of a value: only `recent` has another one later."""
    if isinstance(leaf, Recent):
        ends = ranging(leaf, feature)
        return lambda now: _between(ends(now))
    test = _test(leaf, feature)
    return lambda _: test


def _test(leaf: Positive, feature: Feature) -> Test:
    match leaf:
        case Known():
            return lambda _: True
        case Eq(value=raw):
            return partial(eq, literal(feature.type, raw))
        case In(values=raws) if feature.type is ValueType.SET:
            members = frozenset(literal(ValueType.TEXT, raw) for raw in raws)
            return lambda value: isinstance(value, frozenset) and not members.isdisjoint(value)
        case In(values=raws):
            return frozenset(literal(feature.type, raw) for raw in raws).__contains__
        case Has(value=raw):
            member = literal(ValueType.TEXT, raw)
            return lambda value: isinstance(value, frozenset) and member in value
        case Contains():
            folded = needle(leaf)
            return lambda value: isinstance(value, str) and folded in value.casefold()
        case Near():
            return is_inside(leaf)
        case Lt() | Le() | Gt() | Ge() | Between() | Recent():
            return _between(ranging(leaf, feature)(Instant(0)))
        case _:
            assert_never(leaf)


def _between(asked: Range) -> Test:
    least, most = asked
    if least is None and most is None:
        return lambda value: isinstance(value, int)
    if least is None:
        return lambda value: isinstance(value, int) and value <= most  # type: ignore[operator]
    if most is None:
        return lambda value: isinstance(value, int) and least <= value
    return lambda value: isinstance(value, int) and least <= value <= most


def _partly(
    leaf: Positive, feature: Feature, at: Callable[[Instant], Test]
) -> Callable[[Value, Instant], Truth]:
    """Return what a value over the later part of a window proves of the whole window."""
    bound = bound_of(feature)
    if isinstance(leaf, Known):
        return lambda _value, _now: TRUE
    if bound is Bound.ITSELF:
        return lambda value, now: told(at(now)(value))
    if feature.type is ValueType.SET:
        # What the part holds the whole holds; what it does not hold proves nothing.
        grows = bound is Bound.AT_LEAST
        return lambda value, now: TRUE if grows and at(now)(value) else UNKNOWN
    if bound is Bound.NOTHING or feature.type not in INTEGER_TYPES or isinstance(leaf, Has | Contains | Near):
        return lambda _value, _now: UNKNOWN
    asked = (
        [ranging(Eq(feature=leaf.feature, value=raw), feature) for raw in leaf.values]
        if isinstance(leaf, In)
        else [ranging(leaf, feature)]
    )

    def partly(value: Value, now: Instant) -> Truth:
        if not isinstance(value, int) or isinstance(value, bool):
            return UNKNOWN
        return max((_bounded(bound, value, ends(now)) for ends in asked), default=UNKNOWN)

    return partly


def _bounded(bound: Bound, value: int, asked: Range) -> Truth:
    least, most = asked
    if bound is Bound.AT_MOST:  # the mirror image
        value, least, most = -value, None if most is None else -most, None if least is None else -least
    if most is not None:
        return FALSE if value > most else UNKNOWN
    return TRUE if least is None or value >= least else UNKNOWN
