"""The door: what could not be consent is refused, by code and article; what narrows is let in."""

import msgspec
import pytest

from assent.consent.statement import State, StatementBody, check, statement_of
from assent.core.ids import EntryIndex
from assent.core.policy import BasisChange, LegalBasis, NoticeVersion, Policy
from assent.core.time import to_datetime
from tests.unit.consent.people import (
    ADDRESS,
    ALL,
    BROWSING,
    EMAIL,
    MARKETING,
    PERSON,
    day,
    policy,
    purpose,
)

GIVE = {
    "purpose": "p1",
    "state": "given",
    "mechanism": "click",
    "notice": {"id": "cookies", "version": 1, "language": "it"},
}
NOW = day(100)


def refused(within: Policy | None = None, /, **fields: object) -> tuple[str, str, str] | None:
    body = msgspec.convert({**GIVE, **fields}, StatementBody)
    found = check(body, within or policy(), now=NOW)
    return None if found is None else (found.code, found.article, found.pointer)


def test_a_plain_give_is_let_in() -> None:
    assert refused() is None


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"purpose": "nobody"}, ("unknown_purpose", "5(1)(b)", "/purpose")),
        ({"categories": ["nothing"]}, ("not_permitted_for_purpose", "5(1)(c)", "/categories")),
        ({"mechanism": "pre_ticked"}, ("invalid_mechanism", "4(11)", "/mechanism")),
        ({"mechanism": ""}, ("invalid_mechanism", "4(11)", "/mechanism")),
        ({"actor": "system"}, ("invalid_mechanism", "4(11)", "/actor")),
        ({"bundle": ["terms"]}, ("bundled_consent", "7(2)", "/bundle")),
        ({"conditional_on_service": True}, ("bundled_consent", "7(4)", "/conditional_on_service")),
        ({"notice": None}, ("stale_notice", "7(1)", "/notice")),
        ({"state": "renewed", "notice": None}, ("stale_notice", "7(1)", "/notice")),
        ({"state": "notice_shown", "notice": None}, ("stale_notice", "7(1)", "/notice")),
        ({"imported": True}, ("fact_rejected", "7(1)", "/event_time")),
        (
            {"imported": True, "event_time": to_datetime(day(1))},
            ("fact_rejected", "7(1)", "/evidence"),
        ),
        (
            {"imported": True, "event_time": to_datetime(day(101)), "state": "withdrawn"},
            ("future_time", "5(1)(d)", "/event_time"),
        ),
        ({"actor": "guardian", "subject_age": 15}, ("invalid_mechanism", "8(1)", "/subject_age")),
    ],
)
def test_what_could_not_be_consent_is_refused(
    fields: dict[str, object], refusal: tuple[str, str, str]
) -> None:
    assert refused(None, **fields) == refusal


def test_a_category_of_another_purpose_is_refused() -> None:
    within = policy(purpose(categories=1 << BROWSING))
    assert refused(within, categories=["browsing"]) is None
    assert refused(within, categories=["orders"]) == ("not_permitted_for_purpose", "5(1)(c)", "/categories")


def test_the_notice_must_be_the_purposes_own() -> None:
    assert refused(policy(purpose(notice="cookies"))) is None
    assert refused(policy(purpose(notice="other"))) == ("stale_notice", "7(1)", "/notice/id")


@pytest.mark.parametrize(("version", "stale"), [(1, True), (2, False), (3, False), (4, True), (5, True)])
def test_only_a_version_in_force_and_not_outdated_is_accepted(version: int, *, stale: bool) -> None:
    versions = (
        *(NoticeVersion(version=1, at=day(0)), NoticeVersion(version=2, at=day(50), material=True)),
        *(NoticeVersion(version=3, at=day(60)), NoticeVersion(version=5, at=day(200))),
    )
    found = refused(policy(purpose(notices=versions)), notice={"id": "cookies", "version": version})
    assert found == (("stale_notice", "7(1)", "/notice/version") if stale else None)


@pytest.mark.parametrize("version", [0, -1])
@pytest.mark.parametrize("state", ["given", "renewed", "notice_shown"])
def test_a_notice_before_the_first_is_stale_also_where_no_versions_are_named(
    state: str, version: int
) -> None:
    found = refused(None, state=state, notice={"id": "cookies", "version": version})
    assert found == ("stale_notice", "7(1)", "/notice/version")


