"""Turn leaves over events into leaves over derived features: a rule as it is answered.

`did`, `agg`, `seq`, `held` and `any_item` ask for something of single events or of a trait's history. Each
becomes a comparison with a derived feature (`core/derived`), which the write path keeps like any other. Pure.
Raises UnknownFeature where no category keeps such an event, WrongType and EmptyGroup with a pointer.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, assert_never

import msgspec
from msgspec import Struct, structs

from assent.audiences.request import UNSAID, is_of_request
from assent.audiences.rule import (
    Absent,
    Agg,
    And,
    AnyItem,
    AtLeast,
    Compare,
    Did,
    Eq,
    Ge,
    Gt,
    Held,
    Known,
    Le,
    Lt,
    Ne,
    Not,
    Or,
    Rule,
    Score,
    Seq,
    unparse,
)
from assent.core import derived
from assent.core.errors import Refused, UnknownFeature, WrongType
from assent.core.ids import CategoryId, FeatureId
from assent.core.policy import Aggregate, Cart, Feature, Leaf, Policy, Step, ValueType
from assent.core.time import Duration, Instant, is_measured, parse_duration, parse_time
from assent.features.catalogue import fitted, pack_value
from assent.features.condition import predicate

EventLeaf = Did | Agg | Seq | Held | AnyItem

_MICROSECOND: Final = Duration(microseconds=1)

_COMPARES: Final[Mapping[Compare, type[Eq | Ne | Lt | Le | Gt | Ge]]] = {
    "==": Eq,
    "!=": Ne,
    "<": Lt,
    "<=": Le,
    ">": Gt,
    ">=": Ge,
}


class Lowered(Struct, frozen=True, kw_only=True):
    """A leaf as it is answered, and the derived features, not numbered yet, that it needs."""

    rule: Rule
    features: tuple[Feature, ...]


def lowered(leaf: EventLeaf, policy: Policy, pointer: str = "") -> Lowered:
    """Return one leaf over events as a rule over derived features."""
    match leaf:
        case Did():
            if fitted(ValueType.NUMBER, leaf.count) is None:
                raise WrongType("expected a number that can be held exactly", pointer=pointer + "/count")
            feature = _of_events(leaf, policy, Aggregate.COUNT, ValueType.NUMBER, None, pointer)
            return _compared(leaf.compare, feature, leaf.count)
        case Agg():
            kind = _kind(leaf, pointer)
            feature = _of_events(leaf, policy, Aggregate(leaf.aggregate), kind, leaf.path, pointer)
            return _compared(leaf.compare, feature, leaf.value)
        case Seq():
            return _sequence(leaf, policy, pointer)
        case Held():
            return _held(leaf, policy, pointer)
        case AnyItem():
            return _any_item(leaf, policy, pointer)
        case _:
            assert_never(leaf)


def expanded(rule: Rule, policy: Policy) -> Rule:
    """Return a checked rule as it is answered; the same where no leaf is over events or the request."""
    match rule:
        case Did() | Agg() | Seq() | Held() | AnyItem():
            return lowered(rule, policy).rule
        case And(of=of) | Or(of=of) | AtLeast(of=of):
            inner = tuple(expanded(each, policy) for each in of)
            same = all(one is other for one, other in zip(of, inner, strict=True))
            return rule if same else structs.replace(rule, of=inner)
        case Not(of=one):
            other = expanded(one, policy)
            return rule if other is one else Not(of=other)
        case Score(parts=parts):
            weighed = tuple(structs.replace(part, rule=expanded(part.rule, policy)) for part in parts)
            same = all(one.rule is other.rule for one, other in zip(parts, weighed, strict=True))
            return rule if same else structs.replace(rule, parts=weighed)
        case _:
            return UNSAID if is_of_request(rule) else rule


def needed(rule: Rule, policy: Policy) -> dict[str, Feature]:
    """Return the derived features of a checked rule, by name."""
    found: dict[str, Feature] = {}
    waiting = [rule]
    while waiting:
        node = waiting.pop()
        match node:
            case Did() | Agg() | Seq() | Held() | AnyItem():
                found |= {feature.name: feature for feature in lowered(node, policy).features}
            case And(of=of) | Or(of=of) | AtLeast(of=of):
                waiting += of
            case Not(of=inner):
                waiting.append(inner)
            case Score(parts=parts):
                waiting += [part.rule for part in parts]
            case _:
                pass
    return found


def needed_by_all(rules: Iterable[Rule], policy: Policy) -> dict[str, Feature]:
    """Return the derived features of rules; one that the policy no longer admits needs none."""
    found: dict[str, Feature] = {}
    for rule in rules:
        with suppress(Refused):
            found |= needed(rule, policy)
    return found


def _compared(compare: Compare, feature: Feature, value: object) -> Lowered:
    return Lowered(rule=_COMPARES[compare](feature=feature.name, value=value), features=(feature,))


def _of_events(
    leaf: Did | Agg,
    policy: Policy,
    aggregate: Aggregate,
    kind: ValueType,
    path: str | None,
    pointer: str,
) -> Feature:
    window, until, between = _window(leaf, pointer)
    return _feature(
        category=_category(policy, "event", leaf.event, pointer + "/event"),
        type=kind,
        aggregate=aggregate,
        event=leaf.event,
        path=path,
        window=window,
        leaf=Leaf(where=_condition(leaf.where, pointer + "/where"), until=until, between=between),
    )


def _sequence(leaf: Seq, policy: Policy, pointer: str) -> Lowered:
    """Ask each category that has a step: each reads those of all, and where one is hidden it is unknown."""
    steps, categories = [], set[CategoryId]()
    for place, step in enumerate(leaf.steps):
        at = f"{pointer}/steps/{place}"
        if (step.compare, step.count) != (">=", 1) or _window(step, at) != (None, None, None):
            raise WrongType("expected a step to be one event, without a count and a window", pointer=at)
        categories.add(_category(policy, "event", step.event, at + "/event"))
        steps.append(Step(event=step.event, where=_condition(step.where, at + "/where")))
    if not 2 <= len(steps) <= _MOST_STEPS:
        raise WrongType(f"expected 2 to {_MOST_STEPS} steps", pointer=pointer + "/steps")
    window = None if leaf.last is None else _duration(leaf.last, pointer + "/last")
    gap = None if leaf.gap is None else _duration(leaf.gap, pointer + "/gap")
    among = tuple(sorted(categories))
    parts = [
        _compared(
            ">=",
            _feature(
                category=category,
                type=ValueType.NUMBER,
                aggregate=Aggregate.SEQUENCE,
                window=window,
                leaf=Leaf(steps=tuple(steps), gap=gap, among=among if len(among) > 1 else ()),
            ),
            1,
        )
        for category in among
    ]
    if len(parts) == 1:
        return parts[0]
    return Lowered(
        rule=Or(of=tuple(part.rule for part in parts)),
        features=tuple(feature for part in parts for feature in part.features),
    )


_MOST_STEPS: Final = 8


def _held(leaf: Held, policy: Policy, pointer: str) -> Lowered:
    duration = _duration(leaf.duration, pointer + "/duration")
    further = Duration(months=duration.months, microseconds=duration.microseconds + 1)
    match leaf.compare:
        case ">=" | ">":
            long = duration if leaf.compare == ">=" else further
            return _compared(">=", _holding(leaf, policy, long, pointer), 1)
        case "<" | "<=":
            # It is so now, and has not been for as long.
            is_now = _compared(">=", _holding(leaf, policy, Duration(), pointer), 1)
            long = duration if leaf.compare == "<" else further
            so_long = _compared(">=", _holding(leaf, policy, long, pointer), 1)
            return Lowered(
                rule=And(of=(is_now.rule, Not(of=so_long.rule))), features=is_now.features + so_long.features
            )
        case _:
            raise WrongType("expected <, <=, > or >=", pointer=pointer + "/compare")


def _holding(leaf: Held, policy: Policy, long: Duration, pointer: str) -> Feature:
    trait = _trait(leaf.feature, policy, pointer + "/feature")
    value = fitted(trait.type, leaf.value)
    if value is None or trait.type in (ValueType.LIST, ValueType.PLACE):
        raise WrongType(f"expected a {trait.type.value}", pointer=pointer + "/value")
    return _feature(
        category=trait.category,
        type=ValueType.NUMBER,
        aggregate=Aggregate.HELD,
        trait=trait.trait,
        window=long,
        leaf=Leaf(value=pack_value(value).hex(), of=trait.type),
    )


def _any_item(leaf: AnyItem, policy: Policy, pointer: str) -> Lowered:
    named = feature_of(leaf.feature, policy, pointer + "/feature")
    if named.cart is not None:
        return _in_cart(leaf, named, named.cart, pointer)
    if leaf.lasting is not None:
        raise WrongType("expected none: only of a cart it is known how long", pointer=pointer + "/for")
    return _compared(">=", _in_list(leaf, policy, pointer), 1)


def _in_cart(leaf: AnyItem, named: Feature, cart: Cart, pointer: str) -> Lowered:
    """Something is in the cart, and it is known what was ordered: hidden orders prove no cart full.

    They do prove one empty, since whatever they cleared is less in it.
    """
    lasting = None if leaf.lasting is None else _duration(leaf.lasting, pointer + "/for")
    feature = derived.named(
        structs.replace(
            named,
            type=ValueType.NUMBER,
            leaf=Leaf(where=_condition(leaf.where, pointer + "/where"), until=lasting),
        )
    )
    full = _compared(">=", feature, 1)
    seen = Or(of=(Known(feature=cart.cleared), Absent(feature=cart.cleared)))
    return Lowered(rule=And(of=(full.rule, seen)), features=full.features)


def _in_list(leaf: AnyItem, policy: Policy, pointer: str) -> Feature:
    trait = _trait(leaf.feature, policy, pointer + "/feature")
    if trait.type is not ValueType.LIST:
        raise WrongType("expected a list of objects", pointer=pointer + "/op")
    return _feature(
        category=trait.category,
        type=ValueType.NUMBER,
        aggregate=Aggregate.HOLDS,
        trait=trait.trait,
        leaf=Leaf(where=_condition(leaf.where, pointer + "/where")),
    )


def _feature(
    *,
    category: CategoryId,
    type: ValueType,  # noqa: A002 - the field's own name
    aggregate: Aggregate,
    leaf: Leaf,
    trait: str | None = None,
    event: str | None = None,
    path: str | None = None,
    window: Duration | None = None,
) -> Feature:
    return derived.named(
        Feature(
            id=FeatureId(0),
            name="",
            category=category,
            type=type,
            aggregate=aggregate,
            trait=trait,
            event=event,
            path=path,
            window=window,
            leaf=leaf,
        )
    )


def feature_of(name: str, policy: Policy, pointer: str) -> Feature:
    """Return a feature that a rule may name. Raises UnknownFeature."""
    number = policy.feature_ids.get(name)
    feature = None if number is None else policy.features.get(number)
    if feature is None or feature.leaf is not None:
        raise UnknownFeature(pointer=pointer)
    return feature


def _trait(name: str, policy: Policy, pointer: str) -> Feature:
    feature = feature_of(name, policy, pointer)
    if feature.trait is None or feature.account is not None:
        raise WrongType("expected a trait of the person: of others no history is kept", pointer=pointer)
    return feature


def _category(policy: Policy, kind: str, name: str, pointer: str) -> CategoryId:
    found = derived.category_of(policy, kind, name)
    if found is None:
        raise UnknownFeature("no category keeps such an event", pointer=pointer)
    return found


def _condition(where: Rule | None, pointer: str) -> str:
    """Return a condition on properties as canonical JSON text, checked; empty for none."""
    if where is None:
        return ""
    tree = unparse(where)
    predicate(tree, pointer)
    return _canonical(tree).decode()


# Decimals as numbers: as texts, which is what they are encoded as otherwise, they would equal no number.
_canonical: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def _window(
    leaf: Did | Agg, pointer: str
) -> tuple[Duration | None, Duration | None, tuple[Instant, Instant] | None]:
    """Return the window's beginning and end before now, and its absolute ends; None where there is none."""
    ways = (leaf.last, leaf.begin, leaf.between_t)
    if sum(way is not None for way in ways) > 1 or (leaf.end is not None and leaf.begin is None):
        raise WrongType("expected one window: last, from and to, or between_t", pointer=pointer)
    if leaf.between_t is not None:
        low, high = (_time(end, f"{pointer}/between_t/{n}") for n, end in enumerate(leaf.between_t))
        return None, None, (low, high)
    if leaf.last is not None:
        return _duration(leaf.last, pointer + "/last"), None, None
    if leaf.begin is None:
        return None, None, None
    begin = _past(leaf.begin, pointer + "/from")
    end = _past(leaf.end or "PT0S", pointer + "/to")
    return begin, end if end.months or end.microseconds else None, None


