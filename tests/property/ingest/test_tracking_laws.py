"""Whatever is sent, the answer is a call, a refusal or an error of ours; and what is taken is exact."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from assent.core.errors import AssentError
from assent.core.ids import EntryIndex
from assent.core.time import Instant, format_time
from assent.features.accumulate import EMPTY, Content, absorb, items
from assent.ingest import exact_json
from assent.ingest.body import read_body
from assent.ingest.contents import contents
from assent.ingest.identifiers_of import found
from assent.ingest.tracking import PATHS, Call, CallType, Limits, Refusal, calls, event_time
from tests.unit.ingest.policy_of_tests import SHIPPED

LIMITS = Limits()
NOW = Instant(1_772_366_400_000_000)
CODES = {
    "unreadable_body",
    "body_too_large",
    "malformed_identifier",
    "blocked_identifier",
    "ambiguous_identifier",
    "unknown_namespace",
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**80), max_value=10**80)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(["", "null", "a1", "ada@example.com", "+442079460000", "email", "\0", "\ud800", "-0"])
    | st.sampled_from(["2026-03-01T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-01"])
)
names = st.sampled_from(
    ["id", "type", "email", "traits", "device", "externalIds", "revenue", "country", "customer_id", "x"]
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
MEMBERS = (
    *("type", "event", "userId", "anonymousId", "previousId", "groupId", "messageId", "timestamp"),
    *("originalTimestamp", "sentAt", "traits", "properties", "context", "name", "category", "writeKey"),
)
objects = st.dictionaries(names, values, max_size=4)
external = st.lists(
    st.fixed_dictionaries({"id": scalars, "type": st.sampled_from([*SHIPPED.namespace_ids, "other"])}),
    max_size=4,
)
calm = st.fixed_dictionaries(
    {"type": st.sampled_from([each.value for each in CallType])},
    optional={
        "event": st.sampled_from(["Order Completed", "Product Viewed", "Other"]),
        "userId": st.sampled_from(["u1", "u2", 7, "null", ""]),
        "anonymousId": st.sampled_from(["a1", None]),
        "previousId": st.sampled_from(["a2", "null"]),
        "traits": objects,
        "properties": objects,
        "context": st.fixed_dictionaries({}, optional={"externalIds": external, "traits": objects}),
        "timestamp": st.sampled_from(["2026-03-01T11:00:00Z", "2030-01-01T00:00:00+14:00"]),
        "sentAt": st.sampled_from(["2026-03-01T11:30:00Z", "0001-01-01T00:00:00Z"]),
    },
)
wild = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=8)
bodies = st.builds(
    lambda items, rest: {"batch": items, **rest}, st.lists(calm | wild | values, max_size=4), wild
)


@contextmanager
def our_refusals_only() -> Iterator[None]:
    """Let pass what the contract may answer, and nothing else."""
    try:
        yield
    except AssentError as error:
        if error.code not in CODES:
            raise


def taken(path: str, raw: bytes, encoding: str | None = None) -> tuple[Call | Refusal, ...]:
    body = read_body(raw, content_encoding=encoding, limit_bytes=LIMITS.body_bytes(path))
    return calls(path, body, limits=LIMITS).items


def follow(call: Call) -> None:
    """Take a call as far as its content goes, as collection does."""
    at = event_time(call, received_at=NOW)
    assert at <= NOW
    format_time(at)
    with our_refusals_only():
        identifiers = found(call, SHIPPED)
        assert len(set(identifiers)) == len(identifiers) >= 1
    for category, body in contents(call, SHIPPED):
        written = exact_json.write(body.data)
        assert exact_json.read(written) == body.data
        content = Content(
            category=category, kind=body.kind, name=body.name, at=at, entry=EntryIndex(0), data=body.data
        )
        absorb(SHIPPED, EMPTY, content)
        items(SHIPPED, content)


@given(st.sampled_from(sorted(PATHS)), st.binary(max_size=200), st.sampled_from([None, "gzip", "br", "\xff"]))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_our_errors(path: str, raw: bytes, encoding: str | None) -> None:
    for sent in (raw, gzip.compress(raw, mtime=0), b"\x1f\x8b\x08" + raw, b'{"batch":[' + raw + b"]}"):
        with our_refusals_only():
            for one in taken(path, sent, encoding):
                if isinstance(one, Call):
                    follow(one)


def test_a_decoder_whose_own_errors_escape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # The canary of the fuzzing above.
    def careless(text: bytes) -> dict[str, msgspec.Raw]:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])

    def escapes(raw: bytes) -> bool:
        try:
            with our_refusals_only():
                taken("batch", raw)
        except ValueError:
            return True
        return False

    monkeypatch.setattr(exact_json, "members", careless)
    quick = settings(max_examples=100, phases=[Phase.generate], derandomize=True, database=None)
    assert escapes(find(st.binary(max_size=200), escapes, settings=quick))


@given(bodies)
@settings(max_examples=250, deadline=None)
def test_every_item_of_a_batch_is_a_call_or_a_refusal_in_its_place(body: dict[str, object]) -> None:
    sent = body["batch"]
    assert isinstance(sent, list)
    with our_refusals_only():
        items_taken = taken("batch", json.dumps(body).encode())
        assert [one.index for one in items_taken] == list(range(len(sent)))
        for one in items_taken:
            if isinstance(one, Call):
                follow(one)
            else:
                assert one.code in CODES


@given(calm | wild, st.sampled_from(sorted(path for path, call in PATHS.items() if call)))
@settings(max_examples=150, deadline=None)
def test_a_call_alone_says_what_it_says_in_a_batch(item: dict[str, object], path: str) -> None:
    named = {**item, "type": PATHS[path], "writeKey": None, "sentAt": None}
    (alone,) = taken(path, json.dumps(named).encode()) if _readable(named) else (None,)
    (batched,) = taken("batch", json.dumps({"batch": [named]}).encode()) if _readable(named) else (None,)
    assert alone == batched


def _readable(item: object) -> bool:
    # NaN and lone surrogates are no JSON: alone or in a batch, they make the whole body unreadable.
    try:
        return msgspec.json.decode(json.dumps(item)) is not None
    except (msgspec.DecodeError, UnicodeError):
        return False


@given(st.binary(min_size=1, max_size=60), st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_damage_to_an_honest_body_never_escapes(tail: bytes, place: int, byte: int) -> None:
    item = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u",
        "properties": {"revenue": 1.5, "x": [{}]},
    }
    raw = json.dumps({"batch": [item, item], "sentAt": "2026-03-01T12:00:00Z"}).encode()
    for honest in (raw, gzip.compress(raw, mtime=0)):
        at = place % len(honest)
        for damaged in (
            honest[:at],
            honest[:at] + bytes([byte]) + honest[at + 1 :],
            honest[:at] + tail + honest[at:],
        ):
            with our_refusals_only():
                for one in taken("batch", damaged):
                    if isinstance(one, Call):
                        follow(one)


numbers = st.integers(min_value=-(10**60), max_value=10**60) | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=Decimal("-1e300"), max_value=Decimal("1e300")
).filter(lambda number: len(str(number)) <= 60 and abs(number.adjusted()) <= 400)
exact = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=15,
)


@given(exact)
@settings(max_examples=200, deadline=None)
def test_what_is_written_reads_back_equal_and_is_written_the_same(value: object) -> None:
    written = exact_json.write(value)
    read = exact_json.read(written)
    assert read == value
    assert exact_json.write(read) == written


@given(
    st.integers(-(10**16), 10**16),
    st.integers(-(10**17), 10**17),
    st.none() | st.integers(-(10**17), 10**17),
)
def test_event_time_is_never_after_receipt_and_keeps_intervals(
    said: int, between: int, skew: int | None
) -> None:
    sent_at = None if skew is None else Instant(NOW + skew)
    clock = 0 if skew is None else skew

    def happened(offset: int) -> int:
        call = Call(
            index=0,
            type=CallType.IDENTIFY,
            name="$identify",
            timestamp=Instant(NOW + clock + offset),
            sent_at=sent_at,
        )
        return event_time(call, received_at=NOW)

    first, second = happened(said), happened(said + between)
    assert max(first, second) <= NOW
    if max(said, said + between) <= 0 and min(said, said + between) > -(6 * 10**16):
        assert second - first == between
