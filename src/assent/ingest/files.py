"""Tell what a file is by its bytes and its name, and read it line by line, whatever it is.

    CSV       anything else
    NDJSON    its first sign is `{`, or its name ends in .ndjson or .jsonl
    Parquet   it begins with PAR1; needs the extra `assent[parquet]`

CSV and NDJSON may be packed by what the standard library unpacks: gzip, bzip2 or xz, told by their bytes.
Zstandard is not among that before Python 3.14. A Parquet file packs its own columns, by any method.

A file is read in order, with bounded memory. Raises UnreadableBody and OSError.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from assent.core.errors import UnreadableBody
from assent.ingest.cells import Raw
from assent.ingest.columns import FileMapping
from assent.ingest.csv_lines import CsvLines
from assent.ingest.ndjson_lines import NdjsonLines
from assent.ingest.rows import Rejected

Line = tuple[int, Sequence[Raw]] | Rejected
"""A line's number with its cells, in the order of `columns`; or lines that are none."""


class Lines(Protocol):
    """The lines of an open file, once, in its order."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the cells of every line are in."""
        ...

    @property
    def read_share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        ...

    def __iter__(self) -> Iterator[Line]: ...


_PARQUET: Final = b"PAR1"
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_UNPACK: Final[dict[bytes, Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_ENDINGS: Final = {".gz", ".bz2", ".xz"}
_NDJSON: Final = {".ndjson", ".jsonl"}

_BUFFER_BYTES: Final = 1 << 17


def open_lines(path: Path, mapping: FileMapping) -> AbstractContextManager[Lines]:
    """Open a file in the form it has."""
    with path.open("rb") as file:
        begins = file.read(6)
    if begins.startswith(_PARQUET):
        # Here alone, so that whoever imports no Parquet needs no more than the standard library.
        from assent.ingest.parquet_lines import open_parquet  # noqa: PLC0415

        return open_parquet(path, mapping)
    if begins.startswith(_ZSTANDARD):
        raise UnreadableBody("expected gzip, bzip2 or xz, got Zstandard: unpack the file first")
    return _open_text(path, mapping)


@contextmanager
def _open_text(path: Path, mapping: FileMapping) -> Iterator[Lines]:
    size = path.stat().st_size
    with path.open("rb") as file:

        def read_share() -> float:
            return 1.0 if file.closed or not size else file.tell() / size

        try:
            with _unpacked(file) as plain:
                begins = plain.peek(64)[:64]
                if begins.startswith(_PARQUET):
                    raise UnreadableBody("expected a Parquet file as it is, not packed: it packs its columns")
                names = [ending.lower() for ending in path.suffixes]
                name = next((ending for ending in reversed(names) if ending not in _ENDINGS), "")
                if name in _NDJSON or begins.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
                    yield NdjsonLines(plain, mapping, read_share)
                else:
                    yield CsvLines(plain, read_share)
        except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise UnreadableBody("the file is damaged: expected a whole file of its packing") from error
        except OSError as error:
            if error.errno is None:  # bz2's word for damaged data
                raise UnreadableBody("the file is damaged: expected a whole file of its packing") from error
            raise


def _unpacked(file: io.BufferedReader) -> io.BufferedReader:
    begins = file.peek(6)
    for sign, unpack in _UNPACK.items():
        if begins.startswith(sign):
            return io.BufferedReader(unpack(file), _BUFFER_BYTES)
    return file
