"""Say why two identifiers are, or are not, held to be one person: by which links, each with its reason.

Pure. The answer is made of evidence alone: links with their kind, times and the entries that prove them. It
decides nothing: what a link counts for is the resolution's to say, and the view's.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

import networkx as nx
from msgspec import Struct

from assent.core.ids import IdentifierId
from assent.core.policy import LinkUse
from assent.identity.resolve import DropReason, Link, Resolution
from assent.identity.views import Unusable, unusable

_FAR = 1_000_000
"""What a link that does not count weighs on a path: more than any number of links that do."""


class Tie(Struct, frozen=True, kw_only=True):
    """A link, and why it does not count; None when it does."""

    link: Link
    fault: DropReason | Unusable | None


class Explanation(Struct, frozen=True, kw_only=True):
    """Whether two identifiers are one profile, and the links between them, in order from the first.

    Of one profile, `chain` is a shortest chain of links that count, empty for an identifier and itself. Of
    two, it is one with as few links as can be that do not count, each with its fault; None when no evidence
    connects them.
    """

    together: bool
    chain: tuple[Tie, ...] | None


def ties(
    resolution: Resolution,
    use: LinkUse | None = None,
    denies: AbstractSet[IdentifierId] = frozenset(),
    agrees: AbstractSet[IdentifierId] = frozenset(),
) -> tuple[Tie, ...]:
    """Return every link of a resolution with its fault: in itself or, with `use`, in a purpose's view."""
    kept = [
        Tie(link=link, fault=None if use is None else unusable(use, link, denies, agrees))
        for link in resolution.kept
    ]
    found = kept + [Tie(link=one.link, fault=one.reason) for one in resolution.dropped]
    return tuple(sorted(found, key=_order))


def explain(found: Iterable[Tie], start: IdentifierId, end: IdentifierId) -> Explanation:
    """Return why `start` and `end` are, or are not, one profile.

    Where a pair has several links, one that counts speaks; of those, the oldest evidence.
    """
    if start == end:
        return Explanation(together=True, chain=())
    speaking: dict[frozenset[IdentifierId], Tie] = {}
    for tie in sorted(found, key=_order):
        pair = frozenset((tie.link.low, tie.link.high))
        held = speaking.get(pair)
        if held is None or (held.fault is not None and tie.fault is None):
            speaking[pair] = tie
    graph = nx.Graph()
    for tie in speaking.values():
        graph.add_edge(tie.link.low, tie.link.high, weight=1 if tie.fault is None else _FAR)
    if start not in graph or end not in graph:
        return Explanation(together=False, chain=None)
    try:
        path: Sequence[IdentifierId] = nx.shortest_path(graph, start, end, weight="weight")
    except nx.NetworkXNoPath:
        return Explanation(together=False, chain=None)
    chain = tuple(speaking[frozenset(pair)] for pair in pairwise(path))
    return Explanation(together=all(tie.fault is None for tie in chain), chain=chain)


def _order(tie: Tie) -> tuple[int, int, int, int, int]:
    link = tie.link
    return link.low, link.high, link.first_at, link.first_entry, link.kind
