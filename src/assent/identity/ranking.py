"""Rank evidence and identifiers as the rules ask: who comes first, since when one is known.

Pure. Ties are broken by the keyed hash of the values, never by ids, which tell the order of arrival.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from assent.core.ids import IdentifierId
from assent.core.policy import ConflictRule, Policy
from assent.core.time import Instant
from assent.identity.caps import Rank
from assent.identity.components import Pair
from assent.identity.conflict import Limits

if TYPE_CHECKING:
    from assent.identity.resolve import Link, Node


def ordered(
    rule: ConflictRule,
    ranks: Mapping[IdentifierId, int],
    keys: Mapping[IdentifierId, bytes],
    part: Sequence["Link"],
) -> list[Pair]:
    """Return the pairs of one component in the order in which the rule adds them.

    `last_authenticated`: those of the component's newest time first, then the lower sum of priorities, then
    the newer. `first_owner`: the older first, then the lower sum of priorities, then what was renewed longer
    ago. Then the keyed hashes.
    """
    spans: dict[Pair, tuple[Instant, Instant]] = {}
    for link in part:
        pair = link.low, link.high
        first, last = spans.get(pair, (link.first_at, link.last_at))
        spans[pair] = min(first, link.first_at), max(last, link.last_at)
    newest = max(last for _, last in spans.values())

    def place(pair: Pair) -> tuple[int, int, int, list[bytes]]:
        first, last = spans[pair]
        ranked = ranks[pair[0]] + ranks[pair[1]]
        hashes = sorted((keys[pair[0]], keys[pair[1]]))
        if rule is ConflictRule.FIRST_OWNER:
            return first, ranked, last, hashes
        return last != newest, ranked, -last, hashes

    return sorted(spans, key=place)


def rank(policy: Policy, nodes: Sequence["Node"], links: Iterable["Link"]) -> Callable[[IdentifierId], Rank]:
    """Return what ranks identifiers, their first evidence taken from these links."""
    known_since = since(links)
    by_id = {node.id: node for node in nodes}

    def place(one: IdentifierId) -> Rank:
        node = by_id[one]
        return policy.namespaces[node.namespace].priority, known_since[one], node.key

    return place


def since(links: Iterable["Link"]) -> dict[IdentifierId, Instant]:
    """Return when each identifier was first seen with another."""
    known_since: dict[IdentifierId, Instant] = {}
    for link in links:
        for one in (link.low, link.high):
            known_since[one] = min(known_since.get(one, link.first_at), link.first_at)
    return known_since


def limits(policy: Policy, standing: Iterable["Link"], proposals: Iterable["Link"] = ()) -> Limits:
    """Return the policy's limits. A proposal says when somebody was seen only of whom nothing else does."""
    spaces = [space for space in policy.namespaces.values() if space.limit is not None]
    periods = {space.id: space.limit_period for space in spaces if space.limit_period is not None}
    return Limits(
        counts={space.id: space.limit for space in spaces if space.limit is not None},
        periods=periods,
        since=since(proposals) | since(standing) if periods else {},
    )
