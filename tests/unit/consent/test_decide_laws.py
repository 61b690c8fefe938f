"""The law, case by case: facts, the source that calls for the answer, and the step that gives it."""

from typing import Any

import pytest

from assent.consent.decide import Reason
from assent.core.policy import BasisChange, LegalBasis, NoticeVersion
from assent.core.time import parse_duration
from tests.unit.consent.people import (
    BROWSING,
    COOKIE,
    EMAIL,
    HEALTH,
    ORDERS,
    PERSON,
    ask,
    cluster,
    day,
    linked,
    no,
    policy,
    purpose,
    said,
    yes,
)

GAVE = said("given", 0)
INTERESTS: dict[str, Any] = {"legal_basis": LegalBasis.LEGITIMATE_INTERESTS, "lia": True}
SHOWN = said("notice_shown", 0)
TOGETHER = cluster(linked(PERSON, COOKIE, 60))


class TestTime:
    def test_nobody_who_said_nothing_is_used(self) -> None:
        """GDPR Art. 6(1), 25(2)."""
        assert no(ask([], 31), 18, Reason.SILENT)

    def test_an_undeclared_purpose_is_closed(self) -> None:
        """GDPR Art. 6(1); fides edge_cases_test.go TestPolicy_EmptyPoliciesList."""
        assert no(ask([GAVE], 31, EMAIL), 1, Reason.UNKNOWN_PURPOSE)

    def test_a_purpose_is_closed_before_it_is_declared(self) -> None:
        within = policy(purpose(legal_basis=LegalBasis.CONTRACT, declared=day(10)))
        assert no(ask([], 9, within=within), 1, Reason.UNKNOWN_PURPOSE)
        assert yes(ask([], 10, within=within))

    def test_a_category_not_declared_is_closed(self) -> None:
        """GDPR Art. 5(1)(c)."""
        within = policy(purpose(categories=1 << BROWSING))
        assert no(ask([GAVE], 31, within=within, category=ORDERS), 2, Reason.CATEGORY)

    def test_withdrawal_holds_from_its_own_instant(self) -> None:
        """GDPR Art. 7(3); DPV consent-27560 8.5.2."""
        history = [GAVE, said("withdrawn", 59)]
        assert no(ask(history, 59), 7, Reason.WITHDRAWN, 5900)
        assert yes(ask(history, 58.9))

    def test_what_was_lawful_stays_lawful(self) -> None:
        """GDPR Art. 7(3): withdrawal does not affect processing before it."""
        assert yes(ask([GAVE, said("withdrawn", 59)], 31))

    def test_fresh_consent_after_withdrawal_opens(self) -> None:
        """DPV consent-27560 8.5.2 RenewedConsentGiven."""
        for state in ("given", "renewed"):
            assert yes(ask([GAVE, said("withdrawn", 59), said(state, 90)], 120))

    def test_an_older_give_that_arrives_late_does_not_beat_a_withdrawal(self) -> None:
        """GDPR Art. 7(3): event time orders, not arrival."""
        history = [said("withdrawn", 59), said("given", 0, known=90)]
        assert no(ask(history, 120), 7, Reason.WITHDRAWN, 5900)

    def test_a_tie_denies(self) -> None:
        """fides consent_util.py: "If conflicts, prefer the opt-out preference"."""
        assert not ask([GAVE, said("withdrawn", 0)], 31).allowed
        assert not ask([said("withdrawn", 0), GAVE], 31).allowed

    def test_consent_is_never_retroactive(self) -> None:
        """GDPR Art. 7(1), 5(2)."""
        assert no(ask([said("given", 59)], 31), 18, Reason.SILENT)

    def test_a_late_withdrawal_counts_from_its_own_time_once_known(self) -> None:
        """GDPR Art. 5(2), 7(3)."""
        history = [GAVE, said("withdrawn", 59, known=120)]
        assert not ask(history, 90).allowed
        assert yes(ask(history, 90, known=90))

    def test_a_late_withdrawal_yields_to_a_give_with_a_later_event_time(self) -> None:
        assert yes(ask([GAVE, said("withdrawn", 59, known=120), said("given", 80)], 130))

    def test_deferring_says_nothing(self) -> None:
        assert no(ask([said("deferred", 0)], 31), 18, Reason.SILENT)
        assert yes(ask([GAVE, said("deferred", 10)], 31))


