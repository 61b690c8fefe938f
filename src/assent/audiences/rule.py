"""The shape of a rule: one frozen struct per operator, told apart by `op`, unknown fields refused.

Shape only: what a rule may name is `check`'s to say, what it means `evaluate`'s. Values are JSON as it came,
with numbers as int or Decimal, and become values of a feature's type where the feature is known. `parse`
raises UnreadableBody with a pointer, or RuleTooDeep.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct, field

from assent.core.errors import RuleTooDeep, UnreadableBody

DEEPEST: Final = 8
LARGEST: Final = 64
"""Levels and nodes of one rule."""

MOST_VALUES: Final = 10_000
"""Values in the lists of one rule, all together; not people's names, of which a body alone is the limit."""

MOST_REFERENCES: Final = 4
"""Audiences that refer to each other, one inside the other, below one rule."""

AggregateName = Literal[
    "count", "sum", "mean", "low", "high", "first", "last", "distinct", "first_time", "last_time"
]
AGGREGATES: Final[tuple[str, ...]] = get_args(AggregateName)

Compare = Literal["==", "!=", "<", "<=", ">", ">="]


class And(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="and"):
    """Every one of them."""

    of: tuple["Rule", ...]


class Or(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="or"):
    """Any one of them."""

    of: tuple["Rule", ...]


class Not(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="not"):
    """The opposite; unknown stays unknown."""

    of: "Rule"


class AtLeast(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="at_least"):
    """So many of them."""

    count: int
    of: tuple["Rule", ...]


class All(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="all"):
    """Everyone the purpose may see at all."""


class Eq(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="eq"):
    """The feature is the value."""

    feature: str
    value: object


class Ne(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="ne"):
    """The feature is not the value, or absent."""

    feature: str
    value: object


class Lt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="lt"):
    """The number or time is less."""

    feature: str
    value: object


class Le(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="le"):
    """The number or time is not more."""

    feature: str
    value: object


class Gt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="gt"):
    """The number or time is more."""

    feature: str
    value: object


class Ge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="ge"):
    """The number or time is not less."""

    feature: str
    value: object


class In(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="in"):
    """The feature is one of the values; a set holds one of them."""

    feature: str
    values: tuple[object, ...]


class NotIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="not_in"):
    """The feature is none of the values, or absent; a set holds none of them."""

    feature: str
    values: tuple[object, ...]


class Between(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="between"):
    """The number or time lies between, ends included."""

    feature: str
    low: object
    high: object


class Known(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="known"):
    """There is a value."""

    feature: str


class Absent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="absent"):
    """It is permitted to look, and there is no value."""

    feature: str


class Has(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="has"):
    """The set holds the value."""

    feature: str
    value: object


class Contains(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="icontains"
):
    """The text contains the value, upper and lower case alike."""

    feature: str
    value: object


class Near(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="near"):
    """The centre of the place's cell lies no farther from a point, in degrees, than that."""

    feature: str
    of: tuple[object, object]
    within_km: object


class Recent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="recent"):
    """The time lies in (now + from, now + to]."""

    feature: str
    begin: str = field(name="from")
    end: str = field(name="to", default="PT0S")


class Audience(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="audience"):
    """The rule of another audience holds, asked anew for the same purpose."""

    audience: str


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="tier"):
    """The profile is of one of these tiers, as the purpose sees it."""

    values: tuple[str, ...]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts so much where it is true."""

    rule: "Rule"
    weight: object


class Score(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="score"):
    """The weights of what is true add up to so much. Unknown where a part that is unknown could decide."""

    parts: tuple[Part, ...]
    at_least: object


class Ids(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="ids"):
    """The profile is on a list."""

    values: tuple[str, ...]


class Bucket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="bucket"):
    """A stable share of the profiles, or of a feature's values."""

    salt: str
    low: object
    high: object
    feature: str | None = None


class Did(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="did"):
    """An event happened so many times, in a window or ever."""

    event: str
    compare: Compare
    count: int
    last: str | None = None
    begin: str | None = field(name="from", default=None)
    end: str | None = field(name="to", default=None)
    between_t: tuple[object, object] | None = None
    where: "Rule | None" = None


class Agg(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="agg"):
    """What events add up to, in a window or ever, compared with a value.

    `path` leads to the property that is added up; `count`, `first_time` and `last_time` have none.
    """

    event: str
    aggregate: AggregateName
    compare: Compare
    value: object
    path: str | None = None
    last: str | None = None
    begin: str | None = field(name="from", default=None)
    end: str | None = field(name="to", default=None)
    between_t: tuple[object, object] | None = None
    where: "Rule | None" = None


