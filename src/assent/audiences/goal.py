"""What an audience is for: rules, of events as a rule, counted among its members and its control group.

A goal is read now, among those who are members now: a rule that its goal makes false (a cart that was
abandoned and is then bought) loses whoever reaches it. Pure.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from assent.audiences.rule import Rule, from_json, parse, unparse


class Goal(Struct, frozen=True, kw_only=True):
    """A rule that members should come to fulfil."""

    id: str
    title: str
    rule: Rule


class _Stored(Struct, frozen=True, kw_only=True):
    id: str
    title: str
    rule: msgspec.Raw


_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(tuple[_Stored, ...])


def document(goals: Iterable[Goal]) -> list[dict[str, object]]:
    """Return goals as JSON says them. Decimals stay Decimals, to be written as numbers."""
    return [{"id": one.id, "title": one.title, "rule": unparse(one.rule)} for one in goals]


def write(goals: Sequence[Goal]) -> str | None:
    """Return what is stored of goals, of which `read` gives them back."""
    return _ENCODER.encode(document(goals)).decode() if goals else None


def read(text: str | None) -> tuple[Goal, ...]:
    """Return stored goals."""
    if text is None:
        return ()
    return tuple(
        Goal(id=one.id, title=one.title, rule=parse(from_json(one.rule))) for one in _DECODER.decode(text)
    )
