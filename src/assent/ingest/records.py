"""Read a CSV file, gzipped or not, record by record: the files' side of an import.

The file is told by its bytes and read once, in order, with bounded memory. Reading again gives the same
records with the same numbers, so `start_at` goes on after an interruption; what was rejected is told again,
since it is kept nowhere. Raises UnreadableBody (a damaged file, or one without the mapping's columns),
PolicyInvalid (a mapping that does not say what it must) and OSError.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import IO, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assent.core.document_places import Place
from assent.core.errors import UnreadableBody
from assent.ingest.mapping import ImportMapping, parse_mapping
from assent.ingest.rows import Record, Rejected, Rows

__all__ = ["Record", "Records", "Rejected", "file_digest", "read_mapping"]

_GZIP_BEGINS: Final = b"\x1f\x8b"

_LONGEST_LINE: Final = 131_072
"""Characters, the csv module's own limit for a cell. A longer line is read in pieces, none of them a row."""

_BUFFER_BYTES: Final = 1 << 17


def read_mapping(path: Path) -> ImportMapping:
    """Return the mapping that a file says, with a time zone this machine knows."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Place(path.stem).fault("expected UTF-8") from None
    mapping = parse_mapping(text, name=path.stem)
    try:
        _zone(mapping)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Place(path.stem, ("time_zone",)).fault("expected a time zone such as Europe/London") from error
    return mapping


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class Records(Iterator[Record | Rejected]):
    """The records of a file from number `start_at` on, and all that was rejected, in its order."""

    def __init__(self, path: Path, mapping: ImportMapping, *, start_at: int = 0) -> None:
        self.lines = 0
        """Rows read so far, the header not counted; a damaged passage counts by its lines."""
        self.size_bytes = path.stat().st_size
        self._file: IO[bytes] | None = None
        self._found = self._read(path, mapping, start_at)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record | Rejected:
        return next(self._found)

    @property
    def read_bytes(self) -> int:
        """How much of the file has been read, of `size_bytes`."""
        return self.size_bytes if self._file is None or self._file.closed else self._file.tell()

    def _read(self, path: Path, mapping: ImportMapping, start_at: int) -> Iterator[Record | Rejected]:
        with path.open("rb") as file, _text(file) as text:
            self._file = file
            lines = iter(partial(text.readline, _LONGEST_LINE), "")
            try:
                for found in self._records(lines, mapping):
                    if isinstance(found, Rejected) or found.number >= start_at:
                        yield found
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise UnreadableBody("the file is damaged: expected a whole gzip file") from error

    def _records(self, lines: Iterator[str], mapping: ImportMapping) -> Iterator[Record | Rejected]:
        # Strict, because a lenient reader would make one cell of everything between two stray quotes.
        reader = csv.reader(lines, strict=True)
        try:
            header = next(reader, [])
        except csv.Error as error:
            raise UnreadableBody("expected the columns in the file's first line") from error
        rows = Rows(mapping, header, _zone(mapping))
        while True:
            before = reader.line_num
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error:
                lost = reader.line_num - before
                self.lines += lost
                yield Rejected(line=before + 1, lines=lost, code=UnreadableBody.code)
                continue
            if row:
                self.lines += 1
                found = rows.take(before + 1, row)
                if found is not None:
                    yield found
        yield from rows.rest()


def _text(file: IO[bytes]) -> IO[str]:
    compressed = file.read(len(_GZIP_BEGINS)) == _GZIP_BEGINS
    file.seek(0)
    plain = io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER_BYTES) if compressed else file
    # Bytes that are no UTF-8 reach the cells as lone surrogates, where they reject their row and no more.
    return io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _zone(mapping: ImportMapping) -> tzinfo:
    return ZoneInfo(mapping.time_zone)
