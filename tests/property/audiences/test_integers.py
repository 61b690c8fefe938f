"""Integers held in little memory say what the integers themselves say; each law is shown to catch a fault."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from assent.audiences import integers as integers_module
from assent.audiences.bits import Bits
from assent.audiences.integers import LEAST, MOST, Plain, Steps, held
from assent.audiences.rows import ABSENT, Ints
from assent.core.time import BEGINNING, DAY, FOREVER

LAWS = settings(max_examples=150, deadline=None)
CANARY = settings(
    LAWS,
    max_examples=1_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

_NOW = 1_750_000_000_000_000
_values = st.one_of(
    st.sampled_from([ABSENT, BEGINNING, FOREVER, MOST, LEAST + 1, 0, 1, -1, FOREVER - 1, FOREVER - 904]),
    st.integers(-300, 300).map(lambda days: _NOW + days * DAY),
    st.integers(-1_000, 1_000).map(lambda thousandths: _NOW + thousandths * 1_000),
    st.integers(_NOW, _NOW + (1 << 34)),
    st.integers(0, 255).map(lambda power: (1 << 62) - (power << 32)),
    st.integers(LEAST, MOST),
)
lists = st.lists(_values, min_size=1, max_size=40)


def integers_are_what_they_were(values: list[int], more: int, ends: list[int]) -> None:
    """Of many, as of few: every list comes with so many more of the last day, a second apart."""
    given_ones = np.array([*values, *(_NOW + 1_000_000 * second for second in range(more))], np.int64)
    for kept, indexed in product((Steps(given_ones), held(given_ones)), (False, True)):
        if indexed:
            kept.make_index()
        assert kept.whole().tolist() == given_ones.tolist()
        assert [kept.one(slot) for slot in range(len(values))] == values
        slots = np.flatnonzero(given_ones % 2)
        assert kept.at(slots).tolist() == given_ones[slots].tolist()
        for low in (*ends, *values[:2]):
            for high in (*ends, *values[-2:]):
                says_what_a_scan_says(kept, given_ones, low, high)


def says_what_a_scan_says(kept: Plain | Steps, values: Ints, low: int, high: int) -> None:
    right = (values >= low) & (values <= high)
    assert np.array_equal(kept.between(low, high), right)
    few = kept.few(low, high, len(values))
    assert few is None or few.tolist() == np.flatnonzero(right).tolist()
    before = values[values <= low].max(initial=BEGINNING)
    after = values[values > low].min(initial=FOREVER)
    assert kept.turns(low) == (before, after)


_more = st.sampled_from([0, 0, 0, 300, 3_000])


@LAWS
@example([FOREVER - 904, FOREVER], 3_000, [0])  # on one step with what is no multiple of the others' unit
@given(lists, _more, st.lists(_values, min_size=1, max_size=3))
def test_integers_are_what_they_were(values: list[int], more: int, ends: list[int]) -> None:
    integers_are_what_they_were(values, more, ends)


def test_instants_of_milliseconds_take_five_bytes_and_four_with_an_index() -> None:
    draw = np.random.default_rng(3)
    size = 1 << 16
    instants = _NOW - (draw.exponential(120.0, size) * DAY).astype(np.int64) // 1_000 * 1_000
    kept = held(instants)
    assert (kept.nbytes < 5.2 * size, kept.index_nbytes) == (True, 0)
    kept.make_index()
    assert (kept.nbytes < 9.2 * size, kept.index_nbytes) == (True, 4 * size)
    until = np.where(draw.random(size) < 0.6, FOREVER, instants)
    assert held(until).nbytes < 5.2 * size
    assert held(np.full(size, FOREVER)).nbytes == 8


def the_unit_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Steps,
        "_reader",
        lambda self: lambda slot: int(self._least[self._step[slot]]) + int(self._rest[slot]),
    )


def steps_are_not_so_wide(patch: pytest.MonkeyPatch) -> None:
    """The rest of a step as wide as the type is long cannot be told from none."""
    real = integers_module._begun
    patch.setattr(integers_module, "_begun", lambda ordered, width: real(ordered, 2 * width))


def the_index_lacks_who_is_first(patch: pytest.MonkeyPatch) -> None:
    real = Steps.make_index

    def make_index(self: Steps) -> None:
        real(self)
        assert self._slots is not None
        self._slots = np.roll(self._slots, -1)

    patch.setattr(Steps, "make_index", make_index)


def the_first_step_is_taken_whole(patch: pytest.MonkeyPatch) -> None:
    real = Steps.between

    def between(self: Steps, low: int, high: int) -> Bits:
        first = min(self._touched(low, high)[0], len(self._least) - 1)
        return real(self, int(self._least[first]), high)

    patch.setattr(Steps, "between", between)


LAW = CANARY(given(lists, _more, st.lists(_values, min_size=1, max_size=3))(integers_are_what_they_were))


@pytest.mark.parametrize(
    "plant",
    [
        the_unit_is_forgotten,
        steps_are_not_so_wide,
        the_first_step_is_taken_whole,
        the_index_lacks_who_is_first,
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        LAW()
