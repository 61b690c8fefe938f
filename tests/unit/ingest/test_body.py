"""Bodies: what they are is told by their bytes, and they never unpack beyond the limit."""

import gzip
import tracemalloc
import zlib

import pytest

from assent.core.errors import BodyTooLarge, UnreadableBody
from assent.ingest import body as body_module
from assent.ingest.body import read_body

LIMIT = 32 * 1024


def read(raw: bytes, encoding: str | None = None, limit: int = LIMIT) -> bytes:
    return read_body(raw, content_encoding=encoding, limit_bytes=limit).text


@pytest.mark.parametrize("encoding", [None, "", "identity", "gzip", " GZIP ", "x-gzip"])
def test_gzip_is_told_by_its_bytes_whatever_the_header_says(encoding: str | None) -> None:
    assert read(gzip.compress(b'{"a":1}'), encoding) == b'{"a":1}'
    assert read(b'{"a":1}', encoding) == b'{"a":1}'


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "\u00e9"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UnreadableBody):
        read(b"{}", encoding)


def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    exact = b'{"a":"' + b"x" * (LIMIT - 8) + b'"}'
    assert len(exact) == LIMIT
    longer = exact[:-1] + b" }"
    for shape in (bytes, gzip.compress, lambda text: gzip.compress(text, compresslevel=0)):
        assert len(read(shape(exact))) == LIMIT
        with pytest.raises(BodyTooLarge):
            read(shape(longer))


def bomb() -> bytes:
    squeezer = zlib.compressobj(9, wbits=31)
    return squeezer.compress(b"0" * 300_000_000) + squeezer.flush()


def peak_of_refusing(raw: bytes) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            read(raw, limit=500 * 1024)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_without_being_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = bomb()
    assert len(raw) < 500 * 1024
    assert peak_of_refusing(raw) < 4_000_000

    # The canary: whoever inflates first and measures afterwards is found by the same measure.
    def careless(raw: bytes, limit_bytes: int) -> bytes:
        if len(gzip.decompress(raw)) > limit_bytes:
            raise BodyTooLarge
        return raw

    monkeypatch.setattr(body_module, "_inflated", careless)
    assert peak_of_refusing(raw) > 100_000_000


@pytest.mark.parametrize(
    "raw",
    [
        gzip.compress(b'{"a":1}', mtime=0)[:-1],
        gzip.compress(b'{"a":1}', mtime=0)[:12],
        gzip.compress(b'{"a":1}', mtime=0) + b"\0",
        gzip.compress(b"{}", mtime=0) * 2,
        gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
        b"\x1f\x8b",
        b"\x1f\x8b\x08" + b"\xff" * 40,
        gzip.compress(b'{"a":1}', mtime=0)[:-8] + b"\0" * 8,
    ],
)
def test_damaged_or_repeated_gzip_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read(raw, "gzip")


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b'"x"', b"{", b"{} {}", b"\xef\xbb\xbf{}", b'{"\xff":1}', b'{"a":NaN}']
)
def test_what_is_no_json_object_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read(raw)


def test_a_million_levels_are_refused_not_followed() -> None:
    with pytest.raises(UnreadableBody):
        read(b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", limit=3_000_000)


def test_the_last_of_two_equal_members_counts() -> None:
    members = read_body(b'{"a":1,"a":2}', content_encoding=None, limit_bytes=LIMIT).members
    assert bytes(members["a"]) == b"2"


def test_nothing_of_the_body_is_in_an_error_or_a_repr() -> None:
    secret = "ada@example.com"
    taken = read_body(b'{"a":"%s"}' % secret.encode(), content_encoding=None, limit_bytes=LIMIT)
    assert secret not in repr(taken)
    assert taken.__rich_repr__() == []
    with pytest.raises(UnreadableBody) as caught:
        read(b'{"%s": oops}' % secret.encode())
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
