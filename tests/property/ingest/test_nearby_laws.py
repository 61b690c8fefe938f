"""What a fact cannot reach is not derived anew, and is what deriving everything would make of it."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from assent.core.documents import parse_policy
from assent.core.ids import COMPONENTS, IdentifierId
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.ingest import joining, nearby
from assent.ingest.component import Component, Derived, LinkKey, Profiles, derive
from assent.ingest.nearby import near
from tests.property.ingest.evidence import Evidence, Parted, Said, Seen, Tied, boards
from tests.support.policy_documents import changed, shipped

quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

RULES = ("ambiguous", "last_authenticated", "first_owner")
EVERYBODY = (
    *(f"user_id:u{number}" for number in range(4)),
    *(f"email:e{number}@example.com" for number in range(2)),
    "phone:+442071838750",
    *(f"device_id:d{number}" for number in range(3)),
    *(f"anonymous_id:a{number}" for number in range(2)),
)
STATED = ("personalisation", "analytics", "identity_linking")


def low(rule: str, cap: int) -> tuple[Policy, NameBook]:
    """Return the shipped policy with caps that few people pass."""
    toml = f'conflict = "{rule}"\nlinks_per_identifier = {cap}\nidentifiers_per_profile = 4\n'
    return parse_policy(changed(shipped(), "identity", f"{toml}probable_threshold = 0.5"))


POLICIES = {(rule, cap): low(rule, cap) for rule in RULES for cap in (2, 3)}


class Case(NamedTuple):
    policy: tuple[str, int]
    arrived: list[Evidence]


def pairs() -> st.SearchStrategy[tuple[str, ...]]:
    """Return two or three, mostly with one of whom there are many."""
    few = st.sampled_from(("phone:+442071838750", "device_id:d0", "anonymous_id:a0"))
    hung = st.tuples(few, st.sampled_from(EVERYBODY)).filter(lambda two: two[0] != two[1])
    some = st.lists(st.sampled_from(EVERYBODY), min_size=2, max_size=3, unique=True).map(tuple)
    return st.one_of(hung, some).map(lambda who: tuple(sorted(who, key=EVERYBODY.index)))


HOURS = st.integers(0, 40).map(lambda day: 24 * day + 7)

ANY = st.one_of(
    st.builds(
        Seen,
        HOURS,
        pairs(),
        st.just("Order Completed"),
        st.integers(1, 9),
        claimed=st.sampled_from((False, False, True)),
    ),
    st.tuples(HOURS, pairs()).map(lambda drawn: Tied(drawn[0], drawn[1][:2])),
    st.builds(
        Said,
        HOURS,
        st.sampled_from(EVERYBODY),
        st.sampled_from(STATED),
        st.sampled_from(("given", "withdrawn", "refused")),
        st.booleans(),
    ),
    st.one_of(
        st.builds(
            Tied,
            HOURS,
            pairs().map(lambda who: who[:2]),
            st.booleans(),
            st.sampled_from((0, 400_000, 600_000)),
        ),
        st.builds(Parted, pairs().map(lambda who: who[:2])),
        st.builds(Parted, st.sampled_from(EVERYBODY).map(lambda one: (one,))),
    ),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return evidence about people who came through one identifier, and then anything."""
    many = draw(st.sampled_from(("user_id:u0", "phone:+442071838750", "device_id:d0", "anonymous_id:a0")))
    others = draw(st.permutations([one for one in EVERYBODY if one != many]))
    claimed = draw(st.sampled_from((0, 0, 3, 4)))  # of four
    spokes: list[Evidence] = [
        Seen(
            draw(HOURS),
            tuple(sorted((one, many), key=EVERYBODY.index)),
            "Order Completed",
            1,
            claimed=draw(st.integers(0, 3)) < claimed,
        )
        for one in others[: draw(st.integers(1, 7))]
    ]
    said = st.builds(
        Said,
        HOURS,
        st.sampled_from((many, many, *others[:5])),
        st.just("personalisation"),
        st.sampled_from(("given", "withdrawn")),
        st.booleans(),
    )
    rest = draw(st.lists(st.one_of(ANY, ANY, said), min_size=2, max_size=12))
    return Case(draw(st.sampled_from(sorted(POLICIES))), spokes + rest)


CASES = cases()


