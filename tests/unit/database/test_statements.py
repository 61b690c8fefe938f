"""Statements come from files by name, and a file that is not what it must be stops the start."""

import pytest

from assent.core.errors import StartupRefused
from assent.database.statements import load, parse
from assent.resources import sql_folder

TEXT = """
-- What a shop asks.

-- name: visits
-- How many visits a page had.
-- Never null.
SELECT count(*)
FROM shop.visit
-- a comment inside stays
WHERE page = $1;

-- name: forget
DELETE FROM shop.visit;
"""


def test_a_statement_is_found_by_attribute_and_by_key() -> None:
    statements = parse("shop", TEXT)
    expected = "SELECT count(*)\nFROM shop.visit\n-- a comment inside stays\nWHERE page = $1"
    assert statements.visits == statements["visits"] == expected
    assert list(statements) == ["visits", "forget"]
    assert len(statements) == 2


def test_the_comment_above_says_what_the_result_means() -> None:
    assert parse("shop", TEXT).docs == {"visits": "How many visits a page had. Never null.", "forget": ""}


def test_a_statement_is_exactly_a_str_which_is_all_asyncpg_sends() -> None:
    assert type(parse("shop", TEXT).visits) is str


def test_an_unknown_name_says_which_file_lacks_it() -> None:
    with pytest.raises(AttributeError, match=r"shop\.sql has no statement named vists"):
        _ = parse("shop", TEXT).vists


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT + "-- name: visits\nSELECT 1;", "visits stands twice"),
        ("SELECT 1;\n" + TEXT, "before the first"),
        ("-- name: empty\n-- Only words.\n", "empty has no statement"),
        ("-- name: Two Words\nSELECT 1;", "lower-case word"),
        ("-- name: trailing \nSELECT 1;", "lower-case word"),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(StartupRefused, match=why):
        parse("shop", text)


@pytest.mark.parametrize("area", sorted(path.stem for path in (sql_folder() / "queries").glob("*.sql")))
def test_every_file_that_ships_can_be_loaded(area: str) -> None:
    assert len(load(area)) > 0
