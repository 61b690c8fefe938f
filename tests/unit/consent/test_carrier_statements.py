"""What a consent string states: its no always, its yes under every condition that the policy names."""

from collections.abc import Callable

import pytest

from assent.consent.carriers.carried import Carried
from assent.consent.carriers.gpp import decode_gpp
from assent.consent.carriers.gpp_statements import gpp_statements
from assent.consent.carriers.tcf import decode_segments
from assent.consent.carriers.tcf_statements import AHEAD, tcf_statements
from assent.consent.statement import check
from assent.core.documents import parse_policy
from assent.core.policy import Policy
from assent.core.time import DAY, Duration, Instant, parse_time, shifted, to_instant
from tests.support.carriers import (
    DAY_MADE,
    gpp,
    packed,
    tc_string,
    unpacked,
    usnat,
    vendors,
)
from tests.support.policy_documents import changed, consent, contract, with_notice
from tests.unit.consent import people

NOW = Instant(DAY_MADE + DAY // 2)
LATER = Instant(DAY_MADE + 3 * DAY)

EVERYBODY = vendors(range(1, 6))


def policy(toml: str = "", first: dict[str, object] | None = None) -> Policy:
    """Return a policy: p0 consents to TCF purpose 3 unless told otherwise, p1 rests on interests, 7."""
    interests = {"legal_basis": "legitimate_interests", "lia": True, "tcf_purpose": 7}
    documents = with_notice(
        consent(**{"tcf_purpose": 3, **(first or {})}), consent(**interests), contract(), version=2
    )
    documents["signals"] = {"format": "assent/signals@1", "tcf": {"notices": {"p0": 2, "p1": 2}}}
    return parse_policy(changed(documents, "signals", toml))[0]


def stated(text: str, terms: Policy, now: Instant = NOW) -> dict[str, Carried]:
    return {each.body.purpose: each for each in tcf_statements(decode_segments(text), text, terms, now=now)}


def said(text: str, toml: str = "", first: dict[str, object] | None = None) -> dict[str, str | None]:
    """Return by purpose what counts: a state, or None for a yes that was not taken."""
    found = stated(text, policy(toml, first))
    return {name: each.body.state if each.refusal is None else None for name, each in found.items()}


def yes(**fields: object) -> str:
    return tc_string(
        **{"consents": (3,), "interests": (7,), "consented": EVERYBODY, "interested": EVERYBODY, **fields}
    )


def test_the_bits_of_a_purpose_give_and_show() -> None:
    assert said(yes()) == {"p0": "given", "p1": "notice_shown"}


def test_missing_bits_refuse_and_object() -> None:
    assert said(yes(consents=(1, 2, 4), interests=(2, 8))) == {"p0": "refused", "p1": "objected"}


def test_what_the_policy_does_not_map_is_not_spoken_for() -> None:
    assert said(yes(), "-tcf.notices.p1") == {"p0": "given"}
    assert said(yes(), "-tcf") == {}


CONDITIONS: dict[str, Callable[[], str]] = {
    "a policy before TCF 2.2": lambda: yes(policy=3),
    "the former global scope": lambda: yes(service_specific=False),
    "an hour in its time": lambda: yes(created=Instant(DAY_MADE + 36_000_000_000)),
    "two different days": lambda: yes(created=Instant(DAY_MADE - DAY), updated=DAY_MADE),
    "nobody's platform": lambda: yes(cmp_id=1),
    "no disclosed vendors": lambda: yes().partition(".")[0],
    "13 months ago": lambda: yes(created=shifted(DAY_MADE, Duration(months=-13))),
    "a clock far ahead": lambda: yes(created=Instant(DAY_MADE + AHEAD + DAY)),
}


@pytest.mark.parametrize("text", CONDITIONS.values(), ids=CONDITIONS.keys())
def test_a_yes_that_misses_one_condition_gives_nothing(text: Callable[[], str]) -> None:
    assert said(text()) == {"p0": None, "p1": None}


@pytest.mark.parametrize("text", CONDITIONS.values(), ids=CONDITIONS.keys())
def test_a_no_counts_in_every_string_that_can_be_read(text: Callable[[], str]) -> None:
    first, _, others = text().partition(".")
    bits = unpacked(first)
    # The purposes' consents and legitimate interests: bits 152 to 199.
    no = packed(bits[:152] + "0" * 48 + bits[200:], 6) + (f".{others}" if others else "")
    assert said(no) == {"p0": "refused", "p1": "objected"}


def test_conditions_are_the_policys() -> None:
    assert said(yes(policy=2), "tcf.min_policy_version = 2")["p0"] == "given"
    assert said(yes(service_specific=False), "tcf.require_service_specific = false")["p0"] == "given"
    assert said(yes(), "tcf.cmps = [407]")["p0"] == "given"
    assert said(yes(), "tcf.cmps = [10]")["p0"] is None


def test_a_vendor_of_our_own_must_be_permitted_and_shown() -> None:
    for vendor, state in ((5, "given"), (6, None)):
        assert said(yes(), f"tcf.vendor = {vendor}").get("p0") == state
    no = yes(consented=vendors((1, 2)), interested=vendors((1, 2)))
    assert said(no, "tcf.vendor = 5") == {"p0": "refused", "p1": "objected"}
    # Who was not shown was not refused either.
    assert said(no, "tcf.vendor = 6") == {}
    everybody = vendors(range(1, 9))
    assert said(yes(consented=everybody), "tcf.vendor = 6")["p0"] is None


@pytest.mark.parametrize(("kind", "left"), [(0, {}), (1, {"p0": "given"}), (2, {"p1": "notice_shown"})])
def test_the_publishers_restrictions_close_without_a_no(kind: int, left: dict[str, str]) -> None:
    text = yes(restrictions=[(3, kind, ((4, 5),)), (7, kind, ((4, 5),))])
    assert said(text, "tcf.vendor = 5") == left
    assert said(text, "tcf.vendor = 3") == {"p0": "given", "p1": "notice_shown"}


def test_a_yes_is_to_the_vendors_permitted_shown_and_not_restricted() -> None:
    text = yes(consented=vendors((2, 3, 4, 9)), restrictions=[(3, 0, ((4, 4),)), (4, 0, ((2, 2),))])
    assert stated(text, policy())["p0"].vendors == format(1 << 2 | 1 << 3, "x")


def test_purpose_1_is_not_refused_where_it_was_not_asked() -> None:
    first: dict[str, object] = {"tcf_purpose": 1}
    assert said(yes(consents=(1,), purpose_one_treatment=True), first=first) == {"p1": "notice_shown"}
    assert said(yes(purpose_one_treatment=True), first=first) == {"p1": "notice_shown"}
    assert said(yes(), first=first) == {"p0": "refused", "p1": "notice_shown"}


def test_a_string_of_today_is_said_now_and_one_of_an_earlier_day_then() -> None:
    today, ahead = stated(yes(), policy()), stated(yes(created=Instant(DAY_MADE + 9 * DAY)), policy())
    for each in (today["p0"].body, ahead["p0"].body):
        assert (each.imported, each.event_time) == (False, None)
    for text, name in ((yes(), "p0"), (yes(consents=(), interests=()), "p0"), (yes(interests=()), "p1")):
        body = stated(text, policy(), LATER)[name].body
        assert body.imported
        assert body.event_time is not None
        assert to_instant(body.event_time) == DAY_MADE


def test_a_yes_ends_after_13_months_and_names_notice_language_and_proof() -> None:
    text = yes()
    body = stated(text, policy(), LATER)["p0"].body
    assert body.expires_at is not None
    assert to_instant(body.expires_at) == parse_time("2027-03-20T00:00:00Z")
    assert body.notice is not None
    assert (body.notice.id, body.notice.version, body.notice.language) == ("n", 2, "it")
    assert (body.mechanism, body.jurisdiction) == ("carrier", "IT")
    assert body.evidence == {"carrier": "tcf", "string": text}
    assert stated(yes(country="AA"), policy())["p0"].body.jurisdiction == ""


CHANGED_SINCE = [{"version": 2, "t": "2026-02-21T00:00:00Z", "material": True}]


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"notice_changes": CHANGED_SINCE}, "stale_notice"),
        ({"declared": "2026-02-21T00:00:00Z"}, "unknown_purpose"),
        ({"digital_age": 14}, "invalid_mechanism"),
        ({"give_channels": ["store"]}, "invalid_mechanism"),
    ],
)
def test_a_string_meets_every_duty_of_a_statement_at_the_door(first: dict[str, object], code: str) -> None:
    terms = policy(first=first)
    refusal = check(stated(yes(), terms, LATER)["p0"].body, terms, now=LATER)
    assert refusal is not None
    assert refusal.code == code
    # What narrows owes nothing, but that the purpose existed.
    refusal = check(stated(yes(consents=()), terms, LATER)["p0"].body, terms, now=LATER)
    assert refusal is None or "declared" in first


