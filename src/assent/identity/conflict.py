"""Cut one component in which a namespace has more values than a profile may hold (DESIGN section 5).

Two ways, each a function of the component alone:

`ambiguous` chooses nobody. Namespace by namespace, the lowest priority first: while too many values are
connected, every identifier of that namespace on a simple path between two of them is shared. The values
themselves count as on the path. So a browser between two people is lost to both, and a person with two values
of a namespace that admits one loses the values, not themself.

`fold` chooses by an order: pairs are added one by one, and a pair that would join too many values is refused.

Both are total and terminate: the work is at most namespaces times levels passes over the component.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import networkx as nx

from assent.core.ids import IdentifierId, NamespaceId
from assent.identity.components import Pair

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
    graph = nx.Graph(pairs)
    level_of = {one: priorities[spaces[one]] for one in graph}
    shared: set[IdentifierId] = set()
    for level in sorted(set(level_of.values()), reverse=True):  # 1 is the highest priority
        on_path: set[IdentifierId] = set()
        for values in _crowds(graph, limits, spaces):
            on_path |= _between(graph, values)
        cut = {one for one in on_path if level_of[one] == level}
        graph.remove_nodes_from(cut)
        shared |= cut
    return frozenset(shared)


def _crowds(graph: nx.Graph, limits: Limits, spaces: Spaces) -> list[list[IdentifierId]]:
    """Return, for each namespace past its limit in some connected part, its values in those parts."""
    crowds: dict[NamespaceId, list[IdentifierId]] = {}
    for part in nx.connected_components(graph):
        held: dict[NamespaceId, list[IdentifierId]] = {}
        for one in part:
            if spaces[one] in limits:
                held.setdefault(spaces[one], []).append(one)
        for space, values in held.items():
            if len(values) > limits[space]:
                crowds.setdefault(space, []).extend(values)
    return list(crowds.values())


def _between(graph: nx.Graph, values: Iterable[IdentifierId]) -> set[IdentifierId]:
    """Return every identifier on a simple path between two of the values, those included.

    An identifier is on such a path exactly if, with one more node tied to all the values, some cycle runs
    through both; that is, if some block (2-connected part) holds both. One depth-first search finds them all.
    """
    graph.add_edges_from((_TERMINAL, value) for value in values)
    # A block of two is a bridge: a value that no other can be reached from.
    found: set[IdentifierId] = set()
    for block in nx.biconnected_components(graph):
        if _TERMINAL in block and len(block) > 2:
            found |= block
    graph.remove_node(_TERMINAL)
    return found - {_TERMINAL}


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
