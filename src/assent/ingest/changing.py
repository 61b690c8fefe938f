"""What becomes different for purposes when a component becomes another: what each can see.

Pure: two `Derived` are held against each other; nothing is derived here, nothing raised.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from assent.core.ids import IdentifierId, ProfileId, PurposeId, PurposeMask
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.ingest.component import Derived


class Change(NamedTuple):
    """What a purpose can see of one profile is no longer what it was."""

    purpose: PurposeId
    profile: ProfileId
    narrowing: bool


def changes(
    before: Derived,
    after: Derived,
    policy: Policy,
    touched: Iterable[IdentifierId],
    seen_by: Mapping[IdentifierId, PurposeMask],
    now: Instant,
) -> Iterator[Change]:
    """Yield what changed for each purpose, each profile once, in order of purpose and profile.

    Narrowing is whatever is more than an addition: a permit that shrank, a profile that an identifier left.
    An identifier that the purpose may not use, before or after, changes nothing for it; nor does one that a
    permit without a statement covers, as long as the purpose may not know of it (`seen_by`). Who lapsed
    before `now` was nobody to it already, also while the permit that is over is still written down.
    """
    identifiers = tuple(touched)
    for purpose in policy.purposes.values():
        seen: dict[ProfileId, bool] = {}
        for one in identifiers:
            known = seen_by.get(one, 0) >> purpose.id & 1 == 1
            old = coverage(before, one, purpose.id, now=now, known=known)
            new = coverage(after, one, purpose.id, now=now, known=known)
            if not old and not new:
                continue
            left, entered = before.profile(purpose.view, one), after.profile(purpose.view, one)
            if old == new and left == entered:
                continue
            narrower = bool(old) and (left != entered or not covers(new, old))
            for profile, shows in ((left, old), (entered, new)):
                if shows:
                    seen[profile] = seen.get(profile, False) or narrower
        for profile, narrowing in sorted(seen.items()):
            yield Change(purpose.id, profile, narrowing)


def coverage(
    derived: Derived, one: IdentifierId, purpose: PurposeId, *, now: Instant, known: bool
) -> tuple[tuple[int, int, int], ...]:
    """Return what an identifier's permits show a purpose from now on, unless it may not know of it."""
    return tuple(
        (permit.categories, permit.since, permit.until)
        for permit in derived.permits.get(one, ())
        if permit.purpose == purpose and permit.until > now and (known or permit.entry >= 0)
    )


def covers(new: tuple[tuple[int, int, int], ...], old: tuple[tuple[int, int, int], ...]) -> bool:
    """Whether everything that was shown is shown still, from as early and for as long."""
    return all(
        any(have & wanted == wanted and since <= began and until >= ended for have, since, until in new)
        for wanted, began, ended in old
    )
