"""What windowed and distinct features come to over the items of many people, and until when.

Pure; says what `features.read` says of each. Counts and sums over exact windows are made over all items at
once, everything else group by group.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from assent.audiences.rows import Ints
from assent.core.ids import EntryIndex, FeatureId
from assent.core.policy import Aggregate, Feature, Policy, ValueType
from assent.core.time import FOREVER, Instant
from assent.features.catalogue import MILLIONTHS, Value
from assent.features.read import made_of, read, valid_until, window
from assent.features.state import EMPTY, Item, Partial, State
from assent.gate.page import Page

_EXACT: Final = float(1 << 62)
"""Parts whose sizes come to less than this, roughly, have a sum that fits int64."""


class _Group:
    """One feature's items, a person's together."""

    def __init__(self, person: Ints, at: Ints, entries: Ints, values: list[Value]) -> None:
        order = np.argsort(person, kind="stable")
        self.person, self.at, self.entries = person[order], at[order], entries[order]
        self.values = [values[place] for place in order.tolist()]
        self.begins = np.flatnonzero(np.diff(self.person, prepend=-1))
        self.who = self.person[self.begins]

    def items(self, feature: FeatureId) -> list[tuple[int, list[Item]]]:
        """Return each person's items."""
        all_items = [
            Item(feature=feature, at=Instant(at), entry=EntryIndex(entry), value=value)
            for at, entry, value in zip(self.at.tolist(), self.entries.tolist(), self.values, strict=True)
        ]
        ends = [*self.begins[1:].tolist(), len(all_items)]
        return [
            (who, all_items[begin:end])
            for who, begin, end in zip(self.who.tolist(), self.begins.tolist(), ends, strict=True)
        ]


def _beside(
    policy: Policy, feature: Feature, partials: Mapping[FeatureId, Mapping[int, Partial]]
) -> Callable[[int], State]:
    """Return what says of each person what the feature reads beside its items."""
    number = None if feature.cart is None else policy.feature_ids.get(feature.cart.cleared)
    if number is None:
        return lambda _: EMPTY
    column = partials.get(number, {})
    return lambda who: State({number: column[who]}) if who in column else EMPTY


class Items:
    """The items of a page. `person` is each row's place, below 0 of who is not seen."""

    def __init__(self, page: Page, person: npt.NDArray[np.intp], values: list[Value], now: Instant) -> None:
        rows = np.flatnonzero(page.itemised())
        self._now = now
        self._groups: dict[FeatureId, _Group] = {}
        features, person = page.features[rows], person[rows]
        for feature in np.unique(features).tolist():
            places = np.flatnonzero((features == feature) & (person >= 0))
            if len(places):
                self._groups[feature] = _Group(
                    person[places],
                    page.at[rows][places],
                    page.entries[rows][places],
                    [values[place] for place in places.tolist()],
                )

    def read(
        self, policy: Policy, feature: Feature, partials: Mapping[FeatureId, Mapping[int, Partial]]
    ) -> dict[int, Value | None]:
        """Return the feature's value of each who has items of it; all others have what nothing comes to."""
        group = self._group(made_of(policy, feature))
        if group is None:
            return {}
        if feature.aggregate is Aggregate.DISTINCT and feature.type in {ValueType.SET, ValueType.NUMBER}:
            return self._distinct(feature, group)
        whole = self._added(feature, group)
        if whole is not None:
            return dict(zip(group.who.tolist(), whole.tolist(), strict=True))
        said = _beside(policy, feature, partials)
        return {
            who: read(policy, feature, said(who), items, self._now) for who, items in group.items(feature.id)
        }

    def _group(self, of: Sequence[FeatureId]) -> _Group | None:
        groups = [self._groups[one] for one in of if one in self._groups]
        if len(groups) < 2:
            return groups[0] if groups else None
        return _Group(
            np.concatenate([one.person for one in groups]),
            np.concatenate([one.at for one in groups]),
            np.concatenate([one.entries for one in groups]),
            [value for one in groups for value in one.values],
        )

    def shorten(self, until: Ints, feature: Feature, shows: npt.NDArray[np.bool_]) -> None:
        """Let `until` be no later, for those who show the feature, than when time alone changes its value."""
        group = self._groups.get(feature.id)
        if group is None:
            return
        ends = self._ends(feature, group)
        if ends is None:
            found = [valid_until(feature, items, self._now) for _, items in group.items(feature.id)]
            ends = np.array(found, np.int64)
        until[group.who] = np.where(shows[group.who], np.minimum(until[group.who], ends), until[group.who])

    def _added(self, feature: Feature, group: _Group) -> Ints | None:
        """Return counts or sums in millionths; None where they are to be asked for one by one."""
        if feature.type is not ValueType.NUMBER or feature.aggregate not in {Aggregate.COUNT, Aggregate.SUM}:
            return None
        begin, end = window(feature, self._now)
        within = (begin < group.at) & (group.at <= end)
        if feature.aggregate is Aggregate.COUNT:
            counted: Ints = np.add.reduceat(within.astype(np.int64), group.begins) * MILLIONTHS
            return counted
        if not all(type(value) is int for value in group.values):
            return None
        amounts = np.where(within, np.array(group.values, np.int64), 0)
        if np.add.reduceat(np.abs(amounts.astype(np.float64)), group.begins).max() >= _EXACT:
            return None
        summed: Ints = np.add.reduceat(amounts, group.begins)
        return summed

    def _distinct(self, feature: Feature, group: _Group) -> dict[int, Value | None]:
        begin, end = window(feature, self._now)
        within = ((begin < group.at) & (group.at <= end)).tolist()
        if feature.type is ValueType.SET:
            texts: dict[int, set[str]] = {}
            for who, value, counts in zip(group.person.tolist(), group.values, within, strict=True):
                if counts and isinstance(value, str):
                    texts.setdefault(who, set()).add(value)
            return {who: frozenset(held) for who, held in texts.items()}
        several: dict[int, set[tuple[type, Value]]] = {}
        for who, value, counts in zip(group.person.tolist(), group.values, within, strict=True):
            held = several.setdefault(who, set())
            if counts:
                # With their types, since to Python True equals one millionth.
                held.add((type(value), value))
        return {who: len(held) * MILLIONTHS for who, held in several.items()}

    def _ends(self, feature: Feature, group: _Group) -> Ints | None:
        """Return when the first item comes or goes; None where it is to be asked for one by one."""
        until = None if feature.leaf is None else feature.leaf.until
        edges = [edge for edge in (feature.window, until) if edge is not None]
        if feature.aggregate is Aggregate.HELD or any(edge.months for edge in edges):
            return None
        ends = np.where(group.at > self._now, group.at, FOREVER)
        for edge in edges:
            goes = group.at + edge.microseconds
            ends = np.where((group.at <= self._now) & (goes > self._now), np.minimum(ends, goes), ends)
        found: Ints = np.minimum.reduceat(ends, group.begins)
        return found
