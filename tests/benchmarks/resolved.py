"""One turn of the benchmark `identity`, alone: `python -m tests.benchmarks.resolved WHO LINKS`.

Prints seconds, bytes at the peak and what was found, as JSON. The evidence is made before the clock starts:
profiles of two to six identifiers, as cookies hang on people, and one profile in a thousand past a limit.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence

import networkx as nx
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assent.core.ids import EntryIndex, IdentifierId, NamespaceId
from assent.core.policy import LinkKind
from assent.core.time import BEGINNING, Instant
from assent.identity.bulk import Ids, Links, resolve_bulk
from assent.identity.resolve import Link, Node, resolve
from tests.support.identities import identity_policy

_POLICY = identity_policy("user!1 email!5 device cookie")
_COOKIE, _USER = 4, 1


def evidence(number: int) -> tuple[Ids, npt.NDArray[np.int16], Links]:
    """Return identifiers, namespaces and links: stars of one to five cookies around a person."""
    dice = np.random.default_rng(1)
    sizes = dice.integers(1, 6, number // 3)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), number)]
    starts = np.concatenate(([0], np.cumsum(sizes + 1)[:-1]))
    low = np.repeat(starts, sizes)
    count = int(starts[-1] + sizes[-1] + 1)
    spaces = np.full(count, _COOKIE, np.int16)
    spaces[starts] = _USER
    high = np.setdiff1d(np.arange(count), starts, assume_unique=True)
    spaces[high[:: 3 * 1_000]] = _USER  # a second person on one, which a limit cuts
    order = dice.permutation(len(low))
    kinds = np.full(len(low), LinkKind.OBSERVED, np.int8)
    return np.arange(count) * 64, spaces, Links(low[order] * 64, high[order] * 64, kinds)


def ours(number: int) -> Callable[[], int]:
    ids, spaces, links = evidence(number)

    def whole(members: Ids, places: Ids) -> tuple[Sequence[Node], Sequence[Link]]:
        return (
            [_node(one, spaces[one // 64]) for one in members.tolist()],
            [_link(int(links.low[place]), int(links.high[place])) for place in places.tolist()],
        )

    # As many profiles as identifiers that are the lowest of theirs.
    def resolved() -> int:
        found = resolve_bulk(_POLICY, ids, spaces, links, (), whole=whole, now=BEGINNING)
        return int((found.profiles == ids).sum())

    return resolved


def scipy_alone(number: int) -> Callable[[], int]:
    ids, _, links = evidence(number)
    low, high = links.low // 64, links.high // 64

    def connect() -> int:
        graph = coo_array((np.ones(len(low), np.int8), (low, high)), shape=(len(ids), len(ids)))
        return int(connected_components(graph, directed=False)[0])

    return connect


def networkx_alone(number: int) -> Callable[[], int]:
    _, _, links = evidence(number)

    def connect() -> int:
        graph = nx.Graph()
        graph.add_edges_from(zip(links.low.tolist(), links.high.tolist(), strict=True))
        return sum(1 for _ in nx.connected_components(graph))

    return connect


def _ring(number: int) -> list[Link]:
    """Return the links of two people between whom everything lies on some path: as much as the caps admit."""
    pairs = [(one, one + 1) for one in range(number - 1)]
    pairs += [(one, one + step) for step in range(2, 12) for one in range(number - step)]
    return [_link(low * 64, high * 64) for low, high in pairs]


def worst(number: int) -> Callable[[], int]:
    links = _ring(number)
    nodes = [_node(one * 64, _USER if one in (0, number - 1) else _COOKIE) for one in range(number)]
    return lambda: len(resolve(_POLICY, nodes, links).shared)


def blocks(number: int) -> Callable[[], int]:
    pairs = [(link.low, link.high) for link in _ring(number)]
    return lambda: sum(1 for _ in nx.biconnected_components(nx.Graph(pairs)))


def _node(one: int, space: int) -> Node:
    return Node(id=IdentifierId(one), namespace=NamespaceId(int(space)), key=one.to_bytes(8))


def _link(low: int, high: int) -> Link:
    zero = Instant(low)
    return Link(
        low=IdentifierId(low),
        high=IdentifierId(high),
        kind=LinkKind.OBSERVED,
        first_at=zero,
        last_at=zero,
        first_entry=EntryIndex(0),
        last_entry=EntryIndex(0),
    )


WHO = {"ours": ours, "scipy": scipy_alone, "networkx": networkx_alone, "worst": worst, "blocks": blocks}


def main(who: str, number: str) -> None:
    """Make the evidence, then measure."""
    run = WHO[who](int(number))
    began = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "bytes": peak, "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
