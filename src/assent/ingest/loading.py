"""Load whole components: everything that evidence connects with some identifiers, and what stands for them.

Read in several statements: the caller holds the head, or a transaction that sees one moment. Every statement
names the projection tables without a schema. Nothing is decided here, nothing raised.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from assent.consent import store as consent_store
from assent.consent.permit import Permit
from assent.consent.statement import Statement
from assent.core.ids import COMPONENTS, RESOLUTION, ControllerId, IdentifierId, ProfileId, ViewId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Connection
from assent.identity import store as identity_store
from assent.identity.resolve import Link
from assent.identity.store import Known, Pair
from assent.ingest.board_parts import Loaded
from assent.ingest.component import Component, Derived
from assent.ledger.append import Ref


async def load_components(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    known: Sequence[Known],
    *,
    evidence: bool = True,
) -> Loaded:
    """Return the whole components of these identifiers, and what stands for them. No feature, no message.

    Without `evidence` neither links nor statements are loaded: such components are never to be derived anew.
    """
    views = (COMPONENTS, RESOLUTION, *policy.views)
    nodes = {one.node.id: one for one in known}
    clusters = await identity_store.clusters_around(connection, controller_id, nodes, views)
    linked: Collection[IdentifierId] = clusters[COMPONENTS].keys() if evidence else ()
    for other in await identity_store.known_by_id(connection, controller_id, set(linked) - nodes.keys()):
        nodes[other.node.id] = other
    proving = nodes if evidence else ()
    links = await identity_store.links_among(connection, controller_id, linked)
    denied = await identity_store.denied_among(connection, controller_id, proving)
    said = await consent_store.statements_of(connection, controller_id, proving)
    permits = await consent_store.permits_of(connection, controller_id, policy, nodes)
    components = _components(nodes, clusters[COMPONENTS], links, denied, said)
    return Loaded(
        identifiers={
            Ref(namespace=one.node.namespace, lookup=one.node.key): one.node.id for one in nodes.values()
        },
        denies={number: one.denies for number, one in nodes.items()},
        seen_by={number: one.seen_by for number, one in nodes.items()},
        components=components,
        derived=[_stored(component.nodes, clusters, permits) for component in components],
        states={},
        messages={},
        sequences={},
        audience_versions={},
    )


def _components(
    nodes: Mapping[IdentifierId, Known],
    profiles: Mapping[IdentifierId, ProfileId],
    links: Sequence[Link],
    denied: Mapping[Pair, Instant],
    said: Mapping[IdentifierId, tuple[Statement, ...]],
) -> list[Component]:
    groups: dict[ProfileId, list[IdentifierId]] = defaultdict(list)
    for one in nodes:
        groups[profiles.get(one, ProfileId(one))].append(one)
    by_group: dict[ProfileId, list[Link]] = defaultdict(list)
    for link in links:
        by_group[profiles[link.low]].append(link)
    found = []
    for profile, members in groups.items():
        inside = frozenset(members)
        found.append(
            Component(
                nodes={one: nodes[one].node for one in members},
                links={(link.low, link.high, link.kind): link for link in by_group.get(profile, ())},
                denied={pair: at for pair, at in denied.items() if pair[0] in inside} if denied else {},
                statements={one: said[one] for one in members if one in said},
            )
        )
    return found


def _stored(
    members: Collection[IdentifierId],
    clusters: dict[ViewId, dict[IdentifierId, ProfileId]],
    permits: dict[IdentifierId, tuple[Permit, ...]],
) -> Derived:
    profiles = {}
    if len(members) > 1:
        for view, rows in clusters.items():
            placed = {one: rows[one] for one in members if one in rows}
            if placed:
                profiles[view] = placed
    return Derived(profiles=profiles, permits={one: permits[one] for one in members})
