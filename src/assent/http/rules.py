"""Take a rule as a body says it, as a tree or as text; point faults at where it was said.

Numbers stay exact. Raises UnreadableBody or RuleTooDeep.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from assent.audiences.rule import Rule, from_json, parse
from assent.audiences.text import column_of, read
from assent.core.errors import Refused, RuleTooDeep

POINTER = "/rule"

LONGEST_TEXT: Final = 1 << 16
"""Characters of a rule in words: it is read where everybody waits. A tree holds longer lists."""


@contextmanager
def pointing_into(place: str) -> Iterator[None]:
    """Let a fault that is found in a rule meanwhile point into the part of the body that holds the rule."""
    try:
        yield
    except Refused as fault:
        fault.pointer = place + fault.pointer
        raise


@contextmanager
def said_rule(raw: msgspec.Raw) -> Iterator[Rule]:
    """Yield the rule; a fault that is found in a text meanwhile is told by its place there."""
    said = from_json(raw)
    if not isinstance(said, str):
        yield parse(said)
        return
    if len(said) > LONGEST_TEXT:
        raise RuleTooDeep(f"expected at most {LONGEST_TEXT} characters, or a tree", pointer=POINTER)
    rule = read(said)
    try:
        yield rule
    except Refused as fault:
        if fault.pointer != POINTER and not fault.pointer.startswith(f"{POINTER}/"):
            raise
        place = column_of(said, fault.pointer)
        raise type(fault)(f"{place}: {fault}", pointer=POINTER) from None
