"""Partial values that merge: what one identifier's data of one category came to so far.

A `State` is a point in a semilattice or a sum, feature by feature: merging is associative and commutative, so
the same contents give the same state in any order and any grouping. Which contents arrived is the caller's
to know: absorbing one twice counts it twice. Pure; raises ValueError on bytes it did not pack.

Two definitions of one feature may meet after a policy changed its aggregate: the kind with the higher number
stays, and `read` answers absent where the kind is not the one the feature now asks for.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from assent.core.ids import EntryIndex, FeatureId
from assent.core.policy import Aggregate
from assent.core.time import DAY, MINUTE, Instant
from assent.features.catalogue import Stored, Value, list_header

SILENCE: Final = 30 * MINUTE
"""A session ends after this much silence (DESIGN section 5)."""

_KEPT: Final = 4
"""Active half hours kept at either end of a state's history."""

_VERSION: Final = b"\x01"
_LOW_BITS: Final = 62


class Tally(Struct, frozen=True, array_like=True, tag=1):
    """How many values, and their exact total, `total + (carry << 62)`: no order of adding overflows."""

    count: int
    total: int
    carry: int


class Low(Struct, frozen=True, array_like=True, tag=2):
    """The lowest value."""

    value: Stored


class High(Struct, frozen=True, array_like=True, tag=3):
    """The highest value."""

    value: Stored


class First(Struct, frozen=True, array_like=True, tag=4):
    """The value of the earliest event."""

    at: Instant
    entry: EntryIndex
    value: Stored


class Last(Struct, frozen=True, array_like=True, tag=5):
    """The value of the latest event or trait; None where the latest word on a trait takes it back."""

    at: Instant
    entry: EntryIndex
    value: Stored | None


class Earliest(Struct, frozen=True, array_like=True, tag=6):
    """When it happened first."""

    at: Instant


class Latest(Struct, frozen=True, array_like=True, tag=7):
    """When it happened last."""

    at: Instant


Partial = Tally | Low | High | First | Last | Earliest | Latest


class Item(Struct, frozen=True, kw_only=True):
    """One value at one instant, kept where a partial could not give the feature's value."""

    feature: FeatureId
    at: Instant
    entry: EntryIndex
    value: Value


class State(Struct, frozen=True, array_like=True):
    """The partials by feature, lowest id first, and the half hours in which anything happened.

    Of the active half hours, each with its first and last instant, the four earliest and the four latest are
    kept: bounded, and still the same in every order of arrival, which a bounded list of sessions is not.
    """

    partials: Mapping[FeatureId, Partial] = {}
    halves: tuple[tuple[Instant, Instant], ...] = ()

    @property
    def sessions(self) -> tuple[tuple[Instant, Instant], ...]:
        """Return the certain sessions as (begin, end), more than 30 minutes of silence between any two.

        Between the kept beginning and the kept end of a long history something may lie that is no longer
        kept: there, only more than a day apart counts as silence, since nobody stays a day without a pause.
        """
        found: list[tuple[Instant, Instant]] = []
        for place, (begin, end) in enumerate(self.halves):
            unsure = place == _KEPT and len(self.halves) == 2 * _KEPT
            if found and begin - found[-1][1] <= (DAY if unsure else SILENCE):
                found[-1] = (found[-1][0], end)
            else:
                found.append((begin, end))
        return tuple(found)


EMPTY: Final = State()

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(State)
_DECODER_OF_ALL: Final = msgspec.msgpack.Decoder(list[int | State])


def merge(states: Iterable[State]) -> State:
    """Return what all of `states` came to together, whatever their order and grouping."""
    partials: dict[FeatureId, Partial] = {}
    halves: tuple[tuple[Instant, Instant], ...] = ()
    for state in states:
        for feature, partial in state.partials.items():
            held = partials.get(feature)
            partials[feature] = partial if held is None else merged(held, partial)
        halves = joined(halves, state.halves)
    return State(dict(sorted(partials.items())), halves)


def pack(state: State) -> bytes:
    """Return the state's bytes, a version first; equal states have equal bytes."""
    return _VERSION + _ENCODER.encode(state)


def unpack(packed: bytes) -> State:
    """Return the state that `pack` packed. Raises ValueError on anything else."""
    if packed[:1] != _VERSION:
        message = "expected a packed state of version 1"
        raise ValueError(message)
    return _DECODER.decode(packed[1:])


def unpack_all(packed: bytes, number: int) -> list[State]:
    """Return so many states that `pack` packed, one after the other. Raises ValueError on anything else."""
    found = _DECODER_OF_ALL.decode(list_header(2 * number) + packed)
    if found[::2] != [_VERSION[0]] * number or not all(isinstance(one, State) for one in found[1::2]):
        message = "expected packed states of version 1"
        raise ValueError(message)
    return found[1::2]  # type: ignore[return-value]  # just looked


