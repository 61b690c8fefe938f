"""Laws of views: whatever is taken from a purpose can only split."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from assent.core.ids import IdentifierId
from assent.core.policy import LinkKind, LinkUse
from assent.identity.components import Group
from assent.identity.explain import chain
from assent.identity.resolve import Link, resolve
from assent.identity.views import cut, usable
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
    may = [link for link in evidence.links if usable(*mixed(link, arguments(evidence.ids, asked)))]
    return resolve(world.policy, evidence.nodes, may[asked.without :]).clusters


def mixed(link: Link, asked: tuple[LinkUse, Ids, Ids]) -> tuple[LinkUse, Link, Ids, Ids]:
    return asked[0], link, asked[1], asked[2]


def test_a_resolution_per_purpose_is_caught() -> None:
    assert is_caught(views(), lambda case: less_only_splits(resolved_per_purpose, case))


# An explanation exists exactly where two identifiers are one person, and every step of it is a kept link.


def is_explained(
    explain: Callable[[Iterable[Link], IdentifierId, IdentifierId], object], world: World
) -> bool:
    resolution, evidence = run(sound, world)
    together = {(one, other) for group in resolution.clusters for one in group for other in group}
    return all(
        (explain(resolution.kept, one, other) is not None) == ((one, other) in together)
        for one in evidence.ids.values()
        for other in evidence.ids.values()
    )


@LAWS
@given(worlds())
def test_a_chain_exists_exactly_within_a_cluster(world: World) -> None:
    assert is_explained(chain, world)


@LAWS
@given(worlds())
def test_a_chain_leads_from_one_end_to_the_other_over_kept_links(world: World) -> None:
    resolution, _ = run(sound, world)
    for group in resolution.clusters:
        found = chain(resolution.kept, group[0], group[-1])
        assert found is not None
        assert set(found) <= set(resolution.kept)
        at = group[0]
        for link in found:
            at = link.high if at == link.low else link.low
        assert at == group[-1]


def test_an_explanation_of_direct_links_alone_is_caught() -> None:
    def direct(links: Iterable[Link], one: IdentifierId, other: IdentifierId) -> object:
        return one == other or next((link for link in links if {link.low, link.high} == {one, other}), None)

    assert is_caught(worlds(), lambda world: is_explained(direct, world))
