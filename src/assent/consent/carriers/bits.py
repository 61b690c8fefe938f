"""Read fields from a base64url text, first bit first: the encoding that TCF and GPP share.

Strict, because what is accepted here speaks for a person: no other letters, no field beyond the end, and
after the last field nothing but the zeros that fill the last bytes. Pure. Raises MalformedSignal, which
repeats nothing of what was read.
"""

from typing import Final

from assent.core.errors import MalformedSignal

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_SIX_BITS: Final = {letter: format(value, "06b") for value, letter in enumerate(_ALPHABET)}

_LETTERS: Final = 26

_FILLING: Final = 24
"""Encoders fill up to whole bytes and whole letters: 24 bits are 3 bytes and 4 letters."""


class Bits:
    """The bits of one segment, and how far they were read."""

    def __init__(self, text: str) -> None:
        """Unpack `text`."""
        try:
            self._bits = "".join([_SIX_BITS[letter] for letter in text])
        except KeyError:
            raise MalformedSignal from None
        self._at = 0

    @property
    def left(self) -> int:
        """How many bits were not read."""
        return len(self._bits) - self._at

    def integer(self, width: int) -> int:
        """Return an unsigned integer of `width` bits."""
        return int(self.text(width), 2)

    def flag(self) -> bool:
        """Return one bit."""
        return self.text(1) == "1"

    def flags(self, width: int) -> tuple[bool, ...]:
        """Return `width` bits."""
        return tuple(bit == "1" for bit in self.text(width)) if width else ()

    def letters(self) -> str:
        """Return two letters of six bits each, A to Z."""
        codes = (self.integer(6), self.integer(6))
        if max(codes) >= _LETTERS:
            raise MalformedSignal
        return "".join(_ALPHABET[code] for code in codes)

    def fibonacci(self, most: int) -> int:
        """Return a Fibonacci coded integer from 1 to `most`."""
        total, low, high = 0, 1, 2
        before = False
        while True:
            one = self.flag()
            if one and before:
                return total
            if one:
                total += low
            if total > most or low > most:
                raise MalformedSignal
            before, low, high = one, high, low + high

    def text(self, width: int) -> str:
        """Return the next `width` bits, at least one, as zeros and ones."""
        end = self._at + width
        if width < 1 or end > len(self._bits):
            raise MalformedSignal
        found, self._at = self._bits[self._at : end], end
        return found

    def end(self) -> None:
        """Refuse whatever follows, but the zeros that fill up."""
        if self.left >= _FILLING or "1" in self._bits[self._at :]:
            raise MalformedSignal
