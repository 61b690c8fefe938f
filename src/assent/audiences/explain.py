"""Say of a rule, part by part, what it comes to for one profile, and on what each leaf rests.

Pure, and decides nothing: the truth of every part is `evaluate`'s. A leaf over events is told as it was
written; what it is answered by (derived features) stands beside it. An audience that a rule refers to is told
once, where it is met first.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from assent.audiences.derive import lowered
from assent.audiences.evaluate import Truth, teller
from assent.audiences.leaf import feature_named
from assent.audiences.request import is_of_request
from assent.audiences.rule import (
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Bucket,
    Did,
    Held,
    Ids,
    Not,
    Or,
    Rule,
    Score,
    Seq,
    Tier,
)
from assent.audiences.seen import Seen, value_of
from assent.core.policy import Feature, Policy
from assent.core.time import Instant
from assent.features.catalogue import Value


class Ground(StrEnum):
    """Why a leaf is what it is."""

    VALUE = "value"
    ABSENT = "absent"
    HIDDEN = "hidden"
    WINDOW = "window_not_covered"
    """The permit covers a part of the window only, and that part does not prove it."""
    LIST = "list"
    SHARE = "share"
    TIER = "tier"
    EVERYBODY = "everybody"
    UNKNOWN_AUDIENCE = "unknown_audience"
    REQUEST = "request"
    """It asks of the request that a decision answers, and none is answered here."""


class Look(Struct, frozen=True, kw_only=True):
    """A feature that a leaf looked at, and its value, if it may be seen and there is one."""

    feature: Feature
    value: Value | None


class Part(Struct, frozen=True, kw_only=True):
    """A part of a rule: its truth and its parts, or, of a leaf, what was looked at and why it is so."""

    rule: Rule
    truth: Truth
    ground: Ground | None = None
    """None where it is its parts that say so."""
    looked_at: tuple[Look, ...] = ()
    of: tuple["Part", ...] = ()
    weights: tuple[object, ...] = ()
    """Of a score: what each of its parts counts."""


def explained(
    rule: Rule,
    policy: Policy,
    seen: Seen,
    now: Instant,
    audiences: Mapping[str, Rule],
    profile_key: str = "",
) -> Part:
    """Return a checked rule's parts, each with its truth for one profile at `now`."""
    tell = teller(policy, seen, now, audiences, profile_key)
    return _Explaining(policy, seen, now, audiences, tell).part(rule)


class _Explaining:
    def __init__(
        self,
        policy: Policy,
        seen: Seen,
        now: Instant,
        audiences: Mapping[str, Rule],
        tell: Callable[[Rule], Truth],
    ) -> None:
        self._policy = policy
        self._seen = seen
        self._now = now
        self._audiences = audiences
        self._tell = tell
        self._told: set[str] = set()

    def part(self, rule: Rule) -> Part:
        truth = self._tell(rule)
        match rule:
            case And(of=of) | Or(of=of) | AtLeast(of=of):
                return Part(rule=rule, truth=truth, of=tuple(map(self.part, of)))
            case Score(parts=parts):
                told = tuple(self.part(each.rule) for each in parts)
                return Part(rule=rule, truth=truth, of=told, weights=tuple(each.weight for each in parts))
            case Not(of=inner):
                return Part(rule=rule, truth=truth, of=(self.part(inner),))
            case Audience(audience=name):
                return self._audience(rule, truth, name)
            case All():
                return Part(rule=rule, truth=truth, ground=self._unless_hidden(Ground.EVERYBODY))
            case Ids():
                return Part(rule=rule, truth=truth, ground=self._unless_hidden(Ground.LIST))
            case Tier():
                return Part(rule=rule, truth=truth, ground=self._unless_hidden(Ground.TIER))
            case Bucket(feature=None):
                return Part(rule=rule, truth=truth, ground=self._unless_hidden(Ground.SHARE))
            case _:
                return self._leaf(rule, truth)

    def _unless_hidden(self, ground: Ground) -> Ground:
        return ground if self._seen.visible else Ground.HIDDEN

    def _audience(self, rule: Rule, truth: Truth, name: str) -> Part:
        referred = self._audiences.get(name)
        if referred is None:
            return Part(rule=rule, truth=truth, ground=Ground.UNKNOWN_AUDIENCE)
        if name in self._told:
            return Part(rule=rule, truth=truth)
        self._told.add(name)
        return Part(rule=rule, truth=truth, of=(self.part(referred),))

    def _leaf(self, rule: Rule, truth: Truth) -> Part:
        if is_of_request(rule):
            return Part(rule=rule, truth=truth, ground=self._unless_hidden(Ground.REQUEST))
        features = _features(rule, self._policy)
        held = tuple(self._look(feature) for feature in features)
        hidden = any(not self._is_visible(feature) for feature in features)
        if hidden:
            ground = Ground.HIDDEN
        elif truth is Truth.UNKNOWN:
            ground = Ground.WINDOW
        else:
            ground = Ground.ABSENT if all(one.value is None for one in held) else Ground.VALUE
        return Part(rule=rule, truth=truth, ground=ground, looked_at=held)

    def _look(self, feature: Feature) -> Look:
        value = value_of(feature, self._seen.values) if self._is_visible(feature) else None
        return Look(feature=feature, value=value)

    def _is_visible(self, feature: Feature) -> bool:
        return bool(self._seen.visible >> feature.category & 1)


def _features(rule: Rule, policy: Policy) -> tuple[Feature, ...]:
    """Return the features of the policy that answer a leaf."""
    match rule:
        case Did() | Agg() | Seq() | AnyItem() | Held():
            return tuple(feature_named(policy, one.name) for one in lowered(rule, policy).features)
        case _:
            name = getattr(rule, "feature", None)
            return () if name is None else (feature_named(policy, name),)
