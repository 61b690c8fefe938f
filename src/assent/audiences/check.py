"""Check a rule before it is saved or asked: everything it names exists, fits, and is the purpose's to use.

    (1) the rule is no deeper and no larger than the limit, nor are its lists, nor what it asks of one event
    (2) no group is empty
    (3) every feature is in the catalogue
    (4) every value is of its feature's type, and the operator means something for that type
    (5) every feature is of a category that the purpose declares
    (6) every audience it refers to exists for the purpose, fulfils the same, never leads back, and leads no
        further than the limit; nor does any that refers to it, from then on
    (7) no window is longer than its category keeps its data

Pure. Raises a Refused with a pointer into the caller's own rule: a fault inside a referred audience points at
the reference.
"""

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

from msgspec import Struct

from assent.audiences.derive import EventLeaf, duration_of, lowered
from assent.audiences.reach import fits_below
from assent.audiences.request import check_asked, is_of_request
from assent.audiences.rule import (
    DEEPEST,
    LARGEST,
    MOST_REFERENCES,
    MOST_VALUES,
    Absent,
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Between,
    Bucket,
    Contains,
    Did,
    Eq,
    Ge,
    Gt,
    Has,
    Held,
    Ids,
    In,
    Known,
    Le,
    Lt,
    Ne,
    Near,
    Not,
    NotIn,
    Or,
    Recent,
    Rule,
    Score,
    Seq,
    Tier,
    children,
)
from assent.audiences.seen import TIERS
from assent.core.document_places import shortest
from assent.core.errors import (
    CyclicAudience,
    EmptyGroup,
    NotPermittedForPurpose,
    Refused,
    RuleTooDeep,
    UnknownAudience,
    UnknownFeature,
    UnknownPurpose,
    WrongType,
)
from assent.core.ids import CategoryId, PurposeId
from assent.core.policy import Feature, Policy, Purpose, ValueType
from assent.core.time import Instant, longest
from assent.features.catalogue import INT64_MOST, MILLIONTHS, fitted, millionths
from assent.features.place import FARTHEST_KM, point
from assent.features.read import begins

LONGEST_LEAF: Final = 1 << 15
"""Characters of what is kept of a leaf over events: each event that arrives is held against it."""

_ORDERED: Final = (ValueType.NUMBER, ValueType.TIME)
_SINGLE: Final = (ValueType.BOOLEAN, ValueType.NUMBER, ValueType.TEXT, ValueType.TIME)
_LISTED: Final = tuple(kind for kind in ValueType if kind is not ValueType.PLACE)
_ASKS: Final[Mapping[type[Rule], tuple[ValueType, ...]]] = {
    Eq: _SINGLE,
    Ne: _SINGLE,
    Lt: _ORDERED,
    Le: _ORDERED,
    Gt: _ORDERED,
    Ge: _ORDERED,
    Between: _ORDERED,
    Has: (ValueType.SET,),
    Contains: (ValueType.TEXT,),
    Near: (ValueType.PLACE,),
    In: _LISTED,
    NotIn: _LISTED,
    Recent: (ValueType.TIME,),
}
"""The types that an operator means something for; any, where none is named."""


class Needs(Struct, frozen=True, kw_only=True):
    """What a rule looks at, by name, sorted: the answer of a saved audience says so."""

    features: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


def together(needs: Iterable[Needs]) -> Needs:
    """Return what several rules look at."""
    found = list(needs)
    return Needs(
        features=tuple(sorted({name for each in found for name in each.features})),
        categories=tuple(sorted({name for each in found for name in each.categories})),
    )


def check(
    rule: Rule,
    policy: Policy,
    purpose: PurposeId,
    audiences: Mapping[str, Rule],
    *,
    name: str | None = None,
    pointer: str = "/rule",
) -> Needs:
    """Return what the rule needs. `audiences` are the purpose's; `name` is the one that this rule will be."""
    asking = policy.purposes.get(purpose)
    if asking is None:
        raise UnknownPurpose(pointer="/purpose")
    checking = _Checking(policy, asking, audiences)
    below = checking.rule(rule, pointer, (name or "",))
    if name is not None:
        fits_below(name, below, {**audiences, name: rule}, pointer)  # (6)
    names = {policy.categories[category].name for category in checking.categories}
    return Needs(features=tuple(sorted(checking.features)), categories=tuple(sorted(names)))


