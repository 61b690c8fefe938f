"""A roll holds what a dictionary of profiles would; who stands beside its rows too."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import roll as roll_module
from assent.audiences.roll import BitRows, Roll, packed_rows
from assent.core.ids import ProfileId

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

_BITS, _WIDTH = 11, 2
EVERYBODY = [ProfileId(64 * number) for number in range(13)]
profiles = st.sampled_from(EVERYBODY)
some = st.sets(profiles).map(sorted)
steps = st.lists(
    st.one_of(
        st.dictionaries(profiles, st.integers(0, 2**_BITS - 1), max_size=4),
        st.tuples(st.integers(0, _BITS - 1), some),
    ),
    max_size=20,
)
"""Profiles with the bits they have now, or a bit and all who have it now."""

Steps = list[dict[ProfileId, int] | tuple[int, list[ProfileId]]]


def a_roll_is_a_dictionary(first: list[ProfileId], many: Steps, beside: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roll_module, "_BESIDE", beside)
        roll, right = Roll(np.array(first, np.int64), _WIDTH), dict.fromkeys(EVERYBODY, 0)
        for other in many:
            if isinstance(other, tuple):
                bit, inside = other
                roll.enter(bit, np.array(inside, np.int64))
                for profile in right:
                    right[profile] = right[profile] & ~(1 << bit) | (profile in inside) << bit
            else:
                were = [right[profile] for profile in other]
                now = packed_rows(other.values(), _WIDTH)
                assert bits(roll.swap(np.array(list(other), np.int64), now)) == were
                right |= other
            assert bits(roll.of(np.array(EVERYBODY))) == list(right.values())


def bits(rows: BitRows) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


@LAWS
@given(some, steps, st.sampled_from([0, 2, 1_000]))
def test_a_roll_holds_what_a_dictionary_would(first: list[ProfileId], many: Steps, beside: int) -> None:
    a_roll_is_a_dictionary(first, many, beside)


def who_had_a_bit_keeps_it(patch: pytest.MonkeyPatch) -> None:
    real = Roll.enter

    def enter(self: Roll, bit: int, members: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        rows = bits(self.of(np.array(EVERYBODY)))
        was = [one for one, held in zip(EVERYBODY, rows, strict=True) if held >> bit & 1]
        real(self, bit, np.union1d(members, np.array(was, np.int64)))

    patch.setattr(Roll, "enter", enter)


def who_stands_beside_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = Roll._settle

    def settle(self: Roll) -> None:
        if len(self._beside) > 1:
            self._beside.popitem()
        real(self)

    patch.setattr(Roll, "_settle", settle)


def nobody_has_a_row(patch: pytest.MonkeyPatch) -> None:
    real = Roll._lay
    patch.setattr(Roll, "_lay", lambda self, some, rows: real(self, some[:0], rows[:0]))


@pytest.mark.parametrize("plant", [who_had_a_bit_keeps_it, who_stands_beside_is_forgotten, nobody_has_a_row])
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    law = settings(LAWS, max_examples=2_000, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        law(given(some, steps, st.sampled_from([0, 2]))(a_roll_is_a_dictionary))()
