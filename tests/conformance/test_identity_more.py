"""Rows of our own in the format of identity.json: what the cited rules call for, where nobody else asks."""

from pathlib import Path
from typing import Final

from tests.conformance import test_identity
from tests.conformance.host import Host
from tests.conformance.rows import Row, settle

FOLDER: Final = Path(__file__).parent / "more"

SUITE: Final = test_identity.SUITE


def test_the_clusters_are_those_that_the_evidence_makes(row: Row, host: Host) -> None:
    settle(row, test_identity.ask(row.data, host))


def test_every_row_cites_what_it_rests_on() -> None:
    assert not [row.id for row in SUITE.read(FOLDER) if not (row.data["source"] and row.data["notes"])]
