"""The tracking contract, call by call: what is taken, what is refused, and when it happened."""

import gzip
import json

import pytest

from assent.core.errors import BodyTooLarge, UnreadableBody
from assent.core.time import DAY, HOUR, SECOND, Instant, parse_time
from assent.ingest.body import read_body
from assent.ingest.tracking import PATHS, Call, Calls, CallType, Limits, Refusal, calls, event_time

LIMITS = Limits()
NOON = parse_time("2026-03-01T12:00:00Z")


def sent(path: str, body: object, limits: Limits = LIMITS) -> Calls:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return calls(
        path, read_body(raw, content_encoding=None, limit_bytes=limits.body_bytes(path)), limits=limits
    )


def one(path: str, **item: object) -> Call:
    (taken,) = sent(path, item).items
    assert isinstance(taken, Call)
    return taken


def code(path: str, item: object) -> str:
    (taken,) = sent(path, item).items
    assert isinstance(taken, Refusal)
    return taken.code


@pytest.mark.parametrize(
    ("letter", "word"),
    [("i", "identify"), ("t", "track"), ("p", "page"), ("s", "screen"), ("g", "group"), ("a", "alias")],
)
def test_the_letter_means_the_word(letter: str, word: str) -> None:
    body = {"event": "x", "userId": "u", "previousId": "v"}
    assert one(letter, **body).type is one(word, **body).type is CallType(word)
    assert PATHS[letter] is CallType(word)


def test_batch_import_and_b_take_the_same_body() -> None:
    body = {"batch": [{"type": "track", "event": "x", "userId": "u"}]}
    for path in ("batch", "import", "b"):
        (call,) = sent(path, body).items
        assert isinstance(call, Call)
        assert (call.type, call.name, call.index) == (CallType.TRACK, "x", 0)


def test_a_path_outside_the_contract_is_unreadable() -> None:
    with pytest.raises(UnreadableBody):
        sent("capture", {})


def test_everything_a_track_call_says_is_read() -> None:
    call = one(
        "track",
        event="Order Completed",
        userId="u1",
        anonymousId="a1",
        messageId="m1",
        timestamp="2026-03-01T11:00:00.25+01:00",
        originalTimestamp="2026-03-01T10:00:00Z",
        sentAt="2026-03-01T12:00:00Z",
        properties={"revenue": 12.5},
        context={"traits": {"plan": "gold"}},
        integrations={"All": False},
        unknown=[1],
    )
    assert call.name == "Order Completed"
    assert (call.user_id, call.anonymous_id, call.message_id) == ("u1", "a1", "m1")
    assert call.timestamp == parse_time("2026-03-01T10:00:00.25Z")
    assert call.original_timestamp == parse_time("2026-03-01T10:00:00Z")
    assert call.sent_at == NOON
    assert repr(call.properties["revenue"]) == "Decimal('12.5')"
    assert call.context == {"traits": {"plan": "gold"}}


def test_what_the_python_client_really_sends_is_taken_as_it_is() -> None:
    # segment-analytics-python 2.4: null for what is not given, offsets instead of Z, sentAt beside the batch.
    raw = (
        b'{"batch": [{"integrations": {}, "anonymousId": null, "properties": {"price": 9.99},'
        b' "timestamp": "2026-03-01T11:59:58.123+00:00", "context": {"library": {"name": "analytics-python",'
        b' "version": "2.4.0"}}, "userId": "7", "type": "track", "event": "Viewed", "messageId": "m"},'
        b' {"integrations": {}, "anonymousId": "a", "timestamp": "2026-03-01T11:59:58.123+00:00",'
        b' "context": {}, "type": "page", "userId": null, "category": null, "name": "Home",'
        b' "properties": {}, "messageId": "n"}],'
        b' "sentAt": "2026-03-01T12:00:00.000123+00:00", "writeKey": "key"}'
    )
    read = sent("batch", raw)
    track, page = read.items
    assert isinstance(track, Call)
    assert isinstance(page, Call)
    assert read.write_key == "key"
    assert track.user_id == "7"
    assert track.anonymous_id is None
    assert (page.name, page.properties) == ("$page", {"name": "Home"})
    assert event_time(track, received_at=NOON) == NOON - 1_877_000 - 123