class _Checking:
    """One check under way: what it found so far."""

    def __init__(self, policy: Policy, purpose: Purpose, audiences: Mapping[str, Rule]) -> None:
        self._policy = policy
        self._purpose = purpose
        self._audiences = audiences
        self._passed: dict[str, int] = {}
        """Audiences that passed, and how many references lie below each, one inside the other."""
        self.features: dict[str, Feature] = {}
        self.categories: set[CategoryId] = set()

    def rule(self, rule: Rule, pointer: str, within: tuple[str, ...]) -> int:
        """Check one rule, `within` the audiences that led to it; return how deep its references go."""
        below = 0
        size = _Size()
        waiting = [(rule, pointer, 1)]
        while waiting:
            node, place, depth = waiting.pop()
            size.add(node, place, depth)  # (1)
            inner = [(child, place + step, depth + 1) for step, child in children(node)]
            if isinstance(node, EventLeaf):
                # What is inside is about properties, and is looked at with the leaf; it only counts.
                size.add_all(inner)
            else:
                waiting.extend(reversed(inner))  # so that the first fault in reading order is told
            below = max(below, self._node(node, place, within))
        return below

    def _node(self, node: Rule, place: str, within: tuple[str, ...]) -> int:
        match node:
            case And(of=of) | Or(of=of):
                _filled(of, place + "/of")
            case AtLeast(count=count, of=of):
                _filled(of, place + "/of")
                if not 1 <= count <= len(of):
                    raise WrongType(f"expected a count from 1 to {len(of)}", pointer=place + "/count")
            case Audience(audience=named):
                return self._audience(named, place + "/audience", within)
            case Did() | Agg() | Seq() | AnyItem() | Held():
                self._event_leaf(node, place)
            case Ids() | Tier() | Score() | Bucket():
                self._of_profile(node, place)
            case Not() | All():
                pass
            case _ if is_of_request(node):
                check_asked(node, place)
            case _:
                self._leaf(node, place)
        return 0

    def _of_profile(self, node: Ids | Tier | Score | Bucket, place: str) -> None:
        match node:
            case Ids(values=values):
                _filled(values, place + "/values")
            case Tier(values=values):
                _filled(values, place + "/values")
                for index, value in enumerate(values):
                    if value not in TIERS:
                        tiers = ", ".join(sorted(TIERS))
                        raise WrongType(f"expected one of {tiers}", pointer=f"{place}/values/{index}")
            case Score():
                _weights(node, place)
            case Bucket():
                self._bucket(node, place)
            case _:
                assert_never(node)

    def _event_leaf(self, node: EventLeaf, place: str) -> None:
        for feature in lowered(node, self._policy, place).features:
            if not self._purpose.categories >> feature.category & 1:  # (5)
                raise NotPermittedForPurpose(pointer=place)
            if len(feature.name) > LONGEST_LEAF:  # (1)
                raise RuleTooDeep(pointer=place)
            self._kept(feature, place)
            self.categories.add(feature.category)
        if isinstance(node, Held | AnyItem):
            feature = self._feature(node.feature, place + "/feature")
            if feature.cart is not None:
                self._feature(feature.cart.cleared, place + "/feature")

    def _kept(self, feature: Feature, place: str) -> None:
        """(7) no window is longer than its category keeps its data."""
        kept = self._policy.categories[feature.category].retention
        if feature.window is None or kept is None:
            return
        fits = feature.window.months <= kept.months and feature.window.microseconds <= kept.microseconds
        if not fits and longest(feature.window) > shortest(kept):
            raise WrongType("expected a window no longer than its category is kept", pointer=place)

    def _leaf(self, node: "_Leaf", place: str) -> None:
        feature = self._feature(node.feature, place + "/feature")
        if feature.cart is not None:  # (4) whose content depends on what else is seen: any_item asks both
            raise WrongType("expected any_item, the feature is a cart", pointer=place + "/op")
        kinds = _ASKS.get(type(node), ())
        if kinds and feature.type not in kinds:  # (4)
            names = " or ".join(kind.value for kind in kinds)
            raise WrongType(
                f"expected a {names}, the feature is a {feature.type.value}", pointer=place + "/op"
            )
        match node:
            case Between(low=low, high=high):
                _fits(feature.type, low, place + "/low")
                _fits(feature.type, high, place + "/high")
            case In(values=values) | NotIn(values=values):
                _filled(values, place + "/values")
                for index, value in enumerate(values):
                    _fits(_member_type(feature), value, f"{place}/values/{index}")
            case Has(value=value) | Contains(value=value):
                # Every text contains the empty one, and no set holds it.
                _fits(ValueType.TEXT, value or None, place + "/value")
            case Near():
                _near(node, place)
            case Recent(begin=begin, end=end):
                duration_of(begin, place + "/from")
                duration_of(end, place + "/to")
            case Known() | Absent():
                pass
            case _:
                _fits(feature.type, node.value, place + "/value")

    def _bucket(self, node: Bucket, place: str) -> None:
        low, high = millionths(node.low), millionths(node.high)
        for share, end in ((low, "/low"), (high, "/high")):
            if share is None or not 0 <= share <= MILLIONTHS:
                raise WrongType("expected a share from 0 to 1", pointer=place + end)
        if low is None or high is None or low >= high:
            raise WrongType("expected a share that is more than the low one", pointer=place + "/high")
        if node.feature is not None:
            feature = self._feature(node.feature, place + "/feature")
            if feature.type not in _SINGLE or begins(feature, Instant(0)) is not None:
                # (4) what a part of a window, or some of an account's members, say is not the whole
                raise WrongType("expected a single value without a window", pointer=place + "/feature")

    def _feature(self, name: str, place: str) -> Feature:
        number = self._policy.feature_ids.get(name)
        feature = None if number is None else self._policy.features.get(number)
        if feature is None:  # (3)
            raise UnknownFeature(pointer=place)
        if not self._purpose.categories >> feature.category & 1:  # (5)
            raise NotPermittedForPurpose(pointer=place)
        self.features[name] = feature
        self.categories.add(feature.category)
        return feature

    def _audience(self, name: str, place: str, within: tuple[str, ...]) -> int:
        # (6) the limits are each rule's own; one that passed is not walked again
        if name and name in within:  # a rule that is not saved has no name yet
            raise CyclicAudience(pointer=place)
        rule = self._audiences.get(name)
        if rule is None:
            raise UnknownAudience(pointer=place)
        if len(within) + self._passed.get(name, 0) > MOST_REFERENCES:
            raise RuleTooDeep("audiences refer to audiences too deep", pointer=place)
        if name not in self._passed:
            try:
                self._passed[name] = self.rule(rule, "", (*within, name))
            except Refused as fault:
                fault.pointer = place
                raise
        return self._passed[name] + 1


