"""Links that were undone, and which links stood at an instant in the past, as far as was known then.

Pure. Who is one person now is not asked of former links: only a question about the time in which they stood.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LinkKind
from assent.core.time import Instant
from assent.identity.resolve import Link

LinkKey = tuple[IdentifierId, IdentifierId, LinkKind]


class Former(Struct, frozen=True, kw_only=True):
    """A link that stood in [its first evidence, `until`)."""

    link: Link
    until: Instant
    undone_by: EntryIndex

    def stood(self, at: Instant, known_at: Instant) -> bool:
        """Return whether it stood at `at` for who knew what was known at `known_at`."""
        return self.link.first_at <= at and (at < self.until or known_at < self.until)


def links_then(
    links: Iterable[Link],
    former: Iterable[Former],
    committed: Mapping[EntryIndex, Instant],
    *,
    at: Instant,
    known_at: Instant,
) -> dict[LinkKey, Link]:
    """Return the links on which a question about `at` rests, by what was known at `known_at`.

    `committed` says when their entries were. Of two that follow each other the one that stood counts. A link
    is known with the first of the entries that prove it; evidence that became known later and is older moves
    its beginning all the same: that can only close.
    """
    stood = [one.link for one in former if one.stood(at, known_at)]
    return {
        (link.low, link.high, link.kind): link
        for link in (*links, *stood)
        if committed[min(link.first_entry, link.last_entry)] <= known_at
    }
