"""What a file of links alone would do to people: who would be one profile, before anything is written.

    together.add(draft)      # of every line
    together.people()        # once, at the end

Holds a few numbers a pair, in columns, and no value: identifiers are known by 63 bits of their keyed hash. Of
ten million identifiers two would share a number once in some hundred thousand files; the report would be
one profile off. Reads nothing, writes nothing, raises nothing.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from assent.core.ids import EntryIndex, IdentifierId, NamespaceId
from assent.core.policy import LinkKind, Policy
from assent.core.time import BEGINNING, Instant
from assent.identity.bulk import Clusters, Ids, Links, resolve_bulk
from assent.identity.resolve import Link, Node
from assent.ingest.facts import Draft, LinkBody

MOST_PAIRS: Final = 10_000_000
"""Pairs that are worked out, in at most some 1.5 GB: memory must not grow with the file."""

Lookup = Callable[[NamespaceId, str], bytes]


class People(Struct, frozen=True, kw_only=True):
    """What the pairs of a file make of the identifiers in it."""

    profiles: int
    """Of two or more identifiers."""
    largest: int
    """Identifiers in the largest profile; 0 where there is none."""
    alone: int
    shared: int
    generic: int
    dropped: Mapping[str, int]
    """Pairs that join nothing, by reason."""
    unread: int = 0
    """Pairs beyond `MOST_PAIRS`, which were left out."""


class Together:
    """The pairs of a file so far."""

    def __init__(self, policy: Policy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self._low, self._high, self._at = array("q"), array("q"), array("q")
        self._spaces = array("h"), array("h")
        self._kind = array("b")
        self._weight = array("i")
        self._unread = 0

    def add(self, draft: Draft) -> None:
        """Take the pair of a link."""
        body = draft.body
        if not isinstance(body, LinkBody):
            return
        if len(self._low) >= MOST_PAIRS:
            self._unread += 1
            return
        low, high = sorted(
            (int.from_bytes(self._lookup(one.namespace, one.value)[:8]) >> 1, one.namespace)
            for one in body.identifiers
        )
        self._low.append(low[0])
        self._high.append(high[0])
        for spaces, end in zip(self._spaces, (low, high), strict=True):
            spaces.append(end[1])
        self._at.append(body.at)
        self._kind.append(body.link)
        self._weight.append(body.weight)

    def people(self) -> People:
        """Return what they make."""
        low, high = np.frombuffer(self._low, np.int64), np.frombuffer(self._high, np.int64)
        ids, first = np.unique(np.concatenate((low, high)), return_index=True)
        spaces = np.concatenate([np.frombuffer(one, np.int16) for one in self._spaces])[first]
        links = Links(low, high, np.frombuffer(self._kind, np.int8))

        def whole(members: Ids, places: Ids) -> tuple[Sequence[Node], Sequence[Link]]:
            namespaces = spaces[np.searchsorted(ids, members)]
            nodes = [_node(*one) for one in zip(members.tolist(), namespaces.tolist(), strict=True)]
            return nodes, self._links(places)

        # Told before anything is in: none of it is over yet, whatever it will be when it comes in.
        return self._counted(resolve_bulk(self._policy, ids, spaces, links, (), whole=whole, now=BEGINNING))

    def _links(self, places: Ids) -> Sequence[Link]:
        """Return the links at these places; what was said of a pair twice is one link."""
        found: dict[tuple[int, int, int], Link] = {}
        for place in places.tolist():
            key = self._low[place], self._high[place], self._kind[place]
            at, weight = self._at[place], self._weight[place]
            before = found.get(key)
            # A model's newest word counts; of two at one instant the less sure.
            newest = min((-at, weight), (-before.last_at, before.weight)) if before else (-at, weight)
            found[key] = Link(
                low=IdentifierId(key[0]),
                high=IdentifierId(key[1]),
                kind=LinkKind(key[2]),
                first_at=Instant(min(at, before.first_at) if before else at),
                last_at=Instant(-newest[0]),
                first_entry=EntryIndex(0),
                last_entry=EntryIndex(0),
                weight=newest[1],
            )
        return list(found.values())

    def _counted(self, clusters: Clusters) -> People:
        sizes = np.unique(clusters.profiles, return_counts=True)[1]
        reasons = Counter(one.reason.value for found in clusters.bitten for one in found.dropped)
        return People(
            profiles=int(np.count_nonzero(sizes > 1)),
            largest=int(sizes.max(initial=0)) if len(sizes) and sizes.max() > 1 else 0,
            alone=int(np.count_nonzero(sizes == 1)),
            shared=sum(len(found.shared) for found in clusters.bitten),
            generic=sum(len(found.generic) for found in clusters.bitten),
            dropped=dict(reasons),
            unread=self._unread,
        )


def _node(one: int, namespace: int) -> Node:
    # The number is the head of the keyed hash: it ranks as the hash does.
    return Node(id=IdentifierId(one), namespace=NamespaceId(namespace), key=one.to_bytes(8))
