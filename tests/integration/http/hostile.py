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

_MILD: Final = (
    *("null", "true", "false", "0", "-0", "-0.0", "12.34", "1e400", "-1e400", "1e-400", "0.0000001"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "9223372036854.775808"),
    *('""', '"null"', '"\\uFFFE"', '"\u202e"', '"+442079460000"', '"-0"', '"2026-03-01T11:00:00Z"'),
    *('"9999-12-31T23:59:59.999999999+14:00"', '"0000-00-00T00:00:00Z"', f'"{MARKER * 400}"'),
    *(f'"{MARKER}"', f'"{MARKER}@example.com"', f'"https://{MARKER}.example/?utm_source={MARKER}"'),
)
"""Values that the whole of an item survives."""

_NESTED: Final = (("[", "]"), ('{"a":', "}"))
_DEADLY: Final = (
    *(
        '"\\u0000"',
        f'"{MARKER}\\u0000"',
        "1E+2147483648",
        "1e99999999999999999999",
        "9" * 5000,
        "0." + "3" * 5000,
    ),
    *(before * depth + "1" + after * depth for before, after in _NESTED for depth in (31, 64, 200)),
)
"""Values that an item does not survive."""

_BROKEN: Final = (
    *('"\\ud800"', '"\\udc00\\ud800"', "NaN", "Infinity", "01", "+1", "1.", f'"{MARKER}', "{", '"\x00"'),
    *(before * 2_000 + "1" + after * 2_000 for before, after in _NESTED),
)
"""What makes a whole body unreadable."""


def mostly(common: Text, rare: Text, of: int) -> Text:
    """What is common, but for one in `of`. Naming a strategy twice in `one_of` would not weigh it twice."""
    return st.sampled_from([common] * (of - 1) + [rare]).flatmap(lambda chosen: chosen)


strings = st.sampled_from([one for one in _MILD if one.startswith('"')])
strings |= st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12).map(
    json.dumps
)
mild = st.sampled_from(_MILD) | strings
wild = mostly(mild, st.sampled_from(_DEADLY), 4)
broken = st.one_of(
    mild, st.sampled_from(_DEADLY), st.sampled_from(_BROKEN), st.text(max_size=9).map(json.dumps)
)
names = st.sampled_from(
    [
        *('"id"', '"type"', '"email"', '"traits"', '"device"', '"externalIds"', '"revenue"', '"country"'),
        *('"ip"', '"page"', '"url"', '"campaign"', '"referrer"', '"products"', '"currency"', '"consent"'),
        *(f'"{MARKER}"', '""', '"__proto__"', '"$set"', '"distinct_id"'),
    ]
)


def objects(keys: Text, values: Text, most: int) -> Text:
    """Objects, with names given twice too."""
    pairs = st.lists(st.tuples(keys, values), max_size=most)
    return pairs.map(lambda found: "{" + ",".join(f"{key}:{value}" for key, value in found) + "}")


def lists(values: Text, most: int) -> Text:
    return st.lists(values, max_size=most).map(lambda found: f"[{','.join(found)}]")


def nested(leaves: Text) -> Text:
    return st.recursive(leaves, lambda inner: lists(inner, 3) | objects(names, inner, 4), max_leaves=8)


def _item(members: dict[str, Text], others: tuple[str, ...]) -> Text:
    """Items whose members say what they should, most of them, with wild ones behind: the last counts."""
    first = dict(list(members.items())[:3])
    calm = st.fixed_dictionaries(
        first, optional={name: members[name] for name in members if name not in first}
    )
    calm |= st.fixed_dictionaries({}, optional=members)
    none: st.SearchStrategy[list[tuple[str, str]]] = st.just([])
    odd = st.tuples(st.sampled_from(others).map(json.dumps), nested(wild)).map(lambda one: [one])
    rest = st.sampled_from([none, none, none, odd]).flatmap(lambda chosen: chosen)
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
_TIMES = st.sampled_from(['"2026-03-01T11:00:00Z"', '"2030-01-01T00:00:00+14:00"'])
_MESSAGES = st.integers(0, 10_000).map(lambda number: f'"m{number}"')
_INSIDE = objects(names, nested(mild), 4)
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
            _PEOPLE | nested(mild),
            4,
        ),
    },
    ("event", "distinct_id", "uuid", "timestamp", "properties", "$set", MARKER),
)


def batches(items: Text) -> Text:
    """Batches of such items and of what is no item at all, with members around them."""
    around = objects(st.just(f'"{MARKER}"'), mild, 1) | _item(
        {"sentAt": _TIMES, "sent_at": _TIMES}, ("context",)
    )
    return st.builds(
        lambda inside, outside: outside[:-1] + ("," if len(outside) > 2 else "") + f'"batch":{inside}}}',
        lists(mostly(items, nested(wild), 5), 5),
        around,
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _packed(texts: Text) -> st.SearchStrategy[bytes]:
    """The text as bytes: plain, packed, cut off, damaged, in other encodings, with something behind."""
    plain = texts.map(_bytes)
    ways = st.sampled_from([bytes] * 14 + [_gzip] * 6 + list(_DAMAGES))
    cut = st.tuples(plain, st.integers(0, 400), st.binary(max_size=3)).map(
        lambda one: one[0][: one[1]] + one[2] + one[0][one[1] + len(one[2]) :]
    )
    whole = st.builds(lambda raw, way: way(raw), plain, ways)
    return st.sampled_from([whole] * 9 + [cut]).flatmap(lambda chosen: chosen)


def _gzip(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


_DAMAGES: Final = (
    lambda raw: _gzip(raw)[:-5],
    lambda raw: _gzip(raw) + b"\x1f\x8b",
    zlib.compress,
    lambda raw: b"\xef\xbb\xbf" + raw,
    lambda raw: raw.decode("utf-8", "replace").encode("utf-16"),
    lambda raw: raw + raw,
    lambda raw: raw[:-1],
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

ENCODINGS: Final = (*[None] * 12, *["gzip"] * 4, "identity", "br", MARKER)

_SINGLE: Final = ("/v1/track", "/v1/identify", "/v1/page", "/v1/alias", "/v1/group")


def _to(paths: tuple[str, ...], bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.tuples(st.sampled_from(paths), bodies)


requests = st.sampled_from(
    [_to(("/v1/batch", "/v1/import"), _packed(batches(calls)))] * 5
    + [_to(_SINGLE, _packed(calls))] * 3
    + [_to(("/batch/",), _packed(batches(posthog_events)))] * 3
    + [_to(("/capture/", "/i/v0/e/"), _packed(posthog_events))]
    + [_to(("/v1/batch", "/batch", "/v1/track"), _packed(nested(broken) | batches(nested(broken))))] * 2
    + [_to(("/v1/batch", "/batch", "/v1/track"), st.binary(max_size=100))]
).flatmap(lambda chosen: chosen)
"""Paths and bodies."""
