"""Read a mapping: how the lines of a file become calls of the tracking contract.

A mapping is a TOML document that a data protection officer can review; the commented reference is
`policies/imports/online-retail.toml`. Every key is checked before a line is read: columns that are used are
declared and of a type that fits the use. Unknown keys are refused.

Pure. Raises PolicyInvalid, which names the file, the key and what was expected there, and nothing else.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from assent.core.document_places import Place, one_of, read
from assent.core.policy import Policy
from assent.ingest.columns import (
    NUMBERS,
    VALUES,
    WORDS,
    Column,
    ColumnType,
    FileMapping,
    Prefix,
    Shape,
    Word,
)
from assent.ingest.linking import Linking, LinkMapping
from assent.ingest.linking import uses as link_uses
from assent.ingest.stating import Consent, check_consent
from assent.ingest.stating import uses as consent_uses

__all__ = [
    "Column",
    "ColumnType",
    "Constant",
    "Grouping",
    "Identifying",
    "ImportMapping",
    "LinkMapping",
    "Listing",
    "Naming",
    "Property",
    "Sum",
    "check_against",
    "parse_mapping",
]


class Grouping(Shape, frozen=True, kw_only=True):
    """`[group]`: lines with the same `by` are one call, at the earliest `time`."""

    by: Word
    time: Word
    open: Annotated[int, Meta(ge=1, le=10_000)]
    """How many groups wait for a further line. When one more begins, the oldest is complete."""


class Naming(Shape, frozen=True, kw_only=True):
    """`[[events]]`: the event's name where the group's value begins with `prefix`."""

    prefix: Prefix
    name: Word


class Identifying(Shape, frozen=True, kw_only=True):
    """`[[identifiers]]`: an identifier of the call; a fallback only where no other was found."""

    namespace: Word
    column: Word
    prefix: Prefix = ""
    fallback: bool = False


class Constant(Shape, frozen=True, kw_only=True):
    """A property that is always the same."""

    constant: str | bool | int


class Sum(Shape, frozen=True, kw_only=True):
    """A property that sums the product of these columns over the lines, exactly; of no column, it counts."""

    sum: Annotated[tuple[Word, ...], Meta(max_length=2, extra={"expected": "a list of at most two columns"})]


class Listing(Shape, frozen=True, kw_only=True):
    """A property that lists the first `at_most` lines; `left_out` names the one that counts the others."""

    list: Mapping[str, Word]
    at_most: Annotated[int, Meta(ge=1, le=1_000)]
    left_out: Word


Property = Column | Constant | Sum | Listing


class ImportMapping(FileMapping, frozen=True, kw_only=True):
    """A checked mapping of lines that are events or statements."""

    group: Grouping
    events: tuple[Naming, ...]
    identifiers: tuple[Identifying, ...]
    traits: Mapping[str, str]
    properties: Mapping[str, Property]
    consent: Mapping[str, Consent] = {}
    """By the purpose's name."""


class _Document(Shape, frozen=True, kw_only=True):
    """The keys of the document. Tables whose keys are names are read one by one, so that errors name them."""

    format: Literal["assent/import@1"]
    title: Word
    time_zone: Word
    time_format: Word
    columns: dict[str, object]
    group: Grouping
    events: tuple[Naming, ...] = ()
    identifiers: tuple[Identifying, ...]
    traits: dict[str, object] = field(default_factory=dict)
    properties: dict[str, object] = field(default_factory=dict)
    consent: dict[str, object] = field(default_factory=dict)


_MOST_BRACKETS: Final = 500
"""More than any mapping needs, and fewer than Python's parser follows when one stands in the other."""


class _LinksDocument(Shape, frozen=True, kw_only=True):
    """The keys of a document whose lines are links."""

    format: Literal["assent/import@1"]
    title: Word
    time_zone: Word = "UTC"
    time_format: Word = "%Y-%m-%d %H:%M:%S"
    columns: dict[str, object]
    links: Linking


def parse_mapping(text: str, *, name: str) -> ImportMapping | LinkMapping:
    """Return the mapping that a document says; `name` is its file's, without ending, for errors."""
    place = Place(name)
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise place.fault("expected fewer lists and tables")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # Without its cause: it quotes the file, and a mapping was perhaps not what the file was.
        raise place.fault("expected a TOML document") from None
    if "links" in tables:
        return _parse_links(place, read(place, tables, _LinksDocument))
    document = read(place, tables, _Document)
    columns = _columns(place, document.columns)
    traits = {trait: _word(place.at("traits", trait), column) for trait, column in document.traits.items()}
    properties = {
        one: _property(place.at("properties", one), value) for one, value in document.properties.items()
    }
    mapping = ImportMapping(
        title=document.title,
        time_zone=document.time_zone,
        time_format=document.time_format,
        columns=columns,
        group=document.group,
        events=document.events,
        identifiers=document.identifiers,
        traits=traits,
        properties=properties,
        consent={
            purpose: read(place.at("consent", purpose), value, Consent)
            for purpose, value in document.consent.items()
        },
    )
    _check(place, mapping)
    return mapping


