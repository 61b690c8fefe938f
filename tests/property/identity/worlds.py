"""Small worlds in which much goes wrong: few values and times, low caps, every rule and kind of link."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from assent.core.ids import IdentifierId
from assent.core.policy import ConflictRule, LinkKind, Policy
from assent.core.time import Instant
from assent.identity.components import Pair
from assent.identity.resolve import Link, Node, Resolution, resolve
from tests.support.identities import Evidence, Sighting, gather, identity_policy

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
_CANARY = settings(
    max_examples=4000,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

Case = TypeVar("Case")
Resolver = Callable[[Policy, tuple[Node, ...], tuple[Link, ...], frozenset[Pair]], Resolution]


class World(NamedTuple):
    policy: Policy
    sightings: tuple[Sighting, ...]
    denied: tuple[tuple[str, str], ...] = ()


NOW = Instant(4)
"""After every sighting, and two later than some."""

SPACES = ("user", "email", "phone", "device", "cookie")


def policies(caps: bool = True) -> st.SearchStrategy[Policy]:
    return st.builds(
        identity_policy,
        st.sampled_from(
            [
                "user!1 email!1 phone device cookie",
                "user!1 email!2 phone device cookie!3",
                "user!1 email!1/2 phone device!1/3 cookie~2",
            ]
        ),
        st.sampled_from(ConflictRule),
        identifiers_per_profile=st.sampled_from([3, 4, 100] if caps else [100]),
        links_per_identifier=st.sampled_from([3, 5, 200] if caps else [200]),
        probable_threshold=st.sampled_from([None, 1, 600_000]),
    )


NAMES = st.sampled_from([f"{space}:{value}" for space in SPACES for value in range(4)])
SIGHTINGS = st.builds(
    Sighting,
    st.integers(0, 3),
    st.frozensets(NAMES, min_size=2, max_size=3),
    st.sampled_from([LinkKind.OBSERVED] * 4 + [LinkKind.CLAIMED, LinkKind.ASSERTED, LinkKind.PROBABLE]),
)


@st.composite
def worlds(draw: st.DrawFn, *, caps: bool = True) -> World:
    sightings = tuple(draw(st.lists(SIGHTINGS, min_size=1, max_size=9)))
    pairs = sorted(
        {(one, other) for _, names, _ in sightings for one in names for other in names if one < other}
    )
    denied = draw(st.lists(st.sampled_from(pairs), max_size=2))
    return World(draw(policies(caps)), sightings, tuple(denied))


def run(resolver: Resolver, world: World) -> tuple[Resolution, Evidence]:
    evidence = gather(world.policy, world.sightings)
    denied = frozenset(evidence.pair(*names) for names in world.denied)
    return resolver(world.policy, evidence.nodes, evidence.links, denied), evidence


def told(resolver: Resolver, world: World) -> object:
    """Return everything a resolution says, in names, so that worlds with other ids compare."""
    resolution, evidence = run(resolver, world)
    named = evidence.named
    return (
        {named(group) for group in resolution.clusters},
        named(resolution.shared),
        named(resolution.generic),
        {(named((link.low, link.high)), link.kind, link.first_at, link.last_at) for link in resolution.kept},
        {(named((one.link.low, one.link.high)), one.link.kind, one.reason) for one in resolution.dropped},
    )


def refines(
    finer: tuple[tuple[IdentifierId, ...], ...], coarser: tuple[tuple[IdentifierId, ...], ...]
) -> bool:
    """Whether every group of the one is part of a group of the other."""
    home = {one: number for number, group in enumerate(coarser) for one in group}
    return all(len({home[one] for one in group}) == 1 for group in finer)


def is_caught(cases: st.SearchStrategy[Case], holds: Callable[[Case], bool]) -> bool:
    """Whether a law that should not hold is found out."""
    return not holds(find(cases, lambda case: not holds(case), settings=_CANARY))


def sound(
    policy: Policy, nodes: tuple[Node, ...], links: tuple[Link, ...], denied: frozenset[Pair]
) -> Resolution:
    """Resolve as it is."""
    return resolve(policy, nodes, links, denied, now=NOW)
