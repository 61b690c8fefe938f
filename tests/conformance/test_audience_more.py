"""Rows of our own in the format of audience.json: every operator, at its edges, asked in every way.

The members are those whom the row expects; the rule's opposite, saved when everything has happened, has none
of them, and everybody else where nothing is hidden; decisions and counts say the same; and the rule said as
text is the same rule.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.conformance import test_audience
from tests.conformance.host import Host
from tests.conformance.rows import Row, settle
from tests.conformance.test_audience import ASKED, ASKING, Lived

FOLDER: Final = Path(__file__).parent / "more"

SUITE: Final = test_audience.SUITE

OPPOSITE: Final = "opposite"


EVERY_TIME: Final = (
    "dittofeed-less1-edge",
    "own-all-leaves-not",
    "own-seq-funnel-not",
    "rule-many-or",
    "segment-items",
)
"""Rows that `make test` runs too: a window's edge, what is hidden, several categories, a refusal, a list."""


@pytest.mark.full  # two minutes: a policy and a life for each of some 400 rows
def test_the_members_are_those_for_whom_the_rule_is_true(row: Row, host: Host) -> None:
    holds(row, host)


@pytest.mark.parametrize("name", EVERY_TIME)
def test_some_rows_hold_every_time(name: str, host: Host) -> None:
    holds(next(row for row in SUITE.read(FOLDER) if row.id == name), host)


def holds(row: Row, host: Host) -> None:
    """Ask a row in every way."""
    lived = test_audience.live(row.data, host)
    settle(row, lived if isinstance(lived, str) else lived.members(ASKED))
    if isinstance(lived, Lived):
        _is_decided_and_counted_alike(lived)
        _says_the_same_as_text(lived)
        _has_an_opposite(lived, row)


def _is_decided_and_counted_alike(lived: Lived) -> None:
    subjects = [{"namespace": "user_id", "value": name} for name in lived.names.values()]
    asked = {"purpose": ASKING, "subjects": subjects, "audiences": [ASKED]}
    decided = lived.controller.post("/v1/decisions", asked, role="engine")["decisions"]
    members = lived.members(ASKED)
    assert sorted(lived.names[one["subject"]] for one in decided if one["audiences"]) == members
    counted = lived.controller.post(f"/v1/audiences/{ASKED}/count", {"purpose": ASKING}, role="engine")
    assert counted["count"] == len(members)


def _says_the_same_as_text(lived: Lived) -> None:
    saved = lived.controller.ask("GET", f"/v1/audiences/{ASKED}").body
    again = lived.save("said", saved["text"])
    assert again.status < 300, again.body
    said = lived.controller.ask("GET", "/v1/audiences/said").body
    assert (said["rule"], said["text"]) == (saved["rule"], saved["text"])


def _has_an_opposite(lived: Lived, row: Row) -> None:
    answer = lived.save(OPPOSITE, {"op": "not", "of": lived.asked})
    assert answer.status < 300, answer.body
    members, others = set(lived.members(ASKED)), set(lived.members(OPPOSITE))
    assert not members & others
    if "features" not in row.data:
        assert members | others == set(lived.names.values())


def test_every_row_cites_what_it_rests_on() -> None:
    assert not [row.id for row in SUITE.read(FOLDER) if not (row.data["source"] and row.data["title"])]
