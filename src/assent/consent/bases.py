"""What a legal basis asks for, and what it opens without a statement of consent.

Pure. These are steps 10 to 17 of `decide`: each returns the answer where its step decides, else None.
"""

from assent.consent.case import Case, no, yes
from assent.consent.effect import has_effect
from assent.consent.given import is_informed, was_declared
from assent.consent.history import newest
from assent.consent.question import Decision, Reason
from assent.consent.statement import State, Statement
from assent.core.policy import LegalBasis

CONSENT = frozenset({LegalBasis.CONSENT, LegalBasis.EXPLICIT_CONSENT})


def special(case: Case) -> Decision | None:
    """Close special categories, inferred ones too, to every basis but consent (Art. 9(1))."""
    if case.special and case.basis not in CONSENT:
        return no(10, Reason.SPECIAL, "9(1)")
    return None


def automated(case: Case) -> Decision | None:
    """Close significant automated decisions to legitimate interests (Art. 22(2) does not name them)."""
    if case.purpose.automated_significant and case.basis is LegalBasis.LEGITIMATE_INTERESTS:
        return no(11, Reason.AUTOMATED, "22(1)")
    return None


def opened(case: Case) -> Decision | None:
    """Open what a contract or the law asks for."""
    if case.basis is LegalBasis.CONTRACT:
        return yes(12, "6(1)(b)")
    if case.basis is LegalBasis.LEGAL_OBLIGATION:
        return yes(12, "6(1)(c)")
    return None


def unassessed(case: Case) -> Decision | None:
    """Close interests that nobody weighed against the person's."""
    if case.basis is LegalBasis.LEGITIMATE_INTERESTS and not case.assessed:
        return no(13, Reason.UNASSESSED, "6(1)(f)")
    return None


def interests(case: Case) -> Decision | None:
    """Open legitimate interests to who was told of them, since the purpose rests on them; else close."""
    if case.basis is not LegalBasis.LEGITIMATE_INTERESTS:
        return None
    notice = newest(said for said in case.said if _informs(case, said))
    if notice is None:
        return no(14, Reason.NOT_INFORMED, "13(1)(d)")
    return yes(14, "6(1)(f)", notice.entry)


def _informs(case: Case, said: Statement) -> bool:
    """A give names the notice it answers, so it too was shown one."""
    return (
        said.purpose is not None
        and (said.state is State.NOTICE_SHOWN or has_effect(said, case.purpose, case.history, case.at))
        and case.is_own(said)
        and case.is_whole(said)
        and said.acted_at >= case.basis_since
        and was_declared(case, said)
        and is_informed(case, said)
    )


def not_free(case: Case) -> Decision | None:
    """Close consent where the controller's power leaves no choice (recital 43)."""
    return no(15, Reason.NOT_FREE, "7(4)") if case.purpose.imbalance else None


def hard_to_withdraw(case: Case) -> Decision | None:
    """Close consent that can be given where it cannot be withdrawn."""
    if case.purpose.give_channels <= case.purpose.withdraw_channels:
        return None
    return no(16, Reason.HARD_TO_WITHDRAW, "7(3)")


def composed(case: Case) -> Decision | None:
    """Open a composite whose parts, all open by step 8, ask for everything that it would ask itself."""
    purpose = case.purpose
    if not purpose.requires_all:
        return None
    has_duties = (
        case.explicit
        or purpose.double_opt_in
        or purpose.digital_age is not None
        or purpose.validity is not None
        or bool(purpose.notices)
    )
    return None if has_duties else yes(17, "6(1)(a)")