class Seq(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="seq"):
    """Events happened one after the other, no further apart than the gap."""

    steps: tuple[Did, ...]
    gap: str | None = None
    last: str | None = None


class AnyItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="any_item"):
    """One item of a list fulfils the whole condition; of a cart, having lain there for so long."""

    feature: str
    where: "Rule"
    lasting: str | None = field(name="for", default=None)


class Held(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op", tag="held"):
    """The feature has had the value for so long."""

    feature: str
    value: object
    compare: Compare
    duration: str


Rule = (
    And
    | Or
    | Not
    | AtLeast
    | All
    | Eq
    | Ne
    | Lt
    | Le
    | Gt
    | Ge
    | In
    | NotIn
    | Between
    | Known
    | Absent
    | Has
    | Contains
    | Near
    | Recent
    | Tier
    | Score
    | Audience
    | Ids
    | Bucket
    | Did
    | Agg
    | Seq
    | AnyItem
    | Held
)

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")

_BODY_DEEPEST: Final = 4 * DEEPEST  # an operator opens at most three levels: its object, a list, parts in it


def from_json(text: bytes | str | msgspec.Raw) -> object:
    """Return JSON decoded as `parse` takes it, its numbers exact. Raises UnreadableBody."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, InvalidOperation, RecursionError, ValueError):
        # InvalidOperation: an exponent that no Decimal can hold
        raise UnreadableBody(pointer="/rule") from None


def to_json(rule: Rule) -> str:
    """Return the rule as JSON text, of which `from_json` and `parse` give it back."""
    return _ENCODER.encode(unparse(rule)).decode()


def parse(raw: object, *, pointer: str = "/rule") -> Rule:
    """Return decoded JSON as a rule. Raises UnreadableBody where it has not the shape of one."""
    if not _shallow(raw):
        raise RuleTooDeep(pointer=pointer)
    try:
        rule: Rule = msgspec.convert(raw, Rule)
    except msgspec.ValidationError as error:
        raise UnreadableBody(
            "the rule has not the shape of one", pointer=pointer + _place(str(error))
        ) from None
    return rule


def unparse(rule: Rule) -> object:
    """Return the rule as JSON, which `parse` gives back. Decimals stay Decimals, to be written as numbers."""
    return msgspec.to_builtins(rule, builtin_types=(Decimal,))


def children(rule: Rule) -> Iterator[tuple[str, "Rule"]]:
    """Yield the rules directly inside, each with the pointer from this one to it."""
    match rule:
        case And(of=of) | Or(of=of) | AtLeast(of=of):
            yield from ((f"/of/{place}", each) for place, each in enumerate(of))
        case Not(of=inner):
            yield "/of", inner
        case Score(parts=parts):
            yield from ((f"/parts/{place}/rule", part.rule) for place, part in enumerate(parts))
        case Seq(steps=steps):
            yield from ((f"/steps/{place}", each) for place, each in enumerate(steps))
        case Did(where=where) | Agg(where=where) if where is not None:
            yield "/where", where
        case AnyItem(where=where):
            yield "/where", where
        case _:
            return


def listed(rule: Rule, audiences: Mapping[str, Rule]) -> set[str]:
    """Return everything that the lists of `ids` name, in the rule and in every audience it leads to."""
    found: set[str] = set()
    waiting, passed = [rule], set[str]()
    while waiting:
        node = waiting.pop()
        waiting.extend(each for _, each in children(node))
        if isinstance(node, Ids):
            found.update(node.values)
        if isinstance(node, Audience) and node.audience in audiences and node.audience not in passed:
            passed.add(node.audience)
            waiting.append(audiences[node.audience])
    return found


def _shallow(raw: object) -> bool:
    """Say whether `raw` is nested little enough to be converted, without recursion."""
    level = [raw]
    for _ in range(_BODY_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False


_STEP: Final = re.compile(r"\.([a-z_]+)|\[(\d+)\]")


def _place(message: str) -> str:
    """Return where a ValidationError points, as a JSON pointer; its words may hold the caller's values."""
    _, found, path = message.rpartition(" - at `$")
    return "".join(f"/{name or index}" for name, index in _STEP.findall(path)) if found else ""
