"""Permits: the present yes with its past, what is known of the future, and one row for categories alike."""

from assent.consent.decide import Cluster
from assent.consent.permit import Permit, Standing, permits, stances, standing
from assent.core.ids import CategoryMask, IdentifierId
from assent.core.policy import BasisChange, LegalBasis, NoticeVersion
from assent.core.time import BEGINNING, FOREVER, parse_duration
from tests.unit.consent.people import (
    ALL,
    ANALYTICS,
    BROWSING,
    COOKIE,
    EMAIL,
    HEALTH,
    MARKETING,
    ORDERS,
    PERSON,
    cluster,
    day,
    linked,
    policy,
    purpose,
    said,
)

NOW = day(100)
ALONE = Cluster(members=(PERSON,))
PLAIN = CategoryMask(1 << BROWSING | 1 << ORDERS)
CONTRACT = purpose(EMAIL, legal_basis=LegalBasis.CONTRACT, categories=1 << ORDERS)


def test_silence_has_the_standing_permits_alone() -> None:
    within = policy(purpose(), CONTRACT)
    orders = CategoryMask(1 << ORDERS)
    assert standing(within) == (Standing(EMAIL, orders, BEGINNING, FOREVER),)
    assert permits((), cluster(linked(PERSON, COOKIE, 1)), within, NOW) == (
        Permit(PERSON, EMAIL, orders, BEGINNING, FOREVER, -1),
        Permit(COOKIE, EMAIL, orders, BEGINNING, FOREVER, -1),
    )


def test_a_give_opens_from_its_time_until_it_lapses() -> None:
    within = policy(purpose(validity=parse_duration("P1Y")))
    assert permits([said("given", 10)], ALONE, within, NOW) == (
        Permit(PERSON, MARKETING, PLAIN, day(10), day(375), 1000),
    )


def test_renewing_in_time_keeps_the_beginning() -> None:
    within = policy(purpose(validity=parse_duration("P1Y")))
    history = [said("given", 10), said("renewed", 90)]
    assert permits(history, ALONE, within, NOW) == (
        Permit(PERSON, MARKETING, PLAIN, day(10), day(455), 9000),
    )


def test_a_give_after_a_withdrawal_begins_anew() -> None:
    history = [said("given", 10), said("withdrawn", 20), said("given", 30)]
    assert permits(history, ALONE, policy(), NOW) == (
        Permit(PERSON, MARKETING, PLAIN, day(30), FOREVER, 3000),
    )


def test_a_withdrawal_leaves_no_row() -> None:
    assert permits([said("given", 10), said("withdrawn", 20)], ALONE, policy(), NOW) == ()


def test_what_is_known_of_the_future_closes_and_opens_by_time_alone() -> None:
    versions = (NoticeVersion(version=2, at=day(150), material=True),)
    change = BasisChange(at=day(200), legal_basis=LegalBasis.CONTRACT)
    within = policy(purpose(notices=versions, basis_changes=(change,)))
    assert permits([said("given", 10)], ALONE, within, NOW) == (
        Permit(PERSON, MARKETING, PLAIN, day(10), day(150), 1000),
        Permit(PERSON, MARKETING, PLAIN, day(200), FOREVER, -1),
    )


def test_categories_split_where_statements_or_the_law_tell_them_apart() -> None:
    history = [said("given", 10, explicit=True), said("refused", 20, categories=1 << ORDERS)]
    assert permits(history, ALONE, policy(), NOW) == (
        Permit(PERSON, MARKETING, CategoryMask(1 << BROWSING | 1 << HEALTH), day(10), FOREVER, 1000),
    )
    assert permits(history[:1], ALONE, policy(), NOW) == (
        Permit(PERSON, MARKETING, ALL, day(10), FOREVER, 1000),
    )


def test_companions_intersect() -> None:
    plain = policy(
        purpose(validity=parse_duration("P1Y")), purpose(ANALYTICS, validity=parse_duration("P6M"))
    )
    browsing = type(plain.categories[BROWSING])(id=BROWSING, name="b", also=(ANALYTICS,))
    within = policy(*plain.purposes.values(), categories={BROWSING: browsing})
    history = [said("given", 0), said("given", 10, ANALYTICS)]
    found = [permit for permit in permits(history, ALONE, within, NOW) if permit.purpose == MARKETING]
    assert [(permit.since, permit.until) for permit in found] == [(day(10), day(191))]


def test_denials_travel_and_permissions_do_not() -> None:
    together = cluster(linked(PERSON, COOKIE, 50))
    gave = [said("given", 10)]
    assert {permit.identifier for permit in permits(gave, together, policy(), NOW)} == {PERSON}
    assert permits([*gave, said("refused", 20, by=COOKIE)], together, policy(), NOW) == ()


def test_what_is_not_known_yet_changes_nothing() -> None:
    history = [said("given", 10), said("withdrawn", 20, known=120)]
    assert len(permits(history, ALONE, policy(), NOW)) == 1


def test_stances_are_each_identifiers_own() -> None:
    within = policy(purpose(validity=parse_duration("P1Y")), linking=MARKETING)
    lapsed, silent = IdentifierId(640), IdentifierId(704)
    history = [
        *(said("given", 10), said("withdrawn", 10, by=COOKIE)),
        *(said("given", 10, by=lapsed, expires_at=day(20)), said("given", 10, EMAIL, by=silent)),
    ]
    assert stances(history, within, NOW) == (frozenset({COOKIE}), frozenset({PERSON}))
    assert stances(history, policy(), NOW) == (frozenset(), frozenset())


def test_a_policy_is_worked_out_once() -> None:
    from assent.consent import permit

    within = policy(purpose(), CONTRACT)
    before = standing(within)
    assert permit._remembered[id(within)][0] is within
    assert standing(within) == before
    for _ in range(permit._REMEMBERED_POLICIES):
        standing(policy())
    assert id(within) not in permit._remembered or permit._remembered[id(within)][0] is not within
    assert standing(within) == before
