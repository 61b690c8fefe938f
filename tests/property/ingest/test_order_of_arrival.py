"""The same evidence in any order of arrival gives the same clusters, permits and values.

Not everything may come in any order, because the collect gate asks who permits an event when it arrives: what
consent alone permits comes after the statements and links that say so here, and orders, which the contract
permits always, are compared for the purposes that may use them whenever they came. Nor do two things happen
in the same microsecond here.
"""

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from assent.consent import statement
from assent.core.ids import IdentifierId
from assent.core.policy import LegalBasis, LinkKind
from assent.core.time import Instant
from assent.features import state
from assent.ingest.joining import Joined
from tests.property.ingest.evidence import POLICY, Evidence, Released, Said, Seen, Tied, fold, outcome

EVERYBODY = ("user_id:u1", "user_id:u2", "email:e", "device_id:d1", "anonymous_id:a1")
STATED = ("personalisation", "analytics", "advertising", "identity_linking")

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ORDERS = POLICY.category_ids["orders"]
OF_ORDERS = {feature.name for feature in POLICY.features.values() if feature.category == ORDERS}

Orders = tuple[list[Evidence], list[Evidence]]


@st.composite
def arrivals(draw: st.DrawFn) -> Orders:
    """Return the same evidence in two orders of arrival."""
    hours = iter(draw(st.permutations(range(24 * 40)[::50])))
    first = [draw(_any(next(hours))) for _ in range(draw(st.integers(2, 9)))]
    browsing = [
        Seen(next(hours), (draw(st.sampled_from(EVERYBODY)),), "Product Viewed", draw(st.sampled_from("xyz")))
        for _ in range(draw(st.integers(0, 4)))
    ]
    one = [*first, *browsing]
    other = [*draw(st.permutations(first)), *draw(st.permutations(browsing))]
    return one, other


def _any(hour: int) -> st.SearchStrategy[Evidence]:
    together = st.lists(st.sampled_from(EVERYBODY), min_size=2, max_size=3, unique=True)
    return st.one_of(
        st.builds(
            Said,
            st.just(hour),
            st.sampled_from(EVERYBODY),
            st.sampled_from(STATED),
            st.sampled_from(("given", "given", "withdrawn", "refused")),
            st.booleans(),
        ),
        st.builds(
            lambda who, value, claimed: Seen(
                hour, tuple(sorted(who, key=EVERYBODY.index)), "Order Completed", value, claimed=claimed
            ),
            together,
            st.integers(1, 99),
            st.sampled_from((False, False, True)),
        ),
        st.builds(lambda who: Tied(hour, tuple(who[:2])), together),
    )


def order_does_not_matter(orders: Orders) -> None:
    one, other = (outcome(fold(arrived)) for arrived in orders)
    assert one.clusters == other.clusters
    assert one.permits == other.permits
    assert promised(one.released) == promised(other.released)


def promised(released: Released) -> Released:
    """Leave out the orders of purposes that may use only those that came after they were agreed to."""
    found: Released = {}
    for (name, who), values in released.items():
        purpose = POLICY.purposes[POLICY.purpose_ids[name]]
        always = purpose.retroactive >> ORDERS & 1 or purpose.legal_basis is LegalBasis.CONTRACT
        found[name, who] = {one: value for one, value in values.items() if always or one not in OF_ORDERS}
    return found


@quick
@given(arrivals())
def test_the_order_of_arrival_does_not_matter(orders: Orders) -> None:
    order_does_not_matter(orders)


def is_found() -> None:
    """Demand that the law breaks on some example."""

    def breaks(orders: Orders) -> bool:
        try:
            order_does_not_matter(orders)
        except AssertionError:
            return True
        return False

    find(
        arrivals(),
        breaks,
        settings=settings(quick, max_examples=1000, phases=[Phase.generate], derandomize=True, database=None),
    )


def test_a_statement_that_counts_from_its_arrival_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "acted_at", lambda _, known_at: known_at)
    is_found()


def test_a_link_that_needs_both_ends_to_be_known_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Joined.link

    def link(
        joined: Joined,
        one: IdentifierId,
        other: IdentifierId,
        kind: LinkKind,
        at: Instant,
        weight: int = 0,
        source: str = "",
    ) -> None:
        if len(joined.new_nodes) < 2:
            sound(joined, one, other, kind, at, weight, source)

    monkeypatch.setattr(Joined, "link", link)
    is_found()


def test_a_latest_value_that_is_the_last_to_arrive_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(state._MERGES, state.Last, lambda _, other: other)
    is_found()