def check_against(mapping: ImportMapping | LinkMapping, policy: Policy) -> None:
    """Check a mapping's words against a policy: else every record would be refused. Raises PolicyInvalid."""
    place = Place("mapping")
    namespaces = [namespace.name for namespace in policy.namespaces.values()]
    if isinstance(mapping, LinkMapping):
        for key, end in mapping.links.ends():
            if end.namespace not in namespaces:
                raise place.at("links", key, "namespace").fault(one_of(namespaces))
        return
    for number, identifier in enumerate(mapping.identifiers):
        if identifier.namespace not in namespaces:
            raise place.at("identifiers", number, "namespace").fault(one_of(namespaces))
    purposes = [purpose.name for purpose in policy.purposes.values()]
    for purpose in mapping.consent:
        if purpose not in purposes:
            raise place.at("consent").fault(one_of(purposes))


_PROPERTIES: Final[Mapping[str, type[Property]]] = {
    "column": Column,
    "constant": Constant,
    "sum": Sum,
    "list": Listing,
}


def _parse_links(place: Place, document: _LinksDocument) -> LinkMapping:
    columns = _columns(place, document.columns)
    _check_time_format(place, document.time_format)
    _check_uses(link_uses(place.at("links"), document.links), columns)
    return LinkMapping(
        title=document.title,
        time_zone=document.time_zone,
        time_format=document.time_format,
        columns=columns,
        links=document.links,
    )


def _columns(place: Place, columns: Mapping[str, object]) -> dict[str, ColumnType]:
    return {column: _column_type(place.at("columns", column), kind) for column, kind in columns.items()}


def _column_type(place: Place, value: object) -> ColumnType:
    for kind in ColumnType:
        if value == kind.value:
            return kind
    raise place.fault(one_of(ColumnType))


def _word(place: Place, value: object) -> str:
    if not isinstance(value, str):
        raise place.fault("expected the name of a column")
    return value


def _property(place: Place, value: object) -> Property:
    if isinstance(value, dict):
        for key, shape in _PROPERTIES.items():
            if key in value:
                return read(place, value, shape)
    raise place.fault(f"expected a table with one of the keys {', '.join(_PROPERTIES)}")


def _check(place: Place, mapping: ImportMapping) -> None:
    """Check what one key promises to another."""
    _check_time_format(place, mapping.time_format)
    _check_events(place, mapping)
    if not mapping.identifiers:
        raise place.at("identifiers").fault("expected at least one")
    _check_uses(_uses(place, mapping), mapping.columns)
    for one, value in mapping.properties.items():
        if isinstance(value, Listing) and value.left_out in mapping.properties:
            raise place.at("properties", one, "left_out").fault("expected a name that no other property has")
    for purpose, consent in mapping.consent.items():
        check_consent(place.at("consent", purpose), consent)


def _check_time_format(place: Place, time_format: str) -> None:
    try:
        datetime.strptime(datetime(2000, 1, 1).strftime(time_format), time_format)  # noqa: DTZ001, DTZ007
    except ValueError as error:
        raise place.at("time_format").fault("expected a format such as %Y-%m-%d %H:%M:%S") from error


def _check_uses(
    uses: Iterable[tuple[Place, str, tuple[ColumnType, ...]]], columns: Mapping[str, ColumnType]
) -> None:
    """Check that every column that is used is declared, and of a type that fits."""
    for where, column, kinds in uses:
        fitting = [declared for declared, kind in columns.items() if kind in kinds]
        if column not in fitting:
            raise where.fault(f"{one_of(fitting)} (columns of type {' or '.join(kinds)})")


def _check_events(place: Place, mapping: ImportMapping) -> None:
    if not mapping.events and mapping.consent:
        if mapping.traits or mapping.properties:
            raise place.at("events").fault("expected an event that says the traits and properties")
        return
    if not mapping.events or mapping.events[-1].prefix:
        raise place.at("events").fault(
            'expected the last to have the prefix "", so that every group is an event'
        )


def _uses(place: Place, mapping: ImportMapping) -> Iterable[tuple[Place, str, tuple[ColumnType, ...]]]:
    """Yield every column that is used: where, which, and the types that fit."""
    yield place.at("group", "by"), mapping.group.by, WORDS
    yield place.at("group", "time"), mapping.group.time, (ColumnType.TIME,)
    for number, identifier in enumerate(mapping.identifiers):
        yield place.at("identifiers", number, "column"), identifier.column, WORDS
    for trait, column in mapping.traits.items():
        yield place.at("traits", trait), column, VALUES
    yield from _property_uses(place, mapping)
    for purpose, consent in mapping.consent.items():
        yield from consent_uses(place.at("consent", purpose), consent)


def _property_uses(
    place: Place, mapping: ImportMapping
) -> Iterable[tuple[Place, str, tuple[ColumnType, ...]]]:
    for name, value in mapping.properties.items():
        where = place.at("properties", name)
        match value:
            case Column():
                yield where.at("column"), value.column, VALUES
            case Sum():
                for number, column in enumerate(value.sum):
                    yield where.at("sum", number), column, NUMBERS
            case Listing():
                for member, column in value.list.items():
                    yield where.at("list", member), column, VALUES
            case Constant():
                pass