def is_derived(case: Case) -> bool:
    """Whether after every fact what stands is what deriving everything makes of the evidence."""
    policy, names = POLICIES[case.policy]
    return all(
        derived == derive(component, policy, board.now)
        for board in boards(case.arrived, policy, names)
        for component, derived in board.components()
    )


@quick
@given(CASES)
def test_what_stands_after_every_fact_is_what_deriving_everything_makes(case: Case) -> None:
    assert is_derived(case)


def is_found() -> None:
    """Demand that the law breaks on some example."""

    def breaks(case: Case) -> bool:
        try:
            return not is_derived(case)
        except KeyError:
            return True

    thorough = settings(quick, max_examples=3000, phases=[Phase.generate], derandomize=True, database=None)
    find(CASES, breaks, settings=thorough)


def test_the_law_is_asked_where_somebody_generic_holds_pieces_together() -> None:
    asked: list[int] = []

    def heard(*arguments: object) -> object:
        found = near(*arguments)  # type: ignore[arg-type]
        if found is not None and 0 < len(found.members) < len(arguments[0].nodes) - 1:  # type: ignore[attr-defined]
            asked.append(len(found.members))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(joining, "near", heard)
        thorough = settings(quick, max_examples=300, phases=[Phase.generate], derandomize=True, database=None)
        find(CASES, lambda case: is_derived(case) and len(asked) > 50, settings=thorough)


def test_counting_evidence_that_joins_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(_: Component, __: IdentifierId, keys: Sequence[LinkKey], policy: Policy, ___: object) -> bool:
        return len(keys) > policy.links_per_identifier

    monkeypatch.setattr(nearby, "_is_generic", counted)
    is_found()


def test_a_web_that_forgets_what_was_added_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby.Web, "grow", lambda *_: None)
    is_found()


def test_leaving_out_what_a_fact_connects_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def unmoved(before: Derived, *_: object) -> tuple[Profiles, frozenset[IdentifierId]]:
        return dict(before.profiles.get(COMPONENTS, {})), frozenset()

    monkeypatch.setattr(nearby, "_connected", unmoved)
    is_found()


# What somebody, authenticated, denied for all of theirs travels along links that join nobody.

KIOSK, PHONE = "device_id:d0", "phone:+442071838750"


def came(*who: str) -> Seen:
    return Seen(7, tuple(sorted(who, key=EVERYBODY.index)), "Order Completed", 1)


TO_A_KIOSK: list[Evidence] = [
    *(came(f"user_id:u{number}", KIOSK) for number in range(3)),
    Said(31, KIOSK, "personalisation", "given"),
    Said(55, "user_id:u1", "personalisation", "withdrawn", by_person=True),
    came("user_id:u3", KIOSK),
]
FROM_A_PHONE: list[Evidence] = [
    *(came(PHONE, f"device_id:d{number}") for number in range(3)),
    Said(31, "device_id:d1", "personalisation", "given"),
    Said(55, PHONE, "personalisation", "withdrawn", by_person=True),
]
HEARD = {"kiosk": Case(("ambiguous", 2), TO_A_KIOSK), "phone": Case(("ambiguous", 2), FROM_A_PHONE)}


@pytest.mark.parametrize("case", HEARD.values(), ids=HEARD)
def test_a_denial_reaches_whom_it_reaches_when_all_is_derived(case: Case) -> None:
    assert is_derived(case)


def test_a_kiosk_that_hears_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "deniers_of", lambda *_: {})
    assert not is_derived(HEARD["kiosk"])


def test_a_generic_one_that_speaks_to_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(*arguments: object) -> object:
        *before, _, added, policy, now = arguments
        return near(*before, (), added, policy, now)  # type: ignore[arg-type, call-arg]

    monkeypatch.setattr(joining, "near", deaf)
    assert not is_derived(HEARD["phone"])


# Whom claims alone make generic is so no longer once a server's word ties them to somebody.


def claimed(*who: str) -> Seen:
    return came(*who)._replace(claimed=True)


BY_CLAIMS = [claimed(PHONE, f"device_id:d{number}") for number in range(3)]
TIED_LATER = Case(
    ("ambiguous", 2), [*BY_CLAIMS, came("user_id:u0", PHONE), came("user_id:u0", "device_id:d0")]
)


def test_claims_cut_nobody_off_who_is_tied_otherwise_later() -> None:
    assert is_derived(TIED_LATER)


def test_whoever_was_generic_once_being_so_for_good_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "_holds_firm", lambda _: False)
    assert not is_derived(TIED_LATER)