def test_what_was_given_to_some_vendors_opens_to_no_other_and_a_no_to_none() -> None:
    for vendors_held, vendor, allowed in [
        (None, None, True),
        (None, 7, True),
        ("80", None, True),
        ("80", 7, True),
        ("80", 6, False),
        ("0", 7, False),
    ]:
        gave = people.said("given", 1, vendors=vendors_held)
        assert people.ask([gave], 5, vendor=vendor).allowed is allowed
        # Nor does it lift what was denied before it.
        no = people.said("withdrawn", 0.5)
        assert people.ask([no, gave], 5, vendor=vendor).allowed is allowed
        denied = people.said("withdrawn", 2, vendors="0")
        assert not people.ask([gave, denied], 5, vendor=vendor).allowed


# ---- GPP ---------------------------------------------------------------------------------------------------

OPT_OUTS = 'gpp = { sale = ["p0"], sharing = ["p1"], targeted_advertising = ["p2"], gpc = ["p0", "p1"] }'


def objected(text: str) -> set[str]:
    found = gpp_statements(decode_gpp(text), text, policy(OPT_OUTS), now=NOW)
    assert {each.body.state for each in found} <= {"objected"}
    return {each.body.purpose for each in found}


def test_opting_out_objects_and_not_opting_out_says_nothing() -> None:
    assert objected(gpp(_7=usnat(1))) == {"p0"}
    assert objected(gpp(_7=usnat(2, 1, 2))) == {"p1"}
    assert objected(gpp(_7=usnat(0, 0, 1, gpc=False))) == {"p2"}
    assert objected(gpp(_7=usnat(gpc=True))) == {"p0", "p1"}
    assert objected(gpp(_6="1YYN")) == {"p0"}
    assert objected(gpp(_6="1YNN", _7=usnat(2, 2, 2))) == set()
    assert objected(gpp(_6="1---", _7=usnat(1, 1, 1, gpc=True))) == {"p0", "p1", "p2"}


def test_the_european_section_states_what_the_tc_string_does() -> None:
    text = gpp(_2=yes(), _7=usnat(1))
    found = gpp_statements(decode_gpp(text), text, policy(OPT_OUTS), now=NOW)
    assert [(each.body.purpose, each.body.state) for each in found] == [
        ("p0", "given"),
        ("p1", "notice_shown"),
        ("p0", "objected"),
    ]
    assert found[0].body.evidence == {"carrier": "gpp", "string": text}
    nobodys = gpp(_2=yes(cmp_id=0))
    for each in gpp_statements(decode_gpp(nobodys), nobodys, policy(), now=NOW):
        assert each.refusal is not None
