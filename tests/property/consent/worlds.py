"""Random policies, people and histories, on a coarse grid of days so that ties and edges are common."""

from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from assent.consent.decide import Bond, Cluster, Question
from assent.consent.statement import State, Statement
from assent.core.ids import CategoryId, CategoryMask, EntryIndex, IdentifierId, PurposeId
from assent.core.policy import BasisChange, Category, LegalBasis, NoticeVersion, Policy, Purpose
from assent.core.time import FOREVER, Instant, parse_duration
from tests.unit.consent.people import ADDRESS, BROWSING, COOKIE, HEALTH, PERSON, day, policy, purpose

LAST_DAY = 12
PURPOSES = tuple(PurposeId(number) for number in range(1, 5))
MEMBERS = (PERSON, COOKIE, IdentifierId(640))
CATEGORIES = (BROWSING, HEALTH)

INTERESTS: dict[str, Any] = {"legal_basis": LegalBasis.LEGITIMATE_INTERESTS, "lia": True}

FLAVOURS: tuple[dict[str, Any], ...] = (
    *({}, {}, {}, INTERESTS, {"legal_basis": LegalBasis.CONTRACT}),
    *({"legal_basis": LegalBasis.LEGAL_OBLIGATION}, {"legal_basis": LegalBasis.EXPLICIT_CONSENT}),
    *({"validity": parse_duration("P3D")}, {"validity": parse_duration("P1M"), "gpc": True}),
    {"notices": tuple(NoticeVersion(version=v, at=day(d), material=True) for v, d in ((2, 4), (3, 8)))},
    {"notices": (NoticeVersion(version=2, at=day(8)),), "double_opt_in": True},
    {"basis_changes": (BasisChange(at=day(5), legal_basis=LegalBasis.LEGITIMATE_INTERESTS, lia=True),)},
    {"basis_changes": (BasisChange(at=day(5), legal_basis=LegalBasis.CONTRACT),)},
    {**INTERESTS, "basis_changes": (BasisChange(at=day(5), legal_basis=LegalBasis.CONSENT),)},
    {**INTERESTS, "compelling_grounds": True},
    {**INTERESTS, "direct_marketing": True, "gpc": True},
    *({"double_opt_in": True}, {"digital_age": 16}, {"declared": day(6)}, {"automated_significant": True}),
    *({"categories": CategoryMask(1 << BROWSING)}, {"imbalance": True}),
)


History = tuple[Statement, ...]


class World(Struct, frozen=True, kw_only=True):
    policy: Policy
    history: tuple[Statement, ...]
    cluster: Cluster

    def questions(self, *days: float, known: float = LAST_DAY) -> list[Question]:
        return [
            Question(identifier=member, purpose=number, category=category, at=day(at), known_at=day(known))
            for at in days
            for member in self.cluster.members
            for number in self.policy.purposes
            for category in CATEGORIES
        ]


def days(first: int = 0) -> st.SearchStrategy[Instant]:
    return st.integers(first, LAST_DAY).map(day)


@st.composite
def purposes(draw: st.DrawFn, number: PurposeId) -> Purpose:
    terms = dict(draw(st.sampled_from(FLAVOURS)))
    others = st.sampled_from([None, None, *PURPOSES])
    if (parent := draw(others)) is not None:
        terms["parent"] = parent
    elif (part := draw(others)) is not None:
        terms["requires_all"] = (part,)
    return purpose(number, **terms)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    declared = [draw(purposes(number)) for number in PURPOSES[:3]]
    companion = draw(st.sampled_from([(), (), (PURPOSES[0],), (PURPOSES[1],)]))
    categories = {
        BROWSING: Category(id=BROWSING, name="browsing", also=companion),
        HEALTH: Category(id=HEALTH, name="health", special=True),
    }
    return policy(*declared, categories=categories, linking=PURPOSES[0])


FLAWS: tuple[dict[str, Any], ...] = (
    *({"mechanism": "scroll"}, {"notice_version": 1}, {"notice_version": None}, {"actor": "system"}),
    *({"actor": "guardian"}, {"actor": "guardian", "guardian_verified": True}, {"subject_age": 15}),
    *({"subject_age": None}, {"explicit": False}, {"address": ADDRESS}, {"address": COOKIE}),
    *({"authenticated": True}, {"person_scope": True}, {"categories": CategoryMask(1 << BROWSING)}),
    *({"bundle": ("terms",)}, {"conditional_on_service": True}),
)


