"""The JSON Schema (draft 2020-12) of one event: whether what a call says has the shape that was declared.

Compiled once, when the policy is parsed, and asked for every call of that name. Checking is quick whatever
strangers send: nothing is fetched, patterns match in linear time (no look-around, no back-references),
references lead into the document, never in circles, and unfold to a bounded size. `format` is asserted. A
keyword that the draft does not know is refused, because the check it misspells would silently not hold.

Pure. Raises SchemaFault, nothing else. Numbers are compared exactly, Decimal included.
"""

from typing import Any, Final

import jsonschema_rs
import msgspec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

LARGEST: Final = 10_000
"""JSON values that a schema holds once every reference is replaced by what it leads to."""

Step = str | int

_STRICT: Final = jsonschema_rs.Draft202012Validator(
    # The draft's own schema of schemas refers to itself dynamically, so that every schema inside a schema,
    # however deep, has to satisfy this one too: no member that the draft does not name.
    {
        "$schema": DIALECT,
        "$id": "urn:assent:event-schema",
        "$dynamicAnchor": "meta",
        "$ref": DIALECT,
        "unevaluatedProperties": False,
    },
    offline=True,
)

_ELSEWHERE: Final = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef"})
"""Keywords that would make a reference lead anywhere but where its pointer says."""


class SchemaFault(ValueError):
    """A document is no schema: the keys that lead to the fault, and what was expected there. No value."""

    def __init__(self, expected: str, path: tuple[Step, ...] = ()) -> None:
        super().__init__(expected)
        self.path = path
        self.expected = expected


class EventSchema:
    """A compiled schema. Two are equal when their documents are."""

    __slots__ = ("_text", "_validator")

    def __init__(self, document: object) -> None:
        """Compile a document that JSON can hold. Raises SchemaFault."""
        self._text = msgspec.json.encode(document, order="sorted").decode()
        plain = msgspec.json.decode(self._text)
        _check_keywords(plain)
        _check_size(plain)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                self._text,
                offline=True,
                validate_formats=True,
                ignore_unknown_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except jsonschema_rs.ValidationError as error:
            raise SchemaFault(_COMPILES, tuple(error.instance_path)) from error
        except ValueError as error:
            raise SchemaFault(_COMPILES) from error

    def fits(self, said: object) -> bool:
        """Return whether a JSON value, its numbers int or Decimal, is what the schema describes."""
        return self._validator.is_valid(said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventSchema) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"<EventSchema of {len(self._text)} characters>"


_COMPILES: Final = "expected known formats, and patterns without look-around and back-references"


def _check_keywords(plain: object) -> None:
    unknown: list[SchemaFault] = []
    found: list[SchemaFault] = []
    for error in _STRICT.iter_errors(plain):
        path = tuple(error.instance_path)
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.UnevaluatedProperties(unexpected=(first, *_)):
                unknown.append(SchemaFault("expected a keyword of JSON Schema 2020-12", (*path, first)))
            case _:
                found.append(SchemaFault("expected what JSON Schema 2020-12 allows here", path))
    if found or unknown:
        # A fault makes the keywords around it count as unknown too: the deepest says where it is.
        raise max(found + unknown, key=lambda fault: len(fault.path))


def _check_size(plain: object) -> None:
    try:
        size = _unfolded(plain, plain, {}, ())
    except RecursionError:
        size = LARGEST + 1
    if size > LARGEST:
        raise SchemaFault(f"expected at most {LARGEST} values once references are replaced by what they name")


def _unfolded(node: object, root: object, known: dict[str, int], around: tuple[str, ...]) -> int:
    """Return how many values a node holds with its references unfolded; `around` are those being unfolded."""
    if isinstance(node, list):
        return 1 + sum(_unfolded(member, root, known, around) for member in node)
    if not isinstance(node, dict):
        return 1
    size = 1
    for key, member in node.items():
        if key == "$ref" and isinstance(member, str):
            size += _referred(member, root, known, around)
        elif key in _ELSEWHERE and isinstance(member, str) and node is not root:
            raise SchemaFault(f"expected no {key}: references are pointers such as #/$defs/price")
        else:
            size += _unfolded(member, root, known, around)
    return size


def _referred(pointer: str, root: object, known: dict[str, int], around: tuple[str, ...]) -> int:
    if pointer in around:
        raise SchemaFault("expected references that do not lead in a circle")
    if pointer not in known:
        known[pointer] = _unfolded(_at(pointer, root), root, known, (*around, pointer))
    return known[pointer]


def _at(pointer: str, root: object) -> object:
    begin, *steps = pointer.split("/")
    held: Any = root
    try:
        for step in steps:
            key = step.replace("~1", "/").replace("~0", "~")
            held = held[int(key)] if isinstance(held, list) else held[key]
    except (KeyError, IndexError, ValueError, TypeError):
        begin = ""
    if begin != "#":
        raise SchemaFault("expected a reference into this document, such as #/$defs/price")
    return held
