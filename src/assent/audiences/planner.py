"""Make a rule ready to run: literals typed, codes looked up, windows' beginnings fixed, audiences resolved.

Raises nothing on a checked rule. What the purpose may not see, and what is not supported yet, is unknown for
all.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from assent.audiences.codebook import Chosen, Codebook
from assent.audiences.derive import expanded
from assent.audiences.leaf import (
    Negative,
    Positive,
    asked_range,
    feature_named,
    integer,
    is_inside,
    literal,
    needle,
    opposite,
)
from assent.audiences.plan import (
    Choice,
    Drawn,
    Every,
    Everybody,
    Listed,
    Nobody,
    OfTier,
    Opposite,
    Plan,
    Presence,
    Ranges,
    Reference,
    Share,
    Some,
    Weighed,
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
from assent.audiences.seen import POSSIBLE, TIER, bound_of
from assent.audiences.share import key_of_value, span_of
from assent.core.ids import CategoryMask, FeatureId
from assent.core.policy import Feature, Policy, ValueType
from assent.core.time import Instant
from assent.features.catalogue import Value, millionths
from assent.features.read import begins


class Planner:
    """One question's plan in the making, and what it will look at."""

    def __init__(
        self,
        policy: Policy,
        categories: CategoryMask,
        books: Mapping[FeatureId, Codebook],
        now: Instant,
        audiences: Mapping[str, Rule],
    ) -> None:
        self._policy = policy
        self._categories = categories
        self._books = books
        self._now = now
        self._audiences = audiences
        self._references: dict[str, Plan] = {}
        self.timely = False
        """Whether another instant would make another plan."""
        self.features: dict[FeatureId, Feature] = {}
        """What the plan looks at."""
        self.windows: dict[FeatureId, Instant] = {}
        """Where the windows of windowed features begin."""
        self.lists: list[tuple[str, ...]] = []
        """The lists of `ids`, by number."""

    @property
    def referred(self) -> Iterable[str]:
        """The names of the audiences that were looked up."""
        return self._references

    def plan(self, rule: Rule) -> Plan:
        """Return the plan of one rule."""
        match rule:
            case And(of=of):
                return self._group(len(of), of)
            case Or(of=of):
                return self._group(1, of)
            case AtLeast(count=count, of=of):
                return self._group(count, of)
            case Not(of=inner):
                return Opposite(self.plan(inner))
            case Audience(audience=name):
                return self._reference(name)
            case Score(parts=parts, at_least=least):
                weighed = tuple((self.plan(part.rule), millionths(part.weight) or 0) for part in parts)
                return Weighed(weighed, millionths(least) or 0)
            case All() | Ids() | Tier() | Bucket():
                return self._of_profile(rule)
            case Did() | Agg() | Seq() | AnyItem() | Held():
                return Nobody()
            case _:
                return self._leaf(rule)

    def _of_profile(self, rule: All | Ids | Tier | Bucket) -> Plan:
        match rule:
            case All():
                return Everybody()
            case Ids(values=values):
                self.lists.append(values)
                return Listed(len(self.lists) - 1)
            case Tier(values=values):
                return self._tier(frozenset(values))
            case Bucket():
                return self._bucket(rule)
            case _:
                assert_never(rule)

    def _group(self, count: int, of: Iterable[Rule]) -> Plan:
        parts = tuple(self.plan(each) for each in of)
        if not parts:
            return Nobody()
        return Every(parts) if count == len(parts) else Some(count, parts)

    def _reference(self, name: str) -> Plan:
        if name not in self._references:
            number = len(self._references)  # its own: those inside are counted after it
            self._references[name] = Nobody()  # what a circle says, should one ever pass the check
            rule = self._audiences.get(name)
            if rule is not None:
                self._references[name] = Reference(number, self.plan(expanded(rule, self._policy)))
        return self._references[name]

    def _tier(self, asked: frozenset[str]) -> Plan:
        book = self._books[TIER]
        inside = book.equal(said for said, possible in POSSIBLE.items() if possible <= asked)
        outside = book.equal(said for said, possible in POSSIBLE.items() if not possible & asked)
        return OfTier(inside, outside)

    def _bucket(self, bucket: Bucket) -> Plan:
        span = span_of(bucket)
        if bucket.feature is None:
            return Share(span)
        feature = feature_named(self._policy, bucket.feature)
        if begins(feature, self._now) is not None or not self._categories >> feature.category & 1:
            return Nobody()
        self.features[feature.id] = feature
        if feature.id in self._books:
            chosen = self._books[feature.id].where(lambda value: span.holds(key_of_value(value)))
            return self._choice(feature, chosen)
        return Drawn(feature.id, feature.category, span, bound_of(feature))

    def _leaf(self, leaf: Positive | Negative) -> Plan:
        if isinstance(leaf, Negative):
            return Opposite(self._leaf(opposite(leaf)))
        feature = feature_named(self._policy, leaf.feature)
        if not self._categories >> feature.category & 1:
            return Nobody()
        self.features[feature.id] = feature
        begin = begins(feature, self._now)
        if begin is not None:
            self.windows[feature.id] = begin
        self.timely |= begin is not None or isinstance(leaf, Recent)
        match leaf:
            case Known():
                return Presence(feature.id, feature.category)
            case Eq(value=raw) if feature.id in self._books:
                return self._choice(feature, self._books[feature.id].equal([literal(feature.type, raw)]))
            case In(values=raws):
                return self._in(feature, raws)
            case Has(value=raw):
                return self._holding(feature, [raw])
            case Contains() | Near():
                test = _containing(needle(leaf)) if isinstance(leaf, Contains) else is_inside(leaf)
                return self._choice(feature, self._books[feature.id].where(test))
            case Eq() | Lt() | Le() | Gt() | Ge() | Between() | Recent():
                asked = asked_range(leaf, feature, self._now)
                return Ranges(feature.id, feature.category, (asked,), bound_of(feature))
            case _:
                assert_never(leaf)

    def _in(self, feature: Feature, raws: Iterable[object]) -> Plan:
        if feature.type is ValueType.SET:
            return self._holding(feature, raws)
        if feature.id in self._books:
            return self._choice(
                feature, self._books[feature.id].equal(literal(feature.type, raw) for raw in raws)
            )
        values = {integer(feature, raw) for raw in raws}
        ranges = tuple((value, value) for value in sorted(values))
        return Ranges(feature.id, feature.category, ranges, bound_of(feature))

    def _holding(self, feature: Feature, raws: Iterable[object]) -> Plan:
        members = [str(literal(ValueType.TEXT, raw)) for raw in raws]
        return self._choice(feature, self._books[feature.id].equal(members))

    def _choice(self, feature: Feature, chosen: Chosen) -> Plan:
        return Choice(feature.id, feature.category, chosen, bound_of(feature))


def _containing(folded: str) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, str) and folded in value.casefold()
