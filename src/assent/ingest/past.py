"""What a question about the past rests on: who was one person then, and what they had said.

Reads the components of today and the links that were undone since; decides nothing. Never for an engine.
"""

from collections.abc import Sequence

from msgspec import Struct

from assent.consent.question import Cluster
from assent.consent.statement import Statement
from assent.core.ids import ControllerId, IdentifierId
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Instant
from assent.database.types import Connection
from assent.identity.former import Former, links_then
from assent.identity.store import former_around, known_by_id, known_since
from assent.ingest.component import Component, bonds_of, heard, resolution_of
from assent.ingest.loading import load_components


class Past(Struct, frozen=True, kw_only=True):
    """A person as they were linked at an instant."""

    cluster: Cluster
    history: tuple[Statement, ...]


async def past_of(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    asked: IdentifierId,
    *,
    at: Instant,
    known_at: Instant,
) -> Past:
    """Return whom an identifier was one person with at `at`, by what was known at `known_at`."""
    then = await component_then(connection, controller_id, policy, asked, at=at, known_at=known_at)
    resolution = resolution_of(then, policy, at)
    members = next(cluster for cluster in resolution.clusters if asked in cluster)
    inside = frozenset(members)
    return Past(
        cluster=Cluster(
            members=members, bonds=tuple(bond for bond in bonds_of(resolution.kept) if bond.low in inside)
        ),
        history=heard(then, policy, members),
    )


async def component_then(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    asked: IdentifierId,
    *,
    at: Instant,
    known_at: Instant,
) -> Component:
    """Return the evidence around an identifier as it stood at `at`, by what was known at `known_at`.

    Statements are all there are: who asks leaves out what was not known.
    """
    until = min(at, known_at)
    components, former = await _around(connection, controller_id, policy, asked, at, until)
    links = [link for component in components for link in component.links.values()]
    proving = {min(link.first_entry, link.last_entry) for link in (*links, *(one.link for one in former))}
    committed = await known_since(connection, controller_id, proving)
    whole = Component.of(components)
    return Component(
        nodes=whole.nodes,
        links=links_then(links, former, committed, at=at, known_at=known_at),
        # What stays shared was so before: the evidence that said it is what was erased.
        denied={pair: since for pair, since in whole.denied.items() if since <= until or pair[0] == pair[1]},
        statements=whole.statements,
    )


async def everybody_around(
    connection: Connection, controller_id: ControllerId, policy: Policy, asked: IdentifierId
) -> frozenset[IdentifierId]:
    """Return everybody whom links lead to, those that were undone too."""
    components, _ = await _around(connection, controller_id, policy, asked, FOREVER, BEGINNING)
    return frozenset(one for component in components for one in component.nodes)


async def _around(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    asked: IdentifierId,
    at: Instant,
    standing_at: Instant,
) -> tuple[Sequence[Component], Sequence[Former]]:
    """Return the components of everybody whom links that had begun by `at` led to.

    Undone links are among them, unless they were known to be undone by `standing_at`.
    """
    found = {asked}
    while True:
        known = await known_by_id(connection, controller_id, found)
        loaded = await load_components(connection, controller_id, policy, known)
        found = {one for component in loaded.components for one in component.nodes}
        former = await former_around(connection, controller_id, found, at, standing_at)
        others = {end for one in former for end in (one.link.low, one.link.high)} - found
        if not others:
            return loaded.components, former
        found |= others
