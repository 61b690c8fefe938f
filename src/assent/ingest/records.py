"""Read a file record by record, whatever its form: the files' side of an import.

The file is read once, in order, with bounded memory. Reading again gives the same
records with the same numbers, so `start_at` goes on after an interruption; what was rejected is told again,
since it is kept nowhere. Raises UnreadableBody (a damaged file, or one without the mapping's columns),
PolicyInvalid (a mapping that does not say what it must) and OSError.
"""

import hashlib
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any, Self, TypeVar, overload
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assent.core.document_places import Place
from assent.ingest.files import Lines, open_lines
from assent.ingest.linking import LinkMapping
from assent.ingest.mapping import ImportMapping, parse_mapping
from assent.ingest.pairs import Paired, Pairs
from assent.ingest.rows import Record, Rejected, Rows

__all__ = ["Paired", "Record", "Records", "Rejected", "file_digest", "read_mapping"]


def read_mapping(path: Path) -> ImportMapping | LinkMapping:
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


Found = TypeVar("Found", Record, Paired)


class Records(Iterator[Found | Rejected]):
    """The records of a file from number `start_at` on, and all that was rejected, in its order."""

    @overload
    def __init__(
        self: "Records[Record]", path: Path, mapping: ImportMapping, *, start_at: int = 0
    ) -> None: ...

    @overload
    def __init__(self: "Records[Paired]", path: Path, mapping: LinkMapping, *, start_at: int = 0) -> None: ...

    def __init__(self, path: Path, mapping: ImportMapping | LinkMapping, *, start_at: int = 0) -> None:
        self.lines = 0
        """Rows read so far, the header not counted; a damaged passage counts by its lines."""
        self._source: Lines | None = None
        self._found: Iterator[Any] = self._read(path, mapping, start_at)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Found | Rejected:
        found: Found | Rejected = next(self._found)
        return found

    @property
    def read_share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return 0.0 if self._source is None else self._source.read_share

    def _read(
        self, path: Path, mapping: ImportMapping | LinkMapping, start_at: int
    ) -> Iterator[Record | Paired | Rejected]:
        with open_lines(path, mapping) as source:
            self._source = source
            zone = _zone(mapping)
            rows = (
                Pairs(mapping, source.columns, zone)
                if isinstance(mapping, LinkMapping)
                else Rows(mapping, source.columns, zone)
            )
            for found in self._records(source, rows):
                if isinstance(found, Rejected) or found.number >= start_at:
                    yield found

    def _records(self, source: Lines, rows: Rows | Pairs) -> Iterator[Record | Paired | Rejected]:
        for line in source:
            if isinstance(line, Rejected):
                self.lines += line.lines
                yield line
                continue
            self.lines += 1
            found = rows.take(*line)
            if found is not None:
                yield found
        yield from rows.rest()


def _zone(mapping: ImportMapping | LinkMapping) -> tzinfo:
    return ZoneInfo(mapping.time_zone)
