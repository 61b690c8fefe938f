"""What a change of one profile did to its audiences: which it entered, which it left.

    watch = Watch(policy, rules)
    moved = watch.change(before, then, after, now)
    spans = watch.spans(then, now)

All audiences are asked together (`board`). Where as much is shown as was, only what changed is looked up, and
nothing more where that adds to no gate what it did not add before; otherwise both sights are asked as they
stand. Time alone moves nobody but those of whom something lies within `spans`: they are asked again.
Pure; raises what `evaluate` raises on a rule that was not checked.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from assent.audiences.board import Board
from assent.audiences.derive import expanded
from assent.audiences.evaluate import Evaluator
from assent.audiences.gates import Gates
from assent.audiences.leaf import Negative, Positive, feature_named, opposite
from assent.audiences.rule import Audience, Bucket, Recent, Rule, Tier, children
from assent.audiences.seen import Shown, seen_at, visible_at
from assent.core.ids import FeatureId, ProfileId
from assent.core.policy import Feature, Policy
from assent.core.time import Duration, Instant, parse_duration, shifted
from assent.features.read import begins

_TOGETHER: Final = 256
"""Audiences of one board: what a change adds to none of them costs nothing more there."""

_NOBODY: Final = Shown(profile=ProfileId(0), values={}, permits=())


class Moved(NamedTuple):
    """The audiences a profile entered and left, by name, in no order."""

    entered: Sequence[str]
    left: Sequence[str]


NOTHING: Final = Moved((), ())


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
        gates, evaluator = Gates(policy, rules), Evaluator(policy, rules)
        watched = list(rules if names is None else names)
        self.names: Final = frozenset(watched)
        self._boards = [
            Board(watched[start : start + _TOGETHER], gates, evaluator, policy)
            for start in range(0, len(watched), _TOGETHER)
        ]
        self._windows: dict[FeatureId, Feature] = {}
        self._timed: dict[FeatureId, set[Duration]] = defaultdict(set)
        for name in watched:
            for leaf in _leaves(rules[name], policy, rules, {name}):
                if not isinstance(leaf, Bucket | Tier):
                    self._note(leaf, feature_named(policy, leaf.feature))

    def members(self, shown: Shown | None, now: Instant, key: str = "") -> frozenset[str]:
        """Return the audiences a profile is a member of. `key` is what `ids` lists call it."""
        seen = seen_at(shown or _NOBODY, now)
        return frozenset(
            name for board in self._boards for name in board.names(board.members(seen, now, key))
        )

    def change(
        self, before: Shown | None, then: Instant, after: Shown | None, now: Instant, key: str = ""
    ) -> Moved:
        """Return what came of a profile being shown so at `now`, which was shown otherwise at `then`."""
        entered: list[str] = []
        left: list[str] = []
        for board in self._boards:
            came, went = _moved(board, before, then, after, now, key)
            if came:
                entered += board.names(came)
            if went:
                left += board.names(went)
        return Moved(entered, left) if entered or left else NOTHING

    def spans(self, then: Instant, now: Instant) -> Spans:
        """Return where something of each lies whom time alone may have moved after `then`, up to `now`."""
        since = set()
        for feature in self._windows.values():
            was, begin = begins(feature, then), begins(feature, now)
            if was is not None and begin is not None and was != begin:
                since.add((was, begin))
        values = {
            (feature, shifted(then, duration), shifted(now, duration))
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


def _moved(
    board: Board, before: Shown | None, then: Instant, after: Shown | None, now: Instant, key: str
) -> tuple[int, int]:
    """Return the audiences of a board that a profile entered, and those it left."""
    if before is not None and after is not None:
        visible = visible_at(before, then)
        if visible == visible_at(after, now):
            return board.moved(before, then, after, now, visible, key) if visible else (0, 0)
    was = board.members(seen_at(before or _NOBODY, then), then, key)
    held = board.members(seen_at(after or _NOBODY, now), now, key)
    return held & ~was, was & ~held


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
