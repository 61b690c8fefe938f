"""The service that the clients are pointed at, and where their files lie."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.support.database import TestDatabase
from tests.support.service import Keys, processes, set_up_once

HERE: Final = Path(__file__).resolve().parent


class Served(Struct, frozen=True, kw_only=True):
    """The service in a process of its own, and its keys."""

    url: str
    keys: Keys


@contextmanager
def serving(database: TestDatabase, folder: Path, fault: str | None = None) -> Iterator[Served]:
    """Yield a service on a socket with a controller set up; `fault` names one of `planted`."""
    keys = asyncio.run(set_up_once(database.settings(folder)))
    with processes(folder, database.dsn(), fault) as [service]:
        yield Served(url=service.url, keys=keys)
