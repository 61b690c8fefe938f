"""Asking all audiences together says what asking each says; the law catches faults."""

from collections.abc import Callable
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import gates as gates_module
from assent.audiences import sums as sums_module
from assent.audiences import watch as watch_module
from assent.audiences.board import Board, Windowed, _Layout
from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.gates import Gates, Part
from assent.audiences.rule import All, And, AtLeast, Not, Or, Rule, parse
from assent.audiences.seen import Opening, Shown, seen_at
from assent.audiences.sums import Weighed
from assent.audiences.watch import Watch
from assent.core.ids import ProfileId
from assent.core.time import BEGINNING, DAY, Instant
from tests.property.audiences.worlds import (
    FEATURES,
    POLICY,
    START,
    VISIBLE,
    Asked,
    asked,
    by_time,
    facts_asked,
    growing_old,
    rules,
    scores,
    shown,
)

LAWS = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=2_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

NOW = Instant(START)

people = st.lists(shown(1), min_size=1, max_size=5)
passing = st.lists(st.sampled_from([0, 10, DAY, DAY + 10, 5 * DAY]), min_size=1, max_size=3)
"""What the clock goes on by, again and again."""


def held(watch: Watch, one: Shown | None, now: Instant) -> set[str]:
    bits = watch.held(one, now)
    return {name for name, place in watch.places.items() if bits >> place & 1}


def asking_together_equals_asking_each(question: Asked, some: list[Shown], steps: list[int]) -> None:
    every = question.audiences | {"asking": question.rule}
    watch, now = Watch(POLICY, every), NOW
    assert sorted(watch.places) == sorted(every)
    assert held(watch, None, now) == set()
    for step in steps:
        now = Instant(now + step)
        for one in some:
            seen = seen_at(one, now)
            right = {
                name for name, rule in every.items() if evaluate(rule, POLICY, seen, now, every) is Truth.TRUE
            }
            assert held(watch, one, now) == right


@LAWS
@given(asked(), people, passing)
def test_asking_together_equals_asking_each(question: Asked, some: list[Shown], steps: list[int]) -> None:
    asking_together_equals_asking_each(question, some, steps)


@st.composite
def many_asked(draw: st.DrawFn) -> Asked:
    """Return a rule with many audiences, of scores too, some of which refer to others and lie deep."""
    question, facts = draw(asked()), draw(facts_asked())
    some = draw(st.lists(st.one_of(rules(("first", "second")), scores), min_size=3, max_size=9))
    several = {f"audience {place}": rule for place, rule in enumerate(some)}
    deep = Not(of=Or(of=(And(of=tuple(some[:2])), AtLeast(count=2, of=(*some[1:], question.rule)))))
    return Asked(facts.rule, {**question.audiences, **several, "deep": deep, "asked": question.rule})


@LAWS
@given(many_asked(), people, passing, st.sampled_from([1, 2, 64]), st.sampled_from([2, 5, 256]))
def test_asking_many_together_equals_asking_each(
    question: Asked, some: list[Shown], steps: list[int], largest: int, together: int
) -> None:
    """Whatever is taken into what refers to it, and however many stand on one board."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates_module, "_LARGEST", largest)
        patch.setattr(watch_module, "_TOGETHER", together)
        asking_together_equals_asking_each(question, some, steps)


def references_are_not_followed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gates, "_referred", lambda self, name, *, holds: self._part(All(), holds=holds))


def a_part_of_a_window_is_the_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Windowed, "of", lambda self, person: self.add(person.values.get(self.feature.id)))


def what_no_value_decides_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    real = Board._fill

    def fill(self: Board, layout: _Layout) -> None:
        real(self, layout)
        self._asked.clear()

    patch.setattr(Board, "_fill", fill)


def two_audiences_have_one_bit(patch: pytest.MonkeyPatch) -> None:
    real = Board.__init__

    def made(self: Board, *given_: object) -> None:
        real(self, *given_)  # type: ignore[arg-type]
        self._beside = [(mask, shift + phase) for phase, (mask, shift) in enumerate(self._beside)]

    patch.setattr(Board, "__init__", made)


def hidden_is_absent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watch_module, "visible_at", Mock(return_value=-1))


def unknown_is_false(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Weighed, "of", lambda self, person: self.true if self.ask(person) is Truth.TRUE else self.false
    )


def what_lies_inside_is_not_handed_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Layout, "shifts", Mock(return_value=[]))


def the_outermost_is_handed_on_first(patch: pytest.MonkeyPatch) -> None:
    real = _Layout.shifts
    patch.setattr(_Layout, "shifts", lambda self: real(self)[::-1])


def the_opposite_needs_one_more(patch: pytest.MonkeyPatch) -> None:
    real = Gates._counted

    def counted(self: Gates, count: int, of: tuple[Rule, ...], *, holds: bool) -> Part:
        return real(self, count - (not holds), of, holds=holds)

    patch.setattr(Gates, "_counted", counted)


def members_of_a_set_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = sums_module._by_member

    def one_member(leaves: list[Weighed], told: sums_module._Told) -> sums_module.Added:
        add = real(leaves, told)
        return lambda value: add(frozenset(sorted(value)[:1]) if isinstance(value, frozenset) else value)

    patch.setattr(sums_module, "_by_member", one_member)


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge", "eq"])
def test_a_threshold_is_crossed_at_the_very_millionth(name: str) -> None:
    rule = parse({"op": name, "feature": "age", "value": 1})
    watch = Watch(POLICY, {"asking": rule})
    for age in (999_999, 1_000_000, 1_000_001):
        holds = evaluate(rule, POLICY, seen_at(aged(age), NOW), NOW, {}) is Truth.TRUE
        assert held(watch, aged(age), NOW) == ({"asking"} if holds else set())


def test_a_forgotten_threshold_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums_module, "_lasts", Mock(return_value=()))
    with pytest.raises(AssertionError):
        test_a_threshold_is_crossed_at_the_very_millionth("lt")


def aged(millionths: int) -> Shown:
    permits = (Opening(VISIBLE, BEGINNING),)
    return Shown(profile=ProfileId(1), values={FEATURES["age"].id: millionths}, permits=permits)


ALONE = CANARY(given(asked(), people, passing)(asking_together_equals_asking_each))
BY_TIME = CANARY(
    given(by_time(), st.lists(growing_old(1), min_size=1, max_size=5), passing)(
        asking_together_equals_asking_each
    )
)
TOGETHER = CANARY(given(many_asked(), people, passing)(asking_together_equals_asking_each))


@pytest.mark.parametrize(
    ("plant", "law"),
    [
        (references_are_not_followed, ALONE),
        (a_part_of_a_window_is_the_whole, BY_TIME),
        (what_no_value_decides_is_not_asked, ALONE),
        (two_audiences_have_one_bit, TOGETHER),
        (hidden_is_absent, ALONE),
        (unknown_is_false, ALONE),
        (members_of_a_set_are_forgotten, ALONE),
        (the_opposite_needs_one_more, ALONE),
        (what_lies_inside_is_not_handed_on, ALONE),
        (the_outermost_is_handed_on_first, TOGETHER),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], law: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        law()
