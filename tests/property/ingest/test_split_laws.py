"""Merging and then splitting restores what each of two people is seen as; taking a permission only splits.

What was said or collected while two were one stands. So the two are compared with two who never were: where
everybody spoke for themselves and nobody had denied anything, whatever happens between link and unlink; where
somebody had, with nothing between, because a denial closes for the whole person what comes in meanwhile, and
a withdrawal deletes; and where somebody agreed for the whole person, with nothing between either, because
what comes in meanwhile is permitted by that, of whichever of the two it is.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from assent.consent import permit
from assent.consent.statement import Statement
from assent.core.ids import IdentifierId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.features.catalogue import MILLIONTHS
from assent.ingest import closing, component, joining, saying
from assent.ingest.board import Board
from tests.property.identity.worlds import refines
from tests.property.ingest.evidence import (
    Evidence,
    Outcome,
    Parted,
    Said,
    Seen,
    Tied,
    boards,
    fold,
    outcome,
)

quick = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))

ADA = ("user_id:ada", "device_id:d1")
BOB = ("email:bob@example.com", "anonymous_id:a1")
NOBODY = "user_id:somebody-else"
STATED = ("personalisation", "analytics", "advertising", "identity_linking")

HOURS = st.integers(0, 40).map(lambda day: 24 * day + 7)


class Merged(NamedTuple):
    before: list[Evidence]
    link: tuple[str, str]
    between: list[Evidence]
    is_denied: bool
    after: list[Evidence]


def words(states: tuple[str, ...], *, by_person: bool = True) -> st.SearchStrategy[Evidence]:
    return st.builds(
        Said,
        HOURS,
        st.sampled_from(ADA + BOB),
        st.sampled_from(STATED),
        st.sampled_from(states),
        st.booleans() if by_person else st.just(False),
    )


def seen(who: tuple[str, ...]) -> st.SearchStrategy[Evidence]:
    together = st.sampled_from((who, who[:1], who[1:]))
    orders = st.builds(Seen, HOURS, together, st.just("Order Completed"), st.integers(1, 9))
    return orders | st.builds(Seen, HOURS, together, st.just("Product Viewed"), st.sampled_from("xyz"))


@st.composite
def merges(draw: st.DrawFn) -> Merged:
    facts = seen(ADA) | seen(BOB)
    anything = facts | words(("given", "given", "withdrawn", "refused"))
    calm = facts | words(("given",), by_person=False)
    is_calm = draw(st.booleans())
    first = [Seen(7, who, "Order Completed", 1) for who in (ADA, BOB)]
    return Merged(
        before=[*first, *draw(st.lists(calm if is_calm else anything, max_size=7))],
        link=(draw(st.sampled_from(ADA)), draw(st.sampled_from(BOB))),
        between=draw(st.lists(calm, max_size=4)) if is_calm else [],
        is_denied=draw(st.booleans()),
        after=draw(st.lists(anything, max_size=4)),
    )


def told(merged: Merged, *, linked: bool) -> Outcome:
    """Return what follows for the two; where they are not linked, something else happens meanwhile."""
    elsewhere = Seen(7, (NOBODY,), "Order Completed", 1)
    link: Evidence = Tied(7, merged.link) if linked else elsewhere
    unlink: Evidence = Tied(7, merged.link, denied=True) if merged.is_denied else Parted(merged.link)
    arrived = [*merged.before, link, *merged.between, unlink if linked else elsewhere, *merged.after]
    found = outcome(fold(arrived))
    return Outcome(
        {
            name: frozenset(group for group in view if NOBODY not in group)
            for name, view in found.clusters.items()
        },
        frozenset(permit for permit in found.permits if permit[0] != NOBODY),
        {key: values for key, values in found.released.items() if NOBODY not in key[1]},
    )


def splitting_restores(merged: Merged) -> bool:
    return told(merged, linked=True) == told(merged, linked=False)


@quick
@given(merges())
def test_merging_and_then_splitting_restores_every_released_value(merged: Merged) -> None:
    assert splitting_restores(merged)


def test_what_came_in_by_the_word_of_the_whole_person_stands_for_who_agrees_themselves() -> None:
    everybody = Said(7, "user_id:ada", "advertising", "given", by_person=True)
    order: Evidence = Seen(31, ("email:bob@example.com",), "Order Completed", 5)
    own: Evidence = Said(55, "email:bob@example.com", "advertising", "given")
    first = [Seen(7, who, "Order Completed", 1) for who in (ADA, BOB)]
    for between, after, value in (([order], [], None), ([order, own], [], 5), ([order], [own], 0)):
        merged = Merged([*first, everybody], (ADA[0], BOB[0]), between, False, after)
        shown = told(merged, linked=True).released.get(("advertising", frozenset(BOB[:1])))
        assert (None if shown is None else shown["order_value"]) == (value and value * MILLIONTHS)


def is_found(law: Callable[[Merged], bool]) -> None:
    """Demand that a law breaks on some example."""
    thorough = settings(quick, max_examples=2000, phases=[Phase.generate], derandomize=True, database=None)
    find(merges(), lambda merged: not law(merged), settings=thorough)


def test_an_unlink_that_leaves_the_link_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining.Joined, "retract", lambda *_: None)
    is_found(splitting_restores)


def test_a_link_that_closes_for_good_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Board.accept

    def accept(board: Board, joined: joining.Joined, after: component.Derived) -> None:
        sound(board, joined, after)
        for each in closing.closings(joined.before, after, board.now, negative=True):
            board.strip(each)

    agreed = Said(31, "user_id:ada", "personalisation", "given")
    looked = Seen(55, ("user_id:ada",), "Product Viewed", "x")
    refused = Said(31, "anonymous_id:a1", "personalisation", "refused")
    merged = Merged([agreed, looked, refused], ("user_id:ada", "anonymous_id:a1"), [], False, [])
    assert splitting_restores(merged)
    monkeypatch.setattr(Board, "accept", accept)
    assert not splitting_restores(merged)


def test_a_permission_that_opens_what_another_gave_before_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    gave = Said(7, "user_id:ada", "advertising", "given", by_person=True)
    order = Seen(7, ("anonymous_id:a1",), "Order Completed", 1)
    later = Said(7, "anonymous_id:a1", "advertising", "given")
    first = [Seen(7, who, "Order Completed", 1) for who in (ADA, BOB)]
    merged = Merged([*first, gave], (ADA[0], BOB[0]), [order], False, [later])
    assert splitting_restores(merged)
    monkeypatch.setattr(saying, "reopened", lambda *_: ())
    assert not splitting_restores(merged)


# Whatever somebody takes from a purpose, no profile of any purpose gains anybody.


def taking_only_splits(merged: Merged) -> bool:
    """Whether whatever is withdrawn, denied or unlinked leaves in every view parts of the profiles before."""
    link: Evidence = Tied(7, merged.link)
    unlink: Evidence = Tied(7, merged.link, denied=True) if merged.is_denied else Parted(merged.link)
    arrived = [*merged.before, link, *merged.between, *merged.after, unlink]
    seen_as = (_seen_as(board) for board in boards(arrived))
    return all(
        not _takes(fact) or all(refines(groups, before[view]) for view, groups in after.items())
        for fact, (before, after) in zip(arrived, pairwise(seen_as), strict=True)
    )


Views = dict[int, tuple[tuple[IdentifierId, ...], ...]]


def _seen_as(board: Board) -> Views:
    everybody = sorted(board.identifiers.values())
    return {
        view: tuple({board.derived_of(one).members(view, one) for one in everybody})
        for view in board.policy.views
    }


def _takes(fact: Evidence) -> bool:
    match fact:
        case Said():
            return fact.state != "given"
        case Tied():
            return fact.denied
        case Parted():
            return True
        case Seen():
            return False


@quick
@given(merges(), st.integers(0, 1 << 12))
def test_taking_evidence_or_a_permission_away_joins_nobody(merged: Merged, claims: int) -> None:
    before = [
        one._replace(claimed=bool(claims >> place & 1)) if isinstance(one, Seen) else one
        for place, one in enumerate(merged.before)
    ]
    assert taking_only_splits(merged._replace(before=before))


def test_a_denial_that_is_taken_for_an_agreement_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def stances(
        said: list[Statement], policy: Policy, now: Instant
    ) -> tuple[frozenset[IdentifierId], frozenset[IdentifierId]]:
        denies, agrees = permit.stances(said, policy, now)
        return agrees, denies

    monkeypatch.setattr(component, "stances", stances)
    is_found(taking_only_splits)
