"""JSON whose numbers are exact: int or Decimal, never a float, and back to the same digits.

`read` refuses what could not be carried further unchanged and in bounded time: NaN, numbers of many digits or
far exponents, deep nesting, NUL characters (PostgreSQL's text has none), lone surrogates, bytes that are no
UTF-8. Of a member given twice the last counts, at every depth. Raises UnreadableBody and nothing else.

`write` writes what `read` gave, digit by digit. A Decimal without point and exponent (`Decimal(5)`), which
`read` never gives, comes back as the equal int.
"""

from decimal import Decimal, InvalidOperation
from typing import Final, Never

import msgspec

from assent.core.errors import UnreadableBody

LONGEST_NUMBER: Final = 64
"""Characters of a number. The shortest exact text of any double has at most 24."""

FARTHEST_EXPONENT: Final = 400
"""Doubles end at 1e308 and 5e-324: clients may send those, and nothing beyond means anything."""

DEEPEST: Final = 32
"""Levels of lists and objects. What is stored is wrapped and encoded again, below any recursion limit."""

_LARGEST_INT: Final = 10**LONGEST_NUMBER


def read(text: bytes | bytearray | memoryview | msgspec.Raw) -> object:
    """Return the value of a JSON text."""
    try:
        value = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        unreadable()
    # The escape is the only way to a NUL: a bare one is no JSON. A hit may be `\\u0000`, which is harmless.
    _inspect(value, nul_possible=b"\\u0000" in bytes(text))
    return value


def members(text: bytes | bytearray | memoryview | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return an object's members, unread, each a view on `text`: syntax is checked, values are not."""
    try:
        return _MEMBERS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        unreadable()


def elements(text: bytes | bytearray | memoryview | msgspec.Raw, pointer: str) -> list[msgspec.Raw]:
    """Return a list's elements, unread; `pointer` says where the list stands in the caller's body."""
    try:
        return _ELEMENTS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        unreadable(pointer)


def write(value: object) -> bytes:
    """Return the JSON text of what `read` gave."""
    return _ENCODER.encode(value)


def unreadable(pointer: str = "") -> Never:
    """Raise UnreadableBody without a cause: the decoder's own errors quote the body."""
    raise UnreadableBody(pointer=pointer) from None


def _decimal(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER:
        unreadable()
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond even Decimal's own
        unreadable()
    if abs(number.adjusted()) > FARTHEST_EXPONENT:
        unreadable()
    return number


_DECODER: Final = msgspec.json.Decoder(float_hook=_decimal)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _inspect(value: object, *, nul_possible: bool) -> None:
    """Refuse what the grammar allows and we do not, level by level, without recursion."""
    level: list[object] = [value]
    depth = 0
    while level:
        below: list[object] = []
        for held in level:
            if type(held) is dict:
                below.extend(held.values())
                if nul_possible and any("\0" in name for name in held):
                    unreadable()
            elif type(held) is list:
                below.extend(held)
            elif type(held) is int:
                if not -_LARGEST_INT < held < _LARGEST_INT:
                    unreadable()
            elif nul_possible and type(held) is str and "\0" in held:
                unreadable()
        depth += bool(below)
        if depth > DEEPEST:
            unreadable()
        level = below
