"""Absorb what was collected into states and items, feature by feature, exactly.

Pure. An event or a set of traits that says nothing usable for a feature (no value at its path, one of the
wrong type, a number that millionths cannot hold exactly) is skipped for that feature and for no other; a
count counts the event all the same. Raises nothing on any content.

`absorb` stands on the write path: what a policy's features care about is looked up once per policy.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, assert_never

from msgspec import Struct

from assent.core.context_fields import PREFIX
from assent.core.ids import CategoryId, EntryIndex, FeatureId, NamespaceId
from assent.core.per_policy import PerPolicy
from assent.core.policy import Aggregate, Feature, Leaf, Policy, ValueType
from assent.core.time import Instant
from assent.features import cart
from assent.features.catalogue import (
    FITTERS,
    Value,
    at_rest,
    fitter,
    millionths,
    pack_value,
    unpack_value,
)
from assent.features.condition import compiled
from assent.features.read import made_of, read, valid_until
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
    "made_of",
    "membership",
    "merge",
    "pack",
    "pack_value",
    "read",
    "unpack",
    "unpack_value",
    "valid_until",
]


class Content(Struct, frozen=True, kw_only=True):
    """The content of one category in one entry: an event's properties, traits, or context alone."""

    category: CategoryId
    kind: Literal["event", "traits", "context", "account"]
    name: str
    """The event's name; empty for all others."""
    at: Instant
    entry: EntryIndex
    data: Mapping[str, object]
    context: Mapping[str, object] = {}
    """The fields of the event's context that are of this category."""
    account: NamespaceId | None = None
    """Of which family the account is that it is about."""


def absorb(policy: Policy, state: State, content: Content) -> State:
    """Return `state` with `content` in it. What windowed and distinct features need is `items`' to say."""
    if content.kind == "account":
        return state
    at = content.at
    halves = touched(state.halves, at)
    plans = _index(policy).plans(content, itemised=False)
    if not plans:
        return State(state.partials, halves)
    partials = dict(state.partials)
    grown = False
    for plan in plans:
        partial = plan.begin(_said(content, plan), at, content.entry)
        if partial is None:
            continue
        held = partials.get(plan.feature)
        grown = grown or held is None
        partials[plan.feature] = partial if held is None else merged(held, partial)
    # Lowest feature first, so that equal states have equal bytes.
    return State(dict(sorted(partials.items())) if grown else partials, halves)


def items(policy: Policy, content: Content) -> tuple[Item, ...]:
    """Return what windowed and distinct features keep of `content`, and what those of an account do."""
    if content.account is not None:
        return _of_account(policy, content.account, content)
    kept: list[Item] = []
    for plan in _index(policy).plans(content, itemised=True):
        value = plan.fit(_said(content, plan)) if plan.take is None else plan.take(content)
        if value is not None:
            kept.append(Item(feature=plan.feature, at=content.at, entry=content.entry, value=value))
    return tuple(kept)


def _of_account(policy: Policy, family: NamespaceId, content: Content) -> tuple[Item, ...]:
    """Return that somebody belongs to an account, or what each feature reads of the trait that is said.

    A trait that is taken back, or that a feature cannot hold, is kept as an empty value, which no feature
    has: it replaces what was said before.
    """
    if not content.data:
        return (Item(feature=membership(family), at=content.at, entry=content.entry, value=True),)
    return tuple(
        Item(
            feature=plan.feature,
            at=content.at,
            entry=content.entry,
            value=_NO_VALUE if (value := plan.fit(_said(content, plan))) is None else value,
        )
        for plan in _index(policy).of_account(family, content)
    )


def membership(family: NamespaceId) -> FeatureId:
    """Return under which number it stands that somebody belongs to an account of a family."""
    return FeatureId(-family)


_NO_VALUE: Final = ""

Fit = Callable[[object], Value | None]
Begin = Callable[[object, Instant, EntryIndex], Partial | None]


class _Plan(NamedTuple):
    """How one feature takes a content: where its value stands, what it must be, what partial it begins."""

    feature: FeatureId
    path: tuple[str, ...]
    fit: Fit
    begin: Begin
    of_context: bool
    take: "Take | None" = None
    """Of a rule's leaf: what it takes of a content, None for nothing."""


