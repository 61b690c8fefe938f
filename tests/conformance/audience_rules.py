"""The rules of audience.json: what they name, what types that asks for, and how they stand on the wire.

The operators' shape on the wire is that of the rows; only what a row writes in its own units is translated:
times that a feature of type time is compared with, the ids of profiles, and names that a policy cannot spell.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from assent.core.time import Instant, format_time
from tests.conformance.documents import NAME
from tests.conformance.rows import Data

Types = Mapping[str, str]
"""The type of each feature that a rule names."""

_ASKS: Final = {
    **dict.fromkeys(("lt", "le", "gt", "ge", "between"), "number"),
    "has": "set",
    "icontains": "text",
    "recent": "time",
    "any_item": "list",
}
"""The type an operator asks for."""

_STRENGTH: Final = ("text", "boolean", "number", "set", "list", "time")
"""Of several types that a feature could have, the last one here is meant."""


def nodes(rule: Data) -> Iterator[Data]:
    """Yield the rule and every rule inside it; conditions on an event's or an item's own fields are none."""
    yield rule
    inside = rule.get("of", ())
    for each in [inside] if isinstance(inside, dict) else inside:
        yield from nodes(each)
    for step in rule.get("steps", ()):
        yield from nodes(step)


def operators(rule: Data) -> Iterator[str]:
    """Yield what a rule needs: its operators, how they bound time, and whether a group in it is empty."""
    for node in nodes(rule):
        yield f"operator:{node['op']}"
        yield from (f"{node['op']}:{key}" for key in ("last", "from", "between_t", "where") if key in node)
        if any(node.get(key) == [] for key in ("of", "values", "steps")):
            yield "rule:empty_group"


def referenced(rules: Mapping[str, Data]) -> list[str]:
    """Return the rules' names, each after those that it refers to."""
    ordered: list[str] = []

    def visit(name: str, within: tuple[str, ...]) -> None:
        if name in ordered or name in within or name not in rules:
            return
        for node in nodes(rules[name]):
            if node["op"] == "audience":
                visit(node["audience"], (*within, name))
        ordered.append(name)

    for name in rules:
        visit(name, ())
    return ordered


def types_of(profiles: Iterable[Data], rules: Iterable[Data]) -> Types:
    """Return the type of every feature that the rules name, from how they use it and what profiles have."""
    used: dict[str, set[str]] = {}
    for rule in rules:
        for node in nodes(rule):
            if node.get("feature") is not None:
                used.setdefault(node["feature"], set()).update(_asked(node))
    had: dict[str, set[str]] = {}
    for profile in profiles:
        for name, value in profile["traits"].items():
            had.setdefault(name, set()).add(_type(value))
    return {name: _choose(asked, had.get(name, set())) for name, asked in used.items()}


def _asked(node: Data) -> Iterator[str]:
    if node["op"] in _ASKS:
        yield _ASKS[node["op"]]
    else:
        yield from (
            _type(value) for value in [*node.get("values", ()), *([node["value"]] if "value" in node else [])]
        )


def _choose(asked: set[str], had: set[str]) -> str:
    if "set" in had and asked <= {"text", "number", "set"}:
        return "set"
    return max(asked or had or {"text"}, key=_STRENGTH.index)


def _type(value: object) -> str:
    match value:
        case {"$v": inner}:
            return _type(inner)
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list() if any(isinstance(item, dict) for item in value):
            return "list"
        case list():
            return "set"
        case _:
            return "text"


def spelled(name: str) -> str:
    """Return the name of a feature as a policy can spell it."""
    return name if NAME.fullmatch(name) else "f_" + re.sub(r"[^A-Za-z0-9_.:-]", "_", name)


def wired(
    rule: Data, types: Types, instant: Callable[[float], Instant], subject: Callable[[str], str]
) -> Data:
    """Return a rule as it stands on the wire."""
    found = dict(rule)
    inside = rule.get("of")
    if isinstance(inside, dict):
        found["of"] = wired(inside, types, instant, subject)
    elif inside is not None:
        found["of"] = [wired(each, types, instant, subject) for each in inside]
    if rule.get("feature") is not None:
        found["feature"] = spelled(rule["feature"])
        if types[rule["feature"]] == "time":
            found |= {key: timed(rule[key], instant) for key in ("value", "low", "high") if key in rule}
    if rule["op"] == "ids":
        found["values"] = [subject(one) for one in rule["values"]]
    if "between_t" in rule:
        found["between_t"] = [format_time(instant(t)) for t in rule["between_t"]]
    if rule["op"] == "audience":
        found["audience"] = rule["audience"].lower()
    return found


def timed(value: object, instant: Callable[[float], Instant]) -> object:
    """Return a row's seconds as the time they mean, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return format_time(instant(value))
