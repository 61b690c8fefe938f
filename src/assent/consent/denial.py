"""Which statement denies, if any: a denial travels over the resolution to every identifier of the person.

Pure. A denial is in force until whoever made it gives again, or until the person, authenticated, gives after
the link that carries it. A denial of a child purpose or for one address is taken
back as specifically.
"""

from collections.abc import Iterator

from assent.consent.case import Case
from assent.consent.duties import lapse, legal_basis, outdated
from assent.consent.effect import has_effect
from assent.consent.history import newest, rank
from assent.consent.statement import NARROWING, WIDENING, State, Statement
from assent.core.ids import IdentifierId
from assent.core.policy import LegalBasis, Purpose
from assent.core.time import Instant

Speaker = tuple[bool, IdentifierId]
"""Who can take a statement back: its identifier, or (True) whoever speaks for the address it is bound to."""


def denying(case: Case) -> Statement | None:
    """Return the newest denial in force of the purpose or an ancestor, by any identifier of the person."""
    return newest(said for purpose in case.lineage for said in _in_force(case, purpose))


def own_denial(case: Case) -> Instant | None:
    """Return when the source last denied the purpose or an ancestor; what it gave before is gone."""
    denied = None
    for purpose in case.lineage:
        for said in case.said:
            if _is_about(said, purpose) and case.is_own(said) and _denies(case, purpose, said):
                denied = said.acted_at if denied is None else max(denied, said.acted_at)
    return denied


def _in_force(case: Case, purpose: Purpose) -> Iterator[Statement]:
    """Yield each speaker's newest denial of one purpose, unless it was taken back or lifted."""
    denials: dict[Speaker, Statement] = {}
    gives: list[Statement] = []
    for said in case.said:
        if not _is_about(said, purpose) or not _reaches(case, said):
            continue
        if _denies(case, purpose, said):
            earlier = denials.get(_speaker(said))
            if earlier is None or rank(said) > rank(earlier):
                denials[_speaker(said)] = said
        elif said.state in WIDENING and said.purpose is not None and case.is_whole(said):
            gives.append(said)
    gives = [
        give
        for give in (gives if denials else ())
        if not _is_denied_since(give, denials.get(_speaker(give)))
        and has_effect(give, purpose, case.history, case.at)
    ]
    for speaker, denial in denials.items():
        taken_back = any(_speaker(give) == speaker for give in gives)
        if not taken_back and not any(_lifts(case, purpose, give, denial) for give in gives):
            yield denial


def _is_about(said: Statement, purpose: Purpose) -> bool:
    return said.purpose is None or said.purpose == purpose.id


def _reaches(case: Case, said: Statement) -> bool:
    """What is bound to an address speaks about that address; all else about the whole person."""
    return case.binds(said) if said.address is not None else said.identifier in case.person


def _speaker(said: Statement) -> Speaker:
    return (False, said.identifier) if said.address is None else (True, said.address)


def _is_denied_since(give: Statement, denial: Statement | None) -> bool:
    """Return whether the denial came with the give or after it: a tie denies."""
    return denial is not None and denial.acted_at >= give.acted_at


def _denies(case: Case, purpose: Purpose, said: Statement) -> bool:
    if said.state is State.SUPPRESSED:
        return purpose.direct_marketing
    if said.state not in NARROWING or (said.state is State.GPC and not purpose.gpc):
        return False
    # The basis it was said under counts too: changing the basis later takes nothing back.
    bases = case.basis, legal_basis(case.purpose, said.acted_at)
    return not all(_overrides(basis, case.purpose, said.state) for basis in bases)


def _overrides(basis: LegalBasis, purpose: Purpose, state: State) -> bool:
    """Return whether processing on this basis goes on against such a statement.

    Direct marketing never does (Art. 21(3)), and a purpose that listens to a browser's signal obeys it.
    """
    if purpose.direct_marketing or state is State.GPC:
        return False
    if basis is LegalBasis.LEGITIMATE_INTERESTS:
        return purpose.compelling_grounds and state is State.OBJECTED  # Art. 21(1)
    return basis in (LegalBasis.CONTRACT, LegalBasis.LEGAL_OBLIGATION)


def _lifts(case: Case, purpose: Purpose, give: Statement, denial: Statement) -> bool:
    """Return whether the person, authenticated, gave after the denial and after the link that carries it."""
    return (
        give.authenticated
        and give.person_scope
        and give.address is None
        and denial.address is None
        and give.acted_at > denial.acted_at
        and denial.identifier in case.history.person(give.identifier, case.at, give.acted_at)
        and give.notice_version is not None
        and not outdated(purpose, give.notice_version, case.at)
        and case.at < lapse(give.acted_at, give.expires_at, (purpose.validity,))
    )