_Plans = list[_Plan]


class _Index:
    """The plans of one policy by what they wait for.

    That is an event's name, any event of a category, traits, or the context of any call.
    """

    def __init__(self, policy: Policy) -> None:
        self._named: dict[tuple[bool, CategoryId, str], _Plans] = {}
        self._any: dict[tuple[bool, CategoryId], _Plans] = {}
        self._traits: dict[tuple[bool, CategoryId], _Plans] = {}
        self._context: dict[tuple[bool, CategoryId], _Plans] = {}
        self._accounts = _of_accounts(policy)
        for feature in (each for each in policy.features.values() if each.account is None):
            plan, kept = _plan(feature), feature.itemised
            if feature.leaf is not None and feature.leaf.steps:
                for event in dict.fromkeys(step.event for step in feature.leaf.steps):
                    self._named.setdefault((kept, feature.category, event), []).append(plan)
            elif feature.trait is not None:
                self._traits.setdefault((kept, feature.category), []).append(plan)
            elif feature.event is not None:
                removing = () if feature.cart is None else (feature.cart.removed,)
                for event in dict.fromkeys((feature.event, *removing)):
                    self._named.setdefault((kept, feature.category, event), []).append(plan)
                if feature.less is not None:
                    key = kept, feature.category, feature.less
                    self._named.setdefault(key, []).append(_taking_off(plan, feature.aggregate))
            elif plan.of_context:
                self._context.setdefault((kept, feature.category), []).append(plan)
            else:
                self._any.setdefault((kept, feature.category), []).append(plan)
        for (kept, category, _), plans in self._named.items():
            plans.extend(self._any.get((kept, category), ()))

    def of_account(self, family: NamespaceId, content: Content) -> _Plans:
        """Return the plans of an account's features that the trait which `content` says concerns."""
        plans = self._accounts.get((content.category, family), [])
        return [plan for plan in plans if plan.path[0] in content.data]

    def plans(self, content: Content, *, itemised: bool) -> _Plans:
        """Return the plans that `content` concerns, of features kept as items or of all others."""
        key = (itemised, content.category)
        match content.kind:
            case "account":
                return []
            case "traits":
                return self._traits.get(key, [])
            case "context":
                return self._context.get(key, [])
            case "event":
                named = self._named.get((itemised, content.category, content.name))
                plans = self._any.get(key, []) if named is None else named
                return plans + self._context.get(key, []) if content.context else plans
        assert_never(content.kind)


def _of_accounts(policy: Policy) -> dict[tuple[CategoryId, NamespaceId], _Plans]:
    found: dict[tuple[CategoryId, NamespaceId], _Plans] = {}
    for feature in policy.features.values():
        if feature.account is not None:
            found.setdefault((feature.category, feature.account), []).append(_plan(feature))
    return found


_index: Final = PerPolicy(_Index)

_MISSING: Final = object()


def _said(content: Content, plan: _Plan) -> object:
    path = plan.path
    if not path:
        return _MISSING
    found = (content.context if plan.of_context else content.data).get(path[0], _MISSING)
    for member in path[1:]:
        if not isinstance(found, dict):
            return _MISSING
        found = found.get(member, _MISSING)
    return found


def _texts(content: Content, plan: _Plan) -> Value | None:
    """Return the texts at a path that may lead through lists; of one event each counts once."""
    held: list[object] = [content.context if plan.of_context else content.data]
    for member in plan.path:
        held = [each[member] for each in held if isinstance(each, dict | Mapping) and member in each]
        held = [one for each in held for one in (each if isinstance(each, list | tuple) else [each])]
    texts = frozenset(each for each in held if isinstance(each, str) and each)
    return (next(iter(texts)) if len(texts) == 1 else texts) or None


def _plan(feature: Feature) -> _Plan:
    where = feature.trait if feature.trait is not None else feature.path or ""
    of_context = feature.trait is None and where.startswith(PREFIX)
    path = tuple(where.removeprefix(PREFIX if of_context else "").split(".")) if where else ()
    fit = _fit(feature)
    plan = _Plan(feature.id, path, fit, _begin(feature.aggregate, fit), of_context)
    if feature.aggregate is Aggregate.TOP:
        return plan._replace(take=lambda content: _texts(content, plan))
    if feature.cart is not None:
        return plan._replace(take=cart.taking(feature.event or "", path, feature.cart))
    return plan if feature.leaf is None else plan._replace(take=_take(feature, feature.leaf, plan))


