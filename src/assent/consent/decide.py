"""Decide whether one purpose may use one person's data, from what the person said.

Pure and total: the caller brings the history, the resolution, the policy and the instant. Nothing is read,
nothing is remembered. The answer always names the step, the article and, where one spoke, the entry.

     1  the policy declares the purpose, and had by then                   Art. 5(1)(b)
     2  the purpose declares the category                                  Art. 5(1)(c)
     3  the identifiers are this person's                                  Art. 5(1)(d)
     4  none of them was erased                                            Art. 17(1)
     5  nothing of the person is restricted                                Art. 18(1)
     6  no finding stands against how consent was asked for                Art. 5(2)
     7  no statement in force denies: of the purpose or an ancestor,       Art. 7(3), 21
        by any identifier of the person, not overridden by the basis
     8  every purpose it requires is open
     9  every purpose that the category names besides is open
    10  special categories rest on consent                                 Art. 9(1)
    11  significant automated decisions do not rest on interests           Art. 22
    12  a contract or the law opens by itself                              Art. 6(1)(b), (c)
    13  legitimate interests were assessed                                 Art. 6(1)(f)
    14  and open once the source was shown the notice                      Art. 13(1)(d)
    15  consent is freely given: no imbalance                              Art. 7(4)
    16  and as easy to withdraw as to give                                 Art. 7(3)
    17  a composite without duties of its own stands on what it requires
    18  the source itself gave since it last denied                        Art. 7(1)
    19  when the purpose had been declared                                 Art. 5(1)(b)
    20  by an affirmative act                                              Art. 4(11)
    21  that names the notice it answers                                   Art. 7(1)
    22  of age, or through a verified guardian                             Art. 8(1)
    23  confirmed, where two steps are asked for                           Art. 7(1)
    24  explicitly, where that is asked for                                Art. 9(2)(a), 22(2)(c)
    25  the notice has not materially changed since                        Art. 13(3)
    26  and the give has not expired                                       Art. 5(1)(e)

Steps 1 to 11 only close; what is missing, unknown, lapsed or conflicting closes. 18 to 26 are in `given`.
"""

from collections.abc import Sequence

from assent.consent import bases, given
from assent.consent.case import Case, no, open_case
from assent.consent.denial import denying
from assent.consent.history import History, newest, rank
from assent.consent.question import Bond, Cluster, Decision, Question, Reason
from assent.consent.statement import MARKS, State, Statement
from assent.core.ids import CategoryId, IdentifierId, PurposeId
from assent.core.policy import Policy, Purpose

__all__ = ["Bond", "Cluster", "Decision", "Question", "Reason", "closed_for_all", "decide", "judge"]


def decide(history: Sequence[Statement], cluster: Cluster, policy: Policy, question: Question) -> Decision:
    """Answer one question: yes only if the data of every source may be used."""
    known = History(history, cluster, question.known_at)
    first, *others = question.sources or (question.identifier,)
    answer = judge(known, policy, question, first)
    for source in others:
        if answer.allowed:
            answer = judge(known, policy, question, source)
    return answer


def judge(history: History, policy: Policy, question: Question, source: IdentifierId) -> Decision:
    """Answer for the data of one source."""
    return _judge(history, policy, question, source, question.purpose, asking=frozenset(), also=True)


def closed_for_all(history: History, policy: Policy, question: Question) -> bool:
    """Return whether steps 5 to 7 close the purpose, or one that it asks for, to every source of the person.

    What is bound to an address is left to `judge`, unless the address itself is asked about.
    """
    for number in _asked_for(policy, question):
        purpose = policy.purposes.get(number)
        if purpose is not None:
            case = open_case(history, policy, question, question.identifier, purpose)
            if _restricted(case) or _found_against(case) or _denied(case):
                return True
    return False


def _asked_for(policy: Policy, question: Question) -> list[PurposeId]:
    """Return the purpose, the category's companions, and whatever these require in turn."""
    also = () if question.category is None else policy.categories[question.category].also
    numbers = [question.purpose, *also]
    for number in numbers:  # grows while it is walked
        purpose = policy.purposes.get(number)
        numbers += [part for part in (purpose.requires_all if purpose else ()) if part not in numbers]
    return numbers


