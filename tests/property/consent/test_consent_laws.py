"""Laws of consent over random histories, each with a planted fault that it is shown to find.

A law is a plain function that asserts; its test runs it on many worlds, its canary plants a fault and demands
that some world breaks it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from assent.consent import denial, effect, history, permit, terms
from assent.consent import given as given_steps
from assent.consent.decide import Bond, Cluster, Decision, Question, decide
from assent.consent.permit import permits, stances
from assent.consent.statement import ACTORS, NARROWING, WIDENING, State, Statement
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Duration, Instant, shifted
from tests.property.consent.worlds import (
    LAST_DAY,
    MEMBERS,
    World,
    beyond_the_calendar,
    histories,
    policies,
    statements,
    wild_questions,
    wild_statements,
    worlds,
)
from tests.unit.consent.people import day, said

GAVE = said("given", LAST_DAY - 1, explicit=True, subject_age=16, notice_version=3)

STOPS = (State.RESTRICTED, State.ERASED, State.FINDING)
CLOSING = (*sorted(NARROWING), *STOPS)

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def finds(strategy: st.SearchStrategy[Any], law: Callable[..., None]) -> None:
    """Demand that the law breaks on some example."""

    def breaks(example: Any) -> bool:  # noqa: ANN401 - whatever the strategy makes
        try:
            law(*example)
        except AssertionError:
            return True
        except (OverflowError, ValueError):
            return True
        return False

    find(
        strategy,
        breaks,
        settings=settings(quick, max_examples=3000, phases=[Phase.generate], derandomize=True, database=None),
    )


def answer(world: World, question: Question, said: tuple[Statement, ...] | None = None) -> Decision:
    return decide(world.history if said is None else said, world.cluster, world.policy, question)


# Order of arrival

shuffles = worlds().flatmap(lambda world: st.tuples(st.just(world), st.permutations(world.history)))


def order_does_not_matter(world: World, shuffled: list[Statement]) -> None:
    for question in world.questions(3, 8):
        assert answer(world, question) == answer(world, question, tuple(shuffled))
    now = day(6)
    assert permits(shuffled, world.cluster, world.policy, now) == permits(
        world.history, world.cluster, world.policy, now
    )
    assert stances(shuffled, world.policy, now) == stances(world.history, world.policy, now)


@quick
@given(shuffles)
def test_any_order_of_arrival_gives_the_same_answer(example: tuple[World, list[Statement]]) -> None:
    order_does_not_matter(*example)


def test_canary_the_last_to_arrive_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = history.History.heard

    def last(known: history.History, purposes: Any, at: Instant) -> Iterator[Statement]:  # noqa: ANN401
        return iter(list(everything(known, purposes, at))[-1:])

    monkeypatch.setattr(history.History, "heard", last)
    finds(shuffles, order_does_not_matter)


# Narrowing

narrowings = st.tuples(worlds(), statements(CLOSING).filter(lambda said: said.state in CLOSING))


def narrowing_never_opens(world: World, more: Statement) -> None:
    for question in world.questions(3, 8, LAST_DAY):
        if not answer(world, question).allowed:
            assert not answer(world, question, (*world.history, more)).allowed


@quick
@given(narrowings)
def test_a_narrowing_statement_never_turns_a_no_into_a_yes(example: tuple[World, Statement]) -> None:
    narrowing_never_opens(*example)


def test_canary_an_objection_counts_as_a_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denial, "NARROWING", NARROWING - {State.OBJECTED})
    for module in (given_steps, effect):
        monkeypatch.setattr(module, "WIDENING", WIDENING | {State.OBJECTED})
    finds(narrowings, narrowing_never_opens)


# Travelling


def a_withdrawal_closes_the_person(world: World, more: Statement) -> None:
    """Whoever of the person withdraws last, every identifier linked to it is closed, though all gave."""
    gave = tuple(
        replace(GAVE, identifier=member, purpose=purpose)
        for member in world.cluster.members
        for purpose in world.policy.purposes
    )
    withdrawn = replace(
        more,
        state=State.WITHDRAWN,
        acted_at=day(LAST_DAY),
        known_at=day(LAST_DAY),
        address=None,
        categories=0,
    )
    person = history.History((), world.cluster, day(LAST_DAY)).person(more.identifier, day(LAST_DAY))
    for question in world.questions(LAST_DAY):
        found = answer(world, question, (*world.history, *gave, withdrawn))
        if question.identifier in person and question.purpose == withdrawn.purpose:
            assert not found.allowed or found.step == 12  # a contract and the law override it


@quick
@given(narrowings)
def test_a_withdrawal_through_any_identifier_holds_for_the_person(example: tuple[World, Statement]) -> None:
    a_withdrawal_closes_the_person(*example)


def test_canary_a_denial_stays_with_its_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denial, "_reaches", lambda case, heard: heard.identifier == case.source)
    finds(narrowings, a_withdrawal_closes_the_person)


# Linking and unlinking


def unlinking_restores(world: World, _: object) -> None:
    """Apart again, or never together: the same answer. Together: never more than apart, but for one word.

    That word is the person's own, authenticated, after the link: it speaks for all that is theirs.
    """
    low, high = MEMBERS[:2]
    linked = Cluster(members=(low, high), bonds=(Bond(low=low, high=high, first_at=day(2)),))
    parted = Cluster(members=(low, high), bonds=(Bond(low=low, high=high, first_at=day(2), until=day(7)),))
    for question in replace(world, cluster=linked).questions(4, 7, 9):
        alone = Cluster(members=(question.identifier,))
        own = tuple(said for said in world.history if said.identifier == question.identifier)
        apart = decide(own, alone, world.policy, question)
        if question.at >= day(7):
            assert decide(world.history, parted, world.policy, question) == apart
        spoken_for = any(
            said.authenticated and said.person_scope and said.acted_at >= day(2)
            for said in world.history
            if said.identifier != question.identifier
        )
        together = decide(world.history, linked, world.policy, question)
        assert apart.allowed or spoken_for or not together.allowed


unbound = st.tuples(
    worlds().map(
        lambda world: replace(world, history=tuple(replace(said, address=None) for said in world.history))
    ),
    st.none(),
)


@quick
@given(unbound)
def test_linking_never_opens_and_unlinking_restores(example: tuple[World, None]) -> None:
    unlinking_restores(*example)


def test_canary_an_unlink_is_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(history.History):
        def __init__(self, said: Any, cluster: Cluster, known_at: Instant) -> None:  # noqa: ANN401
            bonds = tuple(replace(bond, until=FOREVER) for bond in cluster.bonds)
            super().__init__(said, replace(cluster, bonds=bonds), known_at)

    monkeypatch.setattr("assent.consent.decide.History", Forgetful)
    finds(unbound, unlinking_restores)


def test_canary_permissions_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assent.consent.case.Case.is_own", lambda case, said: said.identifier in case.person)
    finds(unbound, unlinking_restores)


# Permits


def permits_equal_decide(world: World, now_day: int) -> None:
    """At every instant around every edge from now on, and back to where each permit began."""
    now = day(now_day)
    rows = permits(world.history, world.cluster, world.policy, now)
    edges = {now, *(Instant(day(n) + x) for n in range(now_day, LAST_DAY + 6) for x in (-1, 0))}
    ends = {shifted(said.acted_at, months) for said in world.history for months in MONTHS}
    ends |= {end for row in rows for end in (row.since, row.until)} - {BEGINNING, FOREVER}
    edges |= {Instant(end + x) for end in ends for x in (-1, 0, 1)}
    for question in world.questions(now_day, known=now_day):
        mine = [
            row
            for row in rows
            if (row.identifier, row.purpose) == (question.identifier, question.purpose)
            and row.categories >> (question.category or 0) & 1
        ]
        assert all(row.until > now for row in mine)
        starts = [row.since for row in mine]
        for at in edges:
            if at >= min([now, *starts]):
                asked = replace(question, at=at)
                covered = any(row.since <= at < row.until for row in mine)
                if at >= now or covered:
                    assert decide(world.history, world.cluster, world.policy, asked).allowed == covered


MONTHS = (Duration(months=1),)
moments = st.tuples(worlds(size=5), st.integers(0, LAST_DAY))


@settings(quick, max_examples=60)
@given(moments)
def test_permits_equal_decide_at_every_instant(example: tuple[World, int]) -> None:
    permits_equal_decide(*example)


def test_canary_permits_overlook_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permit, "lapse", lambda *_: FOREVER)
    finds(st.tuples(worlds(3, tuple(WIDENING)), st.integers(0, 3)), permits_equal_decide)


def test_canary_a_purpose_forgets_whose_words_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(policy: Policy) -> tuple[terms.Terms, ...]:
        return tuple(replace(each, about=(each.purpose.id, None)) for each in terms.terms_of(policy))

    monkeypatch.setattr(permit, "terms_of", forgetful)
    finds(st.tuples(worlds(3, tuple(WIDENING)), st.integers(0, 3)), permits_equal_decide)


# Machines


def machines_never_open(world: World, signals: tuple[Statement, ...]) -> None:
    for question in world.questions(3, 8, LAST_DAY):
        if answer(world, question, (*world.history, *signals)).allowed:
            assert answer(world, question).allowed


machine_statements = statements((State.GIVEN, State.RENEWED, State.GPC)).map(
    lambda said: replace(said, actor="system", mechanism="click")
)
signals = st.tuples(worlds(), st.lists(machine_statements, max_size=3).map(tuple))


@quick
@given(signals)
def test_machine_signals_only_narrow(example: tuple[World, tuple[Statement, ...]]) -> None:
    machines_never_open(*example)


def test_canary_a_system_may_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effect, "ACTORS", ACTORS | {"system"})
    finds(signals, machines_never_open)


# Totality

wild = st.tuples(
    policies(), st.lists(wild_statements() | beyond_the_calendar(), max_size=6), wild_questions()
)


def decide_is_total(policy: Policy, said: list[Statement], question: Question) -> None:
    cluster = Cluster(members=MEMBERS[:2])
    found = decide(said, cluster, policy, question)
    assert found.allowed in {True, False}
    assert 1 <= found.step <= 26
    permits(said, cluster, policy, question.at)
    stances(said, policy, question.at)


@quick
@given(wild)
def test_no_history_however_wild_raises(example: tuple[Policy, list[Statement], Question]) -> None:
    decide_is_total(*example)


def test_canary_the_calendar_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(acted: Instant, _: object, validities: Any) -> Instant:  # noqa: ANN401
        return min((shifted(acted, each) for each in validities if each is not None), default=FOREVER)

    monkeypatch.setattr(given_steps, "lapse", careless)
    monkeypatch.setattr(permit, "lapse", careless)
    late = st.lists(beyond_the_calendar(), min_size=1, max_size=3)
    finds(st.tuples(policies(), late, wild_questions()), decide_is_total)


@quick
@given(policies(), histories())
def test_who_denies_does_not_agree(policy: Policy, said: tuple[Statement, ...]) -> None:
    denies, agrees = stances(said, policy, day(6))
    assert not denies & agrees
