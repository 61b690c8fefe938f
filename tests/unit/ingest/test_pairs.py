"""Files of links: a line is a pair, one each, exact; what is no pair is told and not guessed."""

from pathlib import Path

import pytest

from assent.core.errors import PolicyInvalid
from assent.core.policy import LinkKind
from assent.core.time import format_time, parse_time
from assent.ingest.drafts import AT_COMMIT
from assent.ingest.facts import LinkBody
from assent.ingest.linking import LinkMapping, millionths
from assent.ingest.mapping import check_against, parse_mapping
from assent.ingest.record_drafts import Made, make
from assent.ingest.records import Paired, Records, Rejected
from assent.resources import policies_folder
from tests.unit.ingest.policy_of_tests import SHIPPED as POLICY

PAIRS = (policies_folder() / "imports" / "identifier-pairs.toml").read_text(encoding="utf-8")

GUESSES = """
format = "assent/import@1"
title = "Guesses"

[columns]
one = "text"
other = "text"
sure = "decimal"
by = "text"

[links]
kind = "probable"
from = { namespace = "email", column = "one" }
to = { namespace = "anonymous_id", column = "other", prefix = "web-" }
weight = { column = "sure" }
model = { column = "by" }
"""

NOW = parse_time("2026-03-01T12:00:00Z")


def links(text: str) -> LinkMapping:
    mapping = parse_mapping(text, name="pairs")
    assert isinstance(mapping, LinkMapping)
    return mapping


def read(path: Path, mapping: str, *lines: str) -> list[Paired | Rejected]:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list(Records(path, links(mapping)))


def made(pair: Paired | Rejected) -> Made:
    assert isinstance(pair, Paired)
    return make(POLICY, pair, now=NOW, source="import:1", message_key=str.encode)


def said(pair: Paired | Rejected) -> LinkBody:
    draft = made(pair).event
    assert draft is not None
    assert isinstance(draft.body, LinkBody)
    assert draft.role == "import"
    return draft.body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.csv"


def test_a_line_says_that_two_identifiers_are_one_person_and_since_when(path: Path) -> None:
    one, other = read(
        path, PAIRS, "since,email,customer", "2025-01-02 03:04:05,Ada@Example.org,7.0", ",b@example.org,8"
    )
    body = said(one)
    assert [identifier.value for identifier in body.identifiers] == ["7", "ada@example.org"]
    assert (body.link, body.denied, body.weight, body.model) == (LinkKind.ASSERTED, False, 0, "")
    assert format_time(body.at) == "2025-01-02T03:04:05Z"
    assert said(other).at == AT_COMMIT


def test_a_time_to_come_is_the_imports_own(path: Path) -> None:
    (one,) = read(path, PAIRS, "since,email,customer", "2036-01-02 03:04:05,ada@example.org,7")
    assert said(one).at == AT_COMMIT


def test_a_proposal_says_how_sure_it_is_and_whose(path: Path) -> None:
    (one,) = read(path, GUESSES, "one,other,sure,by", "ada@example.org,77,0.9314159,households-3")
    body = said(one)
    assert body.identifiers[1].value == "web-77"
    assert (body.link, body.weight, body.model) == (LinkKind.PROBABLE, 931_416, "households-3")


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ("ada@example.org,77,0,m", "wrong_type", "sure"),
        ("ada@example.org,77,1.01,m", "wrong_type", "sure"),
        ("ada@example.org,77,,m", "wrong_type", "sure"),
        ("ada@example.org,77,sure,m", "wrong_type", "sure"),
        ("ada@example.org,77,0.5,", "wrong_type", "by"),
        ("ada@example.org,,0.5,m", "malformed_identifier", ""),
        (",77,0.5,m", "malformed_identifier", ""),
        ("ada@example.org,77", "unreadable_body", ""),
    ],
)
def test_a_line_that_is_no_proposal_is_told(path: Path, line: str, code: str, column: str) -> None:
    bad, good = read(path, GUESSES, "one,other,sure,by", line, "b@example.org,78,1,m")
    assert bad == Rejected(line=2, lines=1, code=code, column=column)
    assert isinstance(good, Paired)
    assert (good.number, good.line) == (0, 3)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (",ada at home,7", "malformed_identifier"),
        (",ada@example.org,null", "blocked_identifier"),
        (",null@example.org,7", "blocked_identifier"),
    ],
)
def test_a_pair_with_nobody_is_refused_at_the_door(path: Path, line: str, code: str) -> None:
    (pair,) = read(path, PAIRS, "since,email,customer", line)
    assert made(pair).event is None
    assert [one.code for one in made(pair).refused] == [code]


def test_an_identifier_is_not_paired_with_itself(path: Path) -> None:
    twice = PAIRS.replace(
        'namespace = "customer_id", column = "customer"', 'namespace = "email", column = "customer"'
    )
    (pair,) = read(path, twice, "since,email,customer", ",ada@example.org,ADA@example.org")
    assert [one.code for one in made(pair).refused] == ["malformed_identifier"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('weight = { column = "sure" }', "", "links.weight: expected of a proposal"),
        ('model = { column = "by" }', "", "links.model: expected of a proposal"),
        ('kind = "probable"', "", "links.weight: expected of a proposal alone"),
        ('kind = "probable"', 'kind = "denied"', "links.kind"),
        ('{ column = "sure" }', '{ column = "by" }', "links.weight.column"),
        ('{ column = "sure" }', "1.5", "links.weight"),
        ('column = "one" }', 'column = "sure" }', "links.from.column"),
        ('column = "one" }', 'column = "nobody" }', "links.from.column"),
        ('sure = "decimal"', 'sure = "number"', "columns.sure"),
        ('title = "Guesses"', 'title = "Guesses"\ntime_format = "%"', "time_format"),
        ('title = "Guesses"', 'title = "Guesses"\ngroup = 1', "group"),
    ],
)
def test_a_mapping_that_says_too_little_or_too_much_is_refused(before: str, after: str, said: str) -> None:
    assert before in GUESSES
    with pytest.raises(PolicyInvalid, match=said.replace(".", r"\.")):
        parse_mapping(GUESSES.replace(before, after, 1), name="pairs")


def test_a_namespace_that_the_policy_does_not_declare_is_found_before_a_line_is_read() -> None:
    check_against(links(GUESSES), POLICY)
    with pytest.raises(PolicyInvalid, match=r"links\.to\.namespace"):
        check_against(links(GUESSES.replace('"anonymous_id"', '"loyalty"')), POLICY)


def test_a_weight_is_never_rounded_to_nothing() -> None:
    assert [millionths(one) for one in (1e-9, 0.5, 1)] == [1, 500_000, 1_000_000]
    assert [millionths(one) for one in (0, -1, 1.000001)] == [None, None, None]