def duration_of(text: str, pointer: str) -> Duration:
    """Return the duration that a rule names. Raises WrongType."""
    with suppress(ValueError):
        duration = parse_duration(text)
        if is_measured(duration):
            return duration
    raise WrongType("expected an ISO 8601 duration of at most P100Y", pointer=pointer)


def _past(text: str, pointer: str) -> Duration:
    """Return how long before now a relative end such as `-P7D` lies."""
    before = -duration_of(text, pointer)
    if before.months < 0 or before.microseconds < 0:
        raise WrongType("expected a time that is past", pointer=pointer)
    return before


def _duration(text: str, pointer: str) -> Duration:
    duration = duration_of(text, pointer)
    if duration.months < 0 or duration.microseconds < 0:
        raise WrongType("expected a duration that is not negative", pointer=pointer)
    return duration


def _time(raw: object, pointer: str) -> Instant:
    try:
        if isinstance(raw, str):
            return parse_time(raw)
    except ValueError:
        pass
    raise WrongType("expected an RFC 3339 time", pointer=pointer)


_KINDS: Final[Mapping[str, ValueType]] = {
    "first_time": ValueType.TIME,
    "last_time": ValueType.TIME,
}
_BY_VALUE: Final = ("first", "last")
_WITHOUT_PATH: Final = ("count", "first_time", "last_time")


def _kind(leaf: Agg, pointer: str) -> ValueType:
    """Return the type of what an aggregate gives, which the value it is compared with must have."""
    if leaf.path == "" or (leaf.path is None) is not (leaf.aggregate in _WITHOUT_PATH):
        raise WrongType("expected a path where the aggregate takes a value", pointer=pointer + "/path")
    kind = _KINDS.get(leaf.aggregate, ValueType.NUMBER)
    if leaf.aggregate in _BY_VALUE:
        if isinstance(leaf.value, bool):
            kind = ValueType.BOOLEAN
        elif isinstance(leaf.value, str):
            kind = ValueType.TEXT
    if fitted(kind, leaf.value) is None:
        raise WrongType(f"expected a {kind.value} that can be held exactly", pointer=pointer + "/value")
    if leaf.compare not in ("==", "!=") and kind in (ValueType.BOOLEAN, ValueType.TEXT):
        raise WrongType("expected == or !=", pointer=pointer + "/compare")
    return kind
