"""Consent columns become statements: each at its own time, with its evidence, or refused with its article."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assent.consent.statement import NoticeReference, StatementBody
from assent.core.errors import PolicyInvalid
from assent.core.time import parse_time
from assent.ingest.facts import StatedBody
from assent.ingest.mapping import ImportMapping
from assent.ingest.record_drafts import Made, make
from assent.ingest.records import Record, Records, Rejected
from tests.support.mapping import parse_events
from tests.unit.ingest.policy_of_tests import SHIPPED

TEXT = """
format = "assent/import@1"
title = "Newsletter"
time_zone = "Europe/London"
time_format = "%Y-%m-%d"
identifiers = [{ namespace = "customer_id", column = "who" }]

[columns]
who = "identifier"
wants = "text"
chosen = "time"
version = "identifier"
how = "text"
mail = "text"

[group]
by = "who"
time = "chosen"
open = 4

[consent.personalisation]
column = "wants"
given = ["yes", "1"]
refused = ["no"]
withdrawn = ["out"]
time = "chosen"
notice = { id = "personalisation", version = { column = "version" }, language = "en" }
mechanism = { column = "how" }
channel = "web"
evidence = { form = "signup", mail = { column = "mail" } }
"""
MAPPING = parse_events(TEXT, name="newsletter")
NOW = parse_time("2026-11-21T12:00:00Z")
HEADER = "who,wants,chosen,version,how,mail"


def read(path: Path, *lines: str, mapping: ImportMapping = MAPPING) -> list[Record | Rejected]:
    path.write_text("\n".join((HEADER, *lines)))
    return list(Records(path, mapping))


def made(record: Record | Rejected) -> Made:
    assert isinstance(record, Record)
    return make(SHIPPED, record, now=NOW, source="import", message_key=str.encode)


def bodies(found: Made) -> list[StatementBody]:
    return [draft.body.statement for draft in found.statements if isinstance(draft.body, StatedBody)]


def test_a_row_is_a_statement_with_its_time_and_evidence(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "f", "7.0,yes,2026-06-01,1,checkbox,m-1")
    found = made(record)
    assert (found.event, found.refused) == (None, ())
    assert bodies(found) == [
        StatementBody(
            purpose="personalisation",
            state="given",
            mechanism="checkbox",
            notice=NoticeReference(id="personalisation", version=1, language="en"),
            channel="web",
            event_time=datetime(2026, 5, 31, 23, tzinfo=UTC),
            imported=True,
            evidence={"form": "signup", "mail": "m-1"},
        )
    ]
    (draft,) = found.statements
    assert isinstance(draft.body, StatedBody)
    assert not draft.body.authenticated
    assert not draft.body.person_scope
    assert draft.body.identifiers[0].value == "7"


def test_rows_of_a_group_each_speak_once(tmp_path: Path) -> None:
    (record,) = read(
        tmp_path / "f",
        "7,yes,2026-06-01,1,checkbox,m",
        "7,yes,2026-06-01,1,checkbox,m",
        "7,,,,,",
        "7,out,2026-06-09,,,",
    )
    assert isinstance(record, Record)
    assert [one.line for one in record.statements] == [2, 5]
    assert [body.state for body in bodies(made(record))] == ["given", "withdrawn"]
    assert record.lines == 4


def test_a_blank_cell_says_nothing(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "f", "7,,,,,")
    assert made(record) == Made(statements=(), event=None, refused=())


@pytest.mark.parametrize(
    ("row", "code", "article"),
    [
        ("7,perhaps,2026-06-01,1,checkbox,m", "wrong_type", "4(11)"),
        ("7,yes,2026-06-01,9,checkbox,m", "stale_notice", "7(1)"),
        ("7,yes,2026-06-01,,checkbox,m", "stale_notice", "7(1)"),
        ("7,yes,2026-06-01,1,preticked,m", "invalid_mechanism", "4(11)"),
        ("7,yes,,1,checkbox,m", "fact_rejected", "7(1)"),
        ("7,yes,2036-06-01,1,checkbox,m", "future_time", "5(1)(d)"),
    ],
)
def test_what_could_not_be_consent_is_refused_with_line_code_and_article(
    row: str, code: str, article: str, tmp_path: Path
) -> None:
    _, second = read(tmp_path / "f", "6,yes,2026-06-01,1,checkbox,m", row)
    found = made(second)
    assert found.statements == ()
    assert found.refused == (
        Rejected(line=3, lines=1, code=code, article=article, purpose="personalisation"),
    )


def test_without_evidence_nothing_is_given_but_all_can_be_withdrawn(tmp_path: Path) -> None:
    mapping = parse_events(TEXT.replace('form = "signup", ', ""), name="newsletter")
    rows = ("7,yes,2026-06-01,1,checkbox,", "8,out,2026-06-01,0,,")
    given, withdrawn = (made(one) for one in read(tmp_path / "f", *rows, mapping=mapping))
    assert [one.code for one in given.refused] == ["fact_rejected"]
    assert [body.state for body in bodies(withdrawn)] == ["withdrawn"]


def test_a_withdrawal_is_taken_though_its_event_is_refused(tmp_path: Path) -> None:
    text = TEXT.replace("[columns]", 'events = [{ prefix = "", name = "Signed Up" }]\n\n[columns]')
    mapping = parse_events(text, name="newsletter")
    (record,) = read(tmp_path / "f", "7,out,2026-06-01,0,,", mapping=mapping)
    both = made(record)
    assert (len(both.statements), both.event is None) == (1, False)
    assert len({draft.message_key for draft in (*both.statements, both.event) if draft}) == 2


def test_a_blocked_person_makes_no_statement(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "f", "unknown,yes,2026-06-01,1,checkbox,m")
    found = made(record)
    assert found.statements == ()
    assert [(one.code, one.line) for one in found.refused] == [("blocked_identifier", 2)]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('column = "wants"', 'column = "price"', "consent.personalisation.column"),
        ('time = "chosen"\nnotice', 'time = "wants"\nnotice', "consent.personalisation.time"),
        ('version = { column = "version" }', 'version = { column = "chosen" }', "notice.version.column"),
        ('refused = ["no"]', 'refused = ["yes"]', "every value once"),
        ('refused = ["no"]', 'refused = [""]', "none blank"),
        ('channel = "web"', 'chanel = "web"', "consent.personalisation.chanel"),
        ('mail = { column = "mail" }', 'mail = { column = "none" }', "evidence.mail.column"),
        ("[group]", '[traits]\nplan = "how"\n\n[group]', "newsletter.toml: events"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(old: str, new: str, where: str) -> None:
    assert old in TEXT
    with pytest.raises(PolicyInvalid) as caught:
        parse_events(TEXT.replace(old, new), name="newsletter")
    assert where in str(caught.value)
