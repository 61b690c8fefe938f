"""Say where in a policy document a fault lies, in words a data protection officer can act on.

`purposes.toml: purposes.personalisation.legal_basis: expected one of consent, explicit_consent, ...`

A place is a document and the keys that lead into it. `read` converts a value to a struct and turns msgspec's
terse findings into such sentences. Keys are named, values never: somebody may have pasted an address where a
pattern belongs. Raises PolicyInvalid and nothing else.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, inspect

from assent.core.errors import PolicyInvalid
from assent.core.time import DAY, Duration, Instant, is_measured, longest, parse_duration, to_instant

Shape = TypeVar("Shape", bound=Struct)

_FINDING: Final = re.compile(
    r"(?P<what>.*?)(?: - at `\$(?P<path>(?:\.[a-z_]+|\[\d+\]|\[\.\.\.\])*)`)?", re.DOTALL
)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<key>.*)`", re.DOTALL)
_GOT: Final = re.compile(r"Expected `.*`, got `(?P<got>[a-z |]+)`")
_STEP: Final = re.compile(r"\.(?P<key>[a-z_]+)|\[(?P<index>\d+)\]")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_PLAIN: Final[Mapping[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.DictType: "a table",
}

"""A hundred years: beyond it, calendar arithmetic on the present day would leave the calendar."""


class Place(Struct, frozen=True):
    """A key path inside one document."""

    document: str
    keys: tuple[str | int, ...] = ()

    def at(self, *keys: str | int) -> "Place":
        """Return the place further inside."""
        return Place(self.document, self.keys + keys)

    def fault(self, expected: str) -> PolicyInvalid:
        """Return the error to raise: which file, which key, what was expected there."""
        where = ".".join(_written(key) for key in self.keys)
        file = f"{self.document}.{'json' if self.document.startswith('events/') else 'toml'}"
        message = f"{file}: {where}: {expected}" if where else f"{file}: {expected}"
        return PolicyInvalid(message, pointer=self.pointer)

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901) into the object that holds the documents by name."""
        steps = (str(key).replace("~", "~0").replace("/", "~1") for key in (self.document, *self.keys))
        return "".join(f"/{step}" for step in steps)


def read(place: Place, value: object, shape: type[Shape]) -> Shape:
    """Return `value` as `shape`, or raise PolicyInvalid for the first thing in it that is not as expected."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _explained(place, str(error), shape) from error


def read_duration(place: Place, text: str) -> Duration:
    """Return a positive ISO 8601 duration of at most a hundred years."""
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise place.fault("expected an ISO 8601 duration such as P30D or P1Y") from error
    if longest(duration) <= 0 or not is_measured(duration):
        raise place.fault("expected a duration longer than nothing and of at most P100Y")
    return duration


def read_optional_duration(place: Place, text: str | None) -> Duration | None:
    """Return the duration, or None where none is declared."""
    return None if text is None else read_duration(place, text)


def read_time(place: Place, moment: datetime) -> Instant:
    """Return an aware time as an instant; it lies within a calendar that arithmetic cannot leave."""
    if not 1970 < moment.year < 2200:
        raise place.fault("expected a time between the years 1971 and 2199")
    return to_instant(moment)


def shortest(duration: Duration) -> int:
    """Return the fewest microseconds the duration can last, whatever day it begins on."""
    years, months = divmod(duration.months, 12)
    return (years * 365 + months * 28) * DAY + duration.microseconds


def one_of(names: Iterable[str]) -> str:
    """Return the sentence that lists what would have been right."""
    listed = sorted(names)
    return f"expected one of {', '.join(listed)}" if listed else "expected nothing here: none is declared"


def _written(key: str | int) -> str:
    """Return a key as TOML would write it, so that it can be searched for in the file."""
    text = str(key)
    return text if _BARE.fullmatch(text) else msgspec.json.encode(text[:80]).decode(errors="replace")


def _explained(place: Place, finding: str, shape: type[Struct]) -> PolicyInvalid:
    found = _FINDING.fullmatch(finding)
    what, path = (found["what"], found["path"] or "") if found else (finding, "")
    node: inspect.Type = inspect.type_info(shape)
    for step in _STEP.finditer(path):
        place, node = (
            (place.at(step["key"]), _member(node, step["key"]))
            if step["key"]
            else (place.at(int(step["index"])), _item(node))
        )
    if unknown := _UNKNOWN.fullmatch(what):
        return place.at(unknown["key"]).fault(f"unknown key; {one_of(_keys(node))}")
    if missing := _MISSING.fullmatch(what):
        key = missing["key"]
        return place.at(key).fault(f"missing; expected {_described(_member(node, key))}")
    got = _GOT.match(what)
    return place.fault(f"expected {_described(node)}" + (f", got {got['got']}" if got else ""))


def _keys(node: inspect.Type) -> list[str]:
    plain = _plain(node)
    return [field.encode_name for field in plain.fields] if isinstance(plain, inspect.StructType) else []


def _member(node: inspect.Type, key: str) -> inspect.Type:
    plain = _plain(node)
    fields = plain.fields if isinstance(plain, inspect.StructType) else ()
    return next((field.type for field in fields if field.encode_name == key), inspect.AnyType())


def _item(node: inspect.Type) -> inspect.Type:
    plain = _plain(node)
    return plain.item_type if isinstance(plain, inspect.VarTupleType) else inspect.AnyType()


def _plain(node: inspect.Type) -> inspect.Type:
    """Return the type without what is said about it; of several, the one that something can stand inside."""
    while True:
        match node:
            case inspect.Metadata(type=inner):
                node = inner
            case inspect.UnionType(types=types):
                inside = inspect.StructType | inspect.VarTupleType
                node = min(types, key=lambda each: (not isinstance(each, inside), each == inspect.NoneType()))
            case _:
                return node


def _described(node: inspect.Type) -> str:
    if isinstance(node, inspect.UnionType):
        node = next(each for each in node.types if not isinstance(each, inspect.NoneType))
    if isinstance(node, inspect.Metadata):
        words = (node.extra or {}).get("expected")
        return str(words) if words else _described(node.type)
    match node:
        case inspect.EnumType(cls=cls):
            return f"one of {', '.join(str(each.value) for each in cls)}"
        case inspect.LiteralType(values=(only,)):
            return str(only)
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.VarTupleType(item_type=item):
            return f"a list, each {_described(item)}"
        case inspect.StructType():
            return f"a table with the keys {', '.join(_keys(node))}"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(gt=low, le=high):
            return f"a number above {low:g}, up to {high:g}"
        case _:
            return _PLAIN.get(type(node), "text")
