"""Rows of our own in the format of normalisation.json."""

from pathlib import Path
from typing import Final

from tests.conformance import test_normalisation
from tests.conformance.host import Host
from tests.conformance.rows import Row, settle

FOLDER: Final = Path(__file__).parent / "more"

SUITE: Final = test_normalisation.SUITE


def test_a_value_is_kept_in_its_one_form_or_refused(row: Row, host: Host) -> None:
    settle(row, test_normalisation.ask(row.data, host))
