"""Named statements from `sql/queries/<area>.sql`: SQL lives in files that a DBA can read and a linter lints.

    -- name: newest_entry
    -- The newest entry of a controller, or no row before the first.
    SELECT ...;

    STATEMENTS = load("ledger")
    await connection.fetchrow(STATEMENTS.newest_entry, controller_id)

A statement is a `str`, so asyncpg's own typed methods run it, and a test can prepare every one. aiosql was
tried and left: the methods it makes are untyped, choose asyncpg's call by a suffix of the name, and hide the
text that a test wants to prepare. Nothing is run here.

Raises StartupRefused for a file that is not what it must be, AttributeError for a name it does not have.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from assent.core.errors import StartupRefused
from assent.resources import sql_folder

_NAME = re.compile(r"^-- name: (.*)$", re.MULTILINE)
_WORD = re.compile(r"[a-z][a-z0-9_]*")


class Statements(Mapping[str, str]):
    """The statements of one area, by attribute or by key; `docs` has the comments: what each result means."""

    def __init__(self, area: str, statements: Mapping[str, str], docs: Mapping[str, str]) -> None:
        self._area = area
        self._statements = dict(statements)
        self.docs = dict(docs)

    def __getattr__(self, name: str) -> str:
        # Asked only for what is no ordinary attribute.
        try:
            return self._statements[name]
        except KeyError as cause:
            message = f"sql/queries/{self._area}.sql has no statement named {name}"
            raise AttributeError(message) from cause

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


@cache
def load(area: str) -> Statements:
    """Return the statements of `sql/queries/<area>.sql`; the file is read once in a process."""
    return parse(area, (sql_folder() / "queries" / f"{area}.sql").read_text(encoding="utf-8"))


def parse(area: str, text: str) -> Statements:
    """Return the statements of a file's text."""
    before, *rest = _NAME.split(text)
    if _split(before)[1]:
        raise _fault(area, "SQL stands before the first `-- name:` line")
    statements: dict[str, str] = {}
    docs: dict[str, str] = {}
    for name, block in zip(rest[::2], rest[1::2], strict=True):
        doc, body = _split(block)
        if not _WORD.fullmatch(name):
            raise _fault(area, f"expected a lower-case word after `-- name:`, got {name!r}")
        if name in statements:
            raise _fault(area, f"{name} stands twice")
        if not body:
            raise _fault(area, f"{name} has no statement under it")
        statements[name], docs[name] = body, doc
    return Statements(area, statements, docs)


def _split(block: str) -> tuple[str, str]:
    """Return the comment that opens the block, and the SQL after it without its closing semicolon."""
    lines = block.strip().splitlines()
    opening = 0
    while opening < len(lines) and lines[opening].startswith("--"):
        opening += 1
    doc = " ".join(line.removeprefix("--").strip() for line in lines[:opening])
    return doc, "\n".join(lines[opening:]).strip().removesuffix(";")


def _fault(area: str, what: str) -> StartupRefused:
    return StartupRefused(f"sql/queries/{area}.sql: {what}")
