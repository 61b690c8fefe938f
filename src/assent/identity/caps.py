"""Say which identifiers are past a cap, and so generic: a test account, a shop's terminal, a crawler.

Pure, and computed from whole components, so neither the order of arrival nor a cap once passed is remembered.
"""

from collections.abc import Callable, Iterable, Sequence

from assent.core.ids import IdentifierId
from assent.core.time import Instant
from assent.identity.components import Group, Pair

Rank = tuple[int, Instant, bytes]
"""An identifier's place among others: priority, first evidence, keyed hash."""


def hubs(cap: int, pairs: Sequence[Pair]) -> frozenset[IdentifierId]:
    """Return the identifiers linked to more others than the cap; a pair said several times counts once."""
    if len(pairs) <= cap:
        return frozenset()
    others: dict[IdentifierId, set[IdentifierId]] = {}
    for low, high in pairs:
        others.setdefault(low, set()).add(high)
        others.setdefault(high, set()).add(low)
    return frozenset(one for one, found in others.items() if len(found) > cap)


def beyond(
    cap: int, groups: Iterable[Group], rank: Callable[[IdentifierId], Rank]
) -> frozenset[IdentifierId]:
    """Return the identifiers that rank past the cap in their group."""
    return frozenset(one for group in groups for one in sorted(group, key=rank)[cap:])
