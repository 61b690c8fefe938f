"""Cut one component in which a namespace has more values than a profile may hold (DESIGN section 5).

Two ways, each a function of the component alone:

`ambiguous` chooses nobody. Namespaces join from the highest priority down. At each, what the higher ones
agree on stands as one part; every identifier on a path between parts (or values of its own namespace) that
hold too many values together is shared. So a browser between two people is lost to both, their other browsers
are not; a person with two values of a namespace that admits one loses the values, not themself; and nothing
learnt about a browser parts what a person's own identifiers say about each other. (Were every path counted,
no part standing, a person would lose their other browsers too wherever an event named three identifiers.)

`fold` chooses by an order: pairs are added one by one, and a pair that would join too many values is refused.

A limit that holds for a period counts the values of the namespace first seen within any such stretch of time:
of a profile's telephone numbers over the years, more than three may be fine, and in one month not. When each
was first seen is a function of the component as it stands before anything is cut, so neither the order of
arrival nor what the cut takes says anything here.

Both are total. The work is at most namespaces times namespaces passes over the component.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import networkx as nx
from msgspec import Struct

from assent.core.ids import IdentifierId, NamespaceId
from assent.core.time import Duration, Instant, shifted
from assent.identity.components import Pair, components

Spaces = Mapping[IdentifierId, NamespaceId]
"""The namespace of each identifier."""


class Limits(Struct, frozen=True, kw_only=True):
    """How many values a profile may hold, for the namespaces that say so; of some, within what time.

    `since` is when each identifier of such a namespace was first seen with another.
    """

    counts: Mapping[NamespaceId, int]
    periods: Mapping[NamespaceId, Duration] = {}
    since: Mapping[IdentifierId, Instant] = {}

    def crowd(self, space: NamespaceId, values: Sequence[IdentifierId]) -> list[IdentifierId]:
        """Return those of a namespace's values that are too many together: none when they are within it.

        Of a limit for a period, those first seen in any such half-open stretch of time that holds too many.
        """
        count = self.counts.get(space)
        if count is None or len(values) <= count:
            return []
        period = self.periods.get(space)
        if period is None:
            return [*values]
        ordered = sorted(values, key=self.since.__getitem__)
        crowded: set[IdentifierId] = set()
        for place, first in enumerate(ordered[:-count]):
            if self.since[ordered[place + count]] < shifted(self.since[first], period):
                crowded.update(ordered[place : place + count + 1])
        return [one for one in ordered if one in crowded]


_TERMINAL = IdentifierId(-1)
"""A node tied to every value in question; identifier ids are never negative."""


def within(limits: Limits, spaces: Spaces, group: Iterable[IdentifierId]) -> bool:
    """Whether no namespace has more values in the group than its limit."""
    held = _held(limits, spaces, group)
    return not any(limits.crowd(space, values) for space, values in held.items())


def _held(
    limits: Limits, spaces: Spaces, group: Iterable[IdentifierId]
) -> dict[NamespaceId, list[IdentifierId]]:
    """Return the group's values of every namespace that has a limit."""
    held: dict[NamespaceId, list[IdentifierId]] = {}
    for one in group:
        space = spaces.get(one)
        if space is not None and space in limits.counts:
            held.setdefault(space, []).append(one)
    return held


def ambiguous(
    limits: Limits, spaces: Spaces, priorities: Mapping[NamespaceId, int], pairs: Sequence[Pair]
) -> frozenset[IdentifierId]:
    """Return the shared identifiers of one component: without them every namespace is within its limit."""
    levels = {one: priorities[spaces[one]] for pair in pairs for one in pair}
    shared: set[IdentifierId] = set()
    for level in sorted(set(levels.values())):  # 1 is the highest priority
        here = {one for one, its in levels.items() if its <= level and one not in shared}
        live = [pair for pair in pairs if pair[0] in here and pair[1] in here]
        newly = {one for one in here if levels[one] == level}
        stood = (pair for pair in live if pair[0] not in newly and pair[1] not in newly)
        part_of = {one: part[0] for part in components(here, stood) for one in part}
        between: set[IdentifierId] = set()
        for holders in _crowds(limits, spaces, live, part_of):
            between |= _between([(part_of[low], part_of[high]) for low, high in live], holders)
        shared |= between & newly
    return frozenset(shared)


def _crowds(
    limits: Limits, spaces: Spaces, pairs: Iterable[Pair], part_of: Mapping[IdentifierId, IdentifierId]
) -> list[set[IdentifierId]]:
    """Return, for each namespace past its limit somewhere, the parts that hold its values there."""
    crowds: dict[NamespaceId, set[IdentifierId]] = {}
    for group in components(part_of, pairs):
        for space, values in _held(limits, spaces, group).items():
            crowd = limits.crowd(space, values)
            if crowd:
                crowds.setdefault(space, set()).update(part_of[one] for one in crowd)
    return list(crowds.values())


def _between(pairs: Iterable[Pair], holders: Iterable[IdentifierId]) -> set[IdentifierId]:
    """Return everything on a simple path between two of the holders, those included.

    Something is on such a path exactly if, with one more node tied to all holders, some cycle runs through
    both; that is, if some block (2-connected part) holds both. One depth-first search finds them all.
    """
    graph = nx.Graph(pair for pair in pairs if pair[0] != pair[1])
    graph.add_edges_from((_TERMINAL, holder) for holder in holders)
    found: set[IdentifierId] = set()
    for block in nx.biconnected_components(graph):
        if _TERMINAL in block and len(block) > 2:  # of two: a holder that no other can be reached from
            found |= block
    return found


def fold(limits: Limits, spaces: Spaces, ordered: Iterable[Pair]) -> Iterator[Pair]:
    """Yield the pairs to refuse: each would have joined too many values to what those before it joined."""
    part: dict[IdentifierId, tuple[list[IdentifierId], dict[NamespaceId, list[IdentifierId]]]] = {}
    for pair in ordered:
        large, small = (part.setdefault(one, ([one], _held(limits, spaces, (one,)))) for one in pair)
        if large is small:
            continue
        if len(large[0]) < len(small[0]):
            large, small = small, large
        if any(limits.crowd(space, [*large[1].get(space, ()), *held]) for space, held in small[1].items()):
            yield pair
            continue
        for space, held in small[1].items():
            large[1].setdefault(space, []).extend(held)
        large[0].extend(small[0])
        for one in small[0]:
            part[one] = large
