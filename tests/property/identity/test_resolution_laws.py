"""Laws of the one resolution. Each law is a function of a resolver; its canary breaks it on purpose."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations
from types import ModuleType
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import assent.identity.resolve as resolve_module
from assent.core.ids import IdentifierId
from assent.core.policy import ConflictRule, IdentifierKind, LinkKind, Namespace, Policy
from assent.identity import ranking
from assent.identity.claims import Outcome, parting
from assent.identity.components import Group, Pair, components
from assent.identity.conflict import Limits, ambiguous
from assent.identity.proposals import refused
from assent.identity.resolve import DropReason, Link, Node, Resolution, passes_cap, resolve
from tests.property.identity.worlds import (
    LAWS,
    NOW,
    SIGHTINGS,
    Resolver,
    World,
    is_caught,
    run,
    sound,
    told,
    worlds,
)
from tests.support.identities import Sighting, identity_policy

Nodes = tuple[Node, ...]
Links = tuple[Link, ...]
Denied = frozenset[Pair]

LIMITS = ranking.limits


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


# What stands before anything is cut, and since when that shows somebody, in words.


def standing(world: World) -> list[Link]:
    """Return the evidence, but guesses, that nothing speaks against by itself, and none of who is in the way.

    In the way: who has too many links, and claims that would part somebody.
    """
    resolution, evidence = run(sound, world)
    gone = {one.link for one in resolution.dropped if one.reason is DropReason.CLAIMED}
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    cap = world.policy.links_per_identifier
    evident = [link for link in admitted(world) if link.kind is not LinkKind.PROBABLE]
    firm = nx.Graph((link.low, link.high) for link in evident if link.kind is not LinkKind.CLAIMED)

    def is_spared(one: IdentifierId) -> bool:
        tied = firm.degree(one) if one in firm else 0
        return 1 + (space_of[one].kind is not IdentifierKind.PERSON) <= tied <= cap

    hubs = {one for one in beyond(cap, evident) if not is_spared(one)}
    return [link for link in evident if hubs.isdisjoint((link.low, link.high)) and link not in gone]


def beyond(cap: int, links: Iterable[Link]) -> set[IdentifierId]:
    graph = nx.Graph((link.low, link.high) for link in links)
    return {one for one, others in graph.degree() if others > cap}


def admitted(world: World) -> list[Link]:
    evidence = run(sound, world)[1]
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    denied = {evidence.pair(*names) for names in world.denied}

    def is_over(link: Link) -> bool:
        lasting = [space_of[one].lifetime for one in (link.low, link.high)]
        return any(one is not None and link.last_at + one.microseconds <= NOW for one in lasting)

    def is_sure(link: Link) -> bool:
        threshold = world.policy.probable_threshold
        return link.kind is not LinkKind.PROBABLE or (threshold is not None and link.weight >= threshold)

    return [
        link
        for link in evidence.links
        if is_sure(link)
        and (link.low, link.high) not in denied
        and not is_over(link)
        and not (space_of[link.low] is space_of[link.high] and space_of[link.low].unique)
    ]


def _since(links: Iterable[Link]) -> dict[IdentifierId, int]:
    since: dict[IdentifierId, int] = {}
    for link in links:
        for one in (link.low, link.high):
            since[one] = min(since.get(one, 99), link.first_at)
    return since


def too_many(
    space: Namespace, held: Sequence[IdentifierId], since: Mapping[IdentifierId, int]
) -> set[IdentifierId]:
    """Return those of a namespace's values that one profile may not hold together."""
    if space.limit is None:
        return set()
    if space.limit_period is None:
        return set(held) if len(held) > space.limit else set()
    period = space.limit_period.microseconds
    stretches = [[one for one in held if start <= since[one] < start + period] for start in range(9)]
    return {one for stretch in stretches if len(stretch) > space.limit for one in stretch}


# No cluster holds more than the policy admits.