class TestGiving:
    @pytest.mark.parametrize("mechanism", ["pre_ticked", "scroll", "cookie_wall", "silence", "", "Click"])
    def test_what_is_no_affirmative_act_opens_nothing(self, mechanism: str) -> None:
        """CJEU C-673/17 Planet49; EDPB 05/2020 para 86, Example 6a; recital 32."""
        assert no(ask([said("given", 0, mechanism=mechanism)], 31), 20, Reason.NO_ACT, 0)

    def test_a_deliberate_gesture_is_an_act(self) -> None:
        """EDPB 05/2020 Example 15."""
        assert yes(ask([said("given", 0, mechanism="gesture")], 31))

    @pytest.mark.parametrize(
        "how", [{"actor": "system"}, {"bundle": ("terms",)}, {"conditional_on_service": True}]
    )
    def test_machines_bundles_and_conditions_open_nothing(self, how: dict[str, Any]) -> None:
        """GDPR Art. 4(11), 7(2), 7(4)."""
        assert no(ask([said("given", 0, **how)], 31), 20, Reason.NO_ACT, 0)

    def test_a_void_give_does_not_take_back_a_withdrawal(self) -> None:
        history = [GAVE, said("withdrawn", 10), said("given", 20, mechanism="scroll")]
        assert no(ask(history, 31), 7, Reason.WITHDRAWN, 1000)

    def test_a_give_that_names_no_notice_opens_nothing(self) -> None:
        """GDPR Art. 7(1), recital 42; EDPB 05/2020 paras 104-108."""
        assert no(ask([said("given", 0, notice_version=None)], 31), 21, Reason.UNPROVEN, 0)

    def test_a_material_change_of_the_notice_asks_again(self) -> None:
        """GDPR Art. 13(3); DPV consent-27560 8.2.1."""
        within = policy(purpose(notices=(NoticeVersion(version=2, at=day(59), material=True),)))
        assert no(ask([GAVE], 90, within=within), 25, Reason.STALE_NOTICE, 0)
        assert yes(ask([GAVE], 58, within=within))
        assert yes(ask([GAVE, said("given", 60, notice_version=2)], 90, within=within))

    def test_an_editorial_change_of_the_notice_does_not(self) -> None:
        within = policy(purpose(notices=(NoticeVersion(version=2, at=day(59)),)))
        assert yes(ask([GAVE], 90, within=within))

    def test_validity_is_calendar_time_and_half_open(self) -> None:
        """DPV consent-27560 8.5.4; unomi Consent.java isConsentGrantedAtDate."""
        within = policy(purpose(validity=parse_duration("P6M")))
        assert yes(ask([GAVE], 180.9, within=within))
        assert no(ask([GAVE], 181, within=within), 26, Reason.EXPIRED, 0)  # 1 July

    def test_a_month_from_the_31st_ends_with_february(self) -> None:
        within = policy(purpose(validity=parse_duration("P1M")))
        given = said("given", 30)
        assert yes(ask([given], 57.9, within=within))
        assert no(ask([given], 58, within=within), 26, Reason.EXPIRED, 3000)

    def test_a_give_that_would_outlive_the_calendar_lapses_at_once(self) -> None:
        within = policy(purpose(validity=parse_duration("P9999Y")))
        assert no(ask([GAVE], 31, within=within), 26, Reason.EXPIRED, 0)

    def test_the_newest_give_governs_also_when_it_has_lapsed(self) -> None:
        history = [GAVE, said("given", 10, expires_at=day(20))]
        assert no(ask(history, 20), 26, Reason.EXPIRED, 1000)

    def test_choices_are_separate(self) -> None:
        """EDPB 05/2020 Examples 7 and 9."""
        within = policy(purpose(), purpose(EMAIL))
        history = [GAVE, said("refused", 0, EMAIL)]
        assert yes(ask(history, 31, within=within))
        assert no(ask(history, 31, EMAIL, within=within), 7, Reason.REFUSED, 0)

    def test_a_refused_category_closes_that_category_alone(self) -> None:
        history = [GAVE, said("refused", 10, categories=1 << ORDERS)]
        assert yes(ask(history, 31))
        assert not ask(history, 31, category=ORDERS).allowed
        assert not ask(history, 31, category=None).allowed

    def test_a_part_given_does_not_open_the_whole(self) -> None:
        history = [said("given", 0, categories=1 << BROWSING)]
        assert yes(ask(history, 31))
        assert no(ask(history, 31, category=ORDERS), 18, Reason.SILENT)
        assert no(ask(history, 31, category=None), 18, Reason.SILENT)


