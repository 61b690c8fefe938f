"""The service that the clients are pointed at, and where their files lie."""

from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.support.service import Keys

HERE: Final = Path(__file__).resolve().parent


class Served(Struct, frozen=True, kw_only=True):
    """The service in a process of its own, and its keys."""

    url: str
    keys: Keys
