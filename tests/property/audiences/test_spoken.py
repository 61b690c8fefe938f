"""Whom a feed speaks of is what was said last of each, however many commits ago."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import spoken as spoken_module
from assent.audiences.rows import Ints
from assent.audiences.spoken import Spoken
from assent.core.ids import ProfileId

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(LAWS, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False)

_PEOPLE = 12
profiles = st.integers(1, _PEOPLE).map(ProfileId)
commits = st.lists(st.dictionaries(profiles, st.tuples(st.booleans(), st.booleans()), max_size=4), max_size=8)
"""What each commit says of some profiles: whether they entered, and whether they are spoken of otherwise."""

Commits = list[dict[ProfileId, tuple[bool, bool]]]


def what_was_said_last_is_kept(begun: set[ProfileId], others: list[ProfileId], some: Commits) -> None:
    spoken = Spoken(begun, others)
    right = {one: (one in begun, one in others) for one in {*begun, *others}}
    for commit in some:
        entered, other = ({one for one, held in commit.items() if held[place]} for place in (0, 1))
        spoken.put(commit.keys(), entered, other)
        right |= commit
        assert spoken.entered().tolist() == sorted(one for one, held in right.items() if held[0])
        held = sorted(one for one, held in right.items() if any(held))
        assert spoken.everybody().tolist() == held
        assert sorted(spoken.among({ProfileId(one) for one in range(_PEOPLE + 2)})) == held


@LAWS
@given(st.sets(profiles), st.lists(profiles), commits, st.sampled_from([0, 3, 1_000]))
def test_what_was_said_last_is_kept(
    begun: set[ProfileId], others: list[ProfileId], some: Commits, beside: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken_module, "_BESIDE", beside)
        what_was_said_last_is_kept(begun, others, some)


def who_is_said_again_stays(patch: pytest.MonkeyPatch) -> None:
    def now(self: Spoken, array: Ints, place: int) -> Ints:
        return spoken_module._sorted(
            [*map(ProfileId, array.tolist()), *(one for one, held in self._beside.items() if held[place])]
        )

    patch.setattr(Spoken, "_now", now)


def what_lies_beside_is_lost_in_the_end(patch: pytest.MonkeyPatch) -> None:
    real = Spoken.put

    def put(self: Spoken, *given_: object) -> None:
        before = len(self._beside)
        real(self, *given_)  # type: ignore[arg-type]
        if before and not self._beside:
            self._entered = self._entered[:-1]

    patch.setattr(spoken_module, "_BESIDE", 2)
    patch.setattr(Spoken, "put", put)


@pytest.mark.parametrize("plant", [who_is_said_again_stays, what_lies_beside_is_lost_in_the_end])
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        CANARY(given(st.sets(profiles), st.lists(profiles), commits)(what_was_said_last_is_kept))()
