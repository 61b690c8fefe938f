"""What a leaf of a checked rule asks, in the terms of its feature's type.

Pure. Raises UnknownFeature or WrongType on a leaf that `check` would refuse.
"""

from collections.abc import Callable
from typing import assert_never

from assent.audiences.rule import (
    Absent,
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
    Ne,
    Near,
    NotIn,
    Recent,
)
from assent.core.errors import UnknownFeature, WrongType
from assent.core.policy import Feature, Policy, ValueType
from assent.core.time import Instant, parse_duration, shifted
from assent.features.catalogue import MILLIONTHS, Value, fitted, millionths
from assent.features.place import is_near, point

Ordering = Eq | Lt | Le | Gt | Ge | Between | Recent
"""What asks where a number or a time lies."""

Positive = Ordering | In | Known | Has | Contains | Near
"""What is false on an absent value."""

Negative = Ne | NotIn | Absent
"""What is exactly the opposite of a positive leaf."""

Range = tuple[int | None, int | None]
"""The least and the most integer, None where there is no end."""


def opposite(leaf: Negative) -> Positive:
    """Return the leaf that is false where this one is true, and unknown where it is unknown."""
    match leaf:
        case Ne(feature=feature, value=value):
            return Eq(feature=feature, value=value)
        case NotIn(feature=feature, values=values):
            return In(feature=feature, values=values)
        case Absent(feature=feature):
            return Known(feature=feature)
        case _:
            assert_never(leaf)


def feature_named(policy: Policy, name: str) -> Feature:
    """Return the feature of the catalogue."""
    number = policy.feature_ids.get(name)
    feature = None if number is None else policy.features.get(number)
    if feature is None:
        raise UnknownFeature
    return feature


def literal(kind: ValueType, raw: object) -> Value:
    """Return the rule's value as a value of `kind`."""
    value = fitted(kind, raw)
    if value is None:
        raise WrongType
    return value


def integer(feature: Feature, raw: object) -> int:
    """Return the rule's value as millionths, or as an instant."""
    value = literal(feature.type, raw)
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongType
    return value


def needle(leaf: Contains) -> str:
    """Return what the text must contain, folded as the text must be."""
    return str(literal(ValueType.TEXT, leaf.value)).casefold()


def is_inside(leaf: Near) -> Callable[[Value], bool]:
    """Return what says of a cell whether it is near enough."""
    of, most = point(leaf.of), millionths(leaf.within_km)
    if of is None or most is None:
        raise WrongType
    return lambda value: isinstance(value, str) and is_near(value, of, most / MILLIONTHS)


def asked_range(leaf: Ordering, feature: Feature, now: Instant) -> Range:
    """Return the integers for which the leaf holds at `now`, ends included."""
    return ranging(leaf, feature)(now)


def ranging(leaf: Ordering, feature: Feature) -> Callable[[Instant], Range]:
    """Return what gives, for an instant, the integers for which the leaf holds, ends included."""
    if isinstance(leaf, Recent):
        begin, end = parse_duration(leaf.begin), parse_duration(leaf.end)
        return lambda now: (shifted(now, begin) + 1, shifted(now, end))
    fixed = _fixed(leaf, feature)
    return lambda _: fixed


def _fixed(leaf: Eq | Lt | Le | Gt | Ge | Between, feature: Feature) -> Range:
    match leaf:
        case Between(low=low, high=high):
            return integer(feature, low), integer(feature, high)
        case Eq(value=raw):
            return integer(feature, raw), integer(feature, raw)
        case Lt(value=raw):
            return None, integer(feature, raw) - 1
        case Le(value=raw):
            return None, integer(feature, raw)
        case Gt(value=raw):
            return integer(feature, raw) + 1, None
        case Ge(value=raw):
            return integer(feature, raw), None
        case _:
            assert_never(leaf)
