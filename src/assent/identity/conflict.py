"""Cut one component in which a namespace has more values than a profile may hold (DESIGN section 5).

Two ways, each a function of the component alone:

`ambiguous` chooses nobody. Namespaces join from the highest priority down. At each, what the higher ones
agree on stands as one part; every identifier on a path between parts (or values of its own namespace) that
hold too many values together is shared. So a browser between two people is lost to both, their other browsers
are not; a person with two values of a namespace that admits one loses the values, not themself; and nothing
learnt about a browser parts what a person's own identifiers say about each other. (Were every path counted,
no part standing, a person would lose their other browsers too wherever an event named three identifiers.)

`fold` chooses by an order: pairs are added one by one, and a pair that would join too many values is refused.

Both are total. The work is at most namespaces times namespaces passes over the component.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import networkx as nx

from assent.core.ids import IdentifierId, NamespaceId
from assent.identity.components import Pair, components

Spaces = Mapping[IdentifierId, NamespaceId]
"""The namespace of each identifier."""

Limits = Mapping[NamespaceId, int]
"""How many values a profile may hold, for the namespaces that say so."""

_TERMINAL = IdentifierId(-1)
"""A node tied to every value in question; identifier ids are never negative."""


def within(limits: Limits, spaces: Spaces, group: Iterable[IdentifierId]) -> bool:
    """Whether no namespace has more values in the group than its limit."""
    held: dict[NamespaceId, int] = {}
    for one in group:
        space = spaces.get(one)
        if space is not None and space in limits:
            held[space] = held.get(space, 0) + 1
            if held[space] > limits[space]:
                return False
    return True


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
        if within(limits, spaces, group):
            continue
        held: dict[NamespaceId, list[IdentifierId]] = {}
        for one in group:
            held.setdefault(spaces[one], []).append(one)
        for space, values in held.items():
            if len(values) > limits.get(space, len(values)):
                crowds.setdefault(space, set()).update(part_of[one] for one in values)
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
    part: dict[IdentifierId, tuple[list[IdentifierId], dict[NamespaceId, int]]] = {}
    for pair in ordered:
        large, small = (part.setdefault(one, _alone(limits, spaces, one)) for one in pair)
        if large is small:
            continue
        if len(large[0]) < len(small[0]):
            large, small = small, large
        if any(large[1].get(space, 0) + count > limits[space] for space, count in small[1].items()):
            yield pair
            continue
        for space, count in small[1].items():
            large[1][space] = large[1].get(space, 0) + count
        large[0].extend(small[0])
        for one in small[0]:
            part[one] = large


def _alone(
    limits: Limits, spaces: Spaces, one: IdentifierId
) -> tuple[list[IdentifierId], dict[NamespaceId, int]]:
    return [one], {spaces[one]: 1} if spaces[one] in limits else {}
