"""Who gains and who loses when one policy follows another, counted by person and purpose.

A person gains for a purpose when, at any instant from now on, it may use more of them: an identifier or a
category that it may not use now, for longer than now, reaching further back, or linked to more. They lose
when it is the other way round; both at once is possible. People are profiles in the purpose's own view, and
only those whom the gate shows. A statement that somebody makes afterwards is not a gain.

Pure: nothing is read, no clock.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import structs

from assent.core.ids import CategoryMask, IdentifierId, ProfileId, PurposeId, PurposeMask, members
from assent.core.policy import Policy, Purpose
from assent.core.time import Instant
from assent.ingest.component import Derived
from assent.ingest.preparation import Tallied

Span = tuple[CategoryMask, Instant, Instant]
Placed = Mapping[IdentifierId, ProfileId]
Shown = dict[IdentifierId, list[Span]]

_NOBODY: Final = Tallied()


class Side:
    """One policy, and what it says of one component."""

    __slots__ = ("_shown", "derived", "policy")

    def __init__(self, policy: Policy, derived: Derived, seen_by: Mapping[IdentifierId, PurposeMask]) -> None:
        """Take what follows, and which purposes may know of whom."""
        self.policy = policy
        self.derived = derived
        self._shown: dict[PurposeId, Shown] = {}
        for one, permits in derived.permits.items():
            known = seen_by.get(one, 0)
            for permit in permits:
                if permit.entry >= 0 or known >> permit.purpose & 1:
                    shown = self._shown.setdefault(permit.purpose, {})
                    shown.setdefault(one, []).append((permit.categories, permit.since, permit.until))

    def shown(self, purpose: PurposeId) -> Shown:
        """Return what the gate shows the purpose of each identifier, from when until when."""
        return self._shown.get(purpose, {}) if purpose in self.policy.purposes else {}


def tally(
    counts: dict[PurposeId, Tallied],
    old: Side,
    new: Side,
    now: Instant,
) -> dict[PurposeId, tuple[set[ProfileId], set[ProfileId]]]:
    """Count one component. Returns, by purpose, whose profile is not what it was: before, and after."""
    differing: dict[PurposeId, tuple[set[ProfileId], set[ProfileId]]] = {}
    for number in old.policy.purposes.keys() | new.policy.purposes.keys():
        was, becomes = old.policy.purposes.get(number), new.policy.purposes.get(number)
        spans_before, spans_after = old.shown(number), new.shown(number)
        if not spans_before and not spans_after:
            continue
        before = _placed(old, was, spans_before)
        after = _placed(new, becomes, spans_after)
        far_before, far_after = _reach(was), _reach(becomes)
        held = counts.get(number, _NOBODY)
        if spans_before == spans_after and before == after and far_before == far_after:
            still = len(_open(spans_before, before, now))
            counts[number] = structs.replace(held, before=held.before + still, after=held.after + still)
            continue
        gains, loses = _united(before, after), _united(after, before)
        for one in spans_before.keys() | spans_after.keys():
            less, more = spans_before.get(one, []), spans_after.get(one, [])
            if less == more and far_before == far_after:
                continue
            if exceeds(more, less, now) or exceeds(_within(more, far_after), _within(less, far_before), now):
                gains.add(after[one])
            if exceeds(less, more, now) or exceeds(_within(less, far_before), _within(more, far_after), now):
                loses.add(before[one])
        counts[number] = Tallied(
            before=held.before + len(_open(spans_before, before, now)),
            after=held.after + len(_open(spans_after, after, now)),
            gains=held.gains + len(gains),
            loses=held.loses + len(loses),
        )
        if gains or loses:
            changed = {one for one in before if before[one] in loses or after.get(one) in gains}
            changed |= {one for one in after if after[one] in gains or before.get(one) in loses}
            differing[number] = (
                {before[one] for one in changed if one in before},
                {after[one] for one in changed if one in after},
            )
    return differing


def unstated(counts: Mapping[PurposeId, Tallied], in_force: Policy, policy: Policy) -> dict[str, int]:
    """Return how many people gain for which purposes whose `gains_basis` says nothing new about it.

    What stood there before spoke of an earlier gain.
    """
    found = {}
    for number, counted in counts.items():
        purpose, before = policy.purposes.get(number), in_force.purposes.get(number)
        if purpose is None or not counted.gains:
            continue
        if not purpose.gains_basis or (before is not None and purpose.gains_basis == before.gains_basis):
            found[purpose.name] = counted.gains
    return found


def exceeds(more: Sequence[Span], less: Sequence[Span], now: Instant) -> bool:
    """Whether `more` covers a category at some instant from now on at which `less` does not."""
    for categories, since, until in more:
        for category in members(categories):
            covered = max(since, now)
            for start, end in sorted((s, u) for held, s, u in less if held >> category & 1):
                if start <= covered < end:
                    covered = end
            if covered < until:
                return True
    return False


def _reach(purpose: Purpose | None) -> CategoryMask:
    return CategoryMask(0) if purpose is None else purpose.retroactive


def _within(spans: Sequence[Span], categories: CategoryMask) -> list[Span]:
    """Return the spans of categories whose data may be used that was collected for other purposes."""
    return [(CategoryMask(held & categories), since, until) for held, since, until in spans]


def _placed(side: Side, purpose: Purpose | None, shown: Mapping[IdentifierId, Sequence[Span]]) -> Placed:
    if purpose is None:
        return {}
    return {one: side.derived.profile(purpose.view, one) for one in shown}


def _united(before: Placed, after: Placed) -> set[ProfileId]:
    """Return the profiles of `after` that unite identifiers which were apart, or not to be seen, before."""
    if len(after) <= 1:
        return set()
    from_before: dict[ProfileId, set[ProfileId]] = {}
    for one, profile in after.items():
        if one in before:
            from_before.setdefault(profile, set()).add(before[one])
    return {profile for profile, parts in from_before.items() if len(parts) > 1}


def _open(shown: Mapping[IdentifierId, Sequence[Span]], placed: Placed, now: Instant) -> set[ProfileId]:
    return {
        placed[one] for one, spans in shown.items() if any(since <= now < until for _, since, until in spans)
    }
