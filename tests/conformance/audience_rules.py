"""The rules of audience.json: what they name, and how they stand on the wire.

The operators' shape on the wire is that of the rows; what a row writes in its own units or in fewer words is
said in full: times that a feature of type time is compared with, the ids of profiles, names that a policy
cannot spell, a count or an end that is left out. What the language refuses because it can never be so
(a feature compared with a value of another type, an empty share) is said as what it is: not so.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from assent.core.time import Instant
from tests.conformance.audience_types import ORDERED, Types, fits, values_of, worded
from tests.conformance.documents import NAME
from tests.conformance.rows import Data

_EVER: Final = "-P19Y"
"""Before everything that happens in a row, and after what its profiles agreed to."""

_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("fn", "function", "agg"), "aggregate"),
    **dict.fromkeys(("prop", "property", "field", "feature"), "path"),
}
_AGGREGATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("avg", "average"), "mean"),
    **dict.fromkeys(("unique", "count_distinct"), "distinct"),
    "min": "low",
    "max": "high",
}
"""Other words for what an aggregate asks."""

_SINGLE: Final = frozenset({"eq", "ne", "held"})
_TIMES: Final = frozenset({"first_time", "last_time"})


def nodes(rule: Data) -> Iterator[Data]:
    """Yield the rule and every rule inside it; conditions on an event's or an item's own fields are none."""
    yield rule
    for each in _inside(rule):
        yield from nodes(each)


def in_full(rule: Data) -> Data:
    """Return a rule whose leaves over events are those of the language: `did`, `agg`, `seq` and the like.

    `first` and `last` ask that the first, or the last, event of all lies in a window or has a property.
    """
    inside = rule.get("of")
    match rule["op"]:
        case "and" | "or" | "not" | "at_least" if isinstance(inside, dict):
            return {**rule, "of": in_full(inside)}
        case "and" | "or" | "at_least" if isinstance(inside, list):
            return {**rule, "of": [in_full(each) for each in inside]}
        case "score":
            return {**rule, "parts": [{**part, "rule": in_full(part["rule"])} for part in rule["parts"]]}
        case "agg":
            named = {_WORDS.get(key, key): value for key, value in rule.items()}
            return {**named, "aggregate": _AGGREGATES.get(named["aggregate"], named["aggregate"])}
        case "first" | "last" if "value" in rule:
            named = {_WORDS.get(key, key): value for key, value in rule.items()}
            return {"compare": "==", **named, "op": "agg", "aggregate": rule["op"]}
        case "first" | "last":
            return _outermost(rule)
        case _:
            return rule


def _outermost(rule: Data) -> Data:
    """Return that such an event lies in the window, and none before it, or none after."""
    which: Data = {key: rule[key] for key in ("event", "where") if key in rule}
    begin = rule.get("from") or "-" + rule.get("last", _EVER[1:])
    beyond: Data = {"from": _EVER, "to": begin} if rule["op"] == "first" else {"from": rule.get("to", "P0D")}
    within: Data = {"op": "did", **which, "from": begin, "to": rule.get("to", "P0D")}
    outside: Data = {"op": "did", **which, **beyond}
    return {"op": "and", "of": [within, {"op": "not", "of": outside}]}


def _inside(rule: Data) -> list[Data]:
    """Return the rules directly inside one."""
    within = rule.get("of", [])
    parts = [part["rule"] for part in rule.get("parts", [])]
    found = [within] if isinstance(within, dict) else within
    # What is near is near a point, of two numbers.
    return [*(each for each in found if isinstance(each, dict)), *rule.get("steps", []), *parts]


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


def spelled(name: str) -> str:
    """Return the name of a feature as a policy can spell it."""
    return name if NAME.fullmatch(name) else "f_" + re.sub(r"[^A-Za-z0-9_.:-]", "_", name)


class Wire(Struct, frozen=True, kw_only=True):
    """How the rules of one row stand on the wire."""

    types: Types
    instant: Callable[[float], Instant]
    subject: Callable[[str], str]
    audiences: Mapping[str, str]
    """The id of the audience that each name means."""

    def rule(self, rule: Data) -> Data:
        """Return a rule as it stands on the wire."""
        match rule["op"]:
            case "at_least" if not 0 < rule["count"] <= len(rule["of"]) and rule["of"]:
                return _NOBODY if rule["count"] > 0 else {"op": "all"}
            case "and" | "or" | "not" | "at_least":
                inside = rule["of"]
                one = isinstance(inside, dict)
                return {**rule, "of": self.rule(inside) if one else [self.rule(each) for each in inside]}
            case "score":
                return {
                    **rule,
                    "parts": [{**part, "rule": self.rule(part["rule"])} for part in rule["parts"]],
                }
            case "did" | "agg" | "seq":
                return self._of_events(rule)
            case "ids":
                return {**rule, "values": [self.subject(one) for one in rule["values"]]}
            case "audience":
                return {**rule, "audience": self.audiences.get(rule["audience"], "unknown")}
            case "bucket" if rule["low"] >= rule["high"]:
                return _never(spelled(rule["feature"])) if rule.get("feature") else _NOBODY
            case _:
                return dict(rule) if rule.get("feature") is None else self._leaf(rule)

    def _of_events(self, rule: Data) -> Data:
        if rule["op"] == "seq":
            return {**rule, "steps": [step for each in rule["steps"] for step in self._steps(each)]}
        found = self._windowed(rule)
        if rule["op"] == "did":
            return {"compare": ">=", "count": 1, **found}
        if rule["aggregate"] in _TIMES:
            found["value"] = worded(rule["value"], "time", self.instant)
        return found

    def _steps(self, step: Data) -> list[Data]:
        """Return a step as often as it is to happen."""
        once = {**step, "op": "did", "compare": ">=", "count": 1}
        return [once] * (step.get("count", 1) if step.get("compare", ">=") == ">=" else 1)

    def _windowed(self, rule: Data) -> Data:
        if "between_t" in rule:
            ends = [worded(end, "time", self.instant) for end in rule["between_t"]]
            return {**rule, "between_t": ends}
        return {"from": _EVER, **rule} if "to" in rule and "last" not in rule else dict(rule)

    def _leaf(self, rule: Data) -> Data:
        """Return a comparison of a feature with values of its own type, or what it comes to without any."""
        name, kind = spelled(rule["feature"]), self.types[rule["feature"]]
        found: dict[str, Any] = {**rule, "feature": name}
        by_order = rule["op"] in ORDERED
        if rule["op"] == "bucket":
            return found
        for key in ("value", "low", "high"):
            if key in rule:
                found[key] = worded(rule[key], kind, self.instant, ordered=by_order)
        if rule["op"] in {"in", "not_in"}:
            values = [worded(value, kind, self.instant) for value in rule["values"]]
            found["values"] = [value for value in values if fits(value, kind)]
            foreign = bool(values) and not found["values"]
        else:
            foreign = not all(fits(value, kind) for value in values_of(found))
            foreign = foreign or (kind == "set" and rule["op"] in _SINGLE)
        if foreign:
            return _either(name) if rule["op"] in {"ne", "not_in"} else _never(name)
        return found


_NOBODY: Final[Data] = {"op": "not", "of": {"op": "all"}}


def _either(name: str) -> Data:
    """Return what is so of everybody whose feature may be looked at."""
    return {"op": "or", "of": [{"op": "known", "feature": name}, {"op": "absent", "feature": name}]}


def _never(name: str) -> Data:
    """Return what is so of nobody, and unknown where the feature is hidden."""
    return {"op": "not", "of": _either(name)}