def test_a_page_keeps_its_own_property_over_the_call_member() -> None:
    call = one("page", userId="u", name="Home", category="", properties={"name": "own", "url": "/"})
    assert call.properties == {"name": "own", "url": "/"}
    assert one("screen", userId="u", name="Main", category="x").properties == {
        "name": "Main",
        "category": "x",
    }
    assert one("screen", userId="u").name == "$screen"
    assert one("identify", userId="u", properties={"x": 1}, name="x").properties == {}


def test_the_path_beats_the_type_in_the_body() -> None:
    assert one("identify", type="track", userId="u").type is CallType.IDENTIFY


@pytest.mark.parametrize(
    ("given", "read"), [(7, "7"), (-1, "-1"), ("", None), (None, None), (10**30, f"{10**30}")]
)
def test_an_integer_id_is_its_decimal_text_and_nothing_said_is_nothing(
    given: object, read: str | None
) -> None:
    assert one("identify", userId=given).user_id == read


@pytest.mark.parametrize("given", [True, False, 7.0, 1.5, [], {}, ["u"], {"id": "u"}])
@pytest.mark.parametrize("member", ["userId", "anonymousId", "previousId", "groupId"])
def test_an_id_of_another_type_refuses_the_item(member: str, given: object) -> None:
    assert code("identify", {member: given}) == "malformed_identifier"


@pytest.mark.parametrize(
    "item",
    [
        None,
        1,
        "track",
        [],
        {},
        {"type": "capture"},
        {"type": None},
        {"type": ["track"]},
        {"type": "track"},
        {"type": "track", "event": ""},
        {"type": "track", "event": 7},
        {"type": "track", "event": "x" * 513},
        {"type": "identify", "traits": "x"},
        {"type": "identify", "traits": [1]},
        {"type": "identify", "context": 1},
        {"type": "track", "event": "x", "properties": False},
        {"type": "identify", "messageId": {}},
        {"type": "identify", "messageId": "m" * 513},
        {"type": "identify", "timestamp": "yesterday"},
        {"type": "identify", "timestamp": "2026-03-01"},
        {"type": "identify", "timestamp": "2026-03-01T12:00:00"},
        {"type": "identify", "timestamp": 1772366400},
        {"type": "identify", "timestamp": "\u0000"},
        {"type": "identify", "originalTimestamp": ""},
        {"type": "identify", "sentAt": "2015-2-02T00:30:08.276Z"},
    ],
)
def test_a_malformed_item_is_refused_alone(item: object) -> None:
    good = {"type": "identify", "userId": "u"}
    first, second, third = sent("batch", {"batch": [good, item, good]}).items
    assert isinstance(first, Call)
    assert second == Refusal(index=1, code="unreadable_body")
    assert isinstance(third, Call)
    assert third.index == 2


def test_numbers_and_nesting_out_of_bounds_refuse_their_item_alone() -> None:
    item = b'{"type":"identify","traits":{"n":%s}}'
    bad, deep, good = item % b"1e999", item % (b"[" * 500 + b"]" * 500), item % b"1"
    first, second, third = sent("batch", b'{"batch":[%s,%s,%s]}' % (bad, deep, good)).items
    assert first == Refusal(index=0, code="unreadable_body")
    assert second == Refusal(index=1, code="unreadable_body")
    assert isinstance(third, Call)


def test_an_empty_list_is_php_s_empty_object() -> None:
    call = one("track", event="x", properties=[], context=[], traits=None)
    assert (call.properties, call.context, call.traits) == ({}, {}, {})


def test_a_batch_hands_its_context_down_but_nothing_that_is_about_one_person() -> None:
    body = {
        "context": {"app": "shop", "locale": "it", "traits": {"email": "x"}, "externalIds": [{"id": "x"}]},
        "sentAt": "2026-03-01T12:00:00Z",
        "batch": [
            {"type": "identify", "userId": "u", "context": {"locale": "en"}},
            {"type": "identify", "userId": "v", "sentAt": "2026-03-01T12:00:01Z", "context": None},
        ],
    }
    first, second = sent("batch", body).items
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert first.context == first.item["context"] == {"app": "shop", "locale": "en"}
    assert second.context == {"app": "shop", "locale": "it"}
    assert (first.sent_at, second.sent_at) == (NOON, NOON + SECOND)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/batch"),
        ({"batch": None}, "/batch"),
        ({"batch": {}}, "/batch"),
        ({"batch": [], "context": 1}, "/context"),
        ({"batch": [], "sentAt": "today"}, "/sentAt"),
        ({"batch": [], "writeKey": 7}, "/writeKey"),
    ],
)
def test_a_malformed_envelope_refuses_the_request_and_says_where(body: object, pointer: str) -> None:
    with pytest.raises(UnreadableBody) as caught:
        sent("batch", body)
    assert caught.value.pointer == pointer


