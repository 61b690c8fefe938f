"""Cut the one resolution into the profiles that one purpose may see.

Pure. A view is the components over the links that the resolution kept and the purpose may use. So taking
a link, a kind or a permission from a purpose can only split, and a profile of a view is part of one cluster.
`denies` and `agrees` are identifiers, by their own newest statement about linking.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum

from assent.core.ids import IdentifierId, ProfileId
from assent.core.policy import LinkUse
from assent.identity.components import Group, components
from assent.identity.resolve import Link


class Unusable(StrEnum):
    """Why a purpose may not use a link that the resolution kept."""

    KIND = "kind_not_used"
    """The policy admits no evidence of this kind for it."""
    DENIED = "linking_denied"
    """One end's own newest statement denies being linked."""
    NOT_AGREED = "linking_not_agreed"
    """The policy asks for agreement, and neither end gave it."""


def unusable(
    use: LinkUse, link: Link, denies: AbstractSet[IdentifierId], agrees: AbstractSet[IdentifierId]
) -> Unusable | None:
    """Return why a purpose with this use may not count both ends of a kept link as one; None if it may.

    (1) The policy admits its kind; (2) neither end denies; (3) where the policy asks for it, one end agrees.
    """
    if link.kind not in use.kinds:  # (1)
        return Unusable.KIND
    if link.low in denies or link.high in denies:  # (2)
        return Unusable.DENIED
    if use.agreement and link.low not in agrees and link.high not in agrees:  # (3)
        return Unusable.NOT_AGREED
    return None


def cut(
    identifiers: Iterable[IdentifierId],
    kept: Iterable[Link],
    use: LinkUse,
    denies: AbstractSet[IdentifierId] = frozenset(),
    agrees: AbstractSet[IdentifierId] = frozenset(),
) -> tuple[Group, ...]:
    """Return the profiles of a view over the kept links of a resolution, ascending, singles included."""
    pairs = [(link.low, link.high) for link in kept if unusable(use, link, denies, agrees) is None]
    return components(identifiers, pairs)


def profile_ids(clusters: Iterable[Group]) -> Mapping[IdentifierId, ProfileId]:
    """Return each identifier's profile: the lowest identifier of its cluster."""
    return {one: ProfileId(min(cluster)) for cluster in clusters for one in cluster}
