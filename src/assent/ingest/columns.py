"""Columns of a file: what their cells must hold, and how a mapping's tables name them.

Shared by the parts of a mapping. Pure. Raises nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct


class ColumnType(StrEnum):
    """What the cells of a column must hold. Text, identifiers and times may be blank."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    TIME = "time"
    IDENTIFIER = "identifier"
    """Text, but a number written with `.0` is the number without it: spreadsheets write 17850 as 17850.0."""


NUMBERS: Final = (ColumnType.INTEGER, ColumnType.DECIMAL)
WORDS: Final = (ColumnType.TEXT, ColumnType.IDENTIFIER)
VALUES: Final = (*WORDS, *NUMBERS)

Word = Annotated[str, Meta(min_length=1, max_length=200, extra={"expected": "text of 1 to 200 characters"})]
Prefix = Annotated[str, Meta(max_length=100, extra={"expected": "text of up to 100 characters"})]


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table whose keys are all known."""


class FileMapping(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every mapping says of a file. It is digested without defaults: a new key changes no old digest."""

    title: str
    time_zone: str
    """By its IANA name. Whether the machine knows it, only reading a file can tell."""
    time_format: str
    columns: Mapping[str, ColumnType]


class Column(Shape, frozen=True, kw_only=True):
    """What a column says: of a property, the first value it has in the group."""

    column: Word
