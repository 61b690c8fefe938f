"""Values of features: from JSON, to JSON, packed. One type in, one type out, nothing rounded.

A value inside is a bool, an int, a str, an instant or a set of strings; numbers are int64 millionths. A
number that millionths cannot say exactly (more than six decimals, or beyond int64) is no value at all: it is
refused here and skipped where events are absorbed, never rounded. Raises WrongType, and nothing else.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from assent.core.errors import WrongType
from assent.core.policy import FINEST, Feature, ValueType
from assent.core.time import Instant, format_time, parse_time, to_instant
from assent.features import place

Value = bool | int | str | frozenset[str]
"""A value inside. Numbers are millionths, times are instants."""

Stored = bool | int | str | tuple[str, ...]
"""A value at rest: sets are sorted, so that equal values have equal bytes."""

MILLIONTHS: Final = 1_000_000
INT64_LEAST: Final = -(1 << 63) + 1
"""One above the lowest int64, which says absent in a column."""
INT64_MOST: Final = (1 << 63) - 1

_FIRST_INSTANT: Final = to_instant(datetime(1, 1, 1, tzinfo=UTC))
_LAST_INSTANT: Final = to_instant(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(bool | int | str | tuple[str, ...])
_DECODER_OF_ALL: Final = msgspec.msgpack.Decoder(list[bool | int | str | tuple[str, ...]])


def value_from_json(feature: Feature, raw: object, *, pointer: str = "") -> Value:
    """Return `raw` as a value of the feature's type. Raises WrongType when it is not one."""
    value = fitter(feature)(raw)
    if value is None:
        message = f"expected a {feature.type.value} that the feature can hold exactly"
        raise WrongType(message, pointer=pointer)
    return value


def value_to_json(feature: Feature, value: Value) -> object:
    """Return a value as JSON says it: a time as RFC 3339, a set as a sorted list, a number as a number.

    A fraction is a float where the float's shortest decimal text is the exact value (always, up to fifteen
    digits), else a Decimal, which the encoder must write as a number.
    """
    match feature.type:
        case ValueType.NUMBER:
            return number_to_json(int(value)) if isinstance(value, int) else None
        case ValueType.TIME:
            return format_time(Instant(value)) if isinstance(value, int) else None
        case ValueType.SET:
            return sorted(value) if isinstance(value, frozenset) else None
        case ValueType.LIST:
            return msgspec.json.decode(value) if isinstance(value, str) else None
        case ValueType.PLACE:
            return place.centre(value) if isinstance(value, str) else None
        case ValueType.BOOLEAN | ValueType.TEXT:
            return value


def fitted(kind: ValueType, raw: object) -> Value | None:
    """Return a JSON value as a value of `kind`, or None when it is not one that can be held exactly."""
    return FITTERS[kind](raw)


def fitter(feature: Feature) -> Callable[[object], Value | None]:
    """Return what makes a JSON value one of the feature's type, if it is one."""
    if feature.type is ValueType.PLACE and feature.decimals is not None:
        decimals = feature.decimals
        return lambda raw: place.cut(raw, decimals)
    return FITTERS[feature.type]


def list_value(objects: Iterable[Mapping[str, object]]) -> str | None:
    """Return a list of objects as a value; None for an empty one."""
    return _list(list(objects))


def pack_value(value: Value) -> bytes:
    """Return a value's bytes; equal values have equal bytes, and a bool is not a number."""
    return _ENCODER.encode(at_rest(value))


def unpack_value(packed: bytes) -> Value:
    """Return the value that `pack_value` packed. Raises ValueError on anything else."""
    return in_use(_DECODER.decode(packed))


def unpack_values(packed: bytes, number: int) -> list[Value]:
    """Return so many values that `pack_value` packed, one after the other. Raises ValueError."""
    return [in_use(stored) for stored in _DECODER_OF_ALL.decode(list_header(number) + packed)]


def list_header(number: int) -> bytes:
    """Return how a list of so many elements begins (MessagePack, array 32)."""
    return b"\xdd" + number.to_bytes(4, "big")


def at_rest(value: Value) -> Stored:
    """Return the value as it is stored: a set as its sorted members."""
    return tuple(sorted(value)) if isinstance(value, frozenset) else value


def in_use(stored: Stored) -> Value:
    """Return a stored value as it is compared: sorted members as a set."""
    return frozenset(stored) if isinstance(stored, tuple) else stored


def _boolean(raw: object) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _text(raw: object) -> str | None:
    return raw if isinstance(raw, str) else None


def millionths(raw: object) -> int | None:
    """Return a JSON number as exact int64 millionths, or None: not a number, too fine, or too large."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        scaled = raw * MILLIONTHS
        return scaled if INT64_LEAST <= scaled <= INT64_MOST else None
    if isinstance(raw, float):
        raw = Decimal(repr(raw))  # the decimal that was written, not the binary fraction nearest to it
    # 12: int64 millionths end below ten to the 13th; asked first, since 1E+999999 must not be written out.
    if not isinstance(raw, Decimal) or not raw.is_finite() or (raw and not -7 < raw.adjusted() <= 12):
        return None
    numerator, denominator = raw.as_integer_ratio()
    scaled, rest = divmod(numerator * MILLIONTHS, denominator)
    return scaled if rest == 0 and INT64_LEAST <= scaled <= INT64_MOST else None


def _time(raw: object) -> Instant | None:
    if not isinstance(raw, str):
        return None
    try:
        at = parse_time(raw)
    except ValueError:
        return None
    return at if _FIRST_INSTANT <= at <= _LAST_INSTANT else None


def _set(raw: object) -> frozenset[str] | None:
    if not isinstance(raw, list | tuple):
        return None
    return frozenset(raw) if all(isinstance(member, str) for member in raw) else None


def _list(raw: object) -> str | None:
    if not isinstance(raw, list | tuple) or not all(isinstance(item, dict) for item in raw):
        return None
    return _encode_list(raw).decode() if raw else None


_encode_list: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


FITTERS: Final[Mapping[ValueType, Callable[[object], Value | None]]] = {
    ValueType.BOOLEAN: _boolean,
    ValueType.NUMBER: millionths,
    ValueType.TEXT: _text,
    ValueType.TIME: _time,
    ValueType.SET: _set,
    ValueType.LIST: _list,
    ValueType.PLACE: lambda raw: place.cut(raw, FINEST),
}


def number_to_json(value: int) -> int | float | Decimal:
    """Return millionths as the number they are."""
    whole, rest = divmod(value, MILLIONTHS)
    if rest == 0:
        return whole
    exact = Decimal(value).scaleb(-6)  # at most 19 digits: within the context's 28
    near = float(exact)
    return near if Decimal(repr(near)) == exact else exact
