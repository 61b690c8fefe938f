"""The lines of an NDJSON file: a JSON object each, whose members are the columns.

A member that is missing or null is blank, as is one that is not there in any line; members that the mapping
does not name are not read. Numbers are read digit by digit and never become floats. A line that is no such
object, or longer than 1 MiB, is `Rejected` alone. Raises nothing of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

from assent.core.errors import UnreadableBody, WrongType
from assent.ingest import exact_json
from assent.ingest.cells import Raw, no_cell, raw
from assent.ingest.columns import FileMapping
from assent.ingest.rows import Rejected

_LONGEST_LINE: Final = 1 << 20


class NdjsonLines:
    """The objects of an open NDJSON file, numbered by their lines."""

    def __init__(self, file: IO[bytes], mapping: FileMapping, read_share: Callable[[], float]) -> None:
        self.columns: Sequence[str] = list(mapping.columns)
        self._kinds = mapping.columns
        self._file = file
        self._read_share = read_share

    @property
    def read_share(self) -> float:
        """How much of the file has been read."""
        return self._read_share()

    def __iter__(self) -> Iterator[tuple[int, Sequence[Raw]] | Rejected]:
        number = 0
        while text := self._file.readline(_LONGEST_LINE):
            number += 1
            if len(text) == _LONGEST_LINE and not text.endswith(b"\n"):
                self._skip_line()
                yield Rejected(line=number, lines=1, code=UnreadableBody.code)
                continue
            if number == 1:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if text.strip():
                yield self._line(number, text)

    def _line(self, number: int, text: bytes) -> tuple[int, Sequence[Raw]] | Rejected:
        try:
            said = exact_json.read(text)
        except UnreadableBody:
            said = None
        if not isinstance(said, dict):
            return Rejected(line=number, lines=1, code=UnreadableBody.code)
        values = [said.get(column) for column in self.columns]
        try:
            return number, list(map(raw, values, self._kinds.values()))
        except ValueError:
            return Rejected(line=number, lines=1, code=WrongType.code, column=no_cell(values, self._kinds))

    def _skip_line(self) -> None:
        while (text := self._file.readline(_LONGEST_LINE)) and not text.endswith(b"\n"):
            pass