def _judge(
    history: History,
    policy: Policy,
    question: Question,
    source: IdentifierId,
    number: PurposeId,
    *,
    asking: frozenset[PurposeId],
    also: bool,
) -> Decision:
    purpose = policy.purposes.get(number)
    if purpose is None or (purpose.declared is not None and purpose.declared > question.at):
        return no(1, Reason.UNKNOWN_PURPOSE, "5(1)(b)")  # (1) the policy declares the purpose
    category = question.category
    if category is not None and not _declares(policy, purpose, category):
        return no(2, Reason.CATEGORY, "5(1)(c)")  # (2) the purpose declares the category
    case = open_case(history, policy, question, source, purpose, asking=asking)
    return (
        _stranger(case)  # (3)
        or _erased(case)  # (4)
        or _restricted(case)  # (5)
        or _found_against(case)  # (6)
        or _denied(case)  # (7)
        or _part_closed(case)  # (8)
        or (_companion_closed(case) if also else None)  # (9)
        or bases.special(case)  # (10)
        or bases.automated(case)  # (11)
        or bases.opened(case)  # (12)
        or bases.unassessed(case)  # (13)
        or bases.interests(case)  # (14)
        or bases.not_free(case)  # (15)
        or bases.hard_to_withdraw(case)  # (16)
        or bases.composed(case)  # (17)
        or given.answer(case)  # (18) to (26)
    )


def _declares(policy: Policy, purpose: Purpose, category: CategoryId) -> bool:
    return category in policy.categories and bool(purpose.categories >> category & 1)


def _stranger(case: Case) -> Decision | None:
    members = case.history.cluster.members
    if case.question.identifier in members and case.source in members and case.source in case.person:
        return None
    return no(3, Reason.STRANGER, "5(1)(d)")


def _erased(case: Case) -> Decision | None:
    """What was erased is gone for good; an identifier seen again after it is another one."""
    ends = case.source, case.question.identifier
    erased = newest(said for said in case.said if said.state is State.ERASED and said.identifier in ends)
    return None if erased is None else no(4, Reason.ERASED, "17(1)", erased.entry)


def _restricted(case: Case) -> Decision | None:
    """Restricting one identifier restricts the person, until that identifier is released; a tie restricts."""
    marks: dict[tuple[IdentifierId, PurposeId | None], Statement] = {}
    for said in case.said:
        if said.state in MARKS and said.identifier in case.person:
            earlier = marks.get((said.identifier, said.purpose))
            if earlier is None or _later_mark(said) > _later_mark(earlier):
                marks[said.identifier, said.purpose] = said
    standing = newest(said for said in marks.values() if said.state is State.RESTRICTED)
    return None if standing is None else no(5, Reason.RESTRICTED, "18(1)", standing.entry)


def _later_mark(said: Statement) -> tuple[object, ...]:
    return said.acted_at, said.state is State.RESTRICTED, *rank(said)


def _found_against(case: Case) -> Decision | None:
    finding = newest(
        said for said in case.said if said.state is State.FINDING and said.identifier in case.person
    )
    return None if finding is None else no(6, Reason.FINDING, "5(2)", finding.entry)


def _denied(case: Case) -> Decision | None:
    denial = denying(case)
    if denial is None:
        return None
    reason, article = _DENIALS[denial.state]
    return no(7, reason, article, denial.entry)


def _part_closed(case: Case) -> Decision | None:
    """A requirement that leads back to a purpose being judged is never met."""
    for part in case.purpose.requires_all:
        if part in case.asking:
            return no(8, Reason.REQUIRED, "5(1)(b)")
        answer = _ask(case, part)
        if not answer.allowed:
            return no(8, Reason.REQUIRED, answer.article, answer.entry)
    return None


def _companion_closed(case: Case) -> Decision | None:
    """Companions do not ask for theirs in turn: the category names them all."""
    if case.category is None:
        return None
    for companion in case.policy.categories[case.category].also:
        if companion != case.question.purpose:
            answer = _ask(case, companion)
            if not answer.allowed:
                return no(9, Reason.ALSO, answer.article, answer.entry)
    return None


def _ask(case: Case, number: PurposeId) -> Decision:
    return _judge(
        case.history, case.policy, case.question, case.source, number, asking=case.asking, also=False
    )


_DENIALS = {
    State.REFUSED: (Reason.REFUSED, "6(1)(a)"),
    State.WITHDRAWN: (Reason.WITHDRAWN, "7(3)"),
    State.OBJECTED: (Reason.OBJECTED, "21(3)"),
    State.GPC: (Reason.GPC, "21(5)"),
    State.SUPPRESSED: (Reason.OBJECTED, "21(3)"),
}