class TestAgeAndExplicitness:
    def test_a_subject_of_the_digital_age_gives_alone(self) -> None:
        """GDPR Art. 8(1)."""
        assert yes(ask([said("given", 0, subject_age=14)], 31, within=policy(purpose(digital_age=13))))

    @pytest.mark.parametrize(
        "how",
        [
            {"subject_age": 15},
            {"subject_age": None},
            {"subject_age": 15, "actor": "guardian"},
            {"subject_age": 15, "actor": "guardian", "guardian_verified": False},
        ],
    )
    def test_a_younger_one_or_one_of_unknown_age_does_not(self, how: dict[str, Any]) -> None:
        within = policy(purpose(digital_age=16))
        assert no(ask([said("given", 0, **how)], 31, within=within), 22, Reason.AGE, 0)

    def test_a_grown_child_takes_back_what_the_guardian_gave(self) -> None:
        """EDPB 05/2020 section 7.1.4."""
        within = policy(purpose(digital_age=16))
        given = said("given", 0, actor="guardian", guardian_verified=True, subject_age=15)
        assert yes(ask([given], 31, within=within))
        assert not ask([given, said("withdrawn", 59, subject_age=16)], 90, within=within).allowed

    def test_special_categories_need_an_explicit_give(self) -> None:
        """GDPR Art. 9(2)(a); EDPB 8/2020 section 8; CJEU C-184/20."""
        assert no(ask([GAVE], 31, category=HEALTH), 24, Reason.NOT_EXPLICIT, 0)
        assert yes(ask([said("given", 0, explicit=True)], 31, category=HEALTH))
        assert ask([said("given", 0, explicit=True)], 31, category=HEALTH).article == "9(2)(a)"

    @pytest.mark.parametrize("basis", ["contract", "legal_obligation", "legitimate_interests"])
    def test_no_other_basis_opens_special_categories(self, basis: str) -> None:
        """GDPR Art. 9(1)."""
        within = policy(purpose(legal_basis=basis, lia=True))
        assert no(ask([SHOWN], 31, within=within, category=HEALTH), 10, Reason.SPECIAL)

    def test_explicit_consent_needs_an_explicit_give(self) -> None:
        within = policy(purpose(legal_basis=LegalBasis.EXPLICIT_CONSENT))
        assert no(ask([GAVE], 31, within=within), 24, Reason.NOT_EXPLICIT, 0)

    def test_significant_automated_decisions_need_contract_law_or_an_explicit_give(self) -> None:
        """GDPR Art. 22(2)."""
        automated: dict[str, Any] = {"automated_significant": True}
        assert no(ask([SHOWN], 31, within=policy(purpose(**INTERESTS, **automated))), 11, Reason.AUTOMATED)
        assert no(ask([GAVE], 31, within=policy(purpose(**automated))), 24, Reason.NOT_EXPLICIT, 0)
        assert yes(ask([said("given", 0, explicit=True)], 31, within=policy(purpose(**automated))))
        assert yes(ask([], 31, within=policy(purpose(legal_basis=LegalBasis.CONTRACT, **automated))))

    def test_a_double_opt_in_opens_with_its_second_step(self) -> None:
        within = policy(purpose(double_opt_in=True))
        history = [GAVE, said("confirmed", 10)]
        assert no(ask([GAVE], 9, within=within), 23, Reason.UNCONFIRMED, 0)
        assert yes(ask(history, 10, within=within))
        assert not ask([*history, said("withdrawn", 20)], 31, within=within).allowed

    def test_an_unconfirmed_give_does_not_take_back_a_withdrawal(self) -> None:
        within = policy(purpose(double_opt_in=True))
        history = [GAVE, said("confirmed", 1), said("withdrawn", 10), said("given", 20)]
        assert no(ask(history, 31, within=within), 7, Reason.WITHDRAWN, 1000)

    def test_a_confirmation_before_the_give_confirms_nothing(self) -> None:
        within = policy(purpose(double_opt_in=True))
        assert not ask([said("confirmed", 0), said("given", 1)], 31, within=within).allowed


