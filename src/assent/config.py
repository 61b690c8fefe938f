"""Every setting of the service, read once from the environment.

A variable beginning with ASSENT_ that no setting knows is refused, for a misspelt one would be a setting that
silently does not hold. Secrets have a masked `repr`, and no error repeats them.

Raises SettingInvalid, naming the variable and what was expected of it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from msgspec import Struct

from assent.core.errors import SettingInvalid
from assent.resources import policies_folder


class Secret(Struct, frozen=True):
    """A text that must be asked for by name: `reveal`. Printing shows nothing of it."""

    _text: str

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


class Settings(Struct, frozen=True, kw_only=True):
    """What an operator decides. `VARIABLES` says what each field means and how its variable is called."""

    folder: Path = Path(".assent")
    policies: Path = policies_folder()
    database_url: Secret | None = None
    role_password: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 8081
    tracking_prefix: str = ""
    item_limit_bytes: int = 32 * 1024
    batch_limit_bytes: int = 500 * 1024
    batch_limit_items: int = 2_500
    body_limit_bytes: int = 1024 * 1024
    writer_connections: int = 3
    reader_connections: int = 8
    auditor_connections: int = 4
    eraser_connections: int = 1
    webhooks_inside: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that `environment` asks for, the defaults where it is silent."""
        known = {variable.name for variable in VARIABLES}
        for name in environment:
            if name.startswith("ASSENT_") and name not in known:
                message = f"{name}: no such setting; the settings are {', '.join(sorted(known))}"
                raise SettingInvalid(message)
        given: dict[str, Any] = {
            variable.field: _read(variable, environment[variable.name])
            for variable in VARIABLES
            if environment.get(variable.name, "") != ""  # empty is how a compose file says: not set
        }
        return cls(**given)


class Variable(Struct, frozen=True, kw_only=True):
    """One setting: its variable, the field it fills, what it means and how its text is read.

    `parse` returns None for a text that is not what `expected` says.
    """

    name: str
    field: str
    meaning: str
    expected: str
    parse: Callable[[str], object]
    is_secret: bool = False


def _read(variable: Variable, text: str) -> object:
    value = variable.parse(text)
    if value is None:
        got = "" if variable.is_secret else f", got {text!r}"
        message = f"{variable.name}: expected {variable.expected}{got}"
        raise SettingInvalid(message)
    return value


def _whole(lowest: int, highest: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        # int() would also take signs, spaces, underscores and other scripts' digits.
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(highest)) else -1
        return number if lowest <= number <= highest else None

    return parse


def _database_url(text: str) -> Secret | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    named = len(parts.path) > 1
    return Secret(text) if parts.scheme in {"postgres", "postgresql"} and named else None


def _password(text: str) -> Secret | None:
    # PostgreSQL prepares other texts by RFC 4013 before hashing; of printable ASCII that makes nothing else.
    return Secret(text) if text.isascii() and text.isprintable() else None


def _prefix(text: str) -> str | None:
    fits = text.startswith("/") and not text.endswith("/") and "//" not in text and "{" not in text
    return text if fits else None


def _host(text: str) -> str | None:
    return text if not set(text) & set(" /@") else None


_PORT: Final = "a number from 1 to 65535"
_SIZE: Final = "a number of bytes from 1024 to 1073741824"
_POOL: Final = "a number from 1 to 100"

VARIABLES: Final = (
    Variable(
        name="ASSENT_FOLDER",
        field="folder",
        meaning="Where the service keeps its key ring, its copies of checkpoints and the embedded database.",
        expected="a folder",
        parse=Path,
    ),
    Variable(
        name="ASSENT_POLICIES",
        field="policies",
        meaning="The folder of policies that `assent policy activate` reads.",
        expected="a folder",
        parse=Path,
    ),
    Variable(
        name="ASSENT_DATABASE_URL",
        field="database_url",
        meaning=(
            "A PostgreSQL server to use in place of the embedded one. Its user runs the migrations; "
            "the service itself connects as its own roles."
        ),
        expected="postgresql://user@host:port/database",
        parse=_database_url,
        is_secret=True,
    ),
    Variable(
        name="ASSENT_ROLE_PASSWORD",
        field="role_password",
        meaning="The password of the service's roles on that server; without it libpq's PGPASSFILE counts.",
        expected="printable ASCII",
        parse=_password,
        is_secret=True,
    ),
    Variable(
        name="ASSENT_HOST",
        field="host",
        meaning="The address to serve on.",
        expected="a host name or an address",
        parse=_host,
    ),
    Variable(
        name="ASSENT_PORT",
        field="port",
        meaning="The port to serve on.",
        expected=_PORT,
        parse=_whole(1, 65_535),
    ),
    Variable(
        name="ASSENT_ADMIN_PORT",
        field="admin_port",
        meaning="The port of the admin listener, which serves metrics and nothing else.",
        expected=_PORT,
        parse=_whole(1, 65_535),
    ),
    Variable(
        name="ASSENT_TRACKING_PREFIX",
        field="tracking_prefix",
        meaning="A further path under which the tracking calls are served, such as /collect.",
        expected="a path that begins with / and does not end with one",
        parse=_prefix,
    ),
    Variable(
        name="ASSENT_ITEM_LIMIT_BYTES",
        field="item_limit_bytes",
        meaning="The largest single tracking call or item of a batch.",
        expected=_SIZE,
        parse=_whole(1_024, 1 << 30),
    ),
    Variable(
        name="ASSENT_BATCH_LIMIT_BYTES",
        field="batch_limit_bytes",
        meaning="The largest batch, counted after decompression.",
        expected=_SIZE,
        parse=_whole(1_024, 1 << 30),
    ),
    Variable(
        name="ASSENT_BATCH_LIMIT_ITEMS",
        field="batch_limit_items",
        meaning="How many calls one batch may hold.",
        expected="a number from 1 to 100000",
        parse=_whole(1, 100_000),
    ),
    Variable(
        name="ASSENT_BODY_LIMIT_BYTES",
        field="body_limit_bytes",
        meaning="The largest body of every other request.",
        expected=_SIZE,
        parse=_whole(1_024, 1 << 30),
    ),
    Variable(
        name="ASSENT_WRITER_CONNECTIONS",
        field="writer_connections",
        meaning="How many connections the committer and what it looks up may hold.",
        expected=_POOL,
        parse=_whole(1, 100),
    ),
    Variable(
        name="ASSENT_READER_CONNECTIONS",
        field="reader_connections",
        meaning="How many connections the gate may hold.",
        expected=_POOL,
        parse=_whole(1, 100),
    ),
    Variable(
        name="ASSENT_AUDITOR_CONNECTIONS",
        field="auditor_connections",
        meaning="How many connections people's and DPOs' questions may hold.",
        expected=_POOL,
        parse=_whole(1, 100),
    ),
    Variable(
        name="ASSENT_ERASER_CONNECTIONS",
        field="eraser_connections",
        meaning="How many connections erasure may hold.",
        expected=_POOL,
        parse=_whole(1, 100),
    ),
    Variable(
        name="ASSENT_WEBHOOKS_INSIDE",
        field="webhooks_inside",
        meaning="Whether webhooks may lead to addresses of private networks and of this machine.",
        expected="yes or no",
        parse={"yes": True, "no": False}.get,
    ),
)
"""The one list of settings: the README's table and the command line's help are made of it."""
