"""The truth of a rule for one profile: strong Kleene logic over what the purpose may see.

A leaf on a hidden category is unknown, whatever it asks: `known`, `absent` and zero included. On an absent
value it is true or false. A windowed leaf whose permit covers a part of the window only is unknown where that
part does not prove it (`seen.Bound`). A profile of which nothing is visible is unknown to every rule. Members
are those for whom the rule is true, so neither unknown nor its negation selects anybody.

Pure; the rule was checked: it raises nothing then, and WrongType or UnknownFeature on one that was not.
Leaves over single events are answered by the derived features that they need (`derive`).
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import assert_never

from msgspec import Struct

from assent.audiences.derive import expanded
from assent.audiences.leaf import (
    Negative,
    Positive,
    Range,
    asked_range,
    feature_named,
    is_inside,
    literal,
    needle,
    opposite,
)
from assent.audiences.rule import (
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
    Near,
    Not,
    Or,
    Recent,
    Rule,
    Score,
    Seq,
    Tier,
)
from assent.audiences.seen import POSSIBLE, TIER, Bound, Seen, bound_of, value_of
from assent.audiences.share import key_of_subject, key_of_value, span_of
from assent.core.policy import Feature, Policy, ValueType
from assent.core.time import Instant
from assent.features.catalogue import Value, millionths
from assent.features.read import begins

__all__ = ["Seen", "Tally", "Truth", "evaluate", "scored", "teller"]


class Truth(IntEnum):
    """Ordered, so that `and` is the least and `or` the greatest."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


def evaluate(
    rule: Rule, policy: Policy, seen: Seen, now: Instant, audiences: Mapping[str, Rule], profile_key: str = ""
) -> Truth:
    """Return whether the rule holds for one profile at `now`. `profile_key` is what `ids` lists name."""
    return teller(policy, seen, now, audiences, profile_key)(rule)


def teller(
    policy: Policy, seen: Seen, now: Instant, audiences: Mapping[str, Rule], profile_key: str = ""
) -> Callable[[Rule], Truth]:
    """Return what tells, of any rule or part of one, whether it holds for one profile at `now`."""
    asking = _Asking(policy, seen, now, audiences, profile_key)
    if seen.visible == 0:
        return lambda _: Truth.UNKNOWN
    return lambda rule: asking.truth(expanded(rule, policy))


class Tally(Struct, frozen=True, kw_only=True):
    """What a score comes to, in millionths: what is proven, what it can be at most, what was counted."""

    low: int
    high: int
    least: int
    counted: tuple[int, ...]
    """The parts in `low`, by place: what is true and, of what is taken off, whatever is not ruled out."""

    @property
    def truth(self) -> Truth:
        """Whether the score is reached."""
        if self.low >= self.least:
            return Truth.TRUE
        return Truth.FALSE if self.high < self.least else Truth.UNKNOWN


def scored(
    score: Score,
    policy: Policy,
    seen: Seen,
    now: Instant,
    audiences: Mapping[str, Rule],
    profile_key: str = "",
) -> Tally | None:
    """Return what a score comes to for one profile, None where nothing of it is visible."""
    if seen.visible == 0:
        return None
    rule = expanded(score, policy)
    asking = _Asking(policy, seen, now, audiences, profile_key)
    return asking.tally(rule) if isinstance(rule, Score) else None


class _Asking:
    """One profile being asked about; an audience referred to twice is evaluated once."""

    def __init__(
        self, policy: Policy, seen: Seen, now: Instant, audiences: Mapping[str, Rule], profile_key: str
    ) -> None:
        self._policy = policy
        self._seen = seen
        self._now = now
        self._audiences = audiences
        self._profile_key = profile_key
        self._answered: dict[str, Truth] = {}

    def truth(self, rule: Rule) -> Truth:
        match rule:
            case And(of=of):
                return min(map(self.truth, of), default=Truth.UNKNOWN)  # an empty group says nothing
            case Or(of=of):
                return max(map(self.truth, of), default=Truth.UNKNOWN)
            case Not(of=inner):
                return Truth(2 - self.truth(inner))
            case AtLeast(count=count, of=of):
                return _at_least(count, [self.truth(each) for each in of])
            case All():
                return Truth.TRUE
            case Ids() | Tier() | Bucket():
                return self._of_profile(rule)
            case Score():
                return self.tally(rule).truth
            case Audience(audience=name):
                return self._audience(name)
            case Did() | Agg() | Seq() | AnyItem() | Held():
                return Truth.UNKNOWN
            case _:
                return self._leaf(rule)

    def tally(self, score: Score) -> "Tally":
        low = high = 0
        counted: list[int] = []
        for place, part in enumerate(score.parts):
            weight, truth = millionths(part.weight) or 0, self.truth(part.rule)
            # What is unknown may be so or not: the least it can come to, and the most.
            ends = (weight, weight) if truth is Truth.TRUE else (min(0, weight), max(0, weight))
            if truth is not Truth.FALSE:
                low, high = low + ends[0], high + ends[1]
                counted += [place] if ends[0] else []
        return Tally(low=low, high=high, least=millionths(score.at_least) or 0, counted=tuple(counted))

    def _of_profile(self, rule: Ids | Tier | Bucket) -> Truth:
        match rule:
            case Ids(values=values):
                return _told(self._profile_key in values)
            case Tier(values=values):
                return _of_tier(self._seen.values.get(TIER), frozenset(values))
            case Bucket():
                return self._bucket(rule)
            case _:
                assert_never(rule)

    def _bucket(self, bucket: Bucket) -> Truth:
        if bucket.feature is None:
            return _told(span_of(bucket).holds(key_of_subject(self._seen.subject)))
        feature = feature_named(self._policy, bucket.feature)
        if begins(feature, self._now) is not None or not self._seen.visible >> feature.category & 1:
            return Truth.UNKNOWN
        value = value_of(feature, self._seen.values)
        return _told(value is not None and span_of(bucket).holds(key_of_value(value)))

    def _audience(self, name: str) -> Truth:
        if name not in self._answered:
            self._answered[name] = Truth.UNKNOWN  # what a circle says, should one ever pass the check
            rule = self._audiences.get(name)
            self._answered[name] = Truth.UNKNOWN if rule is None else self.truth(expanded(rule, self._policy))
        return self._answered[name]

    def _leaf(self, leaf: Positive | Negative) -> Truth:
        if isinstance(leaf, Negative):
            return Truth(2 - self._leaf(opposite(leaf)))
        feature = feature_named(self._policy, leaf.feature)
        if not self._seen.visible >> feature.category & 1:
            return Truth.UNKNOWN
        value = value_of(feature, self._seen.values)
        begin = begins(feature, self._now)
        if begin is None or self._seen.since[feature.category] <= begin:
            return _told(_holds(leaf, feature, value, self._now))
        return _partly(leaf, feature, value, self._now)


