"""Components alike are derived once: what is remembered of one is what deriving the other would say.

Small worlds in which components differ by a few hours and by names alone, so that nearly all of them are
alike and what tells some apart is easily missed; with planted faults.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from assent.consent.statement import Statement
from assent.core.ids import EntryIndex, IdentifierId, NamespaceId, ViewId
from assent.core.policy import ConflictRule, IdentifierKind, LinkKind, LinkUse, Namespace, Policy
from assent.core.time import FOREVER, HOUR, Instant, parse_duration
from assent.identity.resolve import Link, Node
from assent.ingest import alike
from assent.ingest.alike import Alike, Followed
from assent.ingest.component import Component, Derived, derive_prepared
from assent.ingest.denials import denied_purposes
from tests.property.consent.worlds import LAST_DAY, MEMBERS, histories, policies
from tests.property.identity.worlds import is_caught
from tests.unit.consent.people import PERSON, day, policy, purpose, said

USER, DEVICE, COOKIE = map(NamespaceId, (1, 2, 3))

SPACES = {
    USER: Namespace(id=USER, name="user", kind=IdentifierKind.PERSON, priority=1, limit=1),
    DEVICE: Namespace(id=DEVICE, name="device", kind=IdentifierKind.DEVICE, priority=2),
    COOKIE: Namespace(
        id=COOKIE, name="cookie", kind=IdentifierKind.COOKIE, priority=3, lifetime=parse_duration("P3D")
    ),
}
PERIODIC = replace(SPACES[DEVICE], limit=1, limit_period=parse_duration("P2D"))
VIEWS = {
    ViewId(2): LinkUse(kinds=frozenset(LinkKind)),
    ViewId(3): LinkUse(kinds=frozenset({LinkKind.ASSERTED}), agreement=True),
}


Spoken = dict[IdentifierId, tuple[Statement, ...]]


class Case(NamedTuple):
    rules: Policy
    as_of: Instant
    components: tuple[Component, ...]


@st.composite
def components(draw: st.DrawFn) -> Component:
    members = MEMBERS[: draw(st.integers(1, 3))]
    nodes = {
        one: Node(id=one, namespace=draw(st.sampled_from([*SPACES])), key=draw(st.binary(max_size=1)))
        for one in members
    }
    links = {}
    pairs = [(one, other) for one in members for other in members if one < other]
    for low, high in pairs:
        kind = draw(st.sampled_from([*LinkKind, LinkKind.ASSERTED]))
        first = draw(st.integers(0, LAST_DAY))
        links[low, high, kind] = Link(
            low=low,
            high=high,
            kind=kind,
            first_at=day(first),
            last_at=day(draw(st.integers(first, LAST_DAY))),
            first_entry=EntryIndex(0),
            last_entry=EntryIndex(0),
            weight=draw(st.sampled_from([0, 600_000])),
        )
    words: Spoken = {}
    for one in draw(histories(5)):
        if one.identifier in members:
            words[one.identifier] = (*words.get(one.identifier, ()), one)
    denied = dict.fromkeys(draw(st.lists(st.sampled_from(pairs), max_size=1)) if pairs else (), day(1))
    return Component(nodes=nodes, links=links, denied=denied, statements=words)


@st.composite
def cases(draw: st.DrawFn, spaces: dict[NamespaceId, Namespace] = SPACES) -> Case:
    drawn = draw(policies())
    purposes = {
        # A policy whose parents go in circles is refused when it is loaded.
        number: replace(one, parent=None) if (one.parent or 0) >= number else one
        for number, one in drawn.purposes.items()
    }
    rules = replace(
        drawn,
        purposes=purposes,
        namespaces=spaces,
        views=VIEWS,
        conflict=draw(st.sampled_from(ConflictRule)),
        identifiers_per_profile=draw(st.sampled_from([2, 100])),
    )
    component = draw(components())
    dice = Random(draw(st.integers(0, 1 << 16)))
    others = (component, component, *altered(component))
    return Case(
        rules,
        day(draw(st.integers(0, LAST_DAY)) + 0.5),
        (
            component,
            *(moved(one, number, dice.choices(range(24), k=40)) for number, one in enumerate(others, 1)),
        ),
    )


def altered(component: Component) -> Iterator[Component]:
    """Yield what is nearly the same: said otherwise, of others, nothing denied, nothing linked."""
    words = {
        one: tuple(replace(each, mechanism="scroll", person_scope=False) for each in spoken)
        for one, spoken in component.statements.items()
    }
    nodes = {one: replace(node, namespace=COOKIE, key=b"\0") for one, node in component.nodes.items()}
    yield replace(component, statements=words)
    yield replace(component, nodes=nodes)
    yield replace(component, denied={})
    yield replace(component, links={})


def moved(component: Component, number: int, hours: Sequence[int]) -> Component:
    """Return the same of somebody else: every instant some hours later, in the order in which they stood."""

    def at(instant: Instant) -> Instant:
        turn = (instant - day(0)) // (24 * HOUR)
        return Instant(instant + hours[turn] * HOUR) if 0 <= turn < len(hours) else instant

    def name(one: IdentifierId) -> IdentifierId:
        return IdentifierId(one + 64_000 * number)

    return Component(
        nodes={name(one): replace(node, id=name(one)) for one, node in component.nodes.items()},
        links={
            (name(low), name(high), kind): replace(
                link,
                low=name(low),
                high=name(high),
                first_at=at(link.first_at),
                last_at=max(at(link.first_at), at(link.last_at)),
            )
            for (low, high, kind), link in component.links.items()
        },
        denied={(name(low), name(high)): when for (low, high), when in component.denied.items()},
        statements={
            name(one): tuple(
                replace(
                    each,
                    identifier=name(each.identifier),
                    acted_at=at(each.acted_at),
                    known_at=at(each.known_at),
                    expires_at=None if each.expires_at is None else at(each.expires_at),
                    address=None if each.address is None else name(each.address),
                    entry=each.entry + number,
                )
                for each in spoken
            )
            for one, spoken in component.statements.items()
        },
    )


def asked(component: Component, rules: Policy, as_of: Instant) -> Followed:
    return Followed(
        derived=derive_prepared(component, rules, as_of),
        denies={one: denied_purposes(spoken, rules) for one, spoken in component.statements.items()},
    )


def holds(case: Case) -> bool:
    together = Alike(case.rules, case.as_of)
    try:
        return all(together.followed(each) == asked(each, case.rules, case.as_of) for each in case.components)
    except KeyError:
        return False


@given(cases())
def test_what_is_remembered_of_one_component_holds_of_those_alike(case: Case) -> None:
    assert holds(case)


@given(cases({**SPACES, DEVICE: PERIODIC}))
@settings(max_examples=50)
def test_limits_within_a_period_are_never_remembered(case: Case) -> None:
    assert holds(case)


def test_those_who_differ_by_names_and_hours_are_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Component] = []

    def counted(component: Component, rules: Policy, as_of: Instant) -> Derived:
        found.append(component)
        return derive_prepared(component, rules, as_of)

    monkeypatch.setattr(alike, "derive_prepared", counted)
    one = Component(
        nodes={PERSON: Node(id=PERSON, namespace=USER, key=b"")},
        statements={PERSON: (said("given", 1), said("withdrawn", 3))},
    )
    together = Alike(policy(purpose(validity=parse_duration("P1M"))), day(20))
    for number in range(24):
        together.followed(moved(one, number, (number,) * 40))
    assert found == [one]


def test_an_instant_of_the_policy_itself_is_told_from_that_of_a_statement() -> None:
    """One gave at the very instant at which the purpose was declared, the other before: who is asked then."""
    rules = policy(purpose(declared=day(4)), namespaces=SPACES)
    node = Node(id=PERSON, namespace=USER, key=b"")
    components = tuple(
        Component(nodes={PERSON: node}, statements={PERSON: (replace(words, entry=EntryIndex(1)),)})
        for words in (said("given", 4, known=8), said("given", 2))
    )
    assert holds(Case(rules, day(4), components))
    assert asked(components[0], rules, day(4)).derived.permits[PERSON]
    assert not asked(components[1], rules, day(4)).derived.permits[PERSON]


def test_no_more_is_remembered_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "REMEMBERED", 3)
    together = Alike(policy(), day(20))
    for words in range(9):
        history = tuple(said("given", turn) for turn in range(words))
        node = Node(id=PERSON, namespace=USER, key=b"")
        together.followed(Component(nodes={PERSON: node}, statements={PERSON: history}))
    assert len(together._moulds) == 3


def nothing(*_: object) -> Iterator[Instant]:
    return iter(())


def test_canary_when_a_give_lapses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Alike, "_lapses", nothing)
    assert is_caught(cases(), holds)


def test_canary_how_it_was_said_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_words", lambda each: each.state)
    assert is_caught(cases(), holds)


def test_canary_when_a_link_is_over_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Alike, "_ends_at", lambda *_: FOREVER)
    assert is_caught(cases(), holds)


def test_canary_when_the_policy_itself_changes_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "terms_of", lambda _: ())
    assert is_caught(cases(), holds)


def test_canary_distances_are_taken_for_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices of one person, within the period of the limit and beyond it."""
    rules = policy(namespaces={**SPACES, DEVICE: PERIODIC}, views=VIEWS)
    case = Case(rules, day(20), tuple(two_devices(second) for second in (2, 8)))
    assert holds(case)
    monkeypatch.setattr(Alike, "_is_singular", lambda *_: False)
    assert not holds(case)


def two_devices(second: int) -> Component:
    spaces = dict(zip(MEMBERS, (USER, DEVICE, DEVICE), strict=True))
    links = [
        Link(
            low=MEMBERS[0],
            high=device,
            kind=LinkKind.OBSERVED,
            first_at=day(first),
            last_at=day(first),
            first_entry=EntryIndex(0),
            last_entry=EntryIndex(0),
        )
        for device, first in zip(MEMBERS[1:], (1, second), strict=True)
    ]
    return Component(
        nodes={one: Node(id=one, namespace=space, key=bytes([one % 251])) for one, space in spaces.items()},
        links={(link.low, link.high, link.kind): link for link in links},
    )
