"""Laws of views: whatever is taken from a purpose can only split."""

from collections.abc import Callable
from typing import NamedTuple

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from assent.core.ids import IdentifierId
from assent.core.policy import LinkKind, LinkUse
from assent.identity.components import Group
from assent.identity.explain import Explanation, Tie, explain, ties
from assent.identity.resolve import Link, resolve
from assent.identity.views import cut, unusable
from tests.property.identity.worlds import LAWS, World, is_caught, refines, run, sound, worlds

Ids = frozenset[IdentifierId]


class Asked(NamedTuple):
    """A purpose's use of links, who denies and who agrees, and how many of the kept links are taken away."""

    kinds: frozenset[LinkKind]
    agreement: bool
    denies: frozenset[str]
    agrees: frozenset[str]
    without: int = 0


Viewer = Callable[[World, Asked], tuple[Group, ...]]


def names_of(world: World) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(sorted({name for one in world.sightings for name in one.names})))


@st.composite
def views(draw: st.DrawFn) -> tuple[World, Asked, Asked]:
    """Return a world, what a purpose may use, and less than that."""
    world = draw(worlds())
    kinds = draw(st.frozensets(st.sampled_from(LinkKind)))
    denies, agrees = draw(names_of(world)), draw(names_of(world))
    more = Asked(kinds, draw(st.booleans()), denies, agrees)
    less = Asked(
        kinds=kinds - draw(st.frozensets(st.sampled_from(LinkKind), max_size=1)),
        agreement=more.agreement or draw(st.booleans()),
        denies=denies | draw(names_of(world)),
        agrees=agrees - draw(names_of(world)),
        without=draw(st.integers(0, 2)),
    )
    return world, more, less


def seen(world: World, asked: Asked) -> tuple[Group, ...]:
    resolution, evidence = run(sound, world)
    kept = resolution.kept[asked.without :]
    return cut(evidence.ids.values(), kept, *arguments(evidence.ids, asked))


def arguments(ids: dict[str, IdentifierId], asked: Asked) -> tuple[LinkUse, Ids, Ids]:
    use = LinkUse(kinds=asked.kinds, agreement=asked.agreement)
    return use, frozenset(ids[one] for one in asked.denies), frozenset(ids[one] for one in asked.agrees)


def view_refines(viewer: Viewer, case: tuple[World, Asked, Asked]) -> bool:
    world, asked, _ = case
    return refines(viewer(world, asked), run(sound, world)[0].clusters)


@LAWS
@given(views())
def test_every_profile_of_a_view_is_part_of_one_cluster(case: tuple[World, Asked, Asked]) -> None:
    assert view_refines(seen, case)


def cut_from_all_evidence(world: World, asked: Asked) -> tuple[Group, ...]:
    evidence = run(sound, world)[1]
    return cut(evidence.ids.values(), evidence.links, *arguments(evidence.ids, asked))


def test_a_view_cut_from_all_evidence_is_caught() -> None:
    assert is_caught(views(), lambda case: view_refines(cut_from_all_evidence, case))


def less_only_splits(viewer: Viewer, case: tuple[World, Asked, Asked]) -> bool:
    world, more, less = case
    return refines(viewer(world, less), viewer(world, more))


@LAWS
@given(views())
def test_taking_a_link_or_a_permission_away_never_joins(case: tuple[World, Asked, Asked]) -> None:
    assert less_only_splits(seen, case)


def resolved_per_purpose(world: World, asked: Asked) -> tuple[Group, ...]:
    evidence = run(sound, world)[1]
    may = [link for link in evidence.links if unusable(*mixed(link, arguments(evidence.ids, asked))) is None]
    return resolve(world.policy, evidence.nodes, may[asked.without :]).clusters


def mixed(link: Link, asked: tuple[LinkUse, Ids, Ids]) -> tuple[LinkUse, Link, Ids, Ids]:
    return asked[0], link, asked[1], asked[2]


def test_a_resolution_per_purpose_is_caught() -> None:
    assert is_caught(views(), lambda case: less_only_splits(resolved_per_purpose, case))


# And it is what its words say: whoever denies is alone, and without agreement nobody joins who did not agree.


def view_is_its_words(viewer: Viewer, case: tuple[World, Asked, Asked]) -> bool:
    world, asked, _ = case
    resolution, evidence = run(sound, world)
    _, denies, agrees = arguments(evidence.ids, asked)
    graph = nx.Graph()
    graph.add_nodes_from(evidence.ids.values())
    graph.add_edges_from(
        ends
        for ends, kind in (({link.low, link.high}, link.kind) for link in resolution.kept[asked.without :])
        if kind in asked.kinds and not ends & denies and (ends & agrees or not asked.agreement)
    )
    return {*viewer(world, asked)} == {tuple(sorted(group)) for group in nx.connected_components(graph)}


@LAWS
@given(views())
def test_a_view_joins_by_what_the_policy_and_both_ends_permit(case: tuple[World, Asked, Asked]) -> None:
    assert view_is_its_words(seen, case)


def heard_at_one_end(world: World, asked: Asked) -> tuple[Group, ...]:
    return seen(world, asked._replace(denies=asked.denies - asked.agrees))


def test_an_agreement_that_drowns_a_denial_is_caught() -> None:
    assert is_caught(views(), lambda case: view_is_its_words(heard_at_one_end, case))


# Two identifiers are explained to be together exactly where they are one person, and every step counts.

Explainer = Callable[[tuple[Tie, ...], IdentifierId, IdentifierId], Explanation]


def is_explained(explainer: Explainer, world: World) -> bool:
    resolution, evidence = run(sound, world)
    found = ties(resolution)
    together = {(one, other) for group in resolution.clusters for one in group for other in group}
    return all(
        explainer(found, one, other).together == ((one, other) in together)
        for one in evidence.ids.values()
        for other in evidence.ids.values()
    )


@LAWS
@given(worlds())
def test_together_is_said_exactly_within_a_cluster(world: World) -> None:
    assert is_explained(explain, world)


@LAWS
@given(worlds())
def test_a_chain_leads_from_one_end_to_the_other_and_names_every_fault(world: World) -> None:
    resolution, evidence = run(sound, world)
    counting = set(resolution.kept)
    ids = sorted(evidence.ids.values())
    for start in ids[:3]:
        for end in ids:
            found = explain(ties(resolution), start, end)
            if found.chain is None:
                continue
            at = start
            for tie in found.chain:
                assert (tie.fault is None) == (tie.link in counting)
                at = tie.link.high if at == tie.link.low else tie.link.low
            assert at == end


@LAWS
@given(views())
def test_a_views_explanation_is_the_views(case: tuple[World, Asked, Asked]) -> None:
    world, asked, _ = case
    resolution, evidence = run(sound, world)
    use, denies, agrees = arguments(evidence.ids, asked)
    profiles = cut(evidence.ids.values(), resolution.kept, use, denies, agrees)
    together = {(one, other) for group in profiles for one in group for other in group}
    found = ties(resolution, use, denies, agrees)
    for one in evidence.ids.values():
        for other in evidence.ids.values():
            assert explain(found, one, other).together == ((one, other) in together)


def test_an_explanation_of_direct_links_alone_is_caught() -> None:
    def direct(found: tuple[Tie, ...], one: IdentifierId, other: IdentifierId) -> Explanation:
        near = [tie for tie in found if {tie.link.low, tie.link.high} == {one, other} and tie.fault is None]
        return Explanation(together=one == other or bool(near), chain=tuple(near))

    assert is_caught(worlds(), lambda world: is_explained(direct, world))