def is_within_limits(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    # A model's guess says when somebody was seen only of whom nothing else does.
    since = _since(resolution.kept) | _since(standing(world))
    for group in resolution.clusters:
        if len(group) > world.policy.identifiers_per_profile:
            return False
        for space in world.policy.namespaces.values() if len(group) > 1 else ():
            if too_many(space, [one for one in group if space_of[one] is space], since):
                return False
    return not beyond(world.policy.links_per_identifier, resolution.kept)


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


# What a public key claims parts no person whom other evidence joins: adding claims only joins people.


def claims_part_nobody(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    firm = tuple(link for link in evidence.links if link.kind is not LinkKind.CLAIMED)
    denied = frozenset(evidence.pair(*names) for names in world.denied)
    firm = tuple(link for link in firm if link.kind is not LinkKind.PROBABLE)
    before = resolver(world.policy, evidence.nodes, firm, denied).clusters
    home = {one: group for group in resolution.clusters for one in group}
    kind_of = {node.id: world.policy.namespaces[node.namespace].kind for node in evidence.nodes}
    for group in before:
        people = {one for one in group if kind_of[one] is IdentifierKind.PERSON}
        if len({home[one] for one in people}) > 1:
            return False
        if len(group) > 1 and people & (resolution.shared | resolution.generic):
            return False
    return True


CLAIMED = worlds().map(
    lambda world: world._replace(
        sightings=tuple(
            one._replace(kind=LinkKind.CLAIMED if place % 2 else LinkKind.OBSERVED)
            for place, one in enumerate(world.sightings)
        )
    )
)
CLAIMS = st.one_of(CLAIMED, worlds())


@LAWS
@given(CLAIMS)
def test_claims_part_no_person_whom_other_evidence_joins(world: World) -> None:
    assert claims_part_nobody(sound, world)


@LAWS
@given(CLAIMED.flatmap(lambda one: st.tuples(st.just(one), st.permutations(one.sightings))))
def test_which_claims_go_does_not_depend_on_the_order_of_arrival(case: tuple[World, list[Sighting]]) -> None:
    assert order_is_immaterial(sound, case)


def ungrateful(
    claims: AbstractSet[Pair], named: AbstractSet[IdentifierId], outcome: Callable[..., Outcome]
) -> AbstractSet[Pair]:
    first = parting(claims, named, outcome)
    return frozenset(sorted(first)[:1])


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("parting", lambda *_: frozenset()),
        ("parting", ungrateful),
        ("spared", lambda *_: frozenset()),
    ],
)
def test_a_claim_that_parts_somebody_is_caught(
    part: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve_module, part, broken)
    assert is_caught(CLAIMS, lambda world: claims_part_nobody(sound, world))


# And a proposal is followed wherever it may be: none is refused but what would join two people, or too many.

GUESSED = st.builds(
    World,
    st.builds(
        identity_policy,
        st.just("user!1 phone device!1/3 cookie!2"),
        st.sampled_from(ConflictRule),
        identifiers_per_profile=st.sampled_from([4, 100]),
        links_per_identifier=st.sampled_from([2, 200]),
        probable_threshold=st.just(1),
    ),
    st.lists(
        st.builds(
            Sighting,
            st.integers(0, 3),
            st.frozensets(
                st.sampled_from(
                    [f"{space}:{value}" for space in ("user", "device", "cookie") for value in "ab"]
                ),
                min_size=2,
                max_size=2,
            ),
            st.sampled_from([LinkKind.OBSERVED, LinkKind.OBSERVED, LinkKind.PROBABLE]),
        ),
        min_size=2,
        max_size=9,
    ).map(tuple),
    st.just(()),
)


def followed_by_words(world: World, firm: Resolution, spaces: Mapping[IdentifierId, Namespace]) -> set[Link]:
    """Return the proposals that join: all or none of those that hang together between the firm clusters."""
    home = {one: group for group in firm.clusters for one in group}
    out = firm.shared | firm.generic
    looked_at = [
        link
        for link in admitted(world)
        if link.kind is LinkKind.PROBABLE and out.isdisjoint((link.low, link.high))
    ]
    busy = beyond(world.policy.links_per_identifier, [*firm.kept, *looked_at])
    looked_at = [link for link in looked_at if busy.isdisjoint((link.low, link.high))]
    since = _since(looked_at) | _since(standing(world))
    followed = {link for link in looked_at if home[link.low] == home[link.high]}
    between = nx.MultiGraph()
    between.add_edges_from((home[link.low], home[link.high], link) for link in {*looked_at} - followed)
    for together in nx.connected_components(between):
        people = sum(any(spaces[one].kind is IdentifierKind.PERSON for one in group) for group in together)
        everybody = [one for group in together for one in group]
        crowd = [
            too_many(space, [one for one in everybody if spaces[one] is space], since)
            for space in world.policy.namespaces.values()
        ]
        if people < 2 and len(everybody) <= world.policy.identifiers_per_profile and not any(crowd):
            followed |= {link for _, _, link in between.subgraph(together).edges(keys=True)}
    return followed


