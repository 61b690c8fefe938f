"""What a call says about consent: read by the policy's words, and never more than it says."""

import pytest

from assent.consent.statement import SEC_GPC
from assent.core.documents import parse_policy
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.ingest.facts import Identifier, StatedBody
from assent.ingest.signalling import SILENCE, Heard, Speaker, hear, signal_drafts
from assent.ingest.tracking import Call, CallType
from tests.support.policy_documents import changed, consent, contract, shipped, with_notice

POLICY, _ = parse_policy(shipped())
NOW = Instant(1_700_000_000_000_000)


def call(name: str = "x", **context: object) -> Call:
    return Call(index=0, type=CallType.TRACK, name=name, context=context, item={"context": context})


def closed(heard: Heard, policy: Policy = POLICY) -> set[str]:
    return {policy.purposes[one].name for one in heard.closed}


def stated(heard: Heard, *, server: bool, names: tuple[str, ...] = ("user_id", "anonymous_id")) -> list[str]:
    identifiers = [Identifier(POLICY.namespace_ids[name], "v") for name in names]
    speaker = Speaker(role="collector", source="key:1", server=server)
    drafts = signal_drafts(POLICY, heard, identifiers, speaker=speaker, chosen_at=NOW, now=NOW)
    found = []
    for draft in drafts:
        assert isinstance(draft.body, StatedBody)
        (one,) = draft.body.identifiers
        found.append(f"{POLICY.namespaces[one.namespace].name} {draft.body.statement.state}")
    return found


def test_a_call_that_says_nothing_is_silence() -> None:
    assert hear(POLICY, (), call()) is SILENCE
    assert hear(POLICY, ("0",), call(consentMode={"ad_storage": "granted"})) is SILENCE


def test_any_of_several_headers_is_heard() -> None:
    assert closed(hear(POLICY, ("0", "1"))) == {"advertising"}


def test_a_servers_signal_binds_everybody_on_the_call_a_browsers_no_person() -> None:
    heard = hear(POLICY, ("1",), call())
    assert [one.signal for one in heard.stances] == [SEC_GPC]
    assert stated(heard, server=True) == ["user_id objected", "anonymous_id objected"]
    assert stated(heard, server=False) == ["anonymous_id objected"]
    assert stated(heard, server=False, names=("user_id",)) == []
    assert closed(heard) == {"advertising"}


def test_what_hangs_on_a_closed_purpose_closes_with_it() -> None:
    documents = with_notice(
        consent(),
        consent(parent="p0"),
        consent(requires_all=["p1"]),
        contract(requires_all=["p3"]),
        contract(),
    )
    del documents["purposes"]["purposes"]["p3"]["requires_all"]
    signals = {"value": "1", "state": "objected", "purposes": ["p0"]}
    policy, _ = parse_policy({**documents, "signals": {"format": "assent/signals@1", "sec_gpc": signals}})
    assert closed(hear(policy, ("1",)), policy) == {"p0", "p1", "p2"}


def test_of_two_categories_of_one_purpose_a_no_beats_a_yes() -> None:
    mapped = """
    [segment_consent.categories]
    A = { purpose = "analytics", notice = 1, mechanism = "click" }
    B = { purpose = "analytics", notice = 1, mechanism = "click" }
    """
    policy, _ = parse_policy(changed(shipped(), "signals", mapped))
    heard = hear(policy, (), call(consent={"categoryPreferences": {"A": True, "B": False}}))
    assert [one.state for one in heard.stances] == ["refused"]
    heard = hear(policy, (), call(consent={"categoryPreferences": {"A": True}}))
    assert [one.state for one in heard.stances] == ["given"]
    assert closed(heard, policy) == set()


@pytest.mark.parametrize("said", ["yes", [], 1, {"Advertising": "true"}, {"Advertising": None}])
def test_preferences_that_cannot_be_read_are_a_no(said: object) -> None:
    heard = hear(POLICY, (), call(consent={"categoryPreferences": said}))
    assert "advertising" in closed(heard)
    assert {one.state for one in heard.stances} == {"refused"}


def test_only_the_events_own_name_tells_of_a_choice() -> None:
    said = {"categoryPreferences": {"Analytics": False}}
    assert not hear(POLICY, (), call(consent=said)).chosen
    assert hear(POLICY, (), call("Segment Consent Preference Updated", consent=said)).chosen


def test_a_default_closes_and_nobody_states_it() -> None:
    heard = hear(POLICY, (), call(consentMode={"default": {"analytics_storage": "denied"}}))
    assert (closed(heard), heard.stances) == ({"analytics"}, ())
