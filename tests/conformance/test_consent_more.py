"""Rows of our own in the format of consent.json: laws and edges that the shared rows do not ask about.

They stand in more/ and run through the same door. An id says what its row is about, `why` what that rests on.
"""

from pathlib import Path
from typing import Final

from tests.conformance import test_consent
from tests.conformance.host import Host
from tests.conformance.rows import Row, settle

FOLDER: Final = Path(__file__).parent / "more"

SUITE: Final = test_consent.SUITE


def test_the_answer_is_the_one_the_law_calls_for(row: Row, host: Host) -> None:
    settle(row, test_consent.ask(row.data, host))


def test_every_row_cites_what_it_rests_on() -> None:
    sources = ("Art.", "Recital", "recital", "EDPB", "CJEU", "CNIL", "CCPA", "W3C")
    assert not [row.id for row in SUITE.read(FOLDER) if not any(one in row.data["why"] for one in sources)]
