"""Which gives have effect: what the door would have refused neither opens nor takes back a denial.

Pure predicates over one statement, one a duty, used for the give that opens and for the give that supersedes.
"""

from assent.consent.duties import old_enough
from assent.consent.history import History
from assent.consent.statement import ACTORS, MECHANISMS, WIDENING, State, Statement
from assent.core.policy import Purpose
from assent.core.time import Instant


def has_effect(give: Statement, purpose: Purpose, history: History, at: Instant) -> bool:
    """Return whether a statement is a give that meets every duty it must meet by itself."""
    return (
        give.state in WIDENING
        and is_act(give)
        and is_proven(give)
        and is_of_age(give, purpose)
        and is_confirmed(give, purpose, history, at)
    )


def is_act(give: Statement) -> bool:
    """Freely given and unambiguous, by somebody who can give (Art. 4(11), 7(2), 7(4))."""
    return (
        give.mechanism in MECHANISMS
        and give.actor in ACTORS
        and not give.bundle
        and not give.conditional_on_service
    )


def is_proven(give: Statement) -> bool:
    """Informed, and provably so: it names the notice it answers (Art. 7(1))."""
    return give.notice_version is not None


def is_of_age(give: Statement, purpose: Purpose) -> bool:
    """Given by a subject of the purpose's digital age, or by a verified guardian (Art. 8)."""
    return old_enough(
        give.subject_age, purpose.digital_age, give.actor, guardian_verified=give.guardian_verified
    )


def is_confirmed(give: Statement, purpose: Purpose, history: History, at: Instant) -> bool:
    """Confirmed by then, where the purpose asks for a double opt-in."""
    return not purpose.double_opt_in or any(
        said.state is State.CONFIRMED
        and said.identifier == give.identifier
        and said.address == give.address
        and said.acted_at >= give.acted_at
        for said in history.heard((give.purpose,), at)
    )
