"""Read a feature's value from a state and its items, at an instant.

Pure; raises nothing. None means absent: never said, taken back, of another type than the feature now has, or
too large for int64 millionths (a total of in-range values may be; it is exact until read). Counts and sums
over nothing are 0, and known. A window is (now - window, now]; what lies after `now` is not there yet.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, groupby
from typing import Final

from msgspec import structs

from assent.core import derived
from assent.core.ids import EntryIndex, FeatureId
from assent.core.policy import Aggregate, Feature, Policy, ValueType
from assent.core.time import BEGINNING, DAY, FOREVER, Duration, Instant, shifted
from assent.features import cart
from assent.features.catalogue import (
    INT64_LEAST,
    INT64_MOST,
    MILLIONTHS,
    Value,
    at_rest,
    in_use,
    pack_value,
)
from assent.features.state import (
    Earliest,
    First,
    High,
    Item,
    Last,
    Latest,
    Low,
    Partial,
    State,
    Tally,
    begun,
    merged,
    total,
)


def read(
    policy: Policy,
    feature: Feature,
    state: State,
    items: Sequence[Item],
    now: Instant,
) -> Value | None:
    """Return the feature's value at `now`, or None where it is absent; items of others are passed over."""
    if not feature.itemised:
        return _typed(feature, _value(feature, state.partials.get(feature.id)))
    begin, end = window(feature, now)
    mine = made_of(policy, feature)
    within = [item for item in items if item.feature in mine and begin < item.at <= end]
    match feature.aggregate:
        case Aggregate.CART:
            # Of the window's end too: it says since when something must have been there, not what is there.
            until_now = [item for item in items if item.feature == feature.id and begin < item.at <= now]
            return cart.read(feature, until_now, _cleared(policy, feature, state), now)
        case Aggregate.SEQUENCE:
            return MILLIONTHS if in_sequence(feature, within) else 0
        case Aggregate.HELD:
            # Its window only says how much must be seen for a no: how long it was is asked of all that is.
            everything = [item for item in items if item.feature == feature.id and item.at <= now]
            return MILLIONTHS if _held_until(feature, everything, now) is None else 0
        case Aggregate.HOLDS:
            newest = max(within, key=_place, default=None)
            return MILLIONTHS if newest is not None and newest.value is True else 0
        case _:
            return _typed(feature, _gathered(feature, within))


def made_of(policy: Policy, feature: Feature) -> tuple[FeatureId, ...]:
    """Return the features of whose items one is read: its own, and those of a sequence's other categories."""
    if feature.leaf is None or not feature.leaf.among:
        return (feature.id,)
    alike = (derived.named(structs.replace(feature, category=one)).name for one in feature.leaf.among)
    return tuple(policy.feature_ids[name] for name in alike if name in policy.feature_ids)


def window(feature: Feature, now: Instant) -> tuple[Instant, Instant]:
    """Return the ends of what a feature looks at, (begin, end]; BEGINNING where it looks at everything."""
    leaf = feature.leaf
    begin = BEGINNING if feature.window is None else shifted(now, -feature.window)
    end = now if leaf is None or leaf.until is None else min(now, shifted(now, -leaf.until))
    if leaf is not None and leaf.between is not None:
        begin, end = max(begin, leaf.between[0]), min(end, leaf.between[1])
    return begin, end


def begins(feature: Feature, now: Instant) -> Instant | None:
    """Return from when on a purpose must see everything to know the whole; None where that is never asked."""
    if feature.account is not None:
        # Whoever says nothing more of an account may have been heard before: what nobody says is not known.
        return _BEFORE_EVERYTHING
    if feature.window is None and (feature.leaf is None or feature.leaf.between is None):
        return None
    return window(feature, now)[0]


_BEFORE_EVERYTHING: Final = Instant(BEGINNING - 1)
"""No permit covers what begins here."""


