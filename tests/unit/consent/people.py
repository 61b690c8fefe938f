"""Small policies, people and statements for the tests of consent. Day 0 is 2026-01-01."""

from collections.abc import Sequence

from msgspec.structs import replace

from assent.consent.decide import Bond, Cluster, Decision, Question, Reason, decide
from assent.consent.statement import State, Statement
from assent.core.ids import CategoryId, CategoryMask, EntryIndex, IdentifierId, PurposeId, ViewId, mask
from assent.core.policy import Category, LegalBasis, Policy, Purpose
from assent.core.time import DAY, Instant, parse_time

BROWSING, ORDERS, HEALTH = CategoryId(1), CategoryId(2), CategoryId(3)
ALL = CategoryMask(mask((BROWSING, ORDERS, HEALTH)))
MARKETING, EMAIL, ANALYTICS = PurposeId(1), PurposeId(2), PurposeId(3)
PERSON, COOKIE, PHONE, ADDRESS, OTHER_ADDRESS = (IdentifierId(64 * n) for n in range(1, 6))
START = parse_time("2026-01-01T00:00:00Z")
TODAY = Instant(START + 3650 * DAY)


def day(number: float) -> Instant:
    return Instant(START + int(number * DAY))


def purpose(number: PurposeId = MARKETING, **terms: object) -> Purpose:
    plain = Purpose(
        id=number,
        name=f"p{number}",
        title="",
        text="",
        legal_basis=LegalBasis.CONSENT,
        categories=ALL,
        view=ViewId(2),
        opened_by=frozenset(),
    )
    return replace(plain, **terms)


def policy(*purposes: Purpose, **terms: object) -> Policy:
    categories = {
        BROWSING: Category(id=BROWSING, name="browsing"),
        ORDERS: Category(id=ORDERS, name="orders"),
        HEALTH: Category(id=HEALTH, name="health", special=True),
    }
    plain = Policy(
        version=1,
        purposes={each.id: each for each in purposes or (purpose(),)},
        categories=categories,
        features={},
        namespaces={},
        views={},
        purpose_ids={each.name: each.id for each in purposes or (purpose(),)},
        category_ids={each.name: each.id for each in categories.values()},
        feature_ids={},
        namespace_ids={},
    )
    return replace(plain, **terms)


def said(
    state: str,
    on: float,
    about: PurposeId | None = MARKETING,
    by: IdentifierId = PERSON,
    *,
    known: float | None = None,
    **how: object,
) -> Statement:
    """Return a statement made on a day; a give is a click that names version 1 of the notice."""
    plain = Statement(
        identifier=by,
        purpose=about,
        state=State(state),
        acted_at=day(on),
        known_at=day(on if known is None else known),
        entry=EntryIndex(int(on * 100)),
        mechanism="click",
        notice_version=1,
    )
    return replace(plain, **how)


def linked(low: IdentifierId, high: IdentifierId, since: float, until: float | None = None) -> Bond:
    first, last = sorted((low, high))
    if until is None:
        return Bond(low=first, high=last, first_at=day(since))
    return Bond(low=first, high=last, first_at=day(since), until=day(until))


def cluster(*bonds: Bond) -> Cluster:
    members = {end for bond in bonds for end in (bond.low, bond.high)}
    return Cluster(members=tuple(sorted(members or {PERSON})), bonds=bonds)


def ask(
    history: Sequence[Statement],
    on: float,
    about: PurposeId = MARKETING,
    of: IdentifierId = PERSON,
    *,
    within: Policy | None = None,
    person: Cluster | None = None,
    category: CategoryId | None = BROWSING,
    known: float | None = None,
    **more: object,
) -> Decision:
    """Ask about browsing data on a day, by what is known today."""
    question = Question(
        identifier=of,
        purpose=about,
        category=category,
        at=day(on),
        known_at=TODAY if known is None else day(known),
    )
    return decide(history, person or Cluster(members=(of,)), within or policy(), replace(question, **more))


def yes(answer: Decision) -> bool:
    return answer.allowed and answer.reason is Reason.PERMITTED


def no(answer: Decision, step: int, reason: Reason, entry: int | None = None) -> bool:
    return (answer.allowed, answer.step, answer.reason, answer.entry) == (False, step, reason, entry)
