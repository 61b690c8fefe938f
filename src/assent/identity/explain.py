"""Say why two identifiers are held to be one person.

Pure. The answer is made of evidence alone: links with their kind, times and the entries that prove them.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import networkx as nx

from assent.core.ids import IdentifierId
from assent.identity.resolve import Link


def chain(links: Iterable[Link], start: IdentifierId, end: IdentifierId) -> tuple[Link, ...] | None:
    """Return a shortest chain of links from `start` to `end`; empty if they are one, None without any.

    Give it the kept links of a resolution, or the usable ones of a view. Where a pair has several links, the
    oldest evidence speaks.
    """
    if start == end:
        return ()
    oldest: dict[frozenset[IdentifierId], Link] = {}
    for link in sorted(links, key=lambda one: (one.low, one.high, one.first_at, one.first_entry, one.kind)):
        oldest.setdefault(frozenset((link.low, link.high)), link)
    graph = nx.Graph((link.low, link.high) for link in oldest.values())
    if start not in graph or end not in graph:
        return None
    try:
        path: Sequence[IdentifierId] = nx.shortest_path(graph, start, end)
    except nx.NetworkXNoPath:
        return None
    return tuple(oldest[frozenset(pair)] for pair in pairwise(path))
