"""What type each feature of audience.json is of: no row says so, but its rules and its profiles do.

What an operator asks for decides; where none asks, what profiles have. A value of a rule that is of another
type than the feature stays what it is, and `fits` says so.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from assent.core.time import Instant, format_time
from tests.conformance.rows import Data

Types = Mapping[str, str]
"""The type of each feature that a rule names."""

ORDERED: Final = frozenset({"lt", "le", "gt", "ge", "between"})
_ASKS: Final = {"has": "set", "icontains": "text", "recent": "time", "any_item": "list", "near": "place"}
"""The type an operator asks for, whatever the value."""

_STRENGTH: Final = ("text", "boolean", "number", "set", "list", "place", "time")
"""Of several types that a feature could have, the last one here is meant."""

_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?)?")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")


def types_of(profiles: Iterable[Data], nodes: Iterable[Data]) -> Types:
    """Return the type of every feature that the nodes of rules name."""
    used: dict[str, list[Data]] = {}
    for node in nodes:
        if node.get("feature") is not None:
            used.setdefault(node["feature"], []).append(node)
    had: dict[str, set[str]] = {}
    for profile in profiles:
        for name, said in profile["traits"].items():
            for value, _ in history(said):
                for path, inner in _paths(name, value):
                    had.setdefault(path, set()).add(type_of(inner))
    return {name: _choose(asking, had.get(name, set())) for name, asking in used.items()}


def history(said: object) -> list[tuple[object, float | None]]:
    """Return a trait's values with the time of each, None where it has always been so."""
    if isinstance(said, dict) and "$v" in said:
        return [(said["$v"], said["$since"])]
    if isinstance(said, list) and said and all(isinstance(one, dict) and "$v" in one for one in said):
        return [each for one in said for each in history(one)]
    return [(said, None)]


def _paths(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield what stands in a trait by the dotted path that leads to it; nothing where there is none."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(f"{name}.{key}", inner)
    elif value is not None:
        yield name, value


def worded_trait(name: str, value: object, types: Types, instant: Callable[[float], Instant]) -> object:
    """Return a trait's value, with all that stands in it, as values of the features of its paths."""
    if isinstance(value, dict) and name not in types:
        return {key: worded_trait(f"{name}.{key}", inner, types, instant) for key, inner in value.items()}
    return worded(value, types.get(name, ""), instant)


def type_of(value: object) -> str:
    """Return the type that a value has by itself."""
    match value:
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


def _choose(asking: list[Data], had: set[str]) -> str:
    asked = {kind for node in asking for kind in _asked(node)}
    if asked:
        return max(asked, key=_STRENGTH.index)
    if "set" in had and any(node["op"] in {"in", "not_in"} for node in asking):
        return "set"
    like = {type_of(value) for node in asking for value in values_of(node)}
    return max(like & had or had or like or {"text"}, key=_STRENGTH.index)


def _asked(node: Data) -> Iterator[str]:
    if node["op"] in _ASKS:
        yield _ASKS[node["op"]]
    elif node["op"] in ORDERED:
        dates = [isinstance(value, str) and bool(_DATE.fullmatch(value)) for value in values_of(node)]
        yield "time" if all(dates) else "number"


def values_of(node: Data) -> list[object]:
    """Return the values that a node compares its feature with."""
    return [*node.get("values", ()), *(node[key] for key in ("value", "low", "high") if key in node)]


def worded(value: object, kind: str, instant: Callable[[float], Instant], *, ordered: bool = False) -> object:
    """Return a row's value as one of a feature of that type: only its spelling is another.

    Seconds and dates become times where times are asked for, and members of a set texts. A number that an
    order is asked of may stand in a rule as text.
    """
    match value:
        case list() if kind == "set":
            return [worded(member, kind, instant) for member in value]
        case int() | float() if kind == "time" and not isinstance(value, bool):
            return format_time(instant(value))
        case bool() | int() | float() if kind == "set":
            return json.dumps(value)
        case str() if kind == "time" and (found := _DATE.fullmatch(value)):
            return f"{found[1]}T{found[2] or '00:00:00'}{found[3] or 'Z'}"
        case str() if kind == "number" and ordered and _NUMBER.fullmatch(value):
            return json.loads(value)
        case _:
            return value


def fits(value: object, kind: str) -> bool:
    """Say whether a worded value is one of that type; a single one can equal no list and no place."""
    if kind == "time":
        return isinstance(value, str) and _DATE.fullmatch(value) is not None
    return type_of(value) == ("text" if kind == "set" else kind)