def _of_tier(said: Value | None, asked: frozenset[str]) -> Truth:
    possible = frozenset[str]() if said is None else POSSIBLE.get(said, frozenset())
    if possible and possible <= asked:
        return Truth.TRUE
    return Truth.FALSE if possible and not possible & asked else Truth.UNKNOWN


def _told(holds: bool) -> Truth:  # noqa: FBT001 - a claim becomes a truth
    return Truth.TRUE if holds else Truth.FALSE


def _at_least(count: int, of: list[Truth]) -> Truth:
    if not of:
        return Truth.UNKNOWN
    if of.count(Truth.TRUE) >= count:
        return Truth.TRUE
    return Truth.FALSE if len(of) - of.count(Truth.FALSE) < count else Truth.UNKNOWN


def _holds(leaf: Positive, feature: Feature, value: Value | None, now: Instant) -> bool:
    """Say whether the leaf holds for a value that is the whole value."""
    if value is None:
        return False
    match leaf:
        case Known():
            return True
        case Eq(value=raw):
            return value == literal(feature.type, raw)
        case In(values=raws) if isinstance(value, frozenset):
            return any(literal(ValueType.TEXT, raw) in value for raw in raws)
        case In(values=raws):
            return any(value == literal(feature.type, raw) for raw in raws)
        case Has(value=raw):
            return isinstance(value, frozenset) and literal(ValueType.TEXT, raw) in value
        case Contains():
            return isinstance(value, str) and needle(leaf) in value.casefold()
        case Near():
            return is_inside(leaf)(value)
        case Lt() | Le() | Gt() | Ge() | Between() | Recent():
            least, most = asked_range(leaf, feature, now)
            return (
                isinstance(value, int)
                and (least is None or least <= value)
                and (most is None or value <= most)
            )
        case _:
            assert_never(leaf)


def _partly(leaf: Positive, feature: Feature, value: Value | None, now: Instant) -> Truth:
    """Return what a value over the later part of a window proves of the whole window."""
    if value is None:
        return Truth.UNKNOWN
    if isinstance(leaf, Known):
        return Truth.TRUE
    bound = bound_of(feature)
    if bound is Bound.ITSELF:
        return _told(_holds(leaf, feature, value, now))
    if isinstance(value, frozenset):
        # What the part holds the whole holds; what it does not hold proves nothing.
        held = bound is Bound.AT_LEAST and _holds(leaf, feature, value, now)
        return Truth.TRUE if held else Truth.UNKNOWN
    if isinstance(leaf, In):
        equal = (Eq(feature=leaf.feature, value=raw) for raw in leaf.values)
        return max((_partly(each, feature, value, now) for each in equal), default=Truth.UNKNOWN)
    if bound is Bound.NOTHING or not isinstance(value, int) or isinstance(value, bool):
        return Truth.UNKNOWN
    if isinstance(leaf, Has | Contains | Near):
        return Truth.UNKNOWN
    return _bounded(bound, value, asked_range(leaf, feature, now))


def _bounded(bound: Bound, value: int, asked: Range) -> Truth:
    least, most = asked
    if bound is Bound.AT_MOST:  # the mirror image
        value, least, most = -value, None if most is None else -most, None if least is None else -least
    if most is not None:
        return Truth.FALSE if value > most else Truth.UNKNOWN
    return Truth.TRUE if least is None or value >= least else Truth.UNKNOWN
