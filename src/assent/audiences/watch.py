"""What a change of one profile did to its audiences: which it entered, which it left.

    watch = Watch(policy, rules)
    moved = watch.change(before, then, after, now)
    again = watch.until(after, now)

All audiences are asked together (`board`). Where a permit shows what it showed, only what changed is looked
up, and nothing more where that adds to no gate what it did not add before; otherwise both sights are asked as
they stand. Time alone moves what `until` says. Feeds are followed by `members` (`moving`), since they store
who was one; `change` and `until` are for who keeps the last sight of everybody instead, which nothing that is
served does yet. Pure; raises what `evaluate` raises on a rule that was not checked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from assent.audiences.board import Board
from assent.audiences.derive import expanded
from assent.audiences.evaluate import Evaluator
from assent.audiences.gates import Gates
from assent.audiences.leaf import Negative, Positive, feature_named, opposite
from assent.audiences.rule import Audience, Bucket, Recent, Rule, Tier, children
from assent.audiences.seen import Shown, seen_at, shows_alike
from assent.core.ids import FeatureId, ProfileId
from assent.core.policy import Feature, Policy
from assent.core.time import DAY, FOREVER, Duration, Instant, parse_duration, shifted
from assent.features.read import begins

_TOGETHER: Final = 256
"""Audiences of one board: what a change adds to none of them costs nothing more there."""

_NOBODY: Final = Shown(profile=ProfileId(0), values={}, permits=())


class Moved(Struct, frozen=True, kw_only=True):
    """The audiences a profile entered and left, by name, in order."""

    entered: tuple[str, ...]
    left: tuple[str, ...]


_NOTHING: Final = Moved(entered=(), left=())


class Watch:
    """Some audiences under one policy. Immutable."""

    def __init__(self, policy: Policy, rules: Mapping[str, Rule]) -> None:
        """Watch every audience of `rules`, which hold whatever they refer to."""
        gates, evaluator = Gates(policy, rules), Evaluator(policy, rules)
        names = list(rules)
        self._boards = [
            Board(names[start : start + _TOGETHER], gates, evaluator, policy)
            for start in range(0, len(names), _TOGETHER)
        ]
        self._windows: dict[FeatureId, Feature] = {}
        self._timed: dict[FeatureId, set[Duration]] = defaultdict(set)
        for name, rule in rules.items():
            for leaf in _leaves(rule, policy, rules, {name}):
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
            entered += board.names(came)
            left += board.names(went)
        if not entered and not left:
            return _NOTHING
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

    def _note(self, leaf: Positive, feature: Feature) -> None:
        """Take note of how time alone moves a leaf."""
        if begins(feature, Instant(0)) is not None and feature.account is None:
            self._windows[feature.id] = feature
        if isinstance(leaf, Recent):
            self._timed[feature.id].update((parse_duration(leaf.begin), parse_duration(leaf.end)))


def _moved(
    board: Board, before: Shown | None, then: Instant, after: Shown | None, now: Instant, key: str
) -> tuple[int, int]:
    """Return the audiences of a board that a profile entered, and those it left."""
    if before is not None and after is not None and then == now and shows_alike(before, after, now):
        return board.moved(before, after, now, key)
    was = board.members(seen_at(before or _NOBODY, then), then, key)
    held = board.members(seen_at(after or _NOBODY, now), now, key)
    return held & ~was, was & ~held


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
