"""Absorb what was collected into states and items, feature by feature, exactly.

Pure. An event or a set of traits that says nothing usable for a feature (no value at its path, one of the
wrong type, a number that millionths cannot hold exactly) is skipped for that feature and for no other; a
count counts the event all the same. Raises nothing on any content.

`absorb` stands on the write path: what a policy's features care about is looked up once per policy.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, assert_never

from msgspec import Struct

from assent.core.ids import CategoryId, EntryIndex, FeatureId
from assent.core.policy import Aggregate, Feature, Policy, ValueType
from assent.core.time import Instant
from assent.features.catalogue import (
    FITTERS,
    Value,
    at_rest,
    millionths,
    pack_value,
    unpack_value,
)
from assent.features.read import read, valid_until
from assent.features.state import (
    EMPTY,
    Item,
    Last,
    Partial,
    State,
    begun,
    merge,
    merged,
    pack,
    touched,
    unpack,
)

__all__ = [
    "EMPTY",
    "Content",
    "Item",
    "Partial",
    "State",
    "Value",
    "absorb",
    "items",
    "merge",
    "pack",
    "pack_value",
    "read",
    "unpack",
    "unpack_value",
    "valid_until",
]


class Content(Struct, frozen=True, kw_only=True):
    """The content of one category in one entry: an event's properties, or traits."""

    category: CategoryId
    kind: Literal["event", "traits"]
    name: str
    """The event's name; empty for traits."""
    at: Instant
    entry: EntryIndex
    data: Mapping[str, object]


def absorb(policy: Policy, state: State, content: Content) -> State:
    """Return `state` with `content` in it. What windowed and distinct features need is `items`' to say."""
    at = content.at
    halves = touched(state.halves, at)
    plans = _index(policy).plans(content, itemised=False)
    if not plans:
        return State(state.partials, halves)
    partials = dict(state.partials)
    grown = False
    for plan in plans:
        partial = plan.begin(_found(content.data, plan.path), at, content.entry)
        if partial is None:
            continue
        held = partials.get(plan.feature)
        grown = grown or held is None
        partials[plan.feature] = partial if held is None else merged(held, partial)
    # Lowest feature first, so that equal states have equal bytes.
    return State(dict(sorted(partials.items())) if grown else partials, halves)


def items(policy: Policy, content: Content) -> tuple[Item, ...]:
    """Return what windowed and distinct features keep of `content`."""
    kept: list[Item] = []
    for plan in _index(policy).plans(content, itemised=True):
        value = plan.fit(_found(content.data, plan.path))
        if value is not None:
            kept.append(Item(feature=plan.feature, at=content.at, entry=content.entry, value=value))
    return tuple(kept)


Fit = Callable[[object], Value | None]
Begin = Callable[[object, Instant, EntryIndex], Partial | None]


class _Plan(NamedTuple):
    """How one feature takes a content: where its value stands, what it must be, what partial it begins."""

    feature: FeatureId
    path: tuple[str, ...]
    fit: Fit
    begin: Begin


class _Index:
    """The plans of one policy by what they wait for: an event's name, any event of a category, or traits."""

    def __init__(self, policy: Policy) -> None:
        self._named: dict[tuple[bool, CategoryId, str], list[_Plan]] = {}
        self._any: dict[tuple[bool, CategoryId], list[_Plan]] = {}
        self._traits: dict[tuple[bool, CategoryId], list[_Plan]] = {}
        for feature in policy.features.values():
            plan, kept = _plan(feature), feature.itemised
            if feature.trait is not None:
                self._traits.setdefault((kept, feature.category), []).append(plan)
            elif feature.event is None:
                self._any.setdefault((kept, feature.category), []).append(plan)
            else:
                self._named.setdefault((kept, feature.category, feature.event), []).append(plan)
        for (kept, category, _), plans in self._named.items():
            plans.extend(self._any.get((kept, category), ()))

    def plans(self, content: Content, *, itemised: bool) -> list[_Plan]:
        """Return the plans that `content` concerns, of features kept as items or of all others."""
        if content.kind == "traits":
            return self._traits.get((itemised, content.category), [])
        named = self._named.get((itemised, content.category, content.name))
        return self._any.get((itemised, content.category), []) if named is None else named


_INDEXES_KEPT: Final = 1024
_indexes: dict[int, tuple[Policy, _Index]] = {}


def _index(policy: Policy) -> _Index:
    # By identity, since a policy holds mappings and has no hash; the entry keeps its policy alive, so that
    # the identity cannot be another's. Bounded: each controller has a policy of its own.
    known = _indexes.get(id(policy))
    if known is not None:
        return known[1]
    while len(_indexes) >= _INDEXES_KEPT:
        _indexes.pop(next(iter(_indexes)), None)
    index = _Index(policy)
    _indexes[id(policy)] = (policy, index)
    return index


_MISSING: Final = object()


def _found(data: Mapping[str, object], path: tuple[str, ...]) -> object:
    if not path:
        return _MISSING
    found = data.get(path[0], _MISSING)
    for member in path[1:]:
        if not isinstance(found, dict):
            return _MISSING
        found = found.get(member, _MISSING)
    return found


def _plan(feature: Feature) -> _Plan:
    where = feature.trait if feature.trait is not None else feature.path
    fit = _fit(feature)
    return _Plan(feature.id, tuple(where.split(".")) if where else (), fit, _begin(feature.aggregate, fit))


def _fit(feature: Feature) -> Fit:
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.FIRST_TIME | Aggregate.LAST_TIME:
            return _happened
        case Aggregate.SUM | Aggregate.MEAN:
            return millionths
        case Aggregate.DISTINCT:
            return _said(_scalar if feature.type is ValueType.NUMBER else FITTERS[ValueType.TEXT])
        case Aggregate.TRAIT | Aggregate.LOW | Aggregate.HIGH | Aggregate.FIRST | Aggregate.LAST:
            return _said(FITTERS[feature.type])
    assert_never(feature.aggregate)


def _happened(_: object) -> bool:
    return True


def _scalar(raw: object) -> Value | None:
    return raw if isinstance(raw, bool | str) else millionths(raw)


def _said(fit: Fit) -> Fit:
    """Hold an empty text or set for nothing said."""

    def fitted(raw: object) -> Value | None:
        value = fit(raw)
        return None if value in _EMPTY_VALUES else value

    return fitted


_EMPTY_VALUES: Final[tuple[Value, ...]] = ("", frozenset())


def _begin(aggregate: Aggregate, fit: Fit) -> Begin:
    if aggregate is Aggregate.TRAIT:

        def begin_trait(raw: object, at: Instant, entry: EntryIndex) -> Partial | None:
            value = fit(raw)
            if value is None and raw not in _TAKEN_BACK:
                return None
            return Last(at, entry, None if value is None else at_rest(value))

        return begin_trait

    def begin(raw: object, at: Instant, entry: EntryIndex) -> Partial | None:
        value = fit(raw)
        return None if value is None else begun(aggregate, at_rest(value), at, entry)

    return begin


_TAKEN_BACK: Final[tuple[object, ...]] = (None, "", [])
"""The tracking contract takes a trait back with null; empty is the same word."""