def in_sequence(feature: Feature, within: Sequence[Item]) -> bool:
    """Whether events fulfil the steps one after the other, no two steps further apart than the gap.

    An item's value has a bit for each step that its event fulfils. Times are strictly in order: of two events
    of one instant neither comes after the other.
    """
    leaf = feature.leaf
    if leaf is None:
        return False
    # Of each step that is fulfilled after all before it, until when the next may follow: the latest so far.
    # Where a month is counted from the end of one, that need not be by the latest event.
    reached: list[Instant | None] = [None] * len(leaf.steps)
    for _, together in groupby(sorted(within, key=_place), key=lambda item: item.at):
        before = list(reached)
        for item in together:
            steps = item.value if isinstance(item.value, int) else 0
            for step in range(len(leaf.steps)):
                until = FOREVER if step == 0 else before[step - 1]
                if steps >> step & 1 and until is not None and item.at <= until:
                    further = FOREVER if leaf.gap is None else shifted(item.at, leaf.gap)
                    reached[step] = max(further, reached[step] or further)
    return bool(reached) and reached[-1] is not None


def _held_until(feature: Feature, items: Sequence[Item], now: Instant) -> Instant | None:
    """Return when a value will have been held for long enough; None when it has, FOREVER when it is not."""
    since: Instant | None = None
    for item in sorted(items, key=_place):
        # Saying the same value again does not begin anew.
        since = (item.at if since is None else since) if item.value is True else None
    if since is None or feature.window is None:
        return FOREVER
    enough = shifted(since, feature.window)
    return None if enough <= now else enough


def _place(item: Item) -> tuple[Instant, EntryIndex]:
    return item.at, item.entry


def valid_until(feature: Feature, items: Sequence[Item], now: Instant) -> Instant:
    """Return an instant after `now` before which time alone does not change what `read` answers.

    For an exact window it is the very instant of the next change. A window of calendar months moves by jumps
    at the ends of months, so there it may be the next midnight (UTC), when the question must be asked again.
    """
    mine = [item for item in items if item.feature == feature.id]
    if feature.aggregate is Aggregate.HELD:
        until = _held_until(feature, [item for item in mine if item.at <= now], now)
        return min([FOREVER if until is None else until, *(item.at for item in mine if item.at > now)])
    ends = [item.at for item in mine if item.at > now]
    edges = [feature.window, None if feature.leaf is None else feature.leaf.until]
    for edge in edges:
        if edge is not None:
            ends += [_leaves(item.at, edge, now) for item in mine if item.at <= now]
    return min((end for end in ends if end > now), default=FOREVER)