def _taking_off(plan: _Plan, aggregate: Aggregate) -> _Plan:
    """Return the plan of the event whose amounts are taken off: some write them with a minus, some not."""
    fit = plan.fit

    def less(raw: object) -> Value | None:
        amount = fit(raw)
        return -abs(amount) if isinstance(amount, int) else None

    return plan._replace(fit=less, begin=_begin(aggregate, less))


Take = Callable[[Content], Value | None]


def _take(feature: Feature, leaf: Leaf, plan: _Plan) -> Take:
    """Return what a leaf keeps of a content: the value it adds up, or what it asks answered for this one."""
    match feature.aggregate:
        case Aggregate.SEQUENCE:
            steps = [(step.event, compiled(step.where)) for step in leaf.steps]

            def steps_of(content: Content) -> Value | None:
                bits = sum(
                    1 << place
                    for place, (event, where) in enumerate(steps)
                    if event == content.name and where(content.data)
                )
                return bits or None

            return steps_of
        case Aggregate.HELD:
            wanted = _wanted(leaf.value)

            def is_value(content: Content) -> Value | None:
                said = _said(content, plan)
                value = None if said is _MISSING else plan.fit(said)
                return None if _says_nothing(said, value) else value == wanted

            return is_value
        case Aggregate.HOLDS:
            fulfils, fit = compiled(leaf.where), FITTERS[ValueType.LIST]

            def has_item(content: Content) -> Value | None:
                said = _said(content, plan)
                if _says_nothing(said, fit(said)):
                    return None
                held = said if isinstance(said, list | tuple) else ()
                return any(isinstance(item, dict) and fulfils(item) for item in held)

            return has_item
        case _:
            where = compiled(leaf.where)
            return lambda content: plan.fit(_said(content, plan)) if where(content.data) else None


def _wanted(text: str) -> Value:
    """Return the value that a trait must have, as the trait's own type reads it."""
    value: Value = unpack_value(bytes.fromhex(text))
    return value


def _fit(feature: Feature) -> Fit:
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.FIRST_TIME | Aggregate.LAST_TIME:
            return _happened
        case Aggregate.SUM | Aggregate.MEAN:
            return millionths
        case Aggregate.TOP | Aggregate.CART:
            return _unless_empty(FITTERS[ValueType.TEXT])
        case Aggregate.DISTINCT:
            return _unless_empty(_scalar if feature.type is ValueType.NUMBER else FITTERS[ValueType.TEXT])
        case Aggregate.SEQUENCE | Aggregate.HOLDS:
            return _happened
        case Aggregate.HELD:
            return _unless_empty(FITTERS[feature.leaf.of] if feature.leaf is not None else _scalar)
        case Aggregate.TRAIT | Aggregate.LOW | Aggregate.HIGH | Aggregate.FIRST | Aggregate.LAST:
            return _unless_empty(fitter(feature))
    assert_never(feature.aggregate)


def _happened(_: object) -> bool:
    return True


def _scalar(raw: object) -> Value | None:
    return raw if isinstance(raw, bool | str) else millionths(raw)


def _unless_empty(fit: Fit) -> Fit:
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
            if _says_nothing(raw, value):
                return None
            return Last(at, entry, None if value is None else at_rest(value))

        return begin_trait

    def begin(raw: object, at: Instant, entry: EntryIndex) -> Partial | None:
        value = fit(raw)
        return None if value is None else begun(aggregate, at_rest(value), at, entry)

    return begin


def _says_nothing(raw: object, value: Value | None) -> bool:
    """Say whether a trait stays what it is: this is no value of it, nor does it take the trait back."""
    return value is None and raw not in _TAKEN_BACK


_TAKEN_BACK: Final[tuple[object, ...]] = (None, "", [])
"""The tracking contract takes a trait back with null; empty is the same word."""