def says_which_proposals_join(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    firm = tuple(link for link in evidence.links if link.kind is not LinkKind.PROBABLE)
    denied = frozenset(evidence.pair(*names) for names in world.denied)
    before = resolver(world.policy, evidence.nodes, firm, denied)
    spaces = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    kept = {link for link in resolution.kept if link.kind is LinkKind.PROBABLE}
    return kept == followed_by_words(world, before, spaces)


@LAWS
@given(st.one_of(GUESSED, worlds()))
def test_a_proposal_is_followed_wherever_it_joins_no_two_people_and_nobody_too_many(world: World) -> None:
    assert says_which_proposals_join(sound, world)


def dated_by_guesses(policy: Policy, links: Sequence[Link], proposals: Sequence[Link] = ()) -> Limits:
    return LIMITS(policy, [*links, *proposals])


def timid(
    clusters: Sequence[Group], proposed: Sequence[Pair], named: AbstractSet[IdentifierId], _: object
) -> frozenset[Pair]:
    return refused(clusters, proposed, named, lambda group: len(group) < 4)


@pytest.mark.parametrize(
    ("module", "part", "broken"), [(ranking, "limits", dated_by_guesses), (resolve_module, "refused", timid)]
)
def test_a_proposal_refused_without_reason_is_caught(
    module: ModuleType, part: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, part, broken)
    assert is_caught(GUESSED, lambda world: says_which_proposals_join(sound, world))


# Who is generic by links may be asked of one identifier alone, and is the same.

ROOMY = worlds().filter(lambda world: world.policy.identifiers_per_profile == 100)


def asked_alone_is_the_same(world: World, asked: Callable[..., bool] = passes_cap) -> bool:
    resolution, evidence = run(sound, world)
    spaces = {node.id: node.namespace for node in evidence.nodes}
    denied = frozenset(evidence.pair(*names) for names in world.denied)
    by_links = {
        one
        for one in spaces
        if asked(
            world.policy,
            one,
            [link for link in evidence.links if one in (link.low, link.high)],
            spaces.get,
            denied,
            NOW,
        )
    }
    return by_links == resolution.generic


@LAWS
@given(ROOMY)
def test_who_is_generic_by_links_is_so_asked_alone(world: World) -> None:
    assert asked_alone_is_the_same(world)


def test_counting_guesses_among_the_links_is_caught() -> None:
    def counted(policy: Policy, one: IdentifierId, links: Iterable[Link], *asked: Any) -> bool:  # noqa: ANN401
        return passes_cap(
            policy, one, [structs.replace(link, kind=LinkKind.OBSERVED) for link in links], *asked
        )

    assert is_caught(ROOMY, lambda world: asked_alone_is_the_same(world, counted))


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
    evident = standing(world)
    since = _since(evident)
    shared: set[IdentifierId] = set()
    for space in sorted(world.policy.namespaces.values(), key=lambda one: one.priority):
        graph = nx.Graph(
            pair
            for pair in ((link.low, link.high) for link in evident)
            if not shared.intersection(pair) and all(space_of[one].priority <= space.priority for one in pair)
        )
        upper = graph.subgraph(one for one in graph if space_of[one].priority < space.priority)
        parts = [*nx.connected_components(upper), *({one} for one in graph if space_of[one] is space)]
        contracted = nx.quotient_graph(graph, parts, relabel=False)
        on_path: set[IdentifierId] = set()
        for component in nx.connected_components(contracted):
            for limited in world.policy.namespaces.values():
                values = [one for part in component for one in part if space_of[one] is limited]
                crowd = too_many(limited, values, since)
                for start, end in combinations([part for part in component if crowd & part], 2):
                    for path in nx.all_simple_paths(contracted, start, end):
                        on_path.update(one for part in path for one in part)
        shared |= {one for one in on_path if space_of[one] is space}
    return frozenset(shared)


AMBIGUOUS = worlds(caps=False).filter(lambda world: world.policy.conflict is ConflictRule.AMBIGUOUS)


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


# The other two rules add pairs in the order of their words, and refuse each that would join too many.


def refused_by_words(world: World) -> set[Pair]:
    evidence = run(sound, world)[1]
    nodes = {node.id: node for node in evidence.nodes}
    space_of = {one: world.policy.namespaces[node.namespace] for one, node in nodes.items()}
    evident = standing(world)
    since = _since(evident)
    seen: dict[Pair, list[int]] = {}
    for link in evident:
        seen.setdefault((link.low, link.high), []).extend((link.first_at, link.last_at))
    whole = {one: part for part in nx.connected_components(nx.Graph(seen.keys())) for one in part}
    newest = {pair: max(max(seen[each]) for each in seen if each[0] in whole[pair[0]]) for pair in seen}

    def place(pair: Pair) -> tuple[object, ...]:
        ranks = sum(space_of[one].priority for one in pair)
        first, last = min(seen[pair]), max(seen[pair])
        keys = sorted(nodes[one].key for one in pair)
        if world.policy.conflict is ConflictRule.FIRST_OWNER:
            return first, ranks, last, keys
        return 0 if last == newest[pair] else 1, ranks, -last, keys

    joined, too_much = nx.Graph(), set()
    for pair in sorted(seen, key=place):
        joined.add_edge(*pair)
        together = nx.node_connected_component(joined, pair[0])
        if any(
            too_many(space, [one for one in together if space_of[one] is space], since)
            for space in world.policy.namespaces.values()
        ):
            joined.remove_edge(*pair)
            too_much.add(pair)
    return too_much


CHOOSING = worlds(caps=False).filter(lambda world: world.policy.conflict is not ConflictRule.AMBIGUOUS)


def says_what_is_refused(resolver: Resolver, world: World) -> bool:
    resolution, evidence = run(resolver, world)
    space_of = {node.id: world.policy.namespaces[node.namespace] for node in evidence.nodes}
    found = {
        (one.link.low, one.link.high)
        for one in resolution.dropped
        if one.reason is DropReason.CONFLICT
        and not (space_of[one.link.low] is space_of[one.link.high] and space_of[one.link.low].unique)
    }
    return found == refused_by_words(world)


@LAWS
@given(CHOOSING)
def test_a_rule_that_chooses_adds_in_its_order_and_refuses_what_joins_too_many(world: World) -> None:
    assert says_what_is_refused(sound, world)


def by_the_last_word(links: Iterable[Link]) -> dict[IdentifierId, int]:
    return {one: link.last_at for link in links for one in (link.low, link.high)}


def hashes_alone(
    _rule: object, _ranks: object, keys: Mapping[IdentifierId, bytes], part: Sequence[Link]
) -> list[Pair]:
    return sorted(
        {(link.low, link.high) for link in part}, key=lambda pair: sorted(keys[one] for one in pair)
    )


@pytest.mark.parametrize(("part", "broken"), [("since", by_the_last_word), ("ordered", hashes_alone)])
def test_another_order_or_another_beginning_is_caught(
    part: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, part, broken)
    assert is_caught(CHOOSING, lambda world: says_what_is_refused(sound, world))


# Nothing learnt about a lower namespace parts what higher identifiers say about each other.

UPPER = {"user", "email", "phone"}


def lower_evidence_parts_nobody(resolver: Resolver, world: World) -> bool:
    # What a claim alone joined goes with the claim, once more is known of either end.
    upper = [
        one._replace(names=frozenset(n for n in one.names if n.split(":")[0] in UPPER))
        for one in world.sightings
        if one.kind != LinkKind.CLAIMED
    ]
    left = {name for one in upper for name in one.names}
    without = world._replace(
        sightings=tuple(one for one in upper if one.names),
        denied=tuple(pair for pair in world.denied if left.issuperset(pair)),
    )
    if not without.sightings:
        return True
    found, evidence = run(resolver, world)
    before, evidence_before = run(resolver, without)
    homes = {name: group for group in found.clusters for name in evidence.named(group)}
    return all(len({homes[name] for name in evidence_before.named(group)}) == 1 for group in before.clusters)


# Where a limit holds for a period, a browser may be what says since when a value is known.
TIMELESS = AMBIGUOUS.filter(
    lambda world: not any(one.limit_period or one.lifetime for one in world.policy.namespaces.values())
)


@LAWS
@given(TIMELESS)
def test_nothing_learnt_about_a_browser_parts_a_persons_own_identifiers(world: World) -> None:
    assert lower_evidence_parts_nobody(sound, world)


def test_counting_every_path_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def every_path(*arguments: object) -> frozenset[IdentifierId]:
        limits, spaces, priorities, pairs = arguments
        return ambiguous(limits, spaces, dict.fromkeys(priorities, 1), pairs)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(resolve_module, "ambiguous", every_path)
    assert is_caught(TIMELESS, lambda world: lower_evidence_parts_nobody(sound, world))


@pytest.mark.parametrize("reason", sorted(set(DropReason) - {DropReason.UNDECLARED}))
def test_the_worlds_know_every_way_to_drop_a_link(reason: DropReason) -> None:
    assert is_caught(
        worlds(), lambda world: reason not in {one.reason for one in run(sound, world)[0].dropped}
    )
