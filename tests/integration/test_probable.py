"""The worked example of probable links: guesses join from the threshold on, nearly all rightly."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from assent.cli.probable import example, judged
from assent.cli.probable.people import customers, forms
from tests.support.database import TestDatabase

pytest.importorskip("splink", reason="needs the extra `probable`: pip install '.[probable]' in the checkout")


def test_people_are_made_up_alike_every_time() -> None:
    known = customers(50, 1)
    assert known == customers(50, 1)
    assert forms(known, 30, 1) == forms(known, 30, 1)
    assert known != customers(50, 2)


@pytest.mark.parametrize("option", ["--threshold=0", "--threshold=1.1", "--people=0", "--people=99"])
def test_what_no_model_or_policy_could_take_is_refused_before_anything_is_made(option: str) -> None:
    told = CliRunner().invoke(example, [option])
    assert told.exit_code == 2
    assert "not in the range" in told.output


@pytest.mark.filterwarnings("ignore")  # of the model's own libraries
async def test_what_the_model_is_sure_of_joins_and_is_right(
    fresh_database: TestDatabase, folder: Path, tmp_path: Path
) -> None:
    guesses = tmp_path / "guesses.ndjson"
    found = await judged(fresh_database.settings(folder), guesses, people=600, threshold=0.9)
    people = found.foreseen.people
    assert people is not None
    assert len(guesses.read_bytes().splitlines()) == found.guesses == found.foreseen.fit
    assert 0 < found.joined < found.guesses
    assert found.joined + sum(people.dropped.values()) == found.guesses
    assert found.right / found.joined > 0.95
    assert found.right / found.true > 0.85
