"""Bodies that nobody honest sends: JSON written by hand, so that it may say what no encoder would."""

import gzip
import json
import zlib
from typing import Final

from hypothesis import strategies as st

MARKER: Final = "Zq7Marker"
"""Stands in names and values everywhere. No answer may hold it, in any case of its letters."""

Text = st.SearchStrategy[str]
"""JSON text, or nearly."""

_STRINGS: Final = (
    *('""', '"null"', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', '"\\uFFFE"', '"\u202e"'),
    *(f'"{MARKER}"', f'"{MARKER}@example.com"', f'"{MARKER}\\u0000"', f'"{MARKER * 400}"', '"+442079460000"'),
    *('"2026-03-01T11:00:00Z"', '"9999-12-31T23:59:59.999999999+14:00"', '"0000-00-00T00:00:00Z"', '"-0"'),
)
_NUMBERS: Final = (
    *("0", "-0", "-0.0", "1e400", "-1e400", "1e-400", "1E+2147483648", "1e99999999999999999999"),
    *("9" * 5000, "0." + "3" * 5000, "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("9223372036854.775808", "0.0000001", "12.34", "NaN", "Infinity", "01", "+1", "1."),
)
_DEEP: Final = tuple(before * depth + "1" + after * depth for before, after in (("[", "]"), ('{"a":', "}"))
                     for depth in (31, 64, 200, 2_000))  # fmt: skip

strings = st.sampled_from(_STRINGS) | st.text(max_size=12).map(json.dumps)
scalars = st.sampled_from(("null", "true", "false", *_STRINGS, *_NUMBERS)) | strings
names = st.sampled_from(
    [
        *('"id"', '"type"', '"email"', '"traits"', '"device"', '"externalIds"', '"revenue"', '"country"'),
        *('"ip"', '"page"', '"url"', '"campaign"', '"referrer"', '"products"', '"currency"', '"consent"'),
        *(f'"{MARKER}"', '""', '"\\u0000"', '"\\ud800"', '"__proto__"', '"$set"', '"distinct_id"'),
    ]
)


def objects(keys: Text, values: Text, most: int) -> Text:
    """Objects, with names given twice too."""
    pairs = st.lists(st.tuples(keys, values), max_size=most)
    return pairs.map(lambda found: "{" + ",".join(f"{key}:{value}" for key, value in found) + "}")


def lists(values: Text, most: int) -> Text:
    return st.lists(values, max_size=most).map(lambda found: f"[{','.join(found)}]")


values = st.recursive(
    scalars | st.sampled_from(_DEEP), lambda inner: lists(inner, 3) | objects(names, inner, 4), max_leaves=8
)


def _item(members: dict[str, Text], wild: tuple[str, ...]) -> Text:
    """Items whose members say what they should, most of them, with wild ones behind: the last counts."""
    calm = st.fixed_dictionaries({}, optional=members)
    rest = st.lists(st.tuples(st.sampled_from(wild).map(json.dumps), values), max_size=2)
    return st.builds(
        lambda sound, odd: "{" + ",".join(f"{key}:{value}" for key, value in [*_quoted(sound), *odd]) + "}",
        calm,
        rest,
    )


def _quoted(members: dict[str, str]) -> list[tuple[str, str]]:
    return [(json.dumps(name), value) for name, value in members.items()]


_PEOPLE = st.sampled_from(['"u1"', '"u2"', f'"{MARKER}-user"', "7", '""'])
_EVENTS = st.sampled_from(
    ['"Order Completed"', '"Product Viewed"', '"Products Searched"', f'"{MARKER} Done"']
)
_TIMES = st.sampled_from(['"2026-03-01T11:00:00Z"', '"2030-01-01T00:00:00+14:00"', "1700000000"])
_MESSAGES = st.integers(0, 10_000).map(lambda number: f'"m{number}"')
_INSIDE = objects(names, values, 4)
_TYPES = st.sampled_from(['"track"', '"identify"', '"page"', '"screen"', '"group"', '"alias"', '"nonsense"'])

calls = _item(
    {
        "type": _TYPES,
        "event": _EVENTS,
        "userId": _PEOPLE,
        "anonymousId": _PEOPLE,
        "previousId": _PEOPLE,
        "groupId": _PEOPLE,
        "messageId": _MESSAGES,
        "timestamp": _TIMES,
        "sentAt": _TIMES,
        "properties": _INSIDE,
        "traits": _INSIDE,
        "context": _INSIDE,
    },
    (
        "type",
        "event",
        "userId",
        "messageId",
        "timestamp",
        "sentAt",
        "traits",
        "properties",
        "context",
        MARKER,
    ),
)
posthog_events = _item(
    {
        "event": _EVENTS
        | st.sampled_from(['"$identify"', '"$set"', '"$create_alias"', '"$groupidentify"', '"$pageview"']),
        "distinct_id": _PEOPLE,
        "uuid": _MESSAGES,
        "timestamp": _TIMES,
        "$set": _INSIDE,
        "properties": objects(
            st.sampled_from(
                ['"distinct_id"', '"$anon_distinct_id"', '"alias"', '"$set"', '"$group_set"', '"x"']
            ),
            values,
            4,
        ),
    },
    ("event", "distinct_id", "uuid", "timestamp", "properties", "$set", MARKER),
)


def batches(items: Text) -> Text:
    """Batches of such items and of what is no item at all, with members around them."""
    around = objects(st.sampled_from(['"sentAt"', '"sent_at"', '"context"', f'"{MARKER}"']), values, 2)
    return st.builds(
        lambda inside, outside: outside[:-1] + ("," if len(outside) > 2 else "") + f'"batch":{inside}}}',
        lists(items | items | values, 5),
        around,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _packed(texts: Text) -> st.SearchStrategy[bytes]:
    """The text as bytes: plain, packed, cut off, damaged, in other encodings, with something behind."""
    plain = texts.map(_bytes)
    return st.one_of(
        plain,
        plain,
        plain,
        plain.map(lambda raw: gzip.compress(raw, mtime=0)),
        plain.map(lambda raw: gzip.compress(raw, mtime=0)[:-5]),
        plain.map(lambda raw: gzip.compress(raw, mtime=0) + b"\x1f\x8b"),
        plain.map(zlib.compress),
        plain.map(lambda raw: b"\xef\xbb\xbf" + raw),
        plain.map(lambda raw: raw.decode("utf-8", "replace").encode("utf-16")),
        plain.map(lambda raw: raw + raw),
        st.tuples(plain, st.integers(0, 400)).map(lambda one: one[0][: one[1]]),
        st.tuples(plain, st.binary(max_size=3), st.integers(0, 400)).map(
            lambda one: one[0][: one[2]] + one[1] + one[0][one[2] :]
        ),
    )


BOMBS: Final = (
    gzip.compress(b" " * 80_000_000, 9, mtime=0),
    gzip.compress(b'{"batch":[' + b"{}," * 2_000_000 + b"{}]}", 9, mtime=0),
    gzip.compress(gzip.compress(b"[" * 50_000_000, 9, mtime=0), 9, mtime=0),
    b"".join(gzip.compress(b"", mtime=0) for _ in range(10_000)),
    b'{"batch":' + b"[" * 400_000,
    b'{"batch":[' + b'{"a":' * 60_000 + b"1" + b"}" * 60_000 + b"]}",
    b'{"batch":[' + b"{}," * 2_500 + b"{}]}",
    b'{"batch":[' + b'{"type":"track","event":"' + MARKER.encode() * 30_000 + b'"}]}',
    b'{"batch":[' + b",".join(b'{"type":"track","userId":%d}' % n for n in range(2_400)) + b"]}",
)
"""Small or large, and all of them made to cost more than they should."""

ENCODINGS: Final = (None, None, None, "gzip", "identity", "br", MARKER)

requests = st.one_of(
    st.tuples(st.just("/v1/batch"), _packed(batches(calls))),
    st.tuples(st.just("/v1/batch"), _packed(batches(calls))),
    st.tuples(
        st.sampled_from(["/v1/track", "/v1/identify", "/v1/page", "/v1/alias", "/v1/group"]), _packed(calls)
    ),
    st.tuples(st.just("/batch/"), _packed(batches(posthog_events))),
    st.tuples(st.sampled_from(["/capture/", "/i/v0/e/"]), _packed(posthog_events)),
    st.tuples(st.sampled_from(["/v1/batch", "/v1/import", "/batch", "/v1/track"]), _packed(values)),
    st.tuples(st.sampled_from(["/v1/batch", "/batch", "/v1/track"]), st.binary(max_size=100)),
)
"""Paths and bodies."""
