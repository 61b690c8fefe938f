"""Denials travel along the one resolution: no purpose's view of it carries them further, none stops them.

A purpose's view may see one person as three. What one of them denied is denied for all; what was said by
somebody outside the resolution, though evidence connects them, is not; and who may be linked for a purpose
changes no permit.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from assent.consent.permit import stances
from assent.consent.statement import State, Statement
from assent.core.ids import RESOLUTION, EntryIndex, IdentifierId, NamespaceId, ViewId
from assent.core.policy import IdentifierKind, LinkKind, LinkUse, Namespace, Policy
from assent.core.time import Instant
from assent.identity.resolve import Link, Node
from assent.identity.views import cut
from assent.ingest import component
from assent.ingest.component import Component, Deniers, Derived, derive
from tests.unit.consent.people import ANALYTICS, EMAIL, MARKETING, day, policy, purpose, said

PERSONS, COOKIES = NamespaceId(1), NamespaceId(2)
ONE, OTHER, FIRST, SECOND = (IdentifierId(64 * n) for n in range(1, 5))
SPACES: Mapping[IdentifierId, NamespaceId] = {ONE: PERSONS, OTHER: PERSONS, FIRST: COOKIES, SECOND: COOKIES}
NOW = day(20)

NARROW, AGREED, WIDE = (
    LinkUse(kinds=frozenset({LinkKind.ASSERTED})),
    LinkUse(kinds=frozenset(LinkKind), agreement=True),
    LinkUse(kinds=frozenset(LinkKind)),
)

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Evidence(Struct, frozen=True, kw_only=True):
    """Links between four identifiers, two of them people's, and what each said."""

    component: Component
    uses: tuple[LinkUse, ...]

    def under(self, *uses: LinkUse) -> Derived:
        return derive(self.component, declared(*(uses or self.uses)), NOW)


def declared(*uses: LinkUse) -> Policy:
    purposes = [
        purpose(number, view=ViewId(place), name=name)
        for place, (number, name) in enumerate(
            ((MARKETING, "marketing"), (EMAIL, "email"), (ANALYTICS, "identity_linking")), 2
        )
    ]
    spaces = {
        PERSONS: Namespace(id=PERSONS, name="user", kind=IdentifierKind.PERSON, priority=1, limit=1),
        COOKIES: Namespace(id=COOKIES, name="cookie", kind=IdentifierKind.COOKIE, priority=2),
    }
    views = {ViewId(place): use for place, use in enumerate(uses, 2)}
    return policy(*purposes, namespaces=spaces, views=views, linking=ANALYTICS)


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    links: dict[tuple[IdentifierId, IdentifierId, LinkKind], Link] = {}
    pairs = st.sampled_from([(ONE, FIRST), (OTHER, FIRST), (FIRST, SECOND), (ONE, SECOND), (OTHER, SECOND)])
    for low, high in draw(st.lists(pairs, min_size=1, max_size=4, unique=True)):
        at, kind = day(draw(st.integers(0, 9))), draw(st.sampled_from([*LinkKind][:3]))
        links[low, high, kind] = Link(
            low=low,
            high=high,
            kind=kind,
            first_at=at,
            last_at=at,
            first_entry=EntryIndex(0),
            last_entry=EntryIndex(0),
        )
    statements: dict[IdentifierId, tuple[Statement, ...]] = {}
    for place in range(draw(st.integers(1, 7))):
        who = draw(st.sampled_from([*SPACES]))
        by_person = who in (ONE, OTHER) and draw(st.booleans())
        one = said(
            draw(st.sampled_from(["given", "given", "withdrawn", "refused", "objected"])),
            draw(st.integers(10, 18)),
            draw(st.sampled_from([MARKETING, EMAIL, ANALYTICS])),
            who,
            authenticated=by_person,
            person_scope=by_person,
            entry=EntryIndex(place),
        )
        statements[who] = (*statements.get(who, ()), one)
    nodes = {one: Node(id=one, namespace=space, key=str(one).encode()) for one, space in SPACES.items()}
    uses = draw(st.tuples(*[st.sampled_from([NARROW, AGREED, WIDE])] * 3))
    return Evidence(component=Component(nodes=nodes, links=links, statements=statements), uses=uses)


