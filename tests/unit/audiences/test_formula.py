"""A program comes to what its formula says, however often parts stand in it; a planted fault is found."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import formula as formula_module
from assent.audiences.formula import Formula, Program, Sight, Step, every, odd, some

Made = tuple[Callable[[Sequence[Formula]], Formula], list[int]]

made = st.lists(
    st.tuples(st.sampled_from([every, some, odd]), st.lists(st.integers(0, 30), min_size=1, max_size=4)),
    max_size=12,
)
"""Steps, and of which of the arrays and steps before it each is."""


def by_hand(formula: Formula) -> Sight:
    if not isinstance(formula, Step):
        return formula
    found: Sight = reduce(formula.how, [by_hand(part) for part in formula.of])
    return found


def a_program_comes_to_its_formula(steps: list[Made], seed: int) -> None:
    given_arrays = list(np.random.default_rng(seed).integers(0, 1 << 64, (3, 2), np.uint64))
    before = [array.copy() for array in given_arrays]
    formulas: list[Formula] = list(given_arrays)
    for how, of in steps:
        formulas.append(how([formulas[-1 - place % len(formulas)] for place in of]))
    right = by_hand(formulas[-1])
    program = Program(formulas[-1])
    for _ in range(2):
        assert program.run().tolist() == right.tolist()
    assert [array.tolist() for array in given_arrays] == [array.tolist() for array in before]
    assert {id(array) for array in program.given} <= {id(array) for array in given_arrays}


@settings(max_examples=200, deadline=None)
@given(made, st.integers(0, 9))
def test_a_program_comes_to_its_formula(steps: list[Made], seed: int) -> None:
    a_program_comes_to_its_formula(steps, seed)


def results_are_read_once(patch: pytest.MonkeyPatch) -> None:
    def once(read: Iterable[int]) -> Counter[int]:
        return Counter(set(read))

    patch.setattr(formula_module, "Counter", once)


def what_was_given_is_written_over(patch: pytest.MonkeyPatch) -> None:
    real = Program.run

    def run(self: Program) -> Sight:
        found = real(self)
        for array in self.given:
            np.bitwise_and(array, found, array)
        return found

    patch.setattr(Program, "run", run)


@pytest.mark.parametrize("plant", [results_are_read_once, what_was_given_is_written_over])
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    law = settings(max_examples=600, deadline=None, derandomize=True, database=None, phases=[Phase.generate])(
        given(made, st.integers(0, 9))(a_program_comes_to_its_formula)
    )
    with pytest.raises(AssertionError):
        law()


def test_a_long_sum_needs_little_room() -> None:
    """Each step reads the one before: as deep as there are steps, in the room of one result."""
    formula: Formula = np.ones(1, np.uint64)
    for number in range(5_000):
        formula = (every, some, odd)[number % 3]((formula, np.zeros(1, np.uint64)))
    program = Program(formula)
    assert len(program._room) == 5_000 + 2
    assert program.run().tolist() == [0]
