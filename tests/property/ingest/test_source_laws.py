"""Taking back what a source proved leaves what would be had it never proved anything.

Its events stay where they are, and so do statements: the world compared with is one in which the source saw
everybody, but nobody together. Where people denied something, what came in meanwhile was closed for whoever
was then one person, so the values are compared where nobody did.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import structs

from assent.core.documents import parse_policy
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.identity import proofs
from assent.identity.resolve import Link
from assent.ingest import joining
from assent.ingest.board import Board
from tests.property.ingest.evidence import (
    NAMES,
    POLICY,
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
from tests.support.policy_documents import changed, shipped

EVERYBODY = ("user_id:u1", "user_id:u2", "email:e", "device_id:d1", "anonymous_id:a1")
STATED = ("personalisation", "analytics", "advertising", "identity_linking")
GONE = ("till", "web")
"""The sources whose word is taken back, one after the other or at once; `crm` and `` stand."""

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

Ruled = tuple[Policy, NameBook]

TIMED: Ruled = parse_policy(changed(shipped(), "identity", 'conflict = "last_authenticated"'))
LASTING: Ruled = parse_policy(changed(shipped(), "identity", 'namespaces.device_id.lifetime = "P20D"'))
RULES: dict[str, Ruled] = {"shipped": (POLICY, NAMES), "timed": TIMED, "lasting": LASTING}

Links = frozenset[tuple[frozenset[str], int, int, int, int]]


class World(NamedTuple):
    rule: str
    before: list[Evidence]
    taken_back: tuple[tuple[str, ...], ...]
    after: list[Evidence]

    @property
    def is_calm(self) -> bool:
        """Whether nobody denied anything, or said that two are not one."""
        return not any(
            (isinstance(one, Said) and one.state != "given") or (isinstance(one, Tied) and one.denied)
            for one in (*self.before, *self.after)
        )


def facts() -> st.SearchStrategy[Evidence]:
    hours = st.integers(0, 40).map(lambda day: 24 * day + 7) | st.integers(0, 3)
    pair = st.lists(st.sampled_from(EVERYBODY), min_size=2, max_size=3, unique=True)
    sources = st.sampled_from(("till", "web", "crm", ""))
    return st.one_of(
        st.builds(
            lambda hour, who, source: Seen(
                hour, tuple(sorted(who, key=EVERYBODY.index)), "Order Completed", 1, source
            ),
            hours,
            pair,
            sources,
        ),
        st.builds(
            lambda hour, who, weight, source: Tied(hour, tuple(who[:2]), weight=weight, source=source),
            hours,
            pair,
            st.sampled_from((0, 0, 500_000, 900_000)),
            sources,
        ),
        st.builds(
            Said,
            hours,
            st.sampled_from(EVERYBODY),
            st.sampled_from(STATED),
            st.sampled_from(("given", "given", "withdrawn")),
            st.booleans(),
        ),
        st.builds(lambda hour, who: Tied(hour, tuple(who[:2]), denied=True), hours, pair),
        st.builds(lambda who: Parted(tuple(who[:2])), pair),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    seen = [Seen(7, (who,), "Order Completed", 1) for who in EVERYBODY]
    return World(
        rule=draw(st.sampled_from(sorted(RULES))),
        before=[*seen, *draw(st.lists(facts(), max_size=9))],
        taken_back=draw(st.sampled_from(((GONE,), (GONE[:1], GONE[1:]), (GONE, GONE), (GONE[1:], GONE)))),
        after=draw(st.lists(facts(), max_size=3)),
    )


def told(world: World, *, heard: bool) -> tuple[Outcome, Links]:
    """Return what follows, the sources having been `heard` and taken back, or never."""
    retracted = [Parted(pair, sources) for sources in world.taken_back for pair in combinations(EVERYBODY, 2)]
    # Every fact has its instant: where a source is not heard, something else happens then.
    meanwhile: list[Evidence] = (
        [*retracted] if heard else [Seen(7, EVERYBODY[:1], "Nothing", "x")] * len(retracted)
    )
    before = world.before if heard else [_unheard(one) for one in world.before]
    board = fold([*before, *meanwhile, *world.after], *RULES[world.rule])
    return outcome(board), links_of(board)


def _unheard(one: Evidence) -> Evidence:
    match one:
        case Seen() if one.source in GONE:
            return one._replace(who=one.who[:1])
        case Tied() if one.source in GONE:
            return Seen(7, EVERYBODY[:1], "Nothing", "x")
        case _:
            return one


def links_of(board: Board) -> Links:
    """Return the evidence that is left: between whom, of what kind, from when to when, how sure."""
    names = {number: ref.lookup.decode() for ref, number in board.identifiers.items()}
    return frozenset(
        (
            frozenset((names[link.low], names[link.high])),
            int(link.kind),
            link.first_at,
            link.last_at,
            link.weight,
        )
        for component, _ in board.components()
        for link in component.links.values()
    )


def as_if_unheard(world: World) -> bool:
    (one, links), (other, same) = told(world, heard=True), told(world, heard=False)
    if (one.clusters, one.permits, links) != (other.clusters, other.permits, same):
        return False
    return not world.is_calm or one.released == other.released


@quick
@given(worlds())
def test_what_a_source_proved_is_as_if_it_had_never_spoken(world: World) -> None:
    assert as_if_unheard(world)


@quick
@given(worlds())
def test_a_link_is_always_what_its_sources_make_of_it(world: World) -> None:
    for board in boards([*world.before, *world.after], *RULES[world.rule]):
        for component, _ in board.components():
            for link in component.links.values():
                assert proofs.merged(proofs.parts(link)) == link


def is_found() -> None:
    """Demand that the law breaks on some example."""
    thorough = settings(quick, max_examples=2000, phases=[Phase.generate], derandomize=True, database=None)
    find(worlds(), lambda world: not as_if_unheard(world), settings=thorough)


def test_a_retraction_that_does_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining.Joined, "retract_sources", lambda *_: None)
    is_found()


def test_a_retraction_that_takes_what_others_prove_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = proofs.without
    monkeypatch.setattr(joining, "without", lambda link, gone: link if sound(link, gone) is link else None)
    is_found()


def test_a_second_source_that_nobody_notes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "part_of", lambda link, _source: link)
    is_found()


def test_times_that_outlive_their_source_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound: Callable[..., Link | None] = proofs.without

    def without(link: Link, gone: Sequence[bytes]) -> Link | None:
        left = sound(link, gone)
        return left and structs.replace(left, first_at=link.first_at, last_at=link.last_at)

    monkeypatch.setattr(joining, "without", without)
    is_found()