@pytest.mark.parametrize("channel", ["", "post"])
def test_a_purpose_that_names_its_channels_is_given_by_these_alone(channel: str) -> None:
    within = policy(purpose(give_channels=frozenset({"web", "app"})))
    for state in ("given", "renewed"):
        found = refused(within, state=state, channel=channel)
        assert found == ("invalid_mechanism", "7(1)", "/channel")
        assert refused(within, state=state, channel="app") is None
    assert refused(within, state="withdrawn", channel=channel) is None
    assert refused(None, channel=channel) is None


@pytest.mark.parametrize(("age", "readable"), [(-1, False), (0, True), (150, True), (151, False)])
def test_an_age_that_nobody_has_is_not_read(age: int, *, readable: bool) -> None:
    if readable:
        assert refused(None, subject_age=age) is None
    else:
        with pytest.raises(msgspec.ValidationError):
            refused(None, subject_age=age)


def test_explicit_consent_must_be_explicit_once_the_purpose_rests_on_it() -> None:
    before = policy(purpose(legal_basis=LegalBasis.EXPLICIT_CONSENT))
    change = BasisChange(at=day(50), legal_basis=LegalBasis.EXPLICIT_CONSENT)
    assert refused(before) == ("invalid_mechanism", "9(2)(a)", "/explicit")
    assert refused(policy(purpose(basis_changes=(change,)))) == ("invalid_mechanism", "9(2)(a)", "/explicit")
    assert refused(before, explicit=True) is None


def test_a_purpose_not_yet_declared_cannot_be_agreed_to() -> None:
    assert refused(policy(purpose(declared=day(101)))) == ("unknown_purpose", "5(1)(b)", "/purpose")


@pytest.mark.parametrize("state", ["refused", "withdrawn", "objected", "deferred"])
def test_narrowing_asks_for_nothing(state: str) -> None:
    """GDPR Art. 7(3): as easy to withdraw as to give."""
    bare = msgspec.convert({"purpose": "p1", "state": state}, StatementBody)
    assert check(bare, policy(purpose(notice="other", digital_age=16)), now=NOW) is None


@pytest.mark.parametrize("state", ["restricted", "erased", "gpc", "finding", "unrestricted"])
def test_states_made_inside_cannot_be_stated(state: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"purpose": "p1", "state": state}, StatementBody)


@pytest.mark.parametrize("fields", [{"colour": "red"}, {"event_time": "2026-01-01T00:00:00"}])
def test_the_body_refuses_unknown_fields_and_times_without_an_offset(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**GIVE, **fields}, StatementBody)


def test_a_live_statements_time_is_the_commits() -> None:
    body = msgspec.convert({**GIVE, "event_time": "2020-01-01T00:00:00Z"}, StatementBody)
    made = statement_of(body, policy(), identifier=PERSON, known_at=NOW, entry=EntryIndex(7))
    assert (made.acted_at, made.known_at) == (NOW, NOW)


def test_an_imported_statement_keeps_its_own_time_and_every_word() -> None:
    fields = {
        **GIVE,
        "imported": True,
        "event_time": "2026-01-02T00:00:00Z",
        "expires_at": "2026-02-01T00:00:00Z",
        "categories": ["browsing"],
        "channel": "web",
        "jurisdiction": "IT",
        "explicit": True,
        "subject_age": 40,
        "evidence": {"file": "sha256:0"},
    }
    body = msgspec.convert(fields, StatementBody)
    within = policy(purpose(), purpose(EMAIL))
    assert check(body, within, now=NOW) is None
    made = statement_of(
        body,
        within,
        identifier=PERSON,
        known_at=NOW,
        entry=EntryIndex(7),
        position=2,
        authenticated=True,
        person_scope=True,
        address=ADDRESS,
    )
    assert (made.purpose, made.state, made.identifier) == (MARKETING, State.GIVEN, PERSON)
    assert (made.acted_at, made.known_at, made.expires_at) == (day(1), NOW, day(31))
    assert (made.notice_version, made.language, made.mechanism) == (1, "it", "click")
    assert (made.categories, made.explicit, made.subject_age) == (1 << BROWSING, True, 40)
    assert (made.channel, made.jurisdiction, made.imported) == ("web", "IT", True)
    assert (made.entry, made.position, made.address) == (7, 2, ADDRESS)
    assert made.authenticated
    assert made.person_scope
    assert made.categories != ALL
