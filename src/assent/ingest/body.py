"""Read a request's body as JSON members, by its content, whatever its headers claim.

A body is gzip when it begins like gzip: JSON never does, so a header that lies, or that a proxy forgot to
take away, does no harm. Other encodings are refused. Never inflates beyond the limit, so a small body that
unpacks to gigabytes costs no more than an honest one. Pure. Raises UnreadableBody and BodyTooLarge, nothing
else.
"""

import zlib
from collections.abc import Mapping
from typing import Final

import msgspec

from assent.core.errors import BodyTooLarge, UnreadableBody
from assent.ingest import exact_json
from assent.ingest.masked import Masked

_GZIP_BEGINS: Final = b"\x1f\x8b"
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip"})
_GZIP_ONLY: Final = 16 + zlib.MAX_WBITS

_GZIP_OVERHEAD: Final = 1024
"""What gzip may add to bytes it cannot shrink: header, trailer, and 5 bytes per stored block of 64 KiB."""


class Body(Masked, frozen=True, kw_only=True):
    """A decompressed JSON object: its text, and its members as unread pieces of that text."""

    text: bytes
    members: Mapping[str, msgspec.Raw]


def read_body(raw: bytes, *, content_encoding: str | None, limit_bytes: int) -> Body:
    """Return the JSON object that `raw` holds, at most `limit_bytes` long once decompressed.

    Of a member given twice the last counts.
    """
    if (content_encoding or "").strip().lower() not in _ENCODINGS:
        raise UnreadableBody("the body's encoding is not supported: expected gzip or none")
    if raw.startswith(_GZIP_BEGINS):
        text = _inflated(raw, limit_bytes)
    elif len(raw) > limit_bytes:
        raise BodyTooLarge
    else:
        text = raw
    return Body(text=text, members=exact_json.members(text))


def _inflated(raw: bytes, limit_bytes: int) -> bytes:
    if len(raw) > limit_bytes + _GZIP_OVERHEAD:
        raise BodyTooLarge
    inflater = zlib.decompressobj(wbits=_GZIP_ONLY)
    try:
        text = inflater.decompress(raw, limit_bytes + 1)
    except zlib.error:
        exact_json.unreadable()
    if len(text) > limit_bytes:
        raise BodyTooLarge
    # One member, complete, and nothing after it: clients send no more, and walking through many empty members
    # would take time that grows with the square of their number.
    if not inflater.eof or inflater.unused_data:
        exact_json.unreadable()
    return text