class TestBases:
    @pytest.mark.parametrize("basis", [LegalBasis.CONTRACT, LegalBasis.LEGAL_OBLIGATION])
    def test_contract_and_law_need_no_statement_and_survive_withdrawal(self, basis: LegalBasis) -> None:
        within = policy(purpose(legal_basis=basis))
        for history in ([], [said(state, 0) for state in ("refused", "withdrawn", "objected")]):
            answer = ask(history, 31, within=within)
            assert yes(answer)
            assert (answer.step, answer.entry) == (12, None)

    def test_interests_need_an_assessment_and_a_notice(self) -> None:
        """GDPR Art. 6(1)(f), 13(1)(d)."""
        assert yes(ask([SHOWN], 31, within=policy(purpose(**INTERESTS))))
        assert no(ask([], 31, within=policy(purpose(**INTERESTS))), 14, Reason.NOT_INFORMED)
        unassessed = policy(purpose(**{**INTERESTS, "lia": False}))
        assert no(ask([SHOWN], 31, within=unassessed), 13, Reason.UNASSESSED)

    def test_interests_need_the_notice_shown_again_after_a_material_change(self) -> None:
        within = policy(purpose(**INTERESTS, notices=(NoticeVersion(version=2, at=day(20), material=True),)))
        assert yes(ask([SHOWN], 19, within=within))
        assert no(ask([SHOWN], 20, within=within), 14, Reason.NOT_INFORMED)

    def test_an_objection_closes_interests(self) -> None:
        """GDPR Art. 21(1)."""
        history = [SHOWN, said("objected", 10), said("notice_shown", 20)]
        assert no(ask(history, 31, within=policy(purpose(**INTERESTS))), 7, Reason.OBJECTED, 1000)

    def test_compelling_grounds_outweigh_an_objection_but_nothing_else(self) -> None:
        """GDPR Art. 21(1)."""
        within = policy(purpose(**INTERESTS, compelling_grounds=True))
        assert yes(ask([SHOWN, said("objected", 10)], 31, within=within))
        assert not ask([SHOWN, said("withdrawn", 10)], 31, within=within).allowed

    @pytest.mark.parametrize("basis", [LegalBasis.LEGITIMATE_INTERESTS, LegalBasis.CONTRACT])
    def test_an_objection_to_direct_marketing_is_final(self, basis: LegalBasis) -> None:
        """GDPR Art. 21(3)."""
        terms: dict[str, Any] = {"lia": True, "compelling_grounds": True, "direct_marketing": True}
        within = policy(purpose(legal_basis=basis, **terms))
        assert no(ask([SHOWN, said("objected", 10)], 31, within=within), 7, Reason.OBJECTED, 1000)

    @pytest.mark.parametrize("basis", [LegalBasis.LEGITIMATE_INTERESTS, LegalBasis.CONTRACT])
    def test_changing_the_basis_takes_no_withdrawal_back(self, basis: LegalBasis) -> None:
        """EDPB 05/2020 paras 121-123."""
        change = BasisChange(at=day(59), legal_basis=basis, lia=True)
        within = policy(purpose(basis_changes=(change,), compelling_grounds=True))
        for state in ("refused", "withdrawn", "objected"):
            history = [GAVE, said(state, 31), said("notice_shown", 59, notice_version=2)]
            assert ask(history, 90, within=within).step == 7

    def test_a_notice_of_interests_counts_since_the_purpose_rests_on_them(self) -> None:
        change = BasisChange(at=day(59), legal_basis=LegalBasis.LEGITIMATE_INTERESTS, lia=True)
        within = policy(purpose(basis_changes=(change,)))
        assert no(ask([SHOWN], 90, within=within), 14, Reason.NOT_INFORMED)
        assert yes(ask([SHOWN, said("notice_shown", 59)], 90, within=within))

    def test_consent_needs_a_choice_and_an_exit_as_easy_as_the_entrance(self) -> None:
        """GDPR Art. 7(3), 7(4), recital 43."""
        assert no(ask([GAVE], 31, within=policy(purpose(imbalance=True))), 15, Reason.NOT_FREE)
        web, post = frozenset({"web"}), frozenset({"post"})
        hard = policy(purpose(give_channels=web, withdraw_channels=post))
        easy = policy(purpose(give_channels=web, withdraw_channels=web | post))
        assert no(ask([GAVE], 31, within=hard), 16, Reason.HARD_TO_WITHDRAW)
        assert yes(ask([GAVE], 31, within=easy))
