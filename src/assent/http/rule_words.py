"""Tell a rule in plain words, leaf by leaf, in the language of the person whom it was true for.

Total on checked rules. Names of features and events are the controller's own, with blanks for underlines;
durations stand as numbers with units that every language here writes alike (`30 d`).
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from assent.audiences.rule import (
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Between,
    Bucket,
    Did,
    Held,
    Ids,
    In,
    Near,
    Not,
    NotIn,
    Or,
    Recent,
    Rule,
    Score,
    Seq,
    Tier,
    children,
)
from assent.http.language import FALLBACK
from assent.http.rule_phrases import PHRASES

_UNITS: Final = re.compile(r"(\d+(?:\.\d+)?)([YMWDHS])")
_encode = msgspec.json.Encoder(decimal_format="number").encode


def in_words(rule: Rule, language: str, titles: Mapping[str, str]) -> str:
    """Return one part of a rule in words, without the parts of a group; `titles` are audiences' own."""
    return _Telling(PHRASES.get(language, PHRASES[FALLBACK]), titles).told(rule)


class _Telling:
    def __init__(self, phrases: Mapping[str, str], titles: Mapping[str, str]) -> None:
        self._phrases = phrases
        self._titles = titles

    def told(self, rule: Rule) -> str:
        phrase = self._phrases[rule.__struct_config__.tag]  # type: ignore[index]
        match rule:
            case And() | Or() | Not() | All() | Ids() | Bucket():
                return phrase
            case Score(at_least=least):
                return phrase.format(value=self._value(least))
            case Tier(values=values):
                return phrase.format(value=", ".join(values))
            case AtLeast(count=count):
                return phrase.format(count=count)
            case Audience(audience=name):
                return phrase.format(title=self._titles.get(name, name))
            case Did() | Agg() | Seq() | AnyItem() | Held():
                return self._of_events(rule, phrase)
            case _:
                return _capital(self._of_feature(rule, phrase))

    def _of_feature(self, rule: Rule, phrase: str) -> str:
        feature = _name(getattr(rule, "feature", ""))
        match rule:
            case Between(low=low, high=high):
                return phrase.format(feature=feature, low=self._value(low), high=self._value(high))
            case Recent(begin=begin, end=end):
                return phrase.format(feature=feature, low=_duration(begin), high=_duration(end))
            case In(values=values) | NotIn(values=values):
                return phrase.format(feature=feature, value=", ".join(map(self._value, values)))
            case Near(within_km=distance):
                return phrase.format(feature=feature, value=self._value(distance))
            case _:
                return phrase.format(feature=feature, value=self._value(getattr(rule, "value", None)))

    def _of_events(self, rule: Did | Agg | Seq | AnyItem | Held, phrase: str) -> str:
        match rule:
            case Did():
                return phrase.format(
                    event=_name(rule.event),
                    compare=self._phrases[rule.compare],
                    count=rule.count,
                    where=self._where(rule.where),
                    window=self._window(rule),
                )
            case Agg():
                return phrase.format(
                    event=_name(rule.event),
                    aggregate=_name(rule.aggregate),
                    path=_name(rule.path or ""),
                    compare=self._phrases[rule.compare],
                    value=self._value(rule.value),
                    where=self._where(rule.where),
                    window=self._window(rule),
                ).replace("  ", " ")
            case Seq():
                steps = ", ".join(
                    self._value(_name(one.event)) + self._where(one.where) for one in rule.steps
                )
                last = "" if rule.last is None else self._last(rule.last)
                return phrase.format(steps=steps, window=last)
            case AnyItem():
                told = phrase.format(feature=_name(rule.feature), condition=self._condition(rule.where))
                lasting = "" if rule.lasting is None else f", {self._phrases['>=']} {_duration(rule.lasting)}"
                return told + lasting
            case Held():
                return _capital(
                    phrase.format(
                        feature=_name(rule.feature),
                        value=self._value(rule.value),
                        compare=self._phrases[rule.compare],
                        duration=_duration(rule.duration),
                    )
                )

    def _where(self, where: Rule | None) -> str:
        return "" if where is None else self._phrases["where"].format(condition=self._condition(where))

    def _condition(self, where: Rule) -> str:
        """Return a condition on properties: its parts stand in parentheses behind what groups them."""
        # What one item must be is told with the item.
        parts = [] if isinstance(where, AnyItem) else children(where)
        inside = [self._condition(part) for _, part in parts]
        told = self.told(where)
        return f"{told[:1].lower()}{told[1:]}" + (f" ({'; '.join(inside)})" if inside else "")

    def _window(self, rule: Did | Agg) -> str:
        if rule.last is not None:
            return self._last(rule.last)
        ends: tuple[str, str] | None = None
        if rule.begin is not None:
            ends = _duration(rule.begin), _duration(rule.end or "PT0S")
        elif rule.between_t is not None:
            ends = self._value(rule.between_t[0]), self._value(rule.between_t[1])
        return "" if ends is None else self._phrases["window"].format(low=ends[0], high=ends[1])

    def _last(self, duration: str) -> str:
        return self._phrases["last"].format(duration=_duration(duration))

    def _value(self, value: object) -> str:
        match value:
            case bool():
                return self._phrases[str(value).lower()]
            case str():
                return self._phrases["text"].format(text=value)
            case _:
                return _encode(value).decode()


def _name(name: str) -> str:
    return name.replace("_", " ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _duration(text: str) -> str:
    """Return an ISO 8601 duration with a blank between number and unit: minutes are `min`, months `m`."""
    days, _, hours = text.lstrip("-").removeprefix("P").partition("T")
    found = [f"{number} {unit.lower()}" for number, unit in _UNITS.findall(days)]
    found += [f"{number} {'min' if unit == 'M' else unit.lower()}" for number, unit in _UNITS.findall(hours)]
    sign = "-" if text.startswith("-") else ""
    return sign + " ".join(found)