@st.composite
def statements(draw: st.DrawFn, states: tuple[State, ...] = tuple(State)) -> Statement:
    """Return one statement of any kind, with one flaw or none; widening as often as all the others."""
    usual = [State.GIVEN, State.GIVEN, State.RENEWED, State.NOTICE_SHOWN, State.CONFIRMED]
    acted = draw(st.integers(0, LAST_DAY))
    persons = draw(st.booleans())
    plain = Statement(
        identifier=draw(st.sampled_from(MEMBERS)),
        purpose=draw(st.sampled_from((*PURPOSES[:3], None))),
        state=draw(st.sampled_from([*(each for each in usual if each in states), *states])),
        acted_at=day(acted),
        known_at=day(acted + draw(st.sampled_from([0, 0, 0, 3]))),
        entry=EntryIndex(draw(st.integers(0, 1 << 30))),
        authenticated=persons,
        person_scope=persons,
        mechanism="click",
        notice_version=3,
        explicit=True,
        expires_at=draw(st.none() | days()),
        subject_age=16,
    )
    return replace(plain, **draw(st.sampled_from([*({} for _ in FLAWS), *FLAWS])))


def histories(size: int = 7, states: tuple[State, ...] = tuple(State)) -> st.SearchStrategy[History]:
    """Return statements of as many entries."""
    return st.lists(statements(states), max_size=size, unique_by=lambda said: said.entry).map(tuple)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    members = MEMBERS[: draw(st.integers(1, 3))]
    bonds = []
    for _ in range(draw(st.integers(0, 3)) if len(members) > 1 else 0):
        low, high = sorted(draw(st.lists(st.sampled_from(members), min_size=2, max_size=2, unique=True)))
        first = draw(st.integers(0, LAST_DAY))
        until = draw(st.just(FOREVER) | days(first))
        bonds.append(Bond(low=low, high=high, first_at=day(first), until=until))
    return Cluster(members=members, bonds=tuple(bonds))


@st.composite
def worlds(draw: st.DrawFn, size: int = 7, states: tuple[State, ...] = tuple(State)) -> World:
    return World(policy=draw(policies()), history=draw(histories(size, states)), cluster=draw(clusters()))


@st.composite
def wild_statements(draw: st.DrawFn) -> Statement:
    """Return a statement whose numbers mean nothing and whose times may leave the calendar."""
    number = st.integers(-(1 << 63), 1 << 63)
    at = number.map(Instant)
    return Statement(
        identifier=IdentifierId(draw(st.sampled_from(MEMBERS) | number)),
        purpose=draw(st.none() | st.sampled_from(PURPOSES) | number.map(PurposeId)),
        state=draw(st.sampled_from(list(State))),
        acted_at=draw(at | days()),
        known_at=draw(at | days()),
        entry=EntryIndex(draw(number)),
        position=draw(number),
        authenticated=draw(st.booleans()),
        person_scope=draw(st.booleans()),
        mechanism=draw(st.text(max_size=3) | st.just("click")),
        notice_version=draw(st.none() | number),
        actor=draw(st.text(max_size=3) | st.just("subject")),
        expires_at=draw(st.none() | at),
        categories=CategoryMask(draw(st.integers(0, 1 << 63))),
        address=draw(st.none() | number.map(IdentifierId)),
        subject_age=draw(st.none() | number),
        bundle=tuple(draw(st.lists(st.text(max_size=2), max_size=1))),
    )


def beyond_the_calendar() -> st.SearchStrategy[Statement]:
    """Return statements that are well formed but for their time."""
    acted = st.sampled_from([Instant(1 << 60), Instant(-(1 << 60))])
    return st.builds(
        lambda said, at: replace(said, acted_at=at, known_at=Instant(-(1 << 61))), statements(), acted
    )


@st.composite
def wild_questions(draw: st.DrawFn) -> Question:
    number = st.integers(-(1 << 63), 1 << 63)
    return Question(
        identifier=IdentifierId(draw(st.sampled_from(MEMBERS) | number)),
        purpose=PurposeId(draw(st.sampled_from(PURPOSES) | number)),
        category=draw(st.none() | st.sampled_from(CATEGORIES) | number.map(CategoryId)),
        at=Instant(draw(number)),
        known_at=Instant(draw(number)),
        address=draw(st.none() | number.map(IdentifierId)),
        vendor=draw(st.none() | number),
        sources=tuple(draw(st.lists(st.sampled_from(MEMBERS), max_size=3))),
    )
