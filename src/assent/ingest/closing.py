"""What a purpose may no longer use for good, by what stood for a component before and what stands now.

Pure; nothing raises.
"""

from collections.abc import Collection, Iterator
from functools import reduce
from operator import or_
from typing import NamedTuple

from assent.consent.statement import NARROWING, Statement
from assent.core.ids import RESOLUTION, CategoryMask, IdentifierId, PurposeId
from assent.core.policy import Policy, Purpose
from assent.core.time import Instant
from assent.ingest.component import Derived


class Closing(NamedTuple):
    """A purpose may no longer use what it collected about an identifier in these categories."""

    identifier: IdentifierId
    purpose: PurposeId
    categories: CategoryMask


def closings(
    before: Derived,
    after: Derived,
    now: Instant,
    *,
    negative: bool,
    among: Collection[IdentifierId] | None = None,
) -> Iterator[Closing]:
    """Yield what is closed for good: permits that a negative statement or time ended, or that began anew.

    For the purpose the world begins again at its present permit; what was carried for it before goes. A link
    alone closes nothing for good: undoing it must restore. `among`: for nobody else it is others.
    """
    for one in before.permits if among is None else among:
        olds = before.permits.get(one, ())
        news = after.permits.get(one, ())
        for purpose in sorted({old.purpose for old in olds}):
            gone = 0
            for old in (permit for permit in olds if permit.purpose == purpose):
                kept = 0
                later = 0
                for new in (permit for permit in news if permit.purpose == purpose):
                    kept |= new.categories if new.since <= old.since else 0
                    later |= new.categories if new.since > old.since else 0
                ended = old.categories & ~(kept | later) if negative or old.until <= now else 0
                gone |= ended | (old.categories & later & ~kept)
            if gone:
                yield Closing(one, purpose, CategoryMask(gone))


def reopened(before: Derived, after: Derived, among: Collection[IdentifierId]) -> Iterator[Closing]:
    """Yield what a statement opened: what was carried before its permit, and closed by a link, stays gone."""
    for one in among:
        for new in after.permits[one]:
            olds = (old.categories for old in before.permits.get(one, ()) if old.purpose == new.purpose)
            opened = new.categories & ~reduce(or_, olds, 0)
            if opened:
                yield Closing(one, new.purpose, CategoryMask(opened))


def refused(said: Statement, after: Derived, policy: Policy) -> Iterator[Closing]:
    """Yield what a negative statement is about and leaves closed, of the whole person.

    A link may have closed it before, so that nothing ends here; what was carried goes all the same.
    """
    if said.state not in NARROWING or said.address is not None:
        return
    for purpose in policy.purposes.values():
        if not _is_within(policy, purpose, said.purpose):
            continue
        for one in after.members(RESOLUTION, said.identifier):
            news = (permit.categories for permit in after.permits[one] if permit.purpose == purpose.id)
            closed = (said.categories or purpose.categories) & ~reduce(or_, news, 0)
            if closed:
                yield Closing(one, purpose.id, CategoryMask(closed))


def _is_within(policy: Policy, purpose: Purpose, stated: PurposeId | None) -> bool:
    """Whether a statement about `stated` is about the purpose: it is the purpose or an ancestor."""
    if stated is None:
        return True
    step: PurposeId | None = purpose.id
    while step is not None and step != stated:
        above = policy.purposes.get(step)
        step = None if above is None else above.parent
    return step is not None
