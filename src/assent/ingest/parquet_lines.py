"""The rows of a Parquet file, with the values it holds: exact numbers, times with or without a zone.

Read by polars, in batches, a few columns only. Raises UnreadableBody: the file is damaged, lacks a column of
the mapping, or polars is not installed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assent.core.errors import UnreadableBody, WrongType
from assent.ingest.cells import Raw, no_cell, raw
from assent.ingest.columns import FileMapping
from assent.ingest.rows import Rejected

if TYPE_CHECKING:
    import polars as pl

_BATCH: Final = 65_536
"""Rows read at once. Each read passes over the row group it begins in, so fewer would pass more often."""


@contextmanager
def open_parquet(path: Path, mapping: FileMapping) -> "Iterator[ParquetLines]":
    """Open a Parquet file."""
    try:
        import polars as pl  # noqa: PLC0415 an extra: most imports do without
    except ImportError as error:
        raise UnreadableBody(
            "a Parquet file needs the extra `parquet`: pip install '.[parquet]' in the checkout"
        ) from error
    try:
        # Never as a pattern of names: the file is the one that was named.
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        names = table.collect_schema().names()
        columns = [column for column in mapping.columns if column in names]
        rows = table.select(pl.len()).collect().item()
        yield ParquetLines(table, columns, mapping, rows)
    except pl.exceptions.PolarsError:
        # Without its cause: it may quote the file.
        raise UnreadableBody("the file is damaged: expected a whole Parquet file") from None


class ParquetLines:
    """The rows of a Parquet file, numbered from 1."""

    def __init__(
        self, table: "pl.LazyFrame", columns: Sequence[str], mapping: FileMapping, rows: int
    ) -> None:
        self.columns = columns
        self._kinds = {column: mapping.columns[column] for column in columns}
        self._table = table.select(columns)
        self._rows = rows
        self._read = 0

    @property
    def read_share(self) -> float:
        """How much of the file has been read."""
        return self._read / self._rows if self._rows else 1.0

    def __iter__(self) -> Iterator[tuple[int, Sequence[Raw]] | Rejected]:
        if not self.columns:
            return
        # By slices, of which polars reads those row groups alone that they touch: its batches are not stable.
        for first in range(0, self._rows, _BATCH):
            for values in self._table.slice(first, _BATCH).collect().iter_rows():
                self._read += 1
                yield self._line(self._read, values)

    def _line(self, number: int, values: Sequence[object]) -> tuple[int, Sequence[Raw]] | Rejected:
        try:
            return number, list(map(raw, values, self._kinds.values()))
        except ValueError:
            return Rejected(line=number, lines=1, code=WrongType.code, column=no_cell(values, self._kinds))
