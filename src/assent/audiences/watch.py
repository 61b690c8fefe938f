"""What a change of one profile did to its audiences: which it entered, which it left.

    watch = Watch(policy, purpose, rules)
    moved = watch.change(before, then, after, now)
    again = watch.until(after, now)

Few audiences can have changed when a value did: those that ask whether it lies beyond a threshold it crossed,
or is a value it became or no longer is. They are looked up, and only they are evaluated, by the one evaluator
that decisions use, and a second time only if the first looked at what changed; so a change costs what it
moves, not how many audiences there are. Time alone moves what `until` says. Pure; raises what `evaluate`
raises on a rule that was not checked.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct

from assent.audiences.derive import expanded
from assent.audiences.evaluate import Evaluator
from assent.audiences.holding import Person
from assent.audiences.leaf import (
    Negative,
    Positive,
    Range,
    asked_range,
    feature_named,
    integer,
    literal,
    opposite,
)
from assent.audiences.rows import INTEGER_TYPES
from assent.audiences.rule import (
    Audience,
    Between,
    Bucket,
    Eq,
    Ge,
    Gt,
    Has,
    In,
    Known,
    Le,
    Lt,
    Recent,
    Rule,
    Tier,
    children,
)
from assent.audiences.seen import TIER, Seen, Shown, seen_at, value_of
from assent.audiences.share import key_of_subject
from assent.core.ids import FeatureId, ProfileId
from assent.core.policy import Feature, Policy, ValueType
from assent.core.time import DAY, FOREVER, Duration, Instant, parse_duration, shifted
from assent.features.catalogue import Value
from assent.features.read import begins

_NOBODY: Final = Shown(profile=ProfileId(0), values={}, permits=())


class Moved(Struct, frozen=True, kw_only=True):
    """The audiences a profile entered and left, by name, in order."""

    entered: tuple[str, ...]
    left: tuple[str, ...]


class _Asked:
    """Who asks about one feature, and how."""

    def __init__(self) -> None:
        self.everybody: set[str] = set()
        self.always: set[str] = set()
        """Who asks what neither a threshold nor a value says."""
        self.by_value: dict[Value, set[str]] = defaultdict(set)
        self.steps: dict[int, set[str]] = defaultdict(set)
        """By the greatest integer for which the answer is still another than above it."""
        self.thresholds: list[int] = []

    def crossed(self, was: Value | None, now: Value | None) -> Iterator[set[str]]:
        """Yield those whose answer may differ between two values."""
        if was is None or now is None:
            yield self.everybody
        elif isinstance(was, frozenset) and isinstance(now, frozenset):
            yield self.always
            yield from (self.by_value[member] for member in was ^ now if member in self.by_value)
        elif self.thresholds and isinstance(was, int) and isinstance(now, int):
            yield self.always
            low, high = sorted((was, now))
            first, end = bisect_left(self.thresholds, low), bisect_left(self.thresholds, high)
            yield from (self.steps[threshold] for threshold in self.thresholds[first:end])
        else:
            yield self.always
            yield from (self.by_value[value] for value in (was, now) if value in self.by_value)


class Watch:
    """Some audiences under one policy. Immutable."""

    def __init__(self, policy: Policy, rules: Mapping[str, Rule]) -> None:
        """Watch every audience of `rules`, which hold whatever they refer to."""
        self._policy = policy
        self._rules = rules
        self._evaluator = Evaluator(policy, rules)
        self._drawn: set[str] = set()
        """Who asks for a share of the people."""
        self._tiered: set[str] = set()
        self._asked: dict[FeatureId, _Asked] = defaultdict(_Asked)
        self._windows: dict[FeatureId, Feature] = {}
        self._recent: set[str] = set()
        """Who asks how long ago something was."""
        self._timed: dict[FeatureId, set[Duration]] = defaultdict(set)
        for name, rule in rules.items():
            self._evaluator.named(name)  # made ready here, once
            for leaf in _leaves(rule, policy, rules, {name}):
                if isinstance(leaf, Tier):
                    self._tiered.add(name)
                elif not isinstance(leaf, Bucket):
                    self._index(name, leaf)
                elif leaf.feature is None:
                    self._drawn.add(name)
                else:
                    self._of(name, feature_named(policy, leaf.feature)).always.add(name)
        for asked in self._asked.values():
            asked.thresholds = sorted(asked.steps)

    def members(self, shown: Shown | None, now: Instant, key: str = "") -> frozenset[str]:
        """Return the audiences a profile is a member of. `key` is what `ids` lists call it."""
        if shown is None:
            return frozenset()
        return frozenset(self._evaluator.holding(self._rules, seen_at(shown, now), now, key))

    def change(
        self, before: Shown | None, then: Instant, after: Shown | None, now: Instant, key: str = ""
    ) -> Moved:
        """Return what came of a profile being shown so at `now`, which was shown otherwise at `then`."""
        was, is_now = seen_at(before or _NOBODY, then), seen_at(after or _NOBODY, now)
        changed = {feature for feature, _ in was.values.items() ^ is_now.values.items()}
        entered, left = self._evaluator.moved(
            self._concerned(changed, was, then, is_now, now),
            Person(was, then, key, changed),
            Person(is_now, now, key),
            anew=was.visible != is_now.visible,
        )
        return Moved(entered=tuple(sorted(entered)), left=tuple(sorted(left)))

    def until(self, shown: Shown, now: Instant) -> Instant:
        """Return an instant after `now` before which time alone moves the profile in or out of nothing."""
        turns = [shown.valid_until]
        for permit in shown.permits:
            turns += (permit.since, permit.until)
            turns += (_covers(permit.since, feature, now) for feature in self._windows.values())
        for feature, durations in self._timed.items():
            at = shown.values.get(feature)
            if isinstance(at, int):
                turns += (_passes(at, duration, now) for duration in durations)
        return min((turn for turn in turns if turn > now), default=FOREVER)

    def _of(self, name: str, feature: Feature) -> _Asked:
        asked = self._asked[feature.id]
        asked.everybody.add(name)
        if begins(feature, Instant(0)) is not None and feature.account is None:
            self._windows[feature.id] = feature
        return asked

    def _index(self, name: str, leaf: Positive) -> None:
        feature = feature_named(self._policy, leaf.feature)
        asked = self._of(name, feature)
        if isinstance(leaf, Recent):
            durations = parse_duration(leaf.begin), parse_duration(leaf.end)
            self._timed[feature.id].update(durations)
            self._recent.add(name)
            asked.always.add(name)
        elif feature.type in INTEGER_TYPES:
            for least, most in _ranges(leaf, feature):
                _step(asked, name, least, most)
        else:
            self._index_values(name, leaf, feature)

    def _index_values(self, name: str, leaf: Positive, feature: Feature) -> None:
        asked = self._asked[feature.id]
        kind = ValueType.TEXT if feature.type is ValueType.SET else feature.type
        match leaf:
            case Known():
                pass  # asked when a value comes or goes
            case Eq(value=raw) | Has(value=raw):
                asked.by_value[literal(kind, raw)].add(name)
            case In(values=raws):
                for raw in raws:
                    asked.by_value[literal(kind, raw)].add(name)
            case _:
                asked.always.add(name)

    def _concerned(
        self, changed: AbstractSet[FeatureId], was: Seen, then: Instant, is_now: Seen, now: Instant
    ) -> set[str]:
        """Return every audience whose truth may differ, where only these features have another value."""
        if was.visible != is_now.visible:
            return set(self._rules)
        found = set(self._recent) if then != now else set[str]()
        if key_of_subject(was.subject) != key_of_subject(is_now.subject):
            found |= self._drawn
        if was.values.get(TIER) != is_now.values.get(TIER):
            found |= self._tiered
        for number in changed & self._asked.keys():
            feature = self._policy.features[number]
            one, other = value_of(feature, was.values), value_of(feature, is_now.values)
            if one != other:
                found.update(*self._asked[number].crossed(one, other))
        for number, feature in self._windows.items():
            covered = _covered(feature, was, then)
            if covered is not _covered(feature, is_now, now) or (not covered and number in changed):
                found |= self._asked[number].everybody
        return found


def moved_by_time(rule: Rule, policy: Policy, rules: Mapping[str, Rule]) -> bool:
    """Say whether time may move somebody in or out whom the gate shows no otherwise than before."""
    return any(
        isinstance(leaf, Recent)
        or (
            not isinstance(leaf, Bucket | Tier)
            and begins(feature_named(policy, leaf.feature), Instant(0)) is not None
        )
        for leaf in _leaves(rule, policy, rules, set())
    )


def _leaves(
    rule: Rule, policy: Policy, rules: Mapping[str, Rule], passed: set[str]
) -> Iterator[Positive | Bucket | Tier]:
    """Yield the leaves of a rule and of whatever it refers to."""
    rule = expanded(rule, policy)
    if isinstance(rule, Audience):
        if rule.audience in rules and rule.audience not in passed:
            passed.add(rule.audience)
            yield from _leaves(rules[rule.audience], policy, rules, passed)
    elif isinstance(rule, Negative):
        yield opposite(rule)
    elif isinstance(rule, Positive | Bucket | Tier):
        yield rule
    else:
        for _, each in children(rule):
            yield from _leaves(each, policy, rules, passed)


def _ranges(leaf: Positive, feature: Feature) -> Iterable[Range]:
    """Return the ranges of integers that a leaf asks for; none where only `known` is asked."""
    match leaf:
        case In(values=raws):
            return [(integer(feature, raw), integer(feature, raw)) for raw in raws]
        case Eq() | Lt() | Le() | Gt() | Ge() | Between():
            return [asked_range(leaf, feature, Instant(0))]
        case _:
            return []


def _step(asked: _Asked, name: str, least: int | None, most: int | None) -> None:
    if least is not None:
        asked.steps[least - 1].add(name)
    if most is not None:
        asked.steps[most].add(name)


def _covered(feature: Feature, seen: Seen, now: Instant) -> bool:
    since, begin = seen.since.get(feature.category), begins(feature, now)
    return since is not None and begin is not None and since <= begin


def _covers(since: Instant, feature: Feature, now: Instant) -> Instant:
    """Return when a permit begins to cover what a feature looks at, or an instant before it."""
    begin = begins(feature, now)
    if begin is None:
        return FOREVER
    exact = feature.window is not None and feature.window.months == 0
    return _crossing(since + (now - begin), now, exact=exact)


def _passes(at: Instant | int, duration: Duration, now: Instant) -> Instant:
    """Return when `now + duration` reaches `at`, or an instant before it and after `now`."""
    return _crossing(at - (shifted(now, duration) - now), now, exact=duration.months == 0)


def _crossing(crossing: int, now: Instant, *, exact: bool) -> Instant:
    if exact:
        return Instant(crossing)
    # Within one day a month moves as the clock does; at midnight the question must be asked again.
    midnight = (now // DAY + 1) * DAY
    return Instant(crossing if now < crossing < midnight else midnight)
