"""Resolve millions of links at once: connected components in bulk, `resolve` only where a rule could bite.

Pure. The answer is that of `resolve` over the same evidence: a component in which nothing is denied, proposed
or undeclared, and which is within every limit and cap, is one cluster as it stands, and almost all are. Every
other one is resolved by itself. Memory: some 60 bytes a link beside the arrays that are given.

Raises ValueError where a link names an identifier that is not among those given.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assent.core.policy import LinkKind, Policy
from assent.core.time import Instant
from assent.identity.components import Pair
from assent.identity.resolve import Link, Node, Resolution, resolve

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Links(NamedTuple):
    """Links as columns of one length: the lower and the higher identifier, and the kind of evidence."""

    low: Ids
    high: Ids
    kind: npt.NDArray[np.int8]


class Clusters(NamedTuple):
    """What bulk resolution found.

    `profiles` holds, for each identifier in the order given, the lowest identifier of its cluster. `bitten`
    are the resolutions of those components in which a rule could bite.
    """

    profiles: Ids
    bitten: tuple[Resolution, ...]


def resolve_bulk(
    policy: Policy,
    ids: Ids,
    namespaces: npt.NDArray[np.int16],
    links: Links,
    denied: Sequence[Pair],
    *,
    whole: Callable[[Ids, Ids], tuple[Sequence[Node], Sequence[Link]]],
    now: Instant,
) -> Clusters:
    """Return the clusters of all evidence, as it stands now. `ids` ascend; `namespaces` are theirs.

    `whole` is asked for what the columns leave out, of the components in which a rule could bite: given the
    identifiers and the places of the links of one such component, it returns them as `resolve` takes them.
    """
    low, high = _places(ids, links.low), _places(ids, links.high)
    count, labels = _connected(len(ids), low, high)
    label_of_link = labels[low]
    suspects = _suspects(policy, namespaces, links, (low, high), (count, labels))
    for one, other in denied:
        ends = np.searchsorted(ids, np.array((one, other)))
        if np.all(ends < len(ids)) and ids[ends[0]] == one and ids[ends[1]] == other:
            suspects[labels[ends]] = True
    profiles = _lowest(ids, count, labels)
    bitten = []
    pairs = frozenset(denied)
    for members, inside in _parts(suspects, labels, label_of_link):
        nodes, evidence = whole(ids[members], inside)
        found = resolve(policy, nodes, evidence, pairs, now=now)
        for group in found.clusters:
            profiles[np.searchsorted(ids, np.array(group))] = group[0]
        bitten.append(found)
    return Clusters(profiles, tuple(bitten))


def connected(ids: Ids, low: Ids, high: Ids) -> Ids:
    """Return for each identifier the lowest of those that links connect it to, whatever they are worth."""
    count, labels = _connected(len(ids), _places(ids, low), _places(ids, high))
    return _lowest(ids, count, labels)


def _places(ids: Ids, named: Ids) -> Ids:
    # In order, so that neighbours are looked up after each other: some three times as fast as at random.
    order = np.argsort(named)
    places = np.empty(len(named), np.int64)
    places[order] = np.searchsorted(ids, named[order])
    if len(named) and (places.max() >= len(ids) or not np.array_equal(ids[places], named)):
        message = "a link names an identifier that is not among those given"
        raise ValueError(message)
    return places


def _connected(number: int, low: Ids, high: Ids) -> tuple[int, Ids]:
    graph = coo_array((np.ones(len(low), np.int8), (low, high)), shape=(number, number))
    count, labels = connected_components(graph, directed=False)
    return int(count), np.asarray(labels, np.int64)


def _lowest(ids: Ids, count: int, labels: Ids) -> Ids:
    """Return the lowest identifier of each one's component; `ids` ascend, so the first seen is the lowest."""
    first = np.empty(count, np.int64)
    first[labels[::-1]] = ids[::-1]
    return first[labels]


def _suspects(
    policy: Policy,
    namespaces: npt.NDArray[np.int16],
    links: Links,
    ends: tuple[Ids, Ids],
    components: tuple[int, Ids],
) -> Flags:
    """Return in which components a rule could bite: what `resolve` asks of evidence, asked of all at once."""
    low, high = ends
    count, labels = components
    suspects: Flags = np.bincount(labels, minlength=count) > policy.identifiers_per_profile
    for space in policy.namespaces.values():
        if space.limit is not None:
            held = np.bincount(labels[namespaces == space.id], minlength=count)
            suspects |= held > space.limit
        if space.lifetime is not None:
            suspects[labels[namespaces == space.id]] = True  # some of its links may be over
    degree = np.bincount(low, minlength=len(labels)) + np.bincount(high, minlength=len(labels))
    suspects[labels[degree > policy.links_per_identifier]] = (
        True  # a pair said twice counts twice: to be looked at
    )
    undeclared = ~np.isin(namespaces, np.fromiter(policy.namespaces, np.int16, len(policy.namespaces)))
    suspects[labels[undeclared]] = True
    suspects[labels[low[links.kind == LinkKind.PROBABLE]]] = True
    return suspects


def _parts(suspects: Flags, labels: Ids, label_of_link: Ids) -> list[tuple[Ids, Ids]]:
    """Return, of every suspect component, the places of its identifiers and of its links."""
    wanted = np.flatnonzero(suspects)
    return list(zip(_grouped(wanted, labels), _grouped(wanted, label_of_link), strict=True))


def _grouped(wanted: Ids, labels: Ids) -> list[Ids]:
    places = np.flatnonzero(np.isin(labels, wanted))
    ordered = places[np.argsort(labels[places], kind="stable")]
    bounds = np.searchsorted(labels[ordered], wanted)
    return np.split(ordered, bounds[1:]) if len(wanted) else []
