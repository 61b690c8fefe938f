"""Read the cells of a row: text, identifiers, exact numbers, times.

A file whose values have types of their own (NDJSON, Parquet) gives them as the text a CSV file would hold, so
that every file is read by the same rules; only its moments stay what they are.

Each type accepts one spelling and refuses the rest: no digits of other scripts, no underscores, no blanks
around a number, as `int()` and `Decimal()` would take. Pure. Raises ValueError, without its cause: that one
quotes the cell.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NoReturn

from assent.core.time import Instant, to_instant
from assent.ingest.columns import ColumnType

Cell = str | int | Decimal | None
"""Times are instants, which are integers. None is a blank cell."""

Raw = str | datetime
"""A cell as a file gives it: text, or a moment; without a zone it is one of the file's clock."""

Convert = Callable[[Any], Cell]
"""Reads a `Raw`: a moment only where a time is due, which `raw` sees to."""

_LONGEST: Final = 1_000
"""Characters of a text."""

_UNFIT: Final = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, and what stands for bytes that were no UTF-8."""

_SPREADSHEET_NUMBER: Final = re.compile(r"(-?[0-9]+)\.0+")

_INTEGER: Final = re.compile(r"-?[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
"""15 digits before the point and 9 after: the product of two, summed over a million million lines, has 61."""

_COMMON_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
_COMMON_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")

_FARTHEST: Final = 100
"""Digits before or after the point beyond which no column has numbers."""

_REMEMBERED: Final = 16_384
"""Distinct cells of a type. Columns repeat themselves: looking a cell up is cheaper than reading it again."""


def converters(time_format: str, zone: tzinfo) -> dict[ColumnType, Convert]:
    """Return how each type of cell is read. `zone` is the clock of times that carry no offset."""

    def read(cell: str) -> datetime:
        # Nearly every record has a time of its own, and `strptime` would be a twelfth of the reading.
        if time_format == _COMMON_FORMAT and _COMMON_TIME.fullmatch(cell):
            return datetime.fromisoformat(cell)
        return datetime.strptime(cell, time_format)  # noqa: DTZ007 the caller gives it its zone

    def time(cell: Raw) -> Instant | None:
        if not cell:
            return None
        if isinstance(cell, str) and not cell.isascii():
            _refuse()
        try:
            # The next line gives it its zone.
            moment = read(cell) if isinstance(cell, str) else cell
            return to_instant(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        except (ValueError, OverflowError):
            _refuse()

    return {
        ColumnType.TEXT: _text,
        ColumnType.IDENTIFIER: _identifier,
        ColumnType.INTEGER: _integer,
        ColumnType.DECIMAL: _decimal,
        ColumnType.TIME: lru_cache(maxsize=_REMEMBERED)(time),
    }


def raw(value: object, kind: ColumnType) -> Raw:
    """Return what a file's own value would be as a cell. Raises ValueError where there is no such cell."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _digits(Decimal(repr(value)))
        case Decimal():
            return _digits(value)
        case datetime():
            return value if kind is ColumnType.TIME else value.isoformat()
        case date():
            return value.isoformat()
        case _:
            raise ValueError("expected a value that a cell can hold")


def no_cell(values: Iterable[object], kinds: Mapping[str, ColumnType]) -> str:
    """Return the first column whose value `raw` refuses; the values are in the order of the columns."""
    for (column, kind), value in zip(kinds.items(), values, strict=True):
        try:
            raw(value, kind)
        except ValueError:
            return column
    return ""


def _digits(number: Decimal) -> str:
    """Write a number without an exponent, where that is a cell's length."""
    if not number.is_finite() or abs(number.adjusted()) > _FARTHEST:
        _refuse()
    return f"{number:f}"


@lru_cache(maxsize=_REMEMBERED)
def _text(cell: str) -> str | None:
    if len(cell) > _LONGEST or _UNFIT.search(cell):
        _refuse()
    return cell or None


@lru_cache(maxsize=_REMEMBERED)
def _identifier(cell: str) -> str | None:
    text = _text(cell)
    number = _SPREADSHEET_NUMBER.fullmatch(cell)
    return number[1] if number else text


@lru_cache(maxsize=_REMEMBERED)
def _integer(cell: str) -> int:
    if not _INTEGER.fullmatch(cell):
        _refuse()
    return int(cell)


@lru_cache(maxsize=_REMEMBERED)
def _decimal(cell: str) -> Decimal:
    if not _DECIMAL.fullmatch(cell):
        _refuse()
    return Decimal(cell)


def _refuse() -> NoReturn:
    raise ValueError("expected a cell of the column's type") from None
