"""What an audience is for: rules, of events as a rule, counted among its members and its control group.

A goal is read now, among those who are members now: a rule that its goal makes false (a cart that was
abandoned and is then bought) loses whoever reaches it. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from assent.audiences.floors import floored, floored_part
from assent.audiences.holdout import Arm, Holdout, part
from assent.audiences.rule import And, Rule, from_json, parse, unparse


class Goal(Struct, frozen=True, kw_only=True):
    """A rule that members should come to fulfil."""

    id: str
    title: str
    rule: Rule


class Group(Struct, frozen=True, kw_only=True):
    """How many members a bucket has, and how many of them reached a goal."""

    members: int
    reached: int


class Reached(Struct, frozen=True, kw_only=True):
    """A goal among those who are treated and, where somebody is held out, among those."""

    id: str
    title: str
    treatment: Group
    control: Group | None


class Cell(NamedTuple):
    """What is counted: the members of a bucket, or those of them who reached a goal."""

    arm: Arm
    goal: str = ""


def cells(rule: Rule, holdout: Holdout | None, goals: Iterable[Goal]) -> dict[Cell, Rule]:
    """Return the rule of each number to count."""
    arms = {Arm.TREATMENT: rule} if holdout is None else {arm: part(rule, holdout, arm) for arm in Arm}
    found = {Cell(arm): each for arm, each in arms.items()}
    for goal in goals:
        found |= {Cell(arm, goal.id): And(of=(each, goal.rule)) for arm, each in arms.items()}
    return found


def shown(counted: Mapping[Cell, int], k: int) -> dict[Cell, int]:
    """Return the numbers as they may be said."""
    return {
        cell: floored_part(number, counted[Cell(cell.arm)], k) if cell.goal else floored(number, k)
        for cell, number in counted.items()
    }


def reached(goals: Iterable[Goal], numbers: Mapping[Cell, int]) -> tuple[Reached, ...]:
    """Return the goals with their numbers."""

    def group(arm: Arm, goal: str) -> Group | None:
        if Cell(arm) not in numbers:
            return None
        return Group(members=numbers[Cell(arm)], reached=numbers[Cell(arm, goal)])

    return tuple(
        Reached(
            id=goal.id,
            title=goal.title,
            treatment=group(Arm.TREATMENT, goal.id) or _NOBODY,
            control=group(Arm.CONTROL, goal.id),
        )
        for goal in goals
    )


_NOBODY: Final = Group(members=0, reached=0)


class _Stored(Struct, frozen=True, kw_only=True):
    id: str
    title: str
    rule: msgspec.Raw


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODER: Final = msgspec.json.Decoder(tuple[_Stored, ...])


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
