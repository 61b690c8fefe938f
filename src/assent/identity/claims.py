"""Say which claims must go, so that no claim parts what other evidence joins.

A claim is a public key's word, and anybody holds that key: did it cut as other evidence does, a stranger
could part a person from their own address by naming it. So where claims would make an identifier of a person
shared or generic, or part it from the person's others, the claims go and the identifier stays. A browser is
kept with somebody only where it is what joins two: one on which two users are claimed is nobody's.

Pure. A function of one component, or of an identifier's own links: neither the order of arrival nor what was
dropped once is remembered.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from assent.core.ids import IdentifierId
from assent.identity.components import Group, Pair


class Outcome(Struct, frozen=True, kw_only=True):
    """What the rules leave of evidence: the clusters, and who is shared or generic."""

    clusters: Sequence[Group]
    out: AbstractSet[IdentifierId]


def is_tied(firm: int, *, named: bool) -> bool:
    """Whether an identifier with so many others by firm evidence is never generic by claims.

    A person's identifier from the first on, a device or cookie once it may be what joins two.
    """
    return firm >= (1 if named else 2)


def spared(
    cap: int, hubs: Collection[IdentifierId], firm: Iterable[Pair], named: AbstractSet[IdentifierId]
) -> frozenset[IdentifierId]:
    """Return those of the hubs who are so by claims alone, and are tied to others by firm evidence."""
    others: dict[IdentifierId, set[IdentifierId]] = {one: set() for one in hubs}
    for low, high in firm:
        if low in others:
            others[low].add(high)
        if high in others:
            others[high].add(low)
    return frozenset(
        one for one, tied in others.items() if len(tied) <= cap and is_tied(len(tied), named=one in named)
    )


def parting(
    claims: AbstractSet[Pair],
    named: AbstractSet[IdentifierId],
    outcome: Callable[[AbstractSet[Pair]], Outcome],
) -> AbstractSet[Pair]:
    """Return the claims of one component that must go; `outcome` is of its firm evidence with these claims.

    Each round lets go of the narrowest set of claims near whom they part, so it ends: without any, nobody is.
    """
    before = outcome(frozenset()).clusters
    left = claims
    while left:
        after = outcome(left)
        parted = frozenset(_parted(before, after, named))
        if not parted:
            break
        left = left - _nearest(left, parted, after.out, named)  # the caller's own are not touched
    return claims - left


def _parted(
    before: Iterable[Group], after: Outcome, named: AbstractSet[IdentifierId]
) -> Iterable[IdentifierId]:
    """Yield the members of the clusters of which the claims take a person's identifier."""
    home = {one: number for number, group in enumerate(after.clusters) for one in group}
    for group in before:
        people = named & frozenset(group)
        if len({home[one] for one in people}) > 1 or (len(group) > 1 and people & after.out):
            yield from group


def _nearest(
    claims: AbstractSet[Pair],
    parted: AbstractSet[IdentifierId],
    out: AbstractSet[IdentifierId],
    named: AbstractSet[IdentifierId],
) -> AbstractSet[Pair]:
    """Return the claims to let go of first: those between people before those about a browser."""
    between = {(low, high) for low, high in claims if low in named and high in named}
    for places in (parted & out, parted):
        for several in (between, claims):
            found = {(low, high) for low, high in several if low in places or high in places}
            if found:
                return found
    return claims
