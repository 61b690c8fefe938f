"""The harness itself: it finds faults that are planted in the service, and holds its tables to their word."""

from pathlib import Path

import pytest
from msgspec import structs

from assent.audiences.plan import Everybody
from assent.audiences.planner import Planner
from assent.consent.question import Decision, Reason
from assent.http import audit
from assent.identity import normalise, resolve
from tests.conformance import rows as table
from tests.conformance import (
    test_audience,
    test_audience_more,
    test_consent,
    test_consent_more,
    test_gpp,
    test_identity,
    test_identity_more,
    test_normalisation,
    test_tcf,
)
from tests.conformance.host import Host
from tests.conformance.rows import Data, Difference, Row, Suite, deliberate, parameters, pending, settle

SUITES = [
    test_audience.SUITE,
    test_consent.SUITE,
    test_gpp.SUITE,
    test_identity.SUITE,
    test_normalisation.SUITE,
    test_tcf.SUITE,
]

ROW = Row(suite="consent", id="nobody-wrote-it", data={}, expected="deny")


def found(suite: Suite, document: Data) -> Row:
    (row,) = suite.rows(document)
    return row


# ---- planted faults --------------------------------------------------------------------------------------


def test_a_service_that_forgets_withdrawals_is_found(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"identity": "known:u1", "purpose": "letters", "mechanism": "click", "notice_version": 1}
    row = found(
        test_consent.SUITE,
        {
            "scenarios": [
                {
                    "id": "new",
                    "policy": {"purposes": {"letters": {"legal_basis": "consent"}}},
                    "history": [
                        {**said, "t": "2027-01-01T00:00:00Z", "action": "give"},
                        {**said, "t": "2027-02-01T00:00:00Z", "action": "withdraw"},
                    ],
                    "question": {
                        "t": "2027-03-01T00:00:00Z",
                        "identity": "known:u1",
                        "purpose": "letters",
                        "feature_category": "orders",
                    },
                    "expected": "deny",
                }
            ]
        },
    )
    settle(row, test_consent.ask(row.data, host))
    yes = Decision(allowed=True, reason=Reason.PERMITTED, step=26, article="6(1)(a)")
    monkeypatch.setattr(audit, "decide", lambda *_: yes)
    with pytest.raises(AssertionError):
        settle(row, test_consent.ask(row.data, host))


def test_a_service_that_refuses_no_link_is_found(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    row = found(
        test_identity.SUITE,
        {
            "scenarios": [
                {
                    "id": "new",
                    "system": "AEP",
                    "config": {
                        "namespaces": [
                            {"name": "person", "unique": True, "limit": 1, "priority": 1},
                            {"name": "e-mail (hash)", "unique": False, "limit": None, "priority": 2},
                        ],
                        "blocked": [],
                    },
                    "events": [
                        {"t": 1, "ids": [["person", "one"], ["e-mail (hash)", "a"]]},
                        {"t": 2, "ids": [["person", "other"], ["e-mail (hash)", "a"]]},
                    ],
                    "expected_clusters": [[["person", "other"], ["e-mail (hash)", "a"]]],
                }
            ]
        },
    )
    settle(row, test_identity.ask(row.data, host))
    monkeypatch.setattr(resolve, "fold", lambda *_: iter(()))
    with pytest.raises(AssertionError):
        settle(row, test_identity.ask(row.data, host))


def test_a_service_that_makes_everybody_a_member_is_found(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = found(
        test_audience.SUITE,
        {
            "scenarios": [
                {
                    "id": "new",
                    "now": 0,
                    "profiles": [
                        {"id": "a", "traits": {"plan": "pro"}, "events": []},
                        {"id": "b", "traits": {"plan": "free"}, "events": []},
                    ],
                    "rule": {"op": "eq", "feature": "plan", "value": "pro"},
                    "expect": ["a"],
                }
            ]
        },
    )
    settle(row, test_audience.ask(row.data, host))
    monkeypatch.setattr(Planner, "plan", lambda *_: Everybody())
    with pytest.raises(AssertionError):
        settle(row, test_audience.ask(row.data, host))


def test_a_service_that_keeps_values_as_they_come_is_found(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = "hsoq0nMYaWtBz8ZQrPrZe7MhlMQ+EZ5GWhY1nqdMcQU="
    lists: dict[str, list[str]] = {"invalid": [], "phone_normalised": [], "phone_not_normalised": []}
    row = found(test_normalisation.SUITE, {"valid": [["A.B+c@gmail.com", "ab@gmail.com", digest]], **lists})
    settle(row, test_normalisation.ask(row.data, host))
    monkeypatch.setattr(normalise, "NORMALISERS", {"email_uid2": lambda raw, _region: raw})
    with pytest.raises(AssertionError):
        settle(row, test_normalisation.ask(row.data, host))


# ---- the tables ------------------------------------------------------------------------------------------


def test_every_entry_of_the_tables_speaks_of_a_row_of_the_default_folder(scenarios: Path) -> None:
    if not table.is_default(scenarios) or not scenarios.is_dir():
        pytest.skip(f"the tables are held against {table.DEFAULT_FOLDER} alone")
    rows = [row for suite in SUITES for row in suite.read(scenarios)]
    for more in (test_consent_more, test_identity_more, test_audience_more):
        rows += more.SUITE.read(more.FOLDER)
    names, needs = {row.name for row in rows}, {need for row in rows for need in row.needs}
    said = deliberate(), pending()
    assert {name for one in said for name in one.rows} <= names
    words = {f"action:{word}" for word in test_consent.ACTIONS}  # some stand in other folders alone
    assert {need for one in said for need in one.needs} <= needs | words


def test_no_row_is_both_pending_and_answered_otherwise_on_purpose() -> None:
    assert not deliberate().rows.keys() & pending().rows.keys()
    assert not deliberate().needs.keys() & pending().needs.keys()


def test_a_pending_row_must_not_pass_unless_nobody_foresaw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "pending", lambda: table.Pending(needs={"action:fly": "not yet"}))
    row = structs.replace(ROW, needs=frozenset({"action:fly"}))
    assert [mark.kwargs["strict"] for mark in table.marks(row)] == [True]
    assert [mark.kwargs["strict"] for mark in table.marks(structs.replace(row, foreseen=False))] == [False]
    assert table.marks(ROW) == []


def test_a_difference_on_purpose_must_differ_and_as_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = {ROW.name: Difference(reason="better", answer="maybe")}
    monkeypatch.setattr(table, "deliberate", lambda: table.Deliberate(rows=stated))
    settle(ROW, "maybe")
    for answer in ("deny", "allow"):
        with pytest.raises(AssertionError):
            settle(ROW, answer)


def test_a_folder_without_the_file_is_skipped_naming_it(tmp_path: Path) -> None:
    (parameter,) = parameters(test_consent.SUITE, tmp_path)
    (mark,) = parameter.marks
    assert mark.name == "skip"
    assert str(tmp_path) in mark.kwargs["reason"]
    assert "consent.json" in mark.kwargs["reason"]


def test_rows_that_nobody_has_seen_run_through_the_same_door(tmp_path: Path) -> None:
    written = '{"scenarios": [{"id": "new", "history": [], "expected": "deny"}]}'
    (tmp_path / "consent.json").write_text(written, encoding="utf-8")
    (parameter,) = parameters(test_consent.SUITE, tmp_path)
    (row,) = parameter.values
    assert parameter.id == "new"
    assert not row.foreseen