class _Size:
    """How large one rule is, as far as it was looked at."""

    def __init__(self) -> None:
        self._nodes = self._values = 0

    def add(self, node: Rule, place: str, depth: int) -> None:
        """Count a node. Raises RuleTooDeep."""
        self._nodes += 1
        if depth > DEEPEST or self._nodes > LARGEST:
            raise RuleTooDeep(pointer=place)
        if isinstance(node, In | NotIn):
            self._values += len(node.values)
            if self._values > MOST_VALUES:
                raise RuleTooDeep(pointer=place + "/values")

    def add_all(self, nodes: list[tuple[Rule, str, int]]) -> None:
        """Count nodes, each with its place and depth, and all that is inside, in reading order."""
        waiting = nodes[::-1]
        while waiting:
            node, place, depth = waiting.pop()
            self.add(node, place, depth)
            waiting += [(child, place + step, depth + 1) for step, child in children(node)][::-1]


_Leaf = Eq | Ne | Lt | Le | Gt | Ge | Between | In | NotIn | Known | Absent | Has | Contains | Near | Recent


def _filled(group: tuple[object, ...], place: str) -> None:
    if not group:  # (2)
        raise EmptyGroup(pointer=place)


def _member_type(feature: Feature) -> ValueType:
    return ValueType.TEXT if feature.type is ValueType.SET else feature.type


def _fits(kind: ValueType, raw: object, place: str) -> None:
    if fitted(kind, raw) is None:
        raise WrongType(f"expected a {kind.value} that can be held exactly", pointer=place)


def _near(node: Near, place: str) -> None:
    if point(node.of) is None:
        raise WrongType("expected a latitude and a longitude in degrees", pointer=place + "/of")
    within = millionths(node.within_km)
    if within is None or not 0 < within <= FARTHEST_KM * MILLIONTHS:
        raise WrongType(
            f"expected kilometres, more than 0 and at most {FARTHEST_KM}", pointer=place + "/within_km"
        )


def _weights(node: Score, place: str) -> None:
    _filled(node.parts, place + "/parts")
    sum_ = 0
    for index, part in enumerate(node.parts):
        weight = millionths(part.weight)
        sum_ += abs(weight or 0)
        if not weight or sum_ > INT64_MOST:
            raise WrongType(
                "expected a number that can be held exactly, and is not 0",
                pointer=f"{place}/parts/{index}/weight",
            )
    _fits(ValueType.NUMBER, node.at_least, place + "/at_least")