def begun(aggregate: Aggregate, value: Stored, at: Instant, entry: EntryIndex) -> Partial | None:
    """Return the partial of one value alone, or None where no partial can hold the aggregate."""
    return _BEGINNINGS[aggregate](value, at, entry)


def tally(count: int, total: int) -> Tally:
    """Return the one spelling of a count and an exact total of any size."""
    if -1 << (_LOW_BITS - 1) <= total < 1 << (_LOW_BITS - 1):
        return Tally(count, total, 0)
    carry = (total + (1 << (_LOW_BITS - 1))) >> _LOW_BITS
    return Tally(count, total - (carry << _LOW_BITS), carry)


def total(partial: Tally) -> int:
    """Return the exact total, beyond 64 bits if it is."""
    return partial.total + (partial.carry << _LOW_BITS)


def merged(one: Partial, other: Partial) -> Partial:
    """Return two partials of one feature as one."""
    kind = type(one)
    if kind is type(other):
        return _MERGES[kind](one, other)
    return one if _KINDS.index(kind) > _KINDS.index(type(other)) else other


_KINDS: Final = (Tally, Low, High, First, Last, Earliest, Latest)

# A table by kind, since `absorb` passes here for every feature of every event: `match` took twice as long.
_MERGES: Final[Mapping[type[Partial], Callable[[Any, Any], Partial]]] = {
    Tally: lambda one, other: tally(one.count + other.count, total(one) + total(other)),
    Low: lambda one, other: one if _rank(one.value) <= _rank(other.value) else other,
    High: lambda one, other: one if _rank(one.value) >= _rank(other.value) else other,
    First: lambda one, other: one if _comes_first(one, other) else other,
    Last: lambda one, other: other if _comes_first(one, other) else one,
    Earliest: lambda one, other: one if one.at <= other.at else other,
    Latest: lambda one, other: one if one.at >= other.at else other,
}


def _comes_first(one: First | Last, other: First | Last) -> bool:
    if one.at != other.at:
        return one.at < other.at
    # The value decides between two words of one entry, so that the order of reading them does not.
    return (one.entry, _rank(one.value)) < (other.entry, _rank(other.value))


def _rank(value: Stored | None) -> tuple[str, Any]:
    return type(value).__name__, value


def touched(halves: tuple[tuple[Instant, Instant], ...], at: Instant) -> tuple[tuple[Instant, Instant], ...]:
    """Return `halves` with something happening at `at`: `joined` with one instant, fast for the latest."""
    if halves:
        begin, end = halves[-1]
        later = at // SILENCE - begin // SILENCE
        if later > 0:
            return (*(halves if len(halves) < 2 * _KEPT else halves[:_KEPT] + halves[_KEPT + 1 :]), (at, at))
        if later == 0 and at > end:
            return (*halves[:-1], (begin, at))
    return joined(halves, ((at, at),))


def joined(
    one: tuple[tuple[Instant, Instant], ...], other: tuple[tuple[Instant, Instant], ...]
) -> tuple[tuple[Instant, Instant], ...]:
    """Return the active half hours of both, the earliest and the latest of them."""
    if not one or not other:
        return one or other
    spans = {begin // SILENCE: (begin, end) for begin, end in one}
    for begin, end in other:
        half = begin // SILENCE
        known = spans.get(half)
        spans[half] = (begin, end) if known is None else (min(known[0], begin), max(known[1], end))
    ordered = [spans[half] for half in sorted(spans)]
    return tuple(ordered if len(ordered) <= 2 * _KEPT else ordered[:_KEPT] + ordered[-_KEPT:])


def _amount(value: Stored) -> int:
    return value if isinstance(value, int) else 0


_BEGINNINGS: Final[Mapping[Aggregate, Callable[[Stored, Instant, EntryIndex], Partial | None]]] = {
    Aggregate.TRAIT: lambda value, at, entry: Last(at, entry, value),
    Aggregate.COUNT: lambda _value, _at, _entry: Tally(1, 0, 0),
    Aggregate.SUM: lambda value, _at, _entry: tally(1, _amount(value)),
    Aggregate.MEAN: lambda value, _at, _entry: tally(1, _amount(value)),
    Aggregate.LOW: lambda value, _at, _entry: Low(value),
    Aggregate.HIGH: lambda value, _at, _entry: High(value),
    Aggregate.FIRST: lambda value, at, entry: First(at, entry, value),
    Aggregate.LAST: lambda value, at, entry: Last(at, entry, value),
    Aggregate.DISTINCT: lambda _value, _at, _entry: None,
    Aggregate.TOP: lambda _value, _at, _entry: None,
    Aggregate.CART: lambda _value, _at, _entry: None,
    Aggregate.SEQUENCE: lambda _value, _at, _entry: None,
    Aggregate.HELD: lambda _value, _at, _entry: None,
    Aggregate.HOLDS: lambda _value, _at, _entry: None,
    Aggregate.FIRST_TIME: lambda _value, at, _entry: Earliest(at),
    Aggregate.LAST_TIME: lambda _value, at, _entry: Latest(at),
}
