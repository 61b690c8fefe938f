"""Read the cells of a CSV row: text, identifiers, exact numbers, times.

Each type accepts one spelling and refuses the rest: no digits of other scripts, no underscores, no blanks
around a number, as `int()` and `Decimal()` would take. Pure. Raises ValueError, without its cause: that one
quotes the cell.
"""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final, NoReturn

from assent.core.time import Instant, to_instant
from assent.ingest.mapping import ColumnType

Cell = str | int | Decimal | None
"""Times are instants, which are integers. None is a blank cell."""

Convert = Callable[[str], Cell]

_LONGEST: Final = 1_000
"""Characters of a text."""

_UNFIT: Final = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, and what stands for bytes that were no UTF-8."""

_SPREADSHEET_NUMBER: Final = re.compile(r"(-?[0-9]+)\.0+")

_INTEGER: Final = re.compile(r"-?[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
"""15 digits before the point and 9 after: the product of two, summed over a million million lines, has 61."""

_REMEMBERED: Final = 16_384
"""Distinct cells of a type. Columns repeat themselves: looking a cell up is cheaper than reading it again."""


def converters(time_format: str, zone: tzinfo) -> dict[ColumnType, Convert]:
    """Return how each type of cell is read. `zone` is the clock of times that carry no offset."""

    def time(cell: str) -> Instant:
        if not cell.isascii():
            _refuse()
        try:
            moment = datetime.strptime(cell, time_format)  # noqa: DTZ007 (the next line gives it its zone)
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