def finds(law: Callable[[Evidence], None]) -> None:
    """Demand that the law breaks on some example."""

    def breaks(example: Evidence) -> bool:
        try:
            law(example)
        except AssertionError:
            return True
        return False

    find(
        evidence(),
        breaks,
        settings=settings(quick, max_examples=3000, phases=[Phase.generate], derandomize=True, database=None),
    )


def views_change_no_permit(example: Evidence) -> None:
    permitted = [
        {
            one: [permit for permit in held if permit.purpose != ANALYTICS]
            for one, held in found.permits.items()
        }
        for found in (example.under(), example.under(WIDE, WIDE, WIDE), example.under(NARROW, NARROW, NARROW))
    ]
    assert permitted[0] == permitted[1] == permitted[2]


def a_denial_closes_the_resolution_and_no_more(example: Evidence) -> None:
    """Deny last, by any identifier: closed for all of its resolution, unchanged for everybody else."""
    before = example.under()
    for speaker in SPACES:
        denial = said("withdrawn", 19, MARKETING, speaker, entry=EntryIndex(99))
        statements = {
            **example.component.statements,
            speaker: (*example.component.statements.get(speaker, ()), denial),
        }
        after = replace(example, component=replace(example.component, statements=statements)).under()
        person = after.members(RESOLUTION, speaker)
        for one in SPACES:
            opened = [permit for permit in after.permits[one] if permit.purpose == MARKETING]
            if one in person:
                assert opened == []
            else:
                assert after.permits[one] == before.permits[one]


@quick
@given(evidence())
def test_what_a_purpose_may_link_changes_no_permit(example: Evidence) -> None:
    views_change_no_permit(example)


@quick
@given(evidence())
def test_a_denial_closes_the_resolution_and_no_more(example: Evidence) -> None:
    a_denial_closes_the_resolution_and_no_more(example)


def _within(view: ViewId) -> Callable[..., Any]:
    """Return the permits of a resolution, decided within the clusters of one view of it."""
    whole = component._permitted

    def permitted(
        of: Component,
        members: tuple[IdentifierId, ...],
        bonds: Any,  # noqa: ANN401
        deniers: Deniers,
        rules: Policy,
        now: Instant,
    ) -> Any:  # noqa: ANN401
        said_here = [one for said in of.statements.values() for one in said]
        kept = [link for link in component.resolution_of(of, rules, NOW).kept if link.low in members]
        denies, agrees = stances(said_here, rules, now)
        for group in cut(members, kept, rules.views[view], denies, agrees):
            yield from whole(of, tuple(group), bonds, deniers, rules, now)

    return permitted


def test_canary_denials_stay_within_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "_permitted", _within(ViewId(2)))
    finds(a_denial_closes_the_resolution_and_no_more)


def test_canary_views_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "_permitted", _within(ViewId(2)))
    finds(views_change_no_permit)


def test_canary_denials_travel_along_all_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(
        of: Component,
        members: Any,  # noqa: ANN401
        bonds: Any,  # noqa: ANN401
        deniers: Deniers,
        rules: Policy,
        now: Instant,
    ) -> Any:  # noqa: ANN401
        everybody = [one for said_by in of.statements.values() for one in said_by]
        denied = [one for one in everybody if one.state is State.WITHDRAWN]
        for one, held in whole(of, members, bonds, deniers, rules, now):
            yield one, () if denied else held

    whole = component._permitted
    monkeypatch.setattr(component, "_permitted", everything)
    finds(a_denial_closes_the_resolution_and_no_more)
