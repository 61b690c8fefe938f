"""Which of some audiences hold a profile, all asked together; and whom time alone may move among them.

    watch = Watch(policy, rules)
    bits = watch.held(shown, now)
    is_member = bits >> watch.places["loyal"] & 1
    spans = watch.spans(then, now)

Time alone moves nobody but those of whom something lies within `spans`: they are asked again. Pure; raises
what `evaluate` raises on a rule that was not checked.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from assent.audiences.board import Board
from assent.audiences.derive import expanded
from assent.audiences.evaluate import Evaluator
from assent.audiences.gates import Gates
from assent.audiences.leaf import Negative, Positive, feature_named, opposite
from assent.audiences.rule import Audience, Bucket, Recent, Rule, Tier, children
from assent.audiences.seen import Shown, visible_at
from assent.core.ids import FeatureId
from assent.core.policy import Feature, Policy
from assent.core.time import Duration, Instant, parse_duration, shifted
from assent.features.read import begins

_TOGETHER: Final = 256
"""Audiences of one board: adding takes longer the longer a number is."""


class Spans(NamedTuple):
    """Where something must lie, ends included, for time alone to have moved somebody: one of these."""

    since: frozenset[tuple[Instant, Instant]]
    """A permit's beginning."""
    values: frozenset[tuple[FeatureId, Instant, Instant]]
    """A feature's value."""


class Watch:
    """Some audiences under one policy. Immutable."""

    def __init__(self, policy: Policy, rules: Mapping[str, Rule], names: Iterable[str] | None = None) -> None:
        """Watch these audiences, or all, of `rules`, which hold whatever they refer to."""
        self.rules: Final = rules
        """Those that are watched, and whatever they refer to."""
        gates, evaluator = Gates(policy, rules), Evaluator(policy, rules)
        watched = list(rules if names is None else names)
        self._boards: list[tuple[int, Board]] = []
        """Each with the bit that its first is."""
        self.places: Final[dict[str, int]] = {}
        """Of each audience, which bit is its own."""
        length = 0
        for start in range(0, len(watched), _TOGETHER):
            board = Board(watched[start : start + _TOGETHER], gates, evaluator, policy)
            self._boards.append((length, board))
            self.places.update({name: length + place for name, place in board.places.items()})
            length += board.length
        self.width: Final = -(-length // 8)
        """Bytes of the bits in all."""
        self._windows: dict[FeatureId, Feature] = {}
        self._timed: dict[FeatureId, set[Duration]] = defaultdict(set)
        for name in watched:
            for leaf in _leaves(rules[name], policy, rules, {name}):
                if not isinstance(leaf, Bucket | Tier):
                    self._note(leaf, feature_named(policy, leaf.feature))

    def held(self, shown: Shown | None, now: Instant) -> int:
        """Return the audiences that a profile is a member of, as bits. What `ids` lists name is not known."""
        if shown is None or not (visible := visible_at(shown, now)):
            return 0
        bits = 0
        for first, board in self._boards:
            bits |= board.held(shown, visible, now) << first
        return bits

    def spans(self, then: Instant, now: Instant) -> Spans:
        """Return where something of each lies whom time alone may have moved after `then`, up to `now`."""
        since = set()
        for feature in self._windows.values():
            was, begin = begins(feature, then), begins(feature, now)
            if was is not None and begin is not None and was != begin:
                since.add(_between(was, begin))
        values = {
            (feature, *_between(shifted(then, duration), shifted(now, duration)))
            for feature, durations in self._timed.items()
            for duration in durations
        }
        return Spans(frozenset(since), frozenset(values))

    def _note(self, leaf: Positive, feature: Feature) -> None:
        """Take note of how time alone moves a leaf."""
        if begins(feature, Instant(0)) is not None:
            self._windows[feature.id] = feature
        if isinstance(leaf, Recent):
            self._timed[feature.id].update((parse_duration(leaf.begin), parse_duration(leaf.end)))


def _between(one: Instant, other: Instant) -> tuple[Instant, Instant]:
    # A month before the evening of the 30th of March is later than one before the morning of the 31st.
    return min(one, other), max(one, other)


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
