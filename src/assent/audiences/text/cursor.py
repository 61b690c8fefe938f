"""Walk over the text of a rule a piece at a time: take a word, a mark, a name, a value, a duration.

Values are JSON's and exact: numbers become int or Decimal. Raises UnreadableBody where something else stands.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

import msgspec

from assent.audiences.rule import DEEPEST, Compare
from assent.audiences.text.durations import ISO, expanded
from assent.audiences.text.scan import RESERVED, Kind, pieces, unreadable
from assent.core.errors import UnreadableBody

T = TypeVar("T")

MOST_LEVELS: Final = 5 * DEEPEST
"""Parentheses, calls, negations and lists inside each other: more than any tree that `rule.parse` takes."""

_DURATION: Final = "a duration such as 30d, 12h or P1M"
_WORDS: Final = {"true": True, "false": False, "null": None}
_COMPARES: Final[dict[str, dict[str, Compare]]] = {
    "at": {"least": ">=", "most": "<="},
    "more": {"than": ">"},
    "less": {"than": "<"},
    "other": {"than": "!="},
}


class Cursor:
    """A place in a text, and the piece that stands there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._pieces = pieces(text)
        self.piece = next(self._pieces)
        self._levels = 0

    def stands(self, text: str) -> bool:
        """Say whether this word or mark stands here; neither is ever a string, a number or a duration too."""
        return self.piece.text == text and self.piece.kind is not Kind.END

    def advance(self) -> str:
        """Return the piece here and go on."""
        text = self.piece.text
        self.piece = next(self._pieces)
        return text

    def took(self, text: str) -> bool:
        """Go on if this word or mark stands here, and say whether it did."""
        found = self.stands(text)
        if found:
            self.advance()
        return found

    def take(self, text: str, expected: str) -> None:
        """Go on past this word or mark."""
        if not self.took(text):
            raise self.unexpected(expected)

    def unexpected(self, expected: str) -> UnreadableBody:
        """Return the error that says what was expected here."""
        return unreadable(self.text, self.piece.at, expected)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Be one level further inside."""
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise self.unexpected(f"no more than {MOST_LEVELS} levels")
        yield
        self._levels -= 1

    def name(self) -> str:
        """Return the name of a feature or a field: a word, or a string."""
        if self.piece.kind is Kind.WORD and self.piece.text not in RESERVED:
            return self.advance()
        return self.string("the name of a feature")

    def string(self, expected: str) -> str:
        """Return the text that stands here in quotes."""
        if self.piece.kind is not Kind.STRING:
            raise self.unexpected(expected)
        try:
            text = msgspec.json.decode(self.piece.text, type=str)
        except (msgspec.DecodeError, ValueError):
            raise self.unexpected("a string as JSON writes it") from None
        self.advance()
        return text

    def count(self) -> int:
        """Return the whole number that stands here."""
        number = self.number() if self.piece.kind is Kind.NUMBER else None
        if not isinstance(number, int):
            raise self.unexpected("a whole number")
        self.advance()
        return number

    def distance(self) -> object:
        """Return the kilometres that stand here; what is no number stands as the value that it is."""
        if self.piece.kind is not Kind.DISTANCE:
            return self.value()
        number = self.number()
        self.advance()
        return number

    def number(self) -> int | Decimal:
        """Return the number that stands here, exactly; the cursor stays."""
        text = self.piece.text.removesuffix("km")
        try:
            return int(text) if text.lstrip("-").isdigit() else Decimal(text)
        except (ValueError, InvalidOperation):  # more digits, or a larger exponent, than Python takes
            raise self.unexpected("a number of fewer digits") from None

    def duration(self) -> str:
        """Return the duration that stands here, as ISO 8601 writes it."""
        kind, text, _ = self.piece
        if kind is Kind.STRING:
            return self.string(_DURATION)
        found = expanded(text) or (text if ISO.fullmatch(text) else None)
        if found is None:
            raise self.unexpected(_DURATION)
        self.advance()
        return found

    def compare(self) -> Compare | None:
        """Return the comparison that stands here in words, or None where none begins."""
        if self.took("exactly"):
            return "=="
        ends = _COMPARES.get(self.piece.text)
        if ends is None:
            return None
        self.advance()
        compare = ends.get(self.piece.text)
        if compare is None:
            raise self.unexpected(" or ".join(ends))
        self.advance()
        return compare

    def value(self) -> object:
        """Return the JSON value that stands here."""
        kind, text, _ = self.piece
        if kind is Kind.STRING:
            return self.string("")
        if kind is Kind.NUMBER:
            number = self.number()
            self.advance()
            return number
        if kind is Kind.WORD and text in _WORDS:
            return _WORDS[self.advance()]
        if self.took("["):
            return list(self._group("]", self.value))
        if self.took("{"):
            return dict(self._group("}", self._member))
        raise self.unexpected('a value: a number, true, false, or text in quotes ("...")')

    def _member(self) -> tuple[str, object]:
        name = self.string("a name in quotes")
        self.take(":", ":")
        return name, self.value()

    def listed(self, part: Callable[[], object]) -> tuple[object, ...]:
        """Return what stands here in parentheses, between commas."""
        self.take("(", "(")
        return tuple(self._group(")", part))

    def _group(self, end: str, part: Callable[[], T]) -> list[T]:
        """Return the parts up to the mark that ends them."""
        parts: list[T] = []
        with self.deeper():
            if not self.stands(end):
                parts = [part(), *self.further(part)]
        self.take(end, f", or {end}")
        return parts

    def further(self, part: Callable[[], T]) -> Iterator[T]:
        """Yield the parts that follow, each after a comma."""
        while self.took(","):
            yield part()
