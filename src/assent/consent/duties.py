"""What a purpose's own words ask of a statement: its notice, its age, its legal basis at an instant.

Pure look-ups shared by the door, which refuses, and by `decide`, which closes.
"""

from collections.abc import Iterable

from assent.core.policy import LegalBasis, Purpose
from assent.core.time import BEGINNING, FOREVER, Duration, Instant, shifted


def notice_in_force(purpose: Purpose, version: int, at: Instant) -> bool:
    """Return whether a statement made at `at` may refer to `version` of the purpose's notice.

    Without versions every one is accepted. A version before the newest material one is stale; one that is
    not yet in force, or that never was, could not have been shown.
    """
    shown = [notice for notice in purpose.notices if notice.at <= at]
    coming = [notice.version for notice in purpose.notices if notice.at > at]
    if coming and version >= min(coming):
        return False
    if shown and version > max(notice.version for notice in shown):
        return False
    return not outdated(purpose, version, at)


def outdated(purpose: Purpose, version: int, at: Instant) -> bool:
    """Return whether at `at` a later material notice asks again whoever answered `version` (Art. 13(3))."""
    return any(notice.material and notice.version > version and notice.at <= at for notice in purpose.notices)


def old_enough(
    age: int | None, digital_age: int | None, actor: str, *, guardian_verified: bool | None
) -> bool:
    """Return whether whoever gave could give: a verified guardian, or a subject of age (Art. 8).

    Where the purpose names an age, one that is not stated is not of age.
    """
    if actor == "guardian":
        return guardian_verified is True
    return digital_age is None or (age is not None and age >= digital_age)


def legal_basis(purpose: Purpose, at: Instant) -> LegalBasis:
    """Return the basis that the purpose rests on at `at`."""
    return basis_at(purpose, at)[0]


def basis_at(purpose: Purpose, at: Instant) -> tuple[LegalBasis, Instant, bool]:
    """Return the basis at `at`, since when the purpose rests on it, and whether interests were assessed."""
    found = purpose.legal_basis, BEGINNING, purpose.lia
    for change in sorted(purpose.basis_changes, key=lambda change: change.at):
        if change.at <= at:
            found = change.legal_basis, change.at, change.lia
    return found


def lapse(acted: Instant, expires_at: Instant | None, validities: Iterable[Duration | None]) -> Instant:
    """Return the first instant at which a give made at `acted` no longer holds.

    Calendar arithmetic, clamped to the month's end. A validity that leaves the calendar lapses at once.
    """
    ends = [FOREVER if expires_at is None else expires_at]
    for validity in validities:
        if validity is not None:
            try:
                ends.append(shifted(acted, validity))
            except (OverflowError, ValueError):
                ends.append(acted)
    return min(ends)
