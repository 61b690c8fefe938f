"""`decide` answers every row in the words of consent.json by itself, but for those that the door answers."""

from pathlib import Path

import pytest

from assent.consent.decide import decide
from tests.conformance.rows import DEFAULT_FOLDER
from tests.unit.consent.rows import OURS, rows

THE_DOORS = {"notice-not-yet-in-force", "channel-not-the-purposes"}
"""What nobody could have seen, or said there, is refused when it is said: `check`."""


@pytest.mark.parametrize("file", [OURS, DEFAULT_FOLDER / "consent.json"], ids=["ours", "shared"])
def test_decide_answers_as_the_law_calls_for(file: Path) -> None:
    if not file.is_file():
        pytest.skip(f"no {file.name} in {file.parent}")
    wrong = {row.id: row.why for row in rows(file) if row.answer(decide) != row.expected}
    assert {name: why for name, why in wrong.items() if name not in THE_DOORS} == {}
    assert wrong.keys() <= THE_DOORS
