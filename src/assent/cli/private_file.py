"""Files that commands write about people: readable by their owner alone, from the first byte on.

Raises FileExistsError where a file stands that was not to be replaced, and OSError.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def open_private(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """Write a file beside `path` and move it there at the end: a whole file, or what stood there before."""
    if not replace and path.exists():
        raise FileExistsError(17, "the file exists: expected a new one", str(path))
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    # O_EXCL: what somebody else puts there meanwhile, a link too, is never written through.
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
