"""The lines of a CSV file (RFC 4180, with a first line that names the columns).

Bytes that are no UTF-8 reach the cells as lone surrogates, where they reject their row and no more. Raises
UnreadableBody when the first line cannot be read; a later one that cannot is `Rejected`.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from assent.core.errors import UnreadableBody
from assent.ingest.rows import Rejected

_LONGEST_LINE: Final = 131_072
"""Characters, the csv module's own limit for a cell. A longer line is read in pieces, none of them a row."""


class CsvLines:
    """The rows of an open CSV file; the number of each is that of its first line."""

    def __init__(self, file: io.BufferedReader, read_share: Callable[[], float]) -> None:
        if file.peek(2)[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise UnreadableBody("expected UTF-8, got UTF-16: convert the file first")
        # Kept, since it closes the file when it goes.
        self._text = text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        # Strict, because a lenient reader would make one cell of everything between two stray quotes.
        self._reader = csv.reader(iter(partial(text.readline, _LONGEST_LINE), ""), strict=True)
        self._read_share = read_share
        try:
            self.columns: Sequence[str] = next(self._reader, [])
        except csv.Error as error:
            raise UnreadableBody("expected the columns in the file's first line") from error

    @property
    def read_share(self) -> float:
        """How much of the file has been read."""
        return self._read_share()

    def __iter__(self) -> Iterator[tuple[int, Sequence[str]] | Rejected]:
        reader = self._reader
        while True:
            before = reader.line_num
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Rejected(line=before + 1, lines=reader.line_num - before, code=UnreadableBody.code)
                continue
            if row:
                yield before + 1, row
