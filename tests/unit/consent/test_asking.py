"""When a banner may ask: not who agrees, not who objected, and who said no only after their rest."""

import pytest
from msgspec import structs

from assent.consent.asking import may_ask
from assent.consent.question import Decision, Reason
from assent.consent.statement import State, Statement
from assent.core.documents import parse_policy
from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LegalBasis, NoticeVersion
from assent.core.time import DAY, FOREVER, Duration, Instant, parse_time
from tests.support.policy_documents import shipped

POLICY, _ = parse_policy(shipped())
PURPOSE = POLICY.purposes[POLICY.purpose_ids["analytics"]]
BEGIN = parse_time("2026-01-31T10:00:00Z")


def decision(reason: Reason) -> Decision:
    return Decision(allowed=reason is Reason.PERMITTED, reason=reason, step=1, article="")


def said(state: State, at: Instant = BEGIN) -> Statement:
    return Statement(
        identifier=IdentifierId(1),
        purpose=PURPOSE.id,
        state=state,
        acted_at=at,
        known_at=at,
        entry=EntryIndex(at),
    )


def asking(
    reason: Reason, *statements: Statement, now: Instant = BEGIN, until: Instant | None = None
) -> object:
    found = may_ask(PURPOSE, decision(reason), statements, until=until, now=now)
    return found.ask, found.again_at


def test_who_was_never_asked_may_be_asked() -> None:
    assert asking(Reason.SILENT) == (True, None)
    assert asking(Reason.SILENT, said(State.NOTICE_SHOWN)) == (True, None)


@pytest.mark.parametrize("state", [State.REFUSED, State.WITHDRAWN, State.DEFERRED])
def test_who_did_not_agree_is_left_alone_to_the_instant(state: State) -> None:
    reason = {State.REFUSED: Reason.REFUSED, State.WITHDRAWN: Reason.WITHDRAWN}.get(state, Reason.SILENT)
    # Half a year after the 31st of January is the 31st of July, whatever is between.
    again = parse_time("2026-07-31T10:00:00Z")
    assert asking(reason, said(state), now=Instant(BEGIN + DAY)) == (False, again)
    assert asking(reason, said(state), now=Instant(again - 1)) == (False, again)
    assert asking(reason, said(state), now=again) == (True, None)


def test_the_last_no_counts() -> None:
    later = Instant(BEGIN + 10 * DAY)
    found = asking(Reason.REFUSED, said(State.REFUSED), said(State.DEFERRED, later), now=later)
    assert found == (False, parse_time("2026-08-10T10:00:00Z"))


def test_who_agrees_is_asked_when_the_consent_lapses() -> None:
    until = Instant(BEGIN + DAY)
    assert asking(Reason.PERMITTED, said(State.GIVEN), until=until) == (False, until)
    assert asking(Reason.PERMITTED, said(State.GIVEN), until=FOREVER) == (False, None)
    assert asking(Reason.EXPIRED, said(State.GIVEN), now=until) == (True, None)


def test_who_puts_a_renewal_off_is_left_alone_too() -> None:
    now = Instant(BEGIN + 400 * DAY)
    found = asking(Reason.EXPIRED, said(State.GIVEN), said(State.DEFERRED, now), now=now)
    assert found[0] is False  # type: ignore[index]


def test_a_material_change_of_the_notice_asks_again_at_once() -> None:
    change = NoticeVersion(version=2, at=Instant(BEGIN + DAY), material=True)
    changed = structs.replace(PURPOSE, notices=(*PURPOSE.notices, change))
    for now, wanted in ((BEGIN, False), (Instant(BEGIN + DAY), True)):
        found = may_ask(changed, decision(Reason.REFUSED), [said(State.REFUSED)], until=None, now=now)
        assert found.ask is wanted


@pytest.mark.parametrize(
    "reason",
    [
        *(Reason.OBJECTED, Reason.GPC, Reason.RESTRICTED, Reason.ERASED, Reason.FINDING, Reason.NOT_FREE),
        *(Reason.AGE, Reason.UNCONFIRMED, Reason.UNKNOWN_PURPOSE, Reason.STRANGER, Reason.HARD_TO_WITHDRAW),
    ],
)
def test_where_an_answer_could_change_nothing_nobody_is_asked(reason: Reason) -> None:
    assert asking(reason, now=Instant(BEGIN + 4_000 * DAY)) == (False, None)


def test_only_a_consent_with_a_notice_is_asked_for() -> None:
    for other in (
        structs.replace(PURPOSE, legal_basis=LegalBasis.LEGITIMATE_INTERESTS),
        structs.replace(PURPOSE, notice=""),
    ):
        assert not may_ask(other, decision(Reason.SILENT), (), until=None, now=BEGIN).ask


def test_a_rest_beyond_the_calendar_never_ends() -> None:
    long = structs.replace(PURPOSE, ask_again_after=Duration(months=12 * 9_000))
    found = may_ask(long, decision(Reason.REFUSED), [said(State.REFUSED)], until=None, now=BEGIN)
    assert (found.ask, found.again_at) == (False, None)
