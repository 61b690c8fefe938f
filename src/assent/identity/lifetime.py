"""Say until when a link counts: an identifier that is not seen any more links nobody for ever.

A link of a namespace with a `lifetime` counts from its first evidence until that long after its newest, half
open; of two such ends the shorter lifetime. What is seen again counts again, from its first evidence on, so
the answer at an instant is a function of evidence and instant, whatever came in which order. A link that is
over is kept: nothing is forgotten, it joins nobody.

Pure.
"""

from collections.abc import Mapping

from assent.core.ids import NamespaceId
from assent.core.policy import Policy
from assent.core.time import FOREVER, Duration, Instant, shifted

Lifetimes = Mapping[NamespaceId, Duration]
"""Of the namespaces that have one."""


def lifetimes(policy: Policy) -> Lifetimes:
    """Return how long links count, for the namespaces that say so: most policies name none."""
    return {space.id: space.lifetime for space in policy.namespaces.values() if space.lifetime is not None}


def ends_at(lasting: Lifetimes, low: NamespaceId, high: NamespaceId, last_at: Instant) -> Instant:
    """Return the instant from which on a link seen last at `last_at` counts no longer."""
    ends = (shifted(last_at, lasting[one]) for one in (low, high) if one in lasting)
    return min(ends, default=FOREVER)
