"""PostHog's bodies, event by event: which call of the tracking contract each one is."""

import json
from typing import Any

import pytest

from assent.core.errors import BodyTooLarge, UnreadableBody
from assent.core.time import parse_time
from assent.ingest.body import read_body
from assent.ingest.posthog import posthog_calls
from assent.ingest.tracking import Call, Calls, CallType, Limits, Refusal

PYTHON, NODE = "posthog-python", "posthog-node"


def sent(body: dict[str, Any], limits: Limits | None = None) -> Calls:
    limits = limits or Limits()
    raw = json.dumps(body).encode()
    return posthog_calls(read_body(raw, content_encoding=None, limit_bytes=limits.batch_bytes), limits=limits)


def one(event: str, properties: dict[str, Any] | None = None, **members: object) -> Call:
    (call,) = sent({"batch": [{"event": event, "properties": properties or {}, **members}]}).items
    assert isinstance(call, Call)
    return call


def test_the_request_brings_its_key_and_its_time() -> None:
    said = sent({"api_key": "k", "sent_at": "2026-03-01T12:00:00+00:00", "batch": []})
    assert (said.write_key, said.sent_at) == ("k", parse_time("2026-03-01T12:00:00Z"))


def test_an_event_keeps_its_name_its_id_its_time_and_its_own_properties() -> None:
    call = one(
        "Order Completed",
        {"revenue": 12.5, "$lib": NODE, "$os": "Linux", "$ip": "192.0.2.1"},
        distinct_id="u1",
        uuid="0199-1",
        timestamp="2026-03-01T11:00:00Z",
    )
    assert (call.type, call.name, call.message_id) == (CallType.TRACK, "Order Completed", "0199-1")
    assert (call.user_id, call.anonymous_id) == ("u1", None)
    assert call.timestamp == parse_time("2026-03-01T11:00:00Z")
    assert json.dumps(call.properties, default=float) == '{"revenue": 12.5}'
    assert "192.0.2.1" not in json.dumps(call.item, default=str)


def test_an_event_without_a_person_is_of_a_browser() -> None:
    call = one("Product Viewed", {"$process_person_profile": False}, distinct_id="a1")
    assert (call.user_id, call.anonymous_id) == (None, "a1")
    for said in (True, None, "false", 0):
        assert one("Product Viewed", {"$process_person_profile": said}, distinct_id="a1").user_id == "a1"


def test_identify_names_the_person_and_the_browser() -> None:
    call = one("$identify", {"$anon_distinct_id": "a1", "$set": {"plan": "gold"}}, distinct_id="u1")
    assert (call.type, call.user_id, call.anonymous_id) == (CallType.IDENTIFY, "u1", "a1")
    assert call.traits == {"plan": "gold"}


def test_a_set_is_an_identify_whose_traits_stand_on_the_event() -> None:
    call = one("$set", {"$lib": PYTHON}, distinct_id="u1", **{"$set": {"plan": "gold"}})
    assert (call.type, call.user_id, call.traits) == (CallType.IDENTIFY, "u1", {"plan": "gold"})


def test_what_is_set_once_never_overwrites() -> None:
    call = one("$identify", {"$set_once": {"plan": "gold"}}, distinct_id="u1")
    assert call.traits == {}


def test_traits_on_any_event_are_traits_of_its_context() -> None:
    call = one("Order Completed", {"$set": {"plan": "gold"}}, distinct_id="u1")
    assert call.context == {"traits": {"plan": "gold"}}


@pytest.mark.parametrize(
    ("client", "distinct_id", "alias"), [(PYTHON, "a1", "u1"), (NODE, "u1", "a1"), (None, "u1", "a1")]
)
def test_both_orders_of_an_alias_mean_the_same(client: str | None, distinct_id: str, alias: str) -> None:
    properties = {"distinct_id": distinct_id, "alias": alias, "$lib": client}
    call = one("$create_alias", properties, distinct_id=distinct_id)
    assert (call.type, call.previous_id, call.user_id) == (CallType.ALIAS, "a1", "u1")


def test_a_page_is_told_in_the_contracts_words() -> None:
    seen = {"$current_url": "https://shop.example/a?b", "$title": "Shoes", "$screen_height": 900, "ours": 1}
    call = one("$pageview", seen, distinct_id="u1")
    assert (call.type, call.name) == (CallType.PAGE, "$page")
    assert call.properties == {"url": "https://shop.example/a?b", "title": "Shoes", "ours": 1}
    assert one("$screen", {"$screen_name": "Cart"}, distinct_id="u1").properties == {"name": "Cart"}


def test_what_the_client_observed_is_context_and_of_an_event_nothing_else() -> None:
    seen = {
        "$current_url": "https://shop.example/a?q=boots",
        "$referrer": "$direct",
        "$device_type": "Mobile",
        "$os": "iOS",
        "$timezone": "Europe/Rome",
        "$ip": "192.0.2.1",
        "$session_id": "s",
        "utm_source": "news",
        "ours": 1,
    }
    call = one("Product Viewed", seen, distinct_id="u1")
    assert call.properties == {"utm_source": "news", "ours": 1}
    assert call.context == {
        "page": {"url": "https://shop.example/a?q=boots"},
        "device": {"type": "Mobile"},
        "os": {"name": "iOS"},
        "campaign": {"source": "news"},
        "timezone": "Europe/Rome",
        "traits": {},
    }
    assert one("$pageview", seen, distinct_id="u1").properties["url"] == "https://shop.example/a?q=boots"
    assert "referrer" not in one("$pageview", seen, distinct_id="u1").properties


def test_a_group_says_nothing_of_the_person_a_client_made_up_for_it() -> None:
    group = {"$group_type": "company", "$group_key": "c1", "$group_set": {"size": 5}}
    call = one("$groupidentify", group, distinct_id="u1")
    assert (call.type, call.group_id, call.user_id) == (CallType.GROUP, "c1", "u1")
    assert call.traits == {"size": 5}
    assert one("$groupidentify", group, distinct_id="$company_c1").user_id is None


def test_one_event_may_come_without_a_batch() -> None:
    said = sent({"api_key": "k", "event": "x", "distinct_id": "u1"})
    (call,) = said.items
    assert isinstance(call, Call)
    assert (said.write_key, call.name, call.user_id) == ("k", "x", "u1")
    with pytest.raises(BodyTooLarge):
        sent({"event": "x", "properties": {"long": "x" * 2000}}, Limits(item_bytes=1024))


@pytest.mark.parametrize(
    "event",
    [
        3,
        {},
        {"event": 5},
        {"event": "x", "properties": 7},
        {"event": "x", "$set": []},
        {"event": "x", "timestamp": "noon"},
    ],
)
def test_a_faulty_event_is_refused_alone(event: object) -> None:
    faulty, sound = sent({"batch": [event, {"event": "x", "distinct_id": "u1"}]}).items
    assert faulty == Refusal(index=0, code="unreadable_body")
    assert isinstance(sound, Call)


def test_a_body_without_events_is_unreadable() -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"batch": {}},
        {"batch": [], "api_key": 5},
        {"batch": [], "sent_at": "x"},
    ]
    for body in bodies:
        with pytest.raises(UnreadableBody):
            sent(body)


def test_a_batch_of_too_many_events_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        sent({"batch": [{}, {}]}, Limits(batch_items=1))
