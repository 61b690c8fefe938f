"""Whether what a signal says is said for the first time, by what the identifier said before.

Clients repeat a preference on every call. A repetition is no statement: nobody acted. So what narrows
counts unless it stands already, and what widens counts only where nothing was said before, or where the
person chose anew, later than anything said before: a stored yes that a client still repeats never outlives a
withdrawal, and renews nothing.

Pure. Raises nothing.
"""

from collections.abc import Sequence

from assent.consent.statement import NARROWING, WIDENING, Statement
from assent.core.time import BEGINNING, Instant


def stands(said: Statement, own: Sequence[Statement]) -> bool:
    """Return whether the identifier has said the same no, and nothing else since."""
    given = max(
        (one.acted_at for one in own if one.purpose == said.purpose and one.state in WIDENING),
        default=BEGINNING,
    )
    return any(
        one.state is said.state
        and one.purpose == said.purpose
        and one.address is None
        and not one.categories
        and one.acted_at >= given
        for one in own
    )


def is_chosen(said: Statement, own: Sequence[Statement], *, chosen_at: Instant | None, is_open: bool) -> bool:
    """Return whether a yes is one that the person has just made, or the first word about the purpose.

    `is_open`: whether the purpose may be used now; a yes that changes nothing is no statement either.
    """
    stances = [
        one for one in own if one.purpose in (said.purpose, None) and one.state in NARROWING | WIDENING
    ]
    if not stances:
        return True
    if chosen_at is None or is_open:
        return False
    return chosen_at > max(one.acted_at for one in stances)
