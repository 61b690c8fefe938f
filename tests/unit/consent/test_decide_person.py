"""The law, case by case: what stops a person, what travels between identifiers, how purposes combine."""

from typing import Any

import pytest

from assent.consent.decide import Reason
from assent.core.policy import LegalBasis
from tests.unit.consent.people import (
    ADDRESS,
    ANALYTICS,
    BROWSING,
    COOKIE,
    EMAIL,
    MARKETING,
    ORDERS,
    OTHER_ADDRESS,
    PERSON,
    PHONE,
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


class TestStops:
    def test_restriction_leaves_storage_only_until_it_is_lifted(self) -> None:
        """GDPR Art. 18(1)-(3)."""
        within = policy(purpose(legal_basis=LegalBasis.CONTRACT))
        history = [said("restricted", 10, None)]
        assert yes(ask(history, 9, within=within))
        assert no(ask(history, 31, within=within), 5, Reason.RESTRICTED, 1000)
        assert yes(ask([*history, said("unrestricted", 20, None)], 31, within=within))
        assert not ask([*history, said("unrestricted", 10, None)], 31, within=within).allowed

    def test_restriction_travels(self) -> None:
        history = [GAVE, said("restricted", 70, None, COOKIE)]
        assert no(ask(history, 90, person=TOGETHER), 5, Reason.RESTRICTED, 7000)

    def test_the_erased_are_gone(self) -> None:
        """GDPR Art. 17(1)(b)."""
        history = [GAVE, said("erased", 10, None), said("given", 20)]
        assert no(ask(history, 31), 4, Reason.ERASED, 1000)

    def test_a_finding_voids_what_was_given(self) -> None:
        """GDPR Art. 5(2)."""
        assert no(ask([GAVE, said("finding", 10), said("given", 20)], 31), 6, Reason.FINDING, 1000)

    def test_a_browsers_signal_closes_the_purposes_that_listen(self) -> None:
        """GDPR Art. 21(5); W3C GPC; fides: GPC only for notices with has_gpc_flag."""
        within = policy(purpose(**INTERESTS, gpc=True), purpose(ANALYTICS, **INTERESTS))
        history = [SHOWN, said("notice_shown", 0, ANALYTICS), said("gpc", 31, None)]
        assert no(ask(history, 59, within=within), 7, Reason.GPC, 3100)
        assert yes(ask(history, 59, ANALYTICS, within=within))

    def test_a_browsers_signal_takes_no_objection_back(self) -> None:
        """fides automated-consent.ts:93, a counter-example."""
        within = policy(purpose(**INTERESTS, gpc=True), purpose(ANALYTICS, **INTERESTS))
        history = [
            *(said("notice_shown", 0, ANALYTICS), said("objected", 31, ANALYTICS)),
            said("gpc", 59, None),
        ]
        assert no(ask(history, 90, ANALYTICS, within=within), 7, Reason.OBJECTED, 3100)


class TestResolution:
    def test_a_refusal_on_a_linked_device_denies_for_the_person(self) -> None:
        """AEP consents; Segment consent-in-unify, profile-level conflict."""
        history = [said("refused", 31, by=COOKIE), GAVE]
        assert yes(ask(history, 59, person=TOGETHER))
        assert no(ask(history, 60, person=TOGETHER), 7, Reason.REFUSED, 3100)

    def test_a_withdrawal_through_any_identifier_holds_for_the_person(self) -> None:
        """GDPR Art. 7(3)."""
        history = [GAVE, said("given", 0, by=COOKIE), said("withdrawn", 70, by=COOKIE)]
        assert no(ask(history, 90, person=TOGETHER), 7, Reason.WITHDRAWN, 7000)

    def test_a_denial_travels_through_others(self) -> None:
        chain = cluster(linked(COOKIE, PERSON, 31), linked(PERSON, PHONE, 59))
        history = [GAVE, said("given", 0, by=COOKIE), said("refused", 0, by=PHONE)]
        assert yes(ask(history, 58, of=COOKIE, person=chain))
        assert no(ask(history, 59, of=COOKIE, person=chain), 7, Reason.REFUSED, 0)

    def test_the_person_reopens_after_the_link(self) -> None:
        """Segment consent-in-unify: "Ask user to resolve conflict"."""
        history = [said("refused", 0, by=COOKIE), said("given", 31)]
        again = said("given", 90, authenticated=True, person_scope=True)
        assert not ask(history, 120, person=TOGETHER).allowed
        assert yes(ask([*history, again], 120, person=TOGETHER))

    @pytest.mark.parametrize(
        "how",
        [{"person_scope": True}, {"authenticated": True}, {"mechanism": "scroll"}, {"expires_at": day(110)}],
    )
    def test_nothing_less_reopens(self, how: dict[str, Any]) -> None:
        history = [said("refused", 0, by=COOKIE), said("given", 31)]
        full: dict[str, Any] = {"authenticated": True, "person_scope": True}
        again = said("given", 90, **({**full, **how} if how.keys() - full.keys() else how))
        assert no(ask([*history, again], 120, person=TOGETHER), 7, Reason.REFUSED, 0)

    def test_a_statement_before_the_link_reopens_nothing(self) -> None:
        history = [said("refused", 0, by=COOKIE), said("given", 31, authenticated=True, person_scope=True)]
        assert not ask(history, 120, person=TOGETHER).allowed

    def test_a_statement_before_the_present_link_reopens_nothing(self) -> None:
        relinked = cluster(linked(PERSON, COOKIE, 10, until=40), linked(PERSON, COOKIE, 60))
        history = [said("refused", 0, by=COOKIE), said("given", 31, authenticated=True, person_scope=True)]
        assert yes(ask(history, 35, person=relinked))
        assert not ask(history, 70, person=relinked).allowed

    def test_the_persons_word_does_not_reach_a_device_linked_later(self) -> None:
        later = cluster(linked(PERSON, COOKIE, 60), linked(PERSON, PHONE, 100))
        history = [
            *(said("refused", 0, by=COOKIE), said("refused", 0, by=PHONE)),
            said("given", 90, authenticated=True, person_scope=True),
        ]
        assert yes(ask(history, 99, person=later))
        assert not ask(history, 100, person=later).allowed

    def test_reopening_ends_when_the_person_withdraws(self) -> None:
        history = [
            *(said("refused", 0, by=COOKIE), said("given", 90, authenticated=True, person_scope=True)),
            *(said("withdrawn", 100), said("given", 110)),
        ]
        assert yes(ask(history, 95, person=TOGETHER))
        assert no(ask(history, 120, person=TOGETHER), 7, Reason.REFUSED, 0)

    def test_the_persons_word_after_the_link_speaks_for_all_that_is_theirs(self) -> None:
        """S62 asks about the data of every identifier of the person, one of which had refused."""
        word = said("given", 90, authenticated=True, person_scope=True)
        refused = [said("given", 0, by=COOKIE), said("refused", 10, by=COOKIE)]
        assert yes(ask([*refused, word], 120, of=COOKIE, person=TOGETHER))
        assert yes(ask([word], 120, of=COOKIE, person=TOGETHER)), "a silent device is theirs too"
        parted = cluster(linked(PERSON, COOKIE, 31, until=100))
        assert not ask([*refused, word], 120, of=COOKIE, person=parted).allowed
        later = cluster(linked(PERSON, COOKIE, 100))
        assert not ask([word], 120, of=COOKIE, person=later).allowed, "said before the device was theirs"
        unproven = said("given", 90)
        assert not ask([unproven], 120, of=COOKIE, person=TOGETHER).allowed

    def test_a_silent_device_stays_closed_and_poisons_nobody(self) -> None:
        """Segment consent-in-unify: never collected is false; AEP is stricter."""
        assert no(ask([GAVE], 90, person=TOGETHER, sources=(COOKIE,)), 18, Reason.SILENT)
        assert yes(ask([GAVE], 90, person=TOGETHER, sources=(PERSON,)))
        assert no(ask([GAVE], 90, person=TOGETHER, sources=(PERSON, COOKIE)), 18, Reason.SILENT)

    def test_nobody_elses_data_is_used(self) -> None:
        assert no(ask([GAVE], 90, person=TOGETHER, sources=(PHONE,)), 3, Reason.STRANGER)
        assert no(ask([GAVE], 31, person=TOGETHER, sources=(COOKIE,)), 3, Reason.STRANGER)

    def test_after_unlinking_each_is_judged_by_its_own_words(self) -> None:
        """Segment consent-in-unify, reset()."""
        parted = cluster(linked(PERSON, COOKIE, 31, until=59))
        history = [said("given", 0, by=COOKIE), said("withdrawn", 0)]
        assert not ask(history, 58, of=COOKIE, person=parted).allowed
        assert yes(ask(history, 59, of=COOKIE, person=parted))

    def test_members_without_known_bonds_are_closed_together(self) -> None:
        unknown = cluster(linked(PERSON, COOKIE, 60))
        history = [GAVE, said("refused", 0, by=COOKIE)]
        assert not ask(history, 10, person=type(unknown)(members=unknown.members)).allowed


class TestPurposes:
    WITHIN = policy(
        purpose(),
        purpose(EMAIL, parent=MARKETING, declared=day(0)),
        purpose(ANALYTICS, parent=MARKETING, declared=day(59)),
    )

    def test_consent_on_the_parent_covers_children_declared_by_then(self) -> None:
        """fides test_notice_use_is_parent_of_system_use; EDPB 05/2020 Example 11, para 57."""
        assert yes(ask([GAVE], 31, EMAIL, within=self.WITHIN))
        assert no(ask([GAVE], 90, ANALYTICS, within=self.WITHIN), 19, Reason.NOT_COVERED, 0)
        assert yes(ask([GAVE, said("given", 60)], 90, ANALYTICS, within=self.WITHIN))

    def test_consent_on_a_child_never_covers_the_parent(self) -> None:
        """fides test_notice_use_is_child_of_system_use."""
        assert no(ask([said("given", 0, EMAIL)], 31, within=self.WITHIN), 18, Reason.SILENT)

    def test_refusing_the_parent_closes_the_child(self) -> None:
        history = [said("given", 20, EMAIL), said("refused", 10)]
        assert no(ask(history, 31, EMAIL, within=self.WITHIN), 7, Reason.REFUSED, 1000)

    def test_refusing_the_child_leaves_the_parent_open(self) -> None:
        history = [GAVE, said("refused", 10, EMAIL)]
        assert yes(ask(history, 31, within=self.WITHIN))
        assert not ask([*history, said("given", 20)], 31, EMAIL, within=self.WITHIN).allowed

    def test_an_address_is_closed_and_others_stay_open(self) -> None:
        """AEP consents: channel and idSpecific."""
        history = [GAVE, said("withdrawn", 31, address=ADDRESS)]
        assert no(ask(history, 59, address=ADDRESS), 7, Reason.WITHDRAWN, 3100)
        assert yes(ask(history, 59, address=OTHER_ADDRESS))
        assert yes(ask(history, 59))

    def test_a_give_for_one_address_opens_no_other(self) -> None:
        history = [said("given", 0, address=ADDRESS)]
        assert yes(ask(history, 31, address=ADDRESS))
        assert not ask(history, 31, address=OTHER_ADDRESS).allowed
        assert not ask(history, 31).allowed

    def test_an_addresss_own_denial_does_not_travel(self) -> None:
        together = cluster(linked(PERSON, ADDRESS, 0))
        history = [
            *(GAVE, said("given", 0, by=ADDRESS)),
            said("withdrawn", 31, by=ADDRESS, address=ADDRESS),
        ]
        assert yes(ask(history, 59, person=together))
        assert not ask(history, 59, of=ADDRESS, person=together).allowed

    def test_a_composite_needs_all_its_parts(self) -> None:
        """Segment consent-in-segment-connections: all mapped categories must be true."""
        within = policy(purpose(requires_all=(EMAIL, ANALYTICS)), purpose(EMAIL), purpose(ANALYTICS))
        both = [said("given", 0, EMAIL), said("given", 0, ANALYTICS)]
        assert yes(ask(both, 31, within=within))
        assert no(ask(both[:1], 31, within=within), 8, Reason.REQUIRED)
        assert no(ask([*both, said("refused", 10, ANALYTICS)], 31, within=within), 8, Reason.REQUIRED, 1000)
        assert no(ask([*both, said("refused", 10)], 31, within=within), 7, Reason.REFUSED, 1000)

    def test_a_composite_with_duties_of_its_own_asks_for_itself_too(self) -> None:
        within = policy(purpose(requires_all=(EMAIL,), digital_age=16), purpose(EMAIL))
        assert no(ask([said("given", 0, EMAIL)], 31, within=within), 18, Reason.SILENT)

    def test_requirements_in_a_circle_are_never_met(self) -> None:
        within = policy(purpose(requires_all=(EMAIL,)), purpose(EMAIL, requires_all=(MARKETING,)))
        history = [GAVE, said("given", 0, EMAIL)]
        assert no(ask(history, 31, within=within), 8, Reason.REQUIRED)

    def test_a_category_is_closed_unless_its_companions_are_open(self) -> None:
        plain = policy(purpose(), purpose(EMAIL))
        browsing = plain.categories[BROWSING]
        companions = {**plain.categories, BROWSING: type(browsing)(id=BROWSING, name="b", also=(EMAIL,))}
        within = policy(purpose(), purpose(EMAIL), categories=companions)
        assert no(ask([GAVE], 31, within=within), 9, Reason.ALSO)
        assert yes(ask([GAVE], 31, within=within, category=ORDERS))
        assert yes(ask([GAVE, said("given", 10, EMAIL)], 31, within=within))
        assert yes(ask([said("given", 10, EMAIL)], 31, EMAIL, within=within))
