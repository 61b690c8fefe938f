"""Every step of `decide` is needed, and its opposite is found: mutants.toml names what kills each mutant.

All steps are in the table, taken out and turned round. What it names is answered as it should be by the real
`decide`, and otherwise or not at all by the mutant.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec import Struct

from assent.consent.decide import decide
from tests.unit.consent.mutation import MODULES, Edit, inverted, mutant, replaced, source, without
from tests.unit.consent.rows import Asked, Decide, rows
from tests.unit.consent.step_cases import CASES

TABLE: Final = Path(__file__).parent / "mutants.toml"

STEPS_OF_GIVEN: Final = range(18, 27)


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step of `decide`, and what finds it missing or turned round."""

    step: int
    without: str
    inverted: str

    @property
    def module(self) -> str:
        return "given" if self.step in STEPS_OF_GIVEN else "decide"


class Spot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place of a module, what it is changed to, and what finds that."""

    module: str
    fault: str
    old: str
    new: str
    found_by: str


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """mutants.toml."""

    steps: tuple[Step, ...]
    places: tuple[Spot, ...]


TOLD: Final = msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), Table)


@cache
def asked() -> dict[str, Asked]:
    return {row.id: row for row in rows()}


def holds(name: str, found: Decide) -> bool:
    """Return whether a row or a case gets its answer; a failure is none."""
    try:
        if name in CASES:
            return CASES[name].holds(found)
        row = asked()[name]
        return row.answer(found) == row.expected
    except (AttributeError, TypeError, ValueError, RecursionError):
        return False


def killed(name: str, module: str, edit: Edit) -> None:
    assert holds(name, decide), f"{name} does not hold to begin with"
    assert not holds(name, mutant(module, edit)), f"{name} does not find it"


@pytest.mark.parametrize("step", TOLD.steps, ids=lambda step: str(step.step))
def test_a_step_taken_out_or_turned_round_is_found(step: Step) -> None:
    killed(step.without, step.module, without(step.step))
    killed(step.inverted, step.module, inverted(step.step))


@pytest.mark.parametrize("spot", TOLD.places, ids=lambda spot: f"{spot.module}: {spot.fault}")
def test_a_fault_inside_a_step_is_found(spot: Spot) -> None:
    killed(spot.found_by, spot.module, replaced(spot.old, spot.new))


def test_every_step_that_the_head_of_decide_lists_is_in_the_table() -> None:
    listed = [int(number) for number in re.findall(r"^ *(\d+)  \S", source("decide"), re.MULTILINE)]
    assert [step.step for step in TOLD.steps] == listed == list(range(1, 27))


def test_every_module_of_decide_has_a_fault_planted() -> None:
    assert {spot.module for spot in TOLD.places} == set(MODULES)


def test_every_case_holds_for_the_real_decide() -> None:
    assert [name for name, case in CASES.items() if not case.holds(decide)] == []


def test_an_unchanged_copy_answers_as_the_original() -> None:
    copy = mutant("decide", lambda text: text + "\n")
    differing: list[Any] = [
        row.id
        for row in asked().values()
        if copy(row.history, row.cluster, row.policy, row.question).step
        != decide(row.history, row.cluster, row.policy, row.question).step
    ]
    assert differing == []
