"""Write a rule as text. Parentheses stand only where `and`, `or` and `not` would else be read otherwise.

Total on rules that `rule.parse` or `read` gave.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, assert_never

import msgspec

from assent.audiences.rule import (
    Absent,
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Between,
    Bucket,
    Contains,
    Did,
    Eq,
    Ge,
    Gt,
    Has,
    Held,
    Ids,
    In,
    Known,
    Le,
    Lt,
    Ne,
    Near,
    Not,
    NotIn,
    Or,
    Recent,
    Rule,
    Score,
    Seq,
    Tier,
)
from assent.audiences.text.durations import ISO, UNSIGNED, shortened
from assent.audiences.text.scan import RESERVED, WORD

COMPARES: Final = {
    ">=": "at least",
    "<=": "at most",
    ">": "more than",
    "<": "less than",
    "==": "exactly",
    "!=": "other than",
}
NOW: Final = "PT0S"
"""Where the window of `recent` ends unless it says otherwise."""

_OR, _AND, _UNARY = range(3)

_WORDS: Final[Mapping[type[Rule], str]] = {
    Eq: "=",
    Ne: "!=",
    Lt: "<",
    Le: "<=",
    Gt: ">",
    Ge: ">=",
    Has: "has",
    Contains: "contains",
}

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def write(rule: Rule) -> str:
    """Return the rule as text, on one line."""
    return _rule(rule, _OR)


def _rule(rule: Rule, around: int) -> str:
    """Return the rule as it stands where only what binds closer than `around` may stand bare."""
    match rule:
        case Or(of=(_, _, *_) as of):
            return _group(" or ", _OR, of, around)
        case And(of=(_, _, *_) as of):
            return _group(" and ", _AND, of, around)
        case And(of=of):
            return _call("all_of", map(write, of))
        case Or(of=of):
            return _call("any_of", map(write, of))
        case Not(of=inner):
            return "not " + _rule(inner, _UNARY)
        case All():
            return "everyone"
        case AtLeast() | Audience() | Ids() | Tier() | Score() | Bucket():
            return _function(rule)
        case Did() | Agg() | Seq() | AnyItem() | Held():
            return _of_events(rule)
        case _:
            return f"{_name(rule.feature)} {_comparison(rule)}"


def _function(rule: AtLeast | Audience | Ids | Tier | Score | Bucket) -> str:
    match rule:
        case AtLeast(count=count, of=of):
            return _call("at_least", (str(count), *map(write, of)))
        case Audience(audience=audience):
            return _call("audience", [_value(audience)])
        case Ids(values=values):
            return _call("ids", map(_value, values))
        case Tier(values=values):
            return _call("tier", map(_value, values))
        case Score(parts=parts, at_least=least):
            counted = (f"{_value(part.weight)} if {write(part.rule)}" for part in parts)
            return _call("score", (*counted, f"at least {_value(least)}"))
        case Bucket():
            return _call("bucket", _bucket(rule))
        case _:
            assert_never(rule)


def _of_events(rule: Did | Agg | Seq | AnyItem | Held) -> str:
    match rule:
        case Did():
            return _call("did", _did(rule))
        case Agg():
            return _call("agg", _agg(rule))
        case Seq():
            return _call("seq", _seq(rule))
        case AnyItem():
            lasting = () if rule.lasting is None else (f"for {_duration(rule.lasting)}",)
            return _call("any_item", [_name(rule.feature), f"where {write(rule.where)}", *lasting])
        case Held():
            value = f"{_name(rule.feature)} = {_value(rule.value)}"
            return _call("held", [value, f"{COMPARES[rule.compare]} {_duration(rule.duration)}"])
        case _:
            assert_never(rule)


def _group(word: str, own: int, of: Iterable[Rule], around: int) -> str:
    inside = word.join(_rule(each, own + 1) for each in of)
    return f"({inside})" if own < around else inside


def _call(head: str, parts: Iterable[str]) -> str:
    return f"{head}({', '.join(parts)})"


_Compared = Eq | Ne | Lt | Le | Gt | Ge | Has | Contains
_Comparison = _Compared | In | NotIn | Between | Known | Absent | Near | Recent


def _comparison(leaf: _Comparison) -> str:
    match leaf:
        case In(values=values):
            return f"in ({', '.join(map(_value, values))})"
        case NotIn(values=values):
            return f"not in ({', '.join(map(_value, values))})"
        case Between(low=low, high=high):
            return f"between {_value(low)} and {_value(high)}"
        case Known():
            return "is known"
        case Absent():
            return "is absent"
        case Near(of=(north, east), within_km=within):
            near = f"near ({_value(north)}, {_value(east)}) within {_value(within)}"
            is_number = isinstance(within, int | Decimal) and not isinstance(within, bool)
            return near + ("km" if is_number else "")
        case Recent():
            return f"in {_recent(leaf)}"
        case _:
            return f"{_WORDS[type(leaf)]} {_value(leaf.value)}"


def _recent(leaf: Recent) -> str:
    length = leaf.begin.removeprefix("-")
    if leaf.end == NOW and length != leaf.begin and UNSIGNED.fullmatch(length):
        return f"last {_duration(length)}"
    return f"from {_duration(leaf.begin)}" + ("" if leaf.end == NOW else f" to {_duration(leaf.end)}")


def _bucket(rule: Bucket) -> Iterator[str]:
    yield _value(rule.salt)
    if rule.feature is not None:
        yield f"of {_name(rule.feature)}"
    yield f"from {_value(rule.low)} to {_value(rule.high)}"


def _did(rule: Did) -> Iterator[str]:
    yield _value(rule.event)
    if rule.where is not None:
        yield f"where {write(rule.where)}"
    if (rule.compare, rule.count) != (">=", 1):
        yield f"{COMPARES[rule.compare]} {rule.count}"
    yield from _window(rule)


def _agg(rule: Agg) -> Iterator[str]:
    yield _value(rule.event)
    yield rule.aggregate if rule.path is None else f"{rule.aggregate} of {_name(rule.path)}"
    yield f"{COMPARES[rule.compare]} {_value(rule.value)}"
    if rule.where is not None:
        yield f"where {write(rule.where)}"
    yield from _window(rule)


def _window(rule: Did | Agg) -> Iterator[str]:
    if rule.last is not None:
        yield f"last {_duration(rule.last)}"
    ends = (("from", rule.begin), ("to", rule.end))
    said = [f"{word} {_duration(end)}" for word, end in ends if end is not None]
    if said:
        yield " ".join(said)
    if rule.between_t is not None:
        low, high = rule.between_t
        yield f"between {_value(low)} and {_value(high)}"


def _seq(rule: Seq) -> Iterator[str]:
    yield from map(write, rule.steps)
    if rule.gap is not None:
        yield f"gap {_duration(rule.gap)}"
    if rule.last is not None:
        yield f"last {_duration(rule.last)}"


def _name(name: str) -> str:
    return name if WORD.fullmatch(name) and name not in RESERVED else _value(name)


def _value(value: object) -> str:
    # str() writes a Decimal with its exponent where the encoder would write out every zero
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_value(name)}: {_value(each)}' for name, each in value.items())}}}"
    return _encode(value).decode()


def _duration(text: str) -> str:
    return shortened(text) or (text if ISO.fullmatch(text) else _value(text))