def test_an_empty_batch_is_taken() -> None:
    assert sent("batch", {"batch": []}).items == ()


def test_sizes_are_bounded_per_item_and_per_request() -> None:
    large = {"type": "identify", "userId": "u", "traits": {"x": "y" * LIMITS.item_bytes}}
    small = {"type": "identify", "userId": "u"}
    first, second = sent("batch", {"batch": [large, small]}).items
    assert first == Refusal(index=0, code="body_too_large")
    assert isinstance(second, Call)
    with pytest.raises(BodyTooLarge):
        sent("identify", large)
    with pytest.raises(BodyTooLarge):
        sent("batch", {"batch": [small] * 2_501})
    assert len(sent("batch", {"batch": [{}] * 2_500}).items) == 2_500
    with pytest.raises(BodyTooLarge):
        sent("batch", {"batch": [{"x": "y" * 30_000}] * 20})


def test_a_single_call_is_held_to_the_item_limit_whoever_read_the_body() -> None:
    body = read_body(b'{"x":"%s"}' % (b"y" * 40_000), content_encoding=None, limit_bytes=100_000)
    with pytest.raises(BodyTooLarge):
        calls("identify", body, limits=LIMITS)


def test_a_gzipped_batch_is_read() -> None:
    raw = gzip.compress(b'{"batch":[{"type":"identify","userId":"u"}]}')
    body = read_body(raw, content_encoding="gzip", limit_bytes=LIMITS.batch_bytes)
    (call,) = calls("batch", body, limits=LIMITS).items
    assert isinstance(call, Call)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, NOON),
        ({"timestamp": -HOUR}, NOON - HOUR),
        ({"timestamp": HOUR}, NOON),
        ({"original_timestamp": -HOUR}, NOON - HOUR),
        ({"timestamp": -HOUR, "sent_at": 0}, NOON - HOUR),
        # A clock that runs a day ahead, or behind: the interval counts, not the clock.
        ({"timestamp": DAY - HOUR, "sent_at": DAY}, NOON - HOUR),
        ({"timestamp": -DAY - HOUR, "sent_at": -DAY}, NOON - HOUR),
        ({"timestamp": HOUR, "sent_at": 0}, NOON),
        ({"sent_at": -DAY}, NOON),
        # Forwarded: `timestamp` was corrected already, `originalTimestamp` was not.
        ({"timestamp": -HOUR, "original_timestamp": DAY - HOUR, "sent_at": DAY}, NOON - HOUR),
        ({"timestamp": -HOUR, "original_timestamp": DAY}, NOON - HOUR),
        # Stated by the caller of a client that stamps `originalTimestamp` itself.
        ({"timestamp": -HOUR, "original_timestamp": 0, "sent_at": SECOND}, NOON - HOUR),
    ],
)
def test_event_time_is_the_client_s_interval_on_our_clock(times: dict[str, int], expected: Instant) -> None:
    at = {name: Instant(NOON + offset) for name, offset in times.items()}
    call = Call(
        index=0,
        type=CallType.IDENTIFY,
        name="$identify",
        timestamp=at.get("timestamp"),
        original_timestamp=at.get("original_timestamp"),
        sent_at=at.get("sent_at"),
    )
    assert event_time(call, received_at=NOON) == expected


def test_absurd_clocks_stay_within_what_can_be_written() -> None:
    call = one("identify", userId="u", timestamp="0001-01-01T00:00:00Z", sentAt="9999-12-31T23:59:59Z")
    assert event_time(call, received_at=NOON) == parse_time("0001-01-01T00:00:00Z")


def test_nothing_of_a_call_is_in_its_repr() -> None:
    read = sent("identify", {"userId": "ada", "writeKey": "secret", "traits": {"email": "ada@example.com"}})
    shown = repr(read) + repr(read.items) + repr(read.items[0])
    assert "ada" not in shown
    assert "secret" not in shown
