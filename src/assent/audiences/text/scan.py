"""Cut the text of a rule into words, values and marks, each with its place.

Lazy and linear in the text. Raises UnreadableBody at the first character that begins nothing.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from assent.core.errors import UnreadableBody


class Kind(StrEnum):
    """What a piece is; the values are the groups of the expression below."""

    STRING = "string"
    DURATION = "duration"
    DISTANCE = "distance"
    NUMBER = "number"
    WORD = "word"
    MARK = "mark"
    END = "end"


class Piece(NamedTuple):
    """One piece of the text; `at` counts characters from 0."""

    kind: Kind
    text: str
    at: int


# The quantifiers are possessive: nothing is tried twice, whatever the text.
_PIECE: Final = re.compile(
    r"""[ \t\r\n]*+ (?:
      (?P<string>   "[^"\\\x00-\x1f]*+ (?: \\[^\x00-\x1f] [^"\\\x00-\x1f]*+ )*+ " )
    | (?P<duration> -?[0-9]++ (?:min|[shdw]) (?![A-Za-z0-9_.:$-]) | -P[0-9YMWDTHS.]++ )
    | (?P<distance> -?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+ (?:[eE][+-]?[0-9]++)?+ km (?![A-Za-z0-9_.:$-]) )
    | (?P<number>   -?(?:0|[1-9][0-9]*+) (?:\.[0-9]++)?+ (?:[eE][+-]?[0-9]++)?+ (?![A-Za-z0-9_.:$]) )
    | (?P<word>     [A-Za-z_$][A-Za-z0-9_.:$-]*+ )
    | (?P<mark>     <=|>=|!=|==|[=<>(),:\[\]{}] )
    | (?P<end>      \Z )
    )""",
    re.VERBOSE,
)
_SPACE: Final = re.compile(r"[ \t\r\n]*+")

WORD: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_.:$-]*+")

RESERVED: Final = frozenset({"and", "or", "not", "everyone"})
"""Words that are no names unless they stand in quotes."""


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of the text in order; the last, for ever, is its end."""
    place = 0
    while True:
        found = _PIECE.match(text, place)
        if found is None or found.lastgroup is None:
            space = _SPACE.match(text, place)
            at = place if space is None else space.end()
            closing = "a closing quotation mark" if text.startswith('"', at) else "a word, a value or a mark"
            raise unreadable(text, at, closing)
        yield Piece(Kind(found.lastgroup), found[found.lastgroup], found.start(found.lastgroup))
        place = found.end()


def unreadable(text: str, at: int, expected: str) -> UnreadableBody:
    """Return the error that says where, and what was expected there; never what stands there."""
    return UnreadableBody(f"{place_of(text, at)}: expected {expected}", pointer="/rule")


def place_of(text: str, at: int) -> str:
    """Return a place in words; the line is named where it is not the first. Both count from 1."""
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return f"column {column}" if line == 1 else f"line {line}, column {column}"
