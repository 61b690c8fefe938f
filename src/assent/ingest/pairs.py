"""Read the rows of a file as links, one each, as a mapping's `[links]` says.

Records are numbered by the rows that became one, the same every time. Whether an identifier is one, the
policy says later. Pure: no file is read. Raises UnreadableBody when the file's columns are not the mapping's;
no row raises.
"""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from assent.core.errors import MalformedIdentifier, UnreadableBody, WrongType
from assent.core.time import Instant
from assent.ingest.cells import Raw, converters
from assent.ingest.columns import Column
from assent.ingest.linking import LinkMapping, millionths
from assent.ingest.masked import Masked
from assent.ingest.rows import Rejected, unfit_header


class Paired(Masked, frozen=True, kw_only=True):
    """A row that says that two identifiers are one person; each is a namespace's name and a raw value."""

    number: int
    line: int
    lines: int = 1
    ends: tuple[tuple[str, str], tuple[str, str]]
    at: Instant | None
    """None where the file does not say."""
    weight: int = 0
    """In millionths, of a proposal."""
    model: str = ""


class Pairs:
    """Takes rows in the file's order and gives a link for each."""

    def __init__(self, mapping: LinkMapping, header: Sequence[str], zone: tzinfo) -> None:
        """Find the mapping's columns in `header`, the file's first row; `zone` is the file's clock."""
        for column in mapping.columns:
            if header.count(column) != 1:
                raise UnreadableBody(unfit_header(column, header))
        convert = converters(mapping.time_format, zone)
        self._links = mapping.links
        self._reading = {
            column: (header.index(column), convert[kind]) for column, kind in mapping.columns.items()
        }
        self._width = len(header)
        self._taken = 0

    def take(self, line: int, row: Sequence[Raw]) -> Paired | Rejected:
        """Take the row that begins in `line`."""
        if len(row) != self._width:
            return Rejected(line=line, lines=1, code=UnreadableBody.code)
        said: dict[str, Any] = {}
        for column, (place, read) in self._reading.items():
            try:
                said[column] = read(row[place])
            except ValueError:
                return Rejected(line=line, lines=1, code=WrongType.code, column=column)
        start, end = (
            (one.namespace, said[one.column] and f"{one.prefix}{said[one.column]}")
            for _, one in self._links.ends()
        )
        if start[1] is None or end[1] is None:
            return Rejected(line=line, lines=1, code=MalformedIdentifier.code)
        weight = millionths(_told(self._links.weight, said)) if self._links.is_proposal else 0
        model = _told(self._links.model, said) or ""
        for missing, source in ((weight is None, self._links.weight), (not model, self._links.model)):
            if missing and isinstance(source, Column):
                return Rejected(line=line, lines=1, code=WrongType.code, column=source.column)
        self._taken += 1
        return Paired(
            number=self._taken - 1,
            line=line,
            ends=(start, end),
            at=None if self._links.time is None else said[self._links.time],
            weight=weight or 0,
            model=model,
        )

    def rest(self) -> Iterator[Paired]:
        """Yield nothing: no row waits for another."""
        yield from ()


def _told(source: str | float | Column | None, said: dict[str, Any]) -> Any:  # noqa: ANN401 by its column's type
    return said[source.column] if isinstance(source, Column) else source
