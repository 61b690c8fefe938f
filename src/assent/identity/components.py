"""Group identifiers by the pairs that join them.

Pure: union-find over small lists, the smaller poured into the larger, so every identifier moves at most
log2(n) times. No rule is known here.
"""

from collections.abc import Iterable

from assent.core.ids import IdentifierId

Pair = tuple[IdentifierId, IdentifierId]
"""Two identifiers, the lower id first."""

Group = tuple[IdentifierId, ...]
"""Identifiers held together, ascending."""


def components(members: Iterable[IdentifierId], pairs: Iterable[Pair]) -> tuple[Group, ...]:
    """Return the connected groups, ascending; every member is in exactly one, alone if nothing joins it.

    Raises KeyError when a pair names an identifier that is not a member.
    """
    group = {one: [one] for one in members}
    for low, high in pairs:
        large, small = group[low], group[high]
        if large is small:
            continue
        if len(large) < len(small):
            large, small = small, large
        large += small
        for one in small:
            group[one] = large
    distinct = {id(found): found for found in group.values()}
    return tuple(sorted(tuple(sorted(found)) for found in distinct.values()))
