"""Hold the clusters that stand against all evidence at once: an independent way to the same answer.

A commit resolves the component that it touches, and a rebuild folds commit after commit again. Here no
history is followed: every link that stands is read into columns, connected in bulk, and resolved closely only
where a rule could bite. What the fold did wrong twice, alike, is found here.

Memory: some 200 bytes an identifier and a link. A fault names a controller and how many identifiers, nobody.
Raises nothing of its own.
"""

from array import array
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from assent.core.ids import (
    COMPONENTS,
    RESOLUTION,
    ControllerId,
    EntryIndex,
    IdentifierId,
    NamespaceId,
    ViewId,
)
from assent.core.policy import LinkKind, Policy
from assent.core.time import BEGINNING, Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.identity.bulk import Clusters, Ids, Links, connected, resolve_bulk
from assent.identity.lifetime import Lifetimes, ends_at, lifetimes
from assent.identity.resolve import Link, Node

_SQL = load("rebuild")

_PREFETCH = 10_000


async def prove_clusters(
    connection: Connection, controller_id: ControllerId, policy: Policy
) -> tuple[str, ...]:
    """Return what is wrong with the clusters of the one resolution, and with what evidence connects.

    The caller's transaction sees one moment, and its search path says of which fold.
    """
    evidence = await _read(connection, controller_id)
    (moment,) = await connection.fetch(_SQL.expired_until, controller_id)
    evidence.since, evidence.now = moment["since"], moment["now"]
    ids, low, high = evidence.ids, evidence.links.low, evidence.links.high
    if not np.isin(np.concatenate((low, high)), ids).all():
        return (f"controller {controller_id}, links: one names an identifier that there is not",)
    expected = {
        COMPONENTS: connected(ids, low, high),
        RESOLUTION: evidence.resolved(policy).profiles,
    }
    faults = []
    for view, profiles in expected.items():
        spared = evidence.unsettled if view == RESOLUTION else frozenset[int]()
        wrong = await _astray(connection, controller_id, view, ids, profiles, spared)
        if wrong:
            what = "what evidence connects" if view == COMPONENTS else "the resolution"
            where = f"controller {controller_id}, clusters: {wrong} identifiers stand elsewhere"
            faults.append(f"{where} than all links say together ({what})")
    return tuple(faults)


class _Evidence:
    """The identifiers and links of a controller, in columns."""

    def __init__(self) -> None:
        self._ids, self._spaces, self._keys = array("q"), array("h"), bytearray()
        self._low, self._high, self._kind = array("q"), array("q"), array("b")
        self._first, self._last, self._weight = array("q"), array("q"), array("i")
        self.denied: list[tuple[IdentifierId, IdentifierId]] = []
        self.since, self.now = BEGINNING, BEGINNING
        """Until when links that are over were looked for, and the time of the newest entry."""
        self._lasting: Lifetimes = {}
        self.unsettled: set[int] = set()
        """Whom a link ties that ended since: with or without it, both are right until an entry says so."""

    def add_node(self, one: int, namespace: int, key: bytes) -> None:
        self._ids.append(one)
        self._spaces.append(namespace)
        self._keys += key.ljust(16, b"\0")

    def add_link(self, low: int, high: int, kind: int, first_at: int, last_at: int, weight: int) -> None:
        for column, value in zip(
            (self._low, self._high, self._kind, self._first, self._last, self._weight),
            (low, high, kind, first_at, last_at, weight),
            strict=True,
        ):
            column.append(value)

    @property
    def ids(self) -> Ids:
        return np.frombuffer(self._ids, np.int64)

    @property
    def links(self) -> Links:
        return Links(
            np.frombuffer(self._low, np.int64),
            np.frombuffer(self._high, np.int64),
            np.frombuffer(self._kind, np.int8),
        )

    def resolved(self, policy: Policy) -> Clusters:
        self._lasting = lifetimes(policy)
        spaces = np.frombuffer(self._spaces, np.int16)
        return resolve_bulk(
            policy, self.ids, spaces, self.links, self.denied, whole=self._whole, now=self.now
        )

    def _whole(self, members: Ids, places: Ids) -> tuple[Sequence[Node], Sequence[Link]]:
        rows = np.searchsorted(self.ids, members).tolist()
        nodes = {int(one): self._node(row) for one, row in zip(members, rows, strict=True)}
        links = [self._link(place) for place in places.tolist()]
        for link in links if self._lasting else ():
            low, high = nodes[link.low].namespace, nodes[link.high].namespace
            if self.since < ends_at(self._lasting, low, high, link.last_at) <= self.now:
                self.unsettled.update(nodes)
        return list(nodes.values()), links

    def _node(self, row: int) -> Node:
        return Node(
            id=IdentifierId(self._ids[row]),
            namespace=NamespaceId(self._spaces[row]),
            key=bytes(self._keys[16 * row : 16 * row + 16]),
        )

    def _link(self, place: int) -> Link:
        nowhere = EntryIndex(0)  # no rule asks for the entries
        return Link(
            low=IdentifierId(self._low[place]),
            high=IdentifierId(self._high[place]),
            kind=LinkKind(self._kind[place]),
            first_at=Instant(self._first[place]),
            last_at=Instant(self._last[place]),
            first_entry=nowhere,
            last_entry=nowhere,
            weight=self._weight[place],
        )


async def _read(connection: Connection, controller_id: ControllerId) -> _Evidence:
    evidence = _Evidence()
    async for row in connection.cursor(_SQL.nodes_in_order, controller_id, prefetch=_PREFETCH):
        evidence.add_node(*row)
    async for row in connection.cursor(_SQL.links_in_order, controller_id, prefetch=_PREFETCH):
        evidence.add_link(*row)
    evidence.denied = [
        (low, high) for low, high in await connection.fetch(_SQL.denied_in_order, controller_id)
    ]
    return evidence


async def _astray(
    connection: Connection,
    controller_id: ControllerId,
    view: ViewId,
    ids: Ids,
    profiles: Ids,
    spared: AbstractSet[int],
) -> int:
    """Return how many identifiers, but for who is spared, stand elsewhere; without a row one is alone."""
    placed, standing = array("q"), array("q")
    cursor = connection.cursor(_SQL.clusters_in_order, controller_id, view, prefetch=_PREFETCH)
    async for one, profile in cursor:
        placed.append(one)
        standing.append(profile)
    of_two = np.isin(profiles, profiles[ids != profiles])
    expected = np.stack((ids[of_two], profiles[of_two]))
    found = np.stack((np.frombuffer(placed, np.int64), np.frombuffer(standing, np.int64)))
    if np.array_equal(expected, found):
        return 0
    unlike = set(map(tuple, expected.T.tolist())) ^ set(map(tuple, found.T.tolist()))
    return len({one for one, _ in unlike} - spared)