def _leaves(at: Instant, window: Duration, now: Instant) -> Instant:
    if window.months == 0:
        return Instant(at + window.microseconds)
    # No month is shorter than 28 days or longer than 31; the clamp at a month's end moves by at most 3 more.
    if now < (safe := Instant(at + window.months * 28 * DAY + window.microseconds - 3 * DAY)):
        return safe
    if now > at + window.months * 31 * DAY + window.microseconds + 3 * DAY:
        return FOREVER
    # Within one day the window's beginning moves as the clock does.
    crossing = at + (now - shifted(now, -window))
    midnight = (now // DAY + 1) * DAY
    return Instant(crossing if now < crossing < midnight else midnight)


def _gathered(feature: Feature, within: Sequence[Item]) -> Value | None:
    if feature.aggregate is Aggregate.TOP:
        times = Counter(chain.from_iterable(_texts(item.value) for item in within))
        # Equally often: in the order of the texts, so that no order of arrival shows.
        ranked = sorted(times, key=lambda value: (-times[value], value))
        return frozenset(ranked[: feature.size]) or None
    if feature.aggregate is not Aggregate.DISTINCT:
        partial: Partial | None = None
        for item in within:
            one = begun(feature.aggregate, at_rest(item.value), item.at, item.entry)
            partial = one if partial is None or one is None else merged(partial, one)
        return _value(feature, partial)
    if feature.type is ValueType.NUMBER:
        # By their bytes, since to Python True equals one millionth.
        return len({pack_value(item.value) for item in within}) * MILLIONTHS
    return frozenset(item.value for item in within if isinstance(item.value, str)) or None


def reading(feature: Feature) -> Callable[[Partial | None], Value | None]:
    """Return what reads a feature that is not itemised from its partial: `read` for many people."""
    value, fits = _VALUES.get(feature.aggregate, _nothing), _FITS[feature.type]

    def read_one(partial: Partial | None) -> Value | None:
        found = value(partial)
        return found if found is not None and fits(found) else None

    return read_one


def _value(feature: Feature, partial: Partial | None) -> Value | None:
    return _VALUES.get(feature.aggregate, _nothing)(partial)


def _nothing(_: Partial | None) -> Value | None:
    return None


def _count(partial: Partial | None) -> Value | None:
    if partial is None:
        return 0
    return partial.count * MILLIONTHS if isinstance(partial, Tally) else None


def _sum(partial: Partial | None) -> Value | None:
    if partial is None:
        return 0
    return total(partial) if isinstance(partial, Tally) else None


def _mean(partial: Partial | None) -> Value | None:
    return _half_even(total(partial), partial.count) if isinstance(partial, Tally) else None


def _held_by(
    kind: type[Low] | type[High] | type[First] | type[Last],
) -> Callable[[Partial | None], Value | None]:
    def value(partial: Partial | None) -> Value | None:
        if not isinstance(partial, kind) or partial.value is None:
            return None
        return in_use(partial.value)

    return value


def _time_of(kind: type[Earliest] | type[Latest]) -> Callable[[Partial | None], Value | None]:
    return lambda partial: partial.at if isinstance(partial, kind) else None


_VALUES: Final[Mapping[Aggregate, Callable[[Partial | None], Value | None]]] = {
    Aggregate.COUNT: _count,
    Aggregate.SUM: _sum,
    Aggregate.DISTINCT: lambda partial: 0 if partial is None else None,
    Aggregate.MEAN: _mean,
    Aggregate.LOW: _held_by(Low),
    Aggregate.HIGH: _held_by(High),
    Aggregate.FIRST: _held_by(First),
    Aggregate.LAST: _held_by(Last),
    Aggregate.TRAIT: _held_by(Last),
    Aggregate.FIRST_TIME: _time_of(Earliest),
    Aggregate.LAST_TIME: _time_of(Latest),
}


def _texts(value: Value) -> Iterable[str]:
    return value if isinstance(value, frozenset) else (value,) if isinstance(value, str) else ()


def _cleared(policy: Policy, feature: Feature, state: State) -> Instant | None:
    """Return up to when everything in a cart was ordered, as far as it is seen."""
    number = None if feature.cart is None else policy.feature_ids.get(feature.cart.cleared)
    said = None if number is None else state.partials.get(number)
    return said.at if isinstance(said, Latest) else None


def _half_even(numerator: int, count: int) -> int | None:
    """Divide exactly, then round once, half to even."""
    if count <= 0:
        return None
    whole, rest = divmod(numerator, count)
    return whole + (1 if 2 * rest > count or (2 * rest == count and whole % 2) else 0)


def _typed(feature: Feature, value: Value | None) -> Value | None:
    """Return the value when it is of the feature's type, else None."""
    return value if value is not None and _FITS[feature.type](value) else None


def _is_integer(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and INT64_LEAST <= value <= INT64_MOST


_FITS: Final[Mapping[ValueType, Callable[[Value], bool]]] = {
    ValueType.BOOLEAN: lambda value: isinstance(value, bool),
    ValueType.NUMBER: _is_integer,
    ValueType.TIME: _is_integer,
    ValueType.TEXT: lambda value: isinstance(value, str) and value != "",  # empty is absent
    ValueType.PLACE: lambda value: isinstance(value, str) and value != "",
    ValueType.LIST: lambda value: isinstance(value, str) and value != "",
    ValueType.SET: lambda value: isinstance(value, frozenset) and bool(value),
}
