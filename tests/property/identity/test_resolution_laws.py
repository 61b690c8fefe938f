"""Laws of the one resolution. Each law is a function of a resolver; its canary breaks it on purpose."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import assent.identity.resolve as resolve_module
from assent.core.ids import IdentifierId
from assent.core.policy import ConflictRule, IdentifierKind, LinkKind, Policy
from assent.identity.components import Group, Pair, components
from assent.identity.conflict import ambiguous
from assent.identity.resolve import DropReason, Link, Node, Resolution, resolve
from tests.property.identity.worlds import (
    LAWS,
    SIGHTINGS,
    Resolver,
    World,
    is_caught,
    run,
    sound,
    told,
    worlds,
)
from tests.support.identities import Sighting

Nodes = tuple[Node, ...]
Links = tuple[Link, ...]
Denied = frozenset[Pair]


# Any order of arrival gives the same clusters, and the same reasons.

SHUFFLED = worlds().flatmap(lambda one: st.tuples(st.just(one), st.permutations(one.sightings)))


def order_is_immaterial(resolver: Resolver, case: tuple[World, list[Sighting]]) -> bool:
    world, shuffled = case
    return told(resolver, world) == told(resolver, world._replace(sightings=tuple(shuffled)))


@LAWS
@given(SHUFFLED)
def test_any_order_of_arrival_gives_the_same_resolution(case: tuple[World, list[Sighting]]) -> None:
    assert order_is_immaterial(sound, case)


def tied_by_arrival(policy: Policy, nodes: Nodes, links: Links, denied: Denied) -> Resolution:
    marked = [Node(id=one.id, namespace=one.namespace, key=one.id.to_bytes(8, "big")) for one in nodes]
    return resolve(policy, marked, links, denied)


def capped_by_arrival(policy: Policy, nodes: Nodes, links: Links, denied: Denied) -> Resolution:
    joined: list[Link] = []
    for link in links:
        groups = components([one.id for one in nodes], [(one.low, one.high) for one in [*joined, link]])
        if max(map(len, groups)) <= policy.identifiers_per_profile:
            joined.append(link)
    return resolve(policy, nodes, joined, denied)


@pytest.mark.parametrize("broken", [tied_by_arrival, capped_by_arrival])
def test_a_resolver_that_looks_at_the_order_of_arrival_is_caught(broken: Resolver) -> None:
    assert is_caught(SHUFFLED, lambda case: order_is_immaterial(broken, case))


# Linking and then unlinking is identity.

RELINKED = st.tuples(worlds(), SIGHTINGS)


def unlinking_undoes(resolver: Resolver, case: tuple[World, Sighting]) -> bool:
    world, extra = case
    known = {name for one in world.sightings for name in one.names}
    seen = [frozenset(pair) for one in world.sightings for pair in combinations(one.names, 2)]
    new = [pair for pair in combinations(sorted(extra.names & known), 2) if frozenset(pair) not in seen]
    if not new:
        return True
    linked = [Sighting(extra.at, frozenset(pair)) for pair in new]
    after = world._replace(sightings=world.sightings + tuple(linked), denied=world.denied + tuple(new))
    return said_of_clusters(resolver, world) == said_of_clusters(resolver, after)


def said_of_clusters(resolver: Resolver, world: World) -> object:
    resolution, evidence = run(resolver, world)
    clusters = {evidence.named(group) for group in resolution.clusters}
    return clusters, evidence.named(resolution.shared), evidence.named(resolution.generic)


@LAWS
@given(RELINKED)
def test_linking_and_then_unlinking_is_identity(case: tuple[World, Sighting]) -> None:
    assert unlinking_undoes(sound, case)


def denied_too_late(policy: Policy, nodes: Nodes, links: Links, denied: Denied) -> Resolution:
    whole = resolve(policy, nodes, links)
    left = tuple(link for link in whole.kept if (link.low, link.high) not in denied)
    clusters = components([one.id for one in nodes], ((link.low, link.high) for link in left))
    return Resolution(clusters=clusters, kept=left, shared=whole.shared, generic=whole.generic)


def test_a_resolver_that_remembers_a_denied_link_is_caught() -> None:
    assert is_caught(RELINKED, lambda case: unlinking_undoes(denied_too_late, case))


# No cluster holds more than the policy admits.


def _since(links: Iterable[Link]) -> dict[IdentifierId, int]:
    since: dict[IdentifierId, int] = {}
    for link in links:
        for one in (link.low, link.high):
            since[one] = min(since.get(one, 99), link.first_at)
    return since


def _most_within(period: int, times: Sequence[int]) -> int:
    return max((sum(first <= at < first + period for at in times) for first in times), default=0)


def is_within_limits(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    # What was cut was seen all the same: since then an identifier may be known.
    cut = [one.link for one in resolution.dropped if one.reason in (DropReason.SHARED, DropReason.CONFLICT)]
    crammed = [one.link for one in resolution.dropped if one.reason is DropReason.GENERIC]
    known = [_since([*resolution.kept, *more]) for more in ((), cut, [*cut, *crammed])]
    for group in resolution.clusters:
        for space in world.policy.namespaces.values():
            held = [one for one in group if space_of[one] is space]
            period = space.limit_period.microseconds if space.limit_period else 99
            most = min(_most_within(period, [since[one] for one in held if one in since]) for since in known)
            if most > (space.limit or 99):
                return False
        if len(group) > world.policy.identifiers_per_profile:
            return False
    linked: dict[IdentifierId, set[IdentifierId]] = {}
    for link in resolution.kept:
        linked.setdefault(link.low, set()).add(link.high)
        linked.setdefault(link.high, set()).add(link.low)
    return all(len(others) <= world.policy.links_per_identifier for others in linked.values())


@LAWS
@given(worlds())
def test_no_cluster_holds_more_than_the_policy_admits(world: World) -> None:
    assert is_within_limits(sound, world)


def one_more(policy: Policy, nodes: Nodes, links: Links, denied: Denied) -> Resolution:
    found = resolve(policy, nodes, links, denied)
    pairs = [(link.low, link.high) for link in (*found.kept, *(one.link for one in found.dropped[:1]))]
    return Resolution(clusters=components([one.id for one in nodes], pairs), kept=found.kept)


def test_a_resolver_that_lets_one_link_through_is_caught() -> None:
    assert is_caught(worlds(), lambda world: is_within_limits(one_more, world))


# What a model proposes never joins two people who are named, and parts nobody.


def proposals_only_add(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    firm = tuple(link for link in evidence.links if link.kind != LinkKind.PROBABLE)
    denied = frozenset(evidence.pair(*names) for names in world.denied)
    before = resolver(world.policy, evidence.nodes, firm, denied).clusters
    home = {one: group for group in before for one in group}
    kind_of = {node.id: world.policy.namespaces[node.namespace].kind for node in evidence.nodes}
    for group in resolution.clusters:
        merged = {home[one] for one in group}
        if set().union(*merged) != set(group):
            return False
        named = [one for one in merged if any(kind_of[each] is IdentifierKind.PERSON for each in one)]
        if len(named) > 1:
            return False
    return True


@LAWS
@given(worlds())
def test_a_proposal_only_adds_and_never_joins_two_named_people(world: World) -> None:
    assert proposals_only_add(sound, world)


def trusting(policy: Policy, nodes: Nodes, links: Links, denied: Denied) -> Resolution:
    firm = tuple(
        structs.replace(link, kind=LinkKind.OBSERVED) if link.kind == LinkKind.PROBABLE else link
        for link in links
    )
    return resolve(policy, nodes, firm, denied)


def test_a_resolver_that_takes_a_guess_for_a_fact_is_caught() -> None:
    assert is_caught(worlds(), lambda world: proposals_only_add(trusting, world))


# Total: everybody is in one cluster, every link is kept or dropped, the kept ones make the clusters.


def is_whole(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    everybody = sorted(node.id for node in evidence.nodes)
    dropped = [one.link for one in resolution.dropped]
    return (
        sorted(one for group in resolution.clusters for one in group) == everybody
        and sorted(map(repr, (*resolution.kept, *dropped))) == sorted(map(repr, evidence.links))
        and resolution.clusters == components(everybody, ((link.low, link.high) for link in resolution.kept))
        and all((one,) in resolution.clusters for one in resolution.shared | resolution.generic)
    )


@LAWS
@given(worlds())
def test_a_resolution_accounts_for_everything(world: World) -> None:
    assert is_whole(sound, world)


def silently_short(policy: Policy, nodes: Nodes, links: Links, denied: Denied) -> Resolution:
    found = resolve(policy, nodes, links, denied)
    return Resolution(clusters=found.clusters, kept=found.kept, dropped=found.dropped[1:])


def test_a_resolver_that_loses_a_link_is_caught() -> None:
    assert is_caught(worlds(), lambda world: is_whole(silently_short, world))


# Components do not touch each other.

APART = st.tuples(worlds(), worlds())


def components_are_independent(resolver: Resolver, case: tuple[World, World]) -> bool:
    one, other = case[0], case[1]._replace(policy=case[0].policy)
    moved = [
        Sighting(at + 9, frozenset(f"{name}'" for name in names), kind) for at, names, kind in other.sightings
    ]
    other = other._replace(
        sightings=tuple(moved), denied=tuple((f"{low}'", f"{high}'") for low, high in other.denied)
    )
    both = World(one.policy, one.sightings + other.sightings, one.denied + other.denied)
    apart = zip(told_sets(resolver, one), told_sets(resolver, other), strict=True)
    return told_sets(resolver, both) == [first | second for first, second in apart]


def told_sets(resolver: Resolver, world: World) -> list[frozenset[object]]:
    resolution, evidence = run(resolver, world)
    return [
        frozenset(evidence.named(group) for group in resolution.clusters),
        evidence.named(resolution.shared),
        evidence.named(resolution.generic),
    ]


@LAWS
@given(APART)
def test_components_do_not_touch_each_other(case: tuple[World, World]) -> None:
    assert components_are_independent(sound, case)


def test_a_newest_time_taken_over_all_components_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lumped(groups: list[Group], links: list[Link]) -> list[list[Link]]:
        touched = {one for group in groups for one in group}
        return [[link for link in links if link.low in touched]]

    monkeypatch.setattr(resolve_module, "_parts", lumped)
    # The newest time counts under one of the rules alone, and caps hide what it changes.
    under_it = st.tuples(
        worlds(caps=False).filter(lambda one: one.policy.conflict is ConflictRule.LAST_AUTHENTICATED),
        worlds(caps=False),
    )
    assert is_caught(under_it, lambda case: components_are_independent(sound, case))


# `ambiguous` is what its words say, every path enumerated.


def shared_by_words(world: World) -> frozenset[IdentifierId]:
    """From the highest priority down: whoever is on a path between parts that hold too many together."""
    evidence = run(sound, world)[1]
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    pairs = admitted(world)
    shared: set[IdentifierId] = set()
    for space in sorted(world.policy.namespaces.values(), key=lambda one: one.priority):
        graph = nx.Graph(
            pair
            for pair in pairs
            if not shared.intersection(pair) and all(space_of[one].priority <= space.priority for one in pair)
        )
        upper = graph.subgraph(one for one in graph if space_of[one].priority < space.priority)
        parts = [*nx.connected_components(upper), *({one} for one in graph if space_of[one] is space)]
        contracted = nx.quotient_graph(graph, parts, relabel=False)
        on_path: set[IdentifierId] = set()
        for component in nx.connected_components(contracted):
            for limited in world.policy.namespaces.values():
                held = [part for part in component if any(space_of[one] is limited for one in part)]
                values = sum(space_of[one] is limited for part in held for one in part)
                if values > (limited.limit or values):
                    for start, end in combinations(held, 2):
                        for path in nx.all_simple_paths(contracted, start, end):
                            on_path.update(one for part in path for one in part)
        shared |= {one for one in on_path if space_of[one] is space}
    return frozenset(shared)


def admitted(world: World) -> list[Pair]:
    evidence = run(sound, world)[1]
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    denied = {evidence.pair(*names) for names in world.denied}
    return [
        (link.low, link.high)
        for link in evidence.links
        if link.kind is not LinkKind.PROBABLE
        and (link.low, link.high) not in denied
        and not (space_of[link.low] is space_of[link.high] and space_of[link.low].unique)
    ]


def is_timeless(world: World) -> bool:
    return not any(one.limit_period or one.lifetime for one in world.policy.namespaces.values())


AMBIGUOUS = (
    worlds(caps=False)
    .filter(lambda world: world.policy.conflict is ConflictRule.AMBIGUOUS)
    .filter(is_timeless)
)


def says_who_is_shared(resolver: Resolver, world: World) -> bool:
    return run(resolver, world)[0].shared == shared_by_words(world)


@LAWS
@given(AMBIGUOUS)
def test_whoever_is_on_a_path_between_too_many_is_shared(world: World) -> None:
    assert says_who_is_shared(sound, world)


def test_looking_at_shortest_paths_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def shortest(pairs: list[Pair], holders: set[IdentifierId]) -> set[IdentifierId]:
        graph = nx.Graph(pairs)
        return {
            one
            for start, end in combinations(sorted(holders), 2)
            if start in graph and end in graph and nx.has_path(graph, start, end)
            for one in nx.shortest_path(graph, start, end)
        }

    monkeypatch.setattr("assent.identity.conflict._between", shortest)
    assert is_caught(AMBIGUOUS, lambda world: says_who_is_shared(sound, world))


# Nothing learnt about a lower namespace parts what higher identifiers say about each other.

UPPER = {"user", "email", "phone"}


def lower_evidence_parts_nobody(resolver: Resolver, world: World) -> bool:
    upper = [
        one._replace(names=frozenset(n for n in one.names if n.split(":")[0] in UPPER))
        for one in world.sightings
    ]
    without = world._replace(
        sightings=tuple(one for one in upper if one.names),
        denied=tuple(pair for pair in world.denied if {one.split(":")[0] for one in pair} <= UPPER),
    )
    if not without.sightings:
        return True
    found, evidence = run(resolver, world)
    before, evidence_before = run(resolver, without)
    homes = {name: group for group in found.clusters for name in evidence.named(group)}
    return all(len({homes[name] for name in evidence_before.named(group)}) == 1 for group in before.clusters)


@LAWS
@given(AMBIGUOUS)
def test_nothing_learnt_about_a_browser_parts_a_persons_own_identifiers(world: World) -> None:
    assert lower_evidence_parts_nobody(sound, world)


def test_counting_every_path_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def every_path(*arguments: object) -> frozenset[IdentifierId]:
        limits, spaces, priorities, pairs = arguments
        return ambiguous(limits, spaces, dict.fromkeys(priorities, 1), pairs)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(resolve_module, "ambiguous", every_path)
    assert is_caught(AMBIGUOUS, lambda world: lower_evidence_parts_nobody(sound, world))


@pytest.mark.parametrize("reason", sorted(set(DropReason) - {DropReason.UNDECLARED}))
def test_the_worlds_know_every_way_to_drop_a_link(reason: DropReason) -> None:
    assert is_caught(
        worlds(), lambda world: reason not in {one.reason for one in run(sound, world)[0].dropped}
    )
