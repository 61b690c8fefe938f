"""What a purpose may see of one profile: the gate's answer, as the evaluator and the engine take it.

Pure. A category that no opening shows at the instant asked is hidden: its values are not looked at even if
they are given. From `valid_until` on nothing is shown, until the gate is asked again.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from assent.core.ids import CategoryId, CategoryMask, FeatureId, ProfileId, members
from assent.core.policy import Aggregate, Feature, ValueType
from assent.core.time import FOREVER, Instant
from assent.features.catalogue import Value

TIER: Final = FeatureId(0)
"""Among the values of a profile this one says its tier; no feature has the number."""

UNSURE: Final = "anonymous, known or named"
AT_LEAST_KNOWN: Final = "known or named"
"""Said for a tier where what is hidden may tell that somebody has come back, or who it is."""

POSSIBLE: Final[Mapping[Value, frozenset[str]]] = {
    "anonymous": frozenset({"anonymous"}),
    "known": frozenset({"known"}),
    "named": frozenset({"named"}),
    AT_LEAST_KNOWN: frozenset({"known", "named"}),
    UNSURE: frozenset({"anonymous", "known", "named"}),
}
"""What a tier as it is said may be."""

TIERS: Final = frozenset[str]().union(*POSSIBLE.values())


TIER_FEATURE: Final = Feature(
    id=TIER, name="", category=CategoryId(0), type=ValueType.TEXT, aggregate=Aggregate.LAST
)
"""A tier as a value among others. Of no category: whoever shows anything has one."""


class Opening(Struct, frozen=True, array_like=True, gc=False):
    """A permit: these categories, from `since` to before `until`."""

    categories: CategoryMask
    since: Instant
    until: Instant = FOREVER


class Shown(Struct, frozen=True, kw_only=True):
    """One profile as the gate gives it to a purpose: its permits, each identifier's own, and the values.

    `valid_until` is the first instant at which time alone changes a value: one leaves or enters a window, or,
    of several identifiers, one opens or closes and takes its part of a value along.
    """

    profile: ProfileId
    values: Mapping[FeatureId, Value]
    permits: tuple[Opening, ...]
    valid_until: Instant = FOREVER
    subject: bytes = b""
    """The keyed hash of the identifier that stands for the profile."""


class Seen(Struct, frozen=True, kw_only=True):
    """One profile at one instant. `since` is where the data of a visible category begins."""

    values: Mapping[FeatureId, Value]
    visible: CategoryMask
    since: Mapping[CategoryId, Instant]
    subject: bytes = b""


def seen_at(shown: Shown, now: Instant) -> Seen:
    """Return what is visible at `now`.

    Of several identifiers' permits a category's data begins with the latest: before it, some of it is hidden.
    """
    since: dict[CategoryId, Instant] = {}
    visible = 0
    if now < shown.valid_until:
        for opening in shown.permits:
            if opening.since <= now < opening.until:
                visible |= opening.categories
                for category in map(CategoryId, members(opening.categories)):
                    since[category] = max(opening.since, since.get(category, opening.since))
    return Seen(values=shown.values, visible=CategoryMask(visible), since=since, subject=shown.subject)


def visible_at(shown: Shown, now: Instant) -> CategoryMask:
    """Return the categories that are visible at `now`, alone."""
    visible = 0
    if now < shown.valid_until:
        for opening in shown.permits:
            if opening.since <= now < opening.until:
                visible |= opening.categories
    return CategoryMask(visible)


def unsure(seems: Value) -> Value:
    """Return what is proven of a tier while something of the person is hidden: it may tell more of them."""
    return {"anonymous": UNSURE, "known": AT_LEAST_KNOWN}.get(str(seems), seems)


def value_of(feature: Feature, values: Mapping[FeatureId, Value]) -> Value | None:
    """Return the value, or None where it is absent: what counts or adds up is 0 and never absent."""
    return values.get(feature.id, 0 if starts_at_zero(feature) else None)


def starts_at_zero(feature: Feature) -> bool:
    """Say whether the feature over nothing is 0, and known."""
    return feature.aggregate in _ADDING and feature.type is ValueType.NUMBER


_ADDING = (
    Aggregate.COUNT,
    Aggregate.SUM,
    Aggregate.DISTINCT,
    Aggregate.SEQUENCE,
    Aggregate.HELD,
    Aggregate.HOLDS,
    Aggregate.CART,
)


class Bound(Enum):
    """What a windowed value says of the whole window when the permit covers a part of it, the later one."""

    AT_LEAST = auto()
    """The whole is this or more."""
    AT_MOST = auto()
    """The whole is this or less."""
    ITSELF = auto()
    """The value, if there is one; what is hidden is older."""
    NOTHING = auto()


def bound_of(feature: Feature) -> Bound:
    """Return what a part of the window proves of the whole.

    A sum counts as one that grows, as amounts do: it may prove enough, and never too few.
    """
    match feature.aggregate:
        case Aggregate.SUM if feature.less is not None:
            return Bound.NOTHING
        case Aggregate.HIGH | Aggregate.LOW if feature.type not in {ValueType.NUMBER, ValueType.TIME}:
            return Bound.NOTHING
        case Aggregate.COUNT | Aggregate.SUM | Aggregate.HIGH | Aggregate.DISTINCT:
            return Bound.AT_LEAST
        case Aggregate.SEQUENCE | Aggregate.HELD:
            return Bound.AT_LEAST  # 1 is proven by a part, 0 is not
        case Aggregate.LOW | Aggregate.FIRST_TIME:
            return Bound.AT_MOST
        case Aggregate.LAST | Aggregate.LAST_TIME | Aggregate.TRAIT | Aggregate.HOLDS:
            return Bound.ITSELF
        case Aggregate.MEAN | Aggregate.FIRST | Aggregate.TOP | Aggregate.CART:
            return Bound.NOTHING
