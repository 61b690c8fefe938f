"""Judge what a model proposes: a proposal may join identifiers to somebody, never two people who are named.

Pure, and all or nothing: where proposals together would join two named people, or more identifiers than a
profile may hold, none of those that would is followed, whatever its weight: a guess is no reason to prefer
one person to another. So the answer depends on no order.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from assent.core.ids import IdentifierId
from assent.identity.components import Group, Pair, components


def refused(
    clusters: Sequence[Group],
    proposed: Sequence[Pair],
    named: AbstractSet[IdentifierId],
    fits: Callable[[Group], bool],
) -> frozenset[Pair]:
    """Return the proposed pairs that must not join.

    `clusters` are what firm evidence makes, `named` the identifiers of people, `fits` says whether a profile
    may hold so many. A pair inside one cluster joins nothing and is never refused.
    """
    cluster_of = {one: group[0] for group in clusters for one in group}
    members = {group[0]: group for group in clusters}
    joining = [(cluster_of[low], cluster_of[high]) for low, high in proposed]
    joining = [(one, other) for one, other in joining if one != other]
    bad: set[IdentifierId] = set()
    for together in components({one for pair in joining for one in pair}, joining):
        people = sum(not named.isdisjoint(members[one]) for one in together)
        everybody = tuple(sorted(one for cluster in together for one in members[cluster]))
        if people > 1 or not fits(everybody):
            bad.update(together)
    return frozenset(
        (low, high)
        for low, high in proposed
        if cluster_of[low] != cluster_of[high] and cluster_of[low] in bad
    )
