"""Whether the source itself gave, and whether its give meets every duty of consent.

Pure. These are steps 18 to 26 of `decide`. A give that fails a duty is as if it had not been made; the newest
that meets them all governs, also when it has lapsed.
"""

from collections.abc import Callable, Sequence
from typing import Final

from assent.consent.case import Case, no, yes
from assent.consent.denial import own_denial
from assent.consent.duties import lapse, outdated
from assent.consent.effect import is_act, is_confirmed, is_of_age, is_proven
from assent.consent.history import newest
from assent.consent.question import Decision, Reason
from assent.consent.statement import WIDENING, Statement

Duty = Callable[[Case, Statement], bool]


def answer(case: Case) -> Decision:
    """Return yes with the newest give that meets every duty, or no with the first duty that none meets."""
    gives = own_gives(case)
    if not gives:
        return no(18, Reason.SILENT, "7(1)")  # (18) the source itself gave
    for step, reason, article, is_met in DUTIES:  # (19) to (24)
        meeting = [give for give in gives if is_met(case, give)]
        if not meeting:
            return _no(step, reason, article, gives)
        gives = meeting
    last = max(give.acted_at for give in gives)
    gives = [give for give in gives if give.acted_at == last]
    for step, reason, article, holds in TERMS:  # (25) and (26), of the newest; where two tie, of both
        if not all(holds(case, give) for give in gives):
            return _no(step, reason, article, gives)
    governing = newest(gives)
    entry = None if governing is None else governing.entry
    return yes(26, "9(2)(a)" if case.explicit else "6(1)(a)", entry)


def own_gives(case: Case) -> list[Statement]:
    """Return what was given for the source's data, the purpose or an ancestor, since the source last denied.

    By the source itself, or by the person, authenticated, once the source was linked to them.
    """
    denied = own_denial(case)
    return [
        said
        for said in case.said
        if said.state in WIDENING
        and said.purpose is not None
        and (case.is_own(said) or case.speaks_for_source(said))
        and case.is_whole(said)
        and (denied is None or said.acted_at > denied)
    ]


def was_declared(case: Case, said: Statement) -> bool:
    """Return whether the purpose, and each one between, was declared when the statement was made."""
    for purpose in case.lineage:
        if purpose.declared is not None and purpose.declared > said.acted_at:
            return False
        if purpose.id == said.purpose:
            break
    return True


def _acts(_case: Case, give: Statement) -> bool:
    return is_act(give)


def _proves(_case: Case, give: Statement) -> bool:
    return is_proven(give)


def _is_of_age(case: Case, give: Statement) -> bool:
    return is_of_age(give, case.purpose)


def _is_confirmed(case: Case, give: Statement) -> bool:
    return is_confirmed(give, case.purpose, case.history, case.at)


def _is_explicit(case: Case, give: Statement) -> bool:
    return give.explicit or not case.explicit


def is_informed(case: Case, said: Statement) -> bool:
    """Return whether it names a version of its purpose's notice that no material change has outdated."""
    return said.notice_version is not None and not any(
        purpose.id == said.purpose and outdated(purpose, said.notice_version, case.at)
        for purpose in case.lineage
    )


def _is_running(case: Case, give: Statement) -> bool:
    """Half open: at the very instant of expiry it no longer holds."""
    validities = [
        purpose.validity for purpose in case.lineage if purpose is case.purpose or purpose.id == give.purpose
    ]
    return case.at < lapse(give.acted_at, give.expires_at, validities)


DUTIES: Final[Sequence[tuple[int, Reason, str, Duty]]] = (
    (19, Reason.NOT_COVERED, "5(1)(b)", was_declared),
    (20, Reason.NO_ACT, "4(11)", _acts),
    (21, Reason.UNPROVEN, "7(1)", _proves),
    (22, Reason.AGE, "8(1)", _is_of_age),
    (23, Reason.UNCONFIRMED, "7(1)", _is_confirmed),
    (24, Reason.NOT_EXPLICIT, "9(2)(a)", _is_explicit),
)
"""What a give must meet when it is made or soon after; one that does not never counts."""

TERMS: Final[Sequence[tuple[int, Reason, str, Duty]]] = (
    (25, Reason.STALE_NOTICE, "13(3)", is_informed),
    (26, Reason.EXPIRED, "5(1)(e)", _is_running),
)
"""What the governing give must still meet at the instant asked about."""


def _no(step: int, reason: Reason, article: str, gives: Sequence[Statement]) -> Decision:
    failing = newest(gives)
    return no(step, reason, article, None if failing is None else failing.entry)
