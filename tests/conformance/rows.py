"""Rows of a scenario folder, and what is said beforehand about some of them.

A row is settled in one of three ways: it is answered as it expects; `deliberate.toml` says that it is
answered differently on purpose, and how; or `pending.toml` says that it cannot pass yet, and then it must
not. Both tables name rows, or what a row needs (`operator:did`), so that they speak about unseen folders too.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pytest
from msgspec import Struct, structs

HERE: Final = Path(__file__).parent
DEFAULT_FOLDER: Final = HERE.parents[2] / "shared" / "scenarios"

Data = dict[str, Any]

Table = TypeVar("Table", "Deliberate", "Pending")


class Row(Struct, frozen=True, kw_only=True):
    """One row: what was written, and the answer it expects in the form in which the suite answers."""

    suite: str
    id: str
    data: Data
    expected: object
    needs: frozenset[str] = frozenset()
    """What must exist before the row can run at all, such as `action:erase` or `operator:did`."""
    foreseen: bool = True
    """Whether the tables were written in knowledge of it. About other rows, what they need lets us guess."""

    @property
    def name(self) -> str:
        """How the tables call it."""
        return f"{self.suite}/{self.id}"


class Suite(Struct, frozen=True, kw_only=True):
    """A scenario file, and how its document becomes rows."""

    name: str
    rows: Callable[[Data], Iterable[Row]]

    @property
    def file(self) -> str:
        """The file's name in every scenario folder."""
        return f"{self.name}.json"

    def read(self, folder: Path) -> list[Row]:
        """Return the rows of the folder's file."""
        return list(self.rows(json.loads((folder / self.file).read_text(encoding="utf-8"))))


class Difference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a row is answered differently, and the answer when it is worth fixing."""

    reason: str
    answer: Any = None


class Deliberate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """deliberate.toml."""

    rows: dict[str, Difference] = {}
    needs: dict[str, Difference] = {}

    def about(self, row: Row) -> Difference | None:
        """Return what is said about a row: by name, or by what it needs."""
        by_need = (self.needs[need] for need in sorted(row.needs & self.needs.keys()))
        return self.rows.get(row.name) or next(by_need, None)


class Pending(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """pending.toml: reasons, by row and by what rows need."""

    rows: dict[str, str] = {}
    needs: dict[str, str] = {}

    def about(self, row: Row) -> str | None:
        """Return why the row cannot pass yet."""
        by_need = (f"{need}: {self.needs[need]}" for need in sorted(row.needs & self.needs.keys()))
        return self.rows.get(row.name) or next(by_need, None)


@cache
def deliberate() -> Deliberate:
    """Return deliberate.toml."""
    return _table("deliberate.toml", Deliberate)


@cache
def pending() -> Pending:
    """Return pending.toml."""
    return _table("pending.toml", Pending)


def _table(name: str, kind: type[Table]) -> Table:
    return msgspec.convert(tomllib.loads((HERE / name).read_text(encoding="utf-8")), kind)


def parameters(suite: Suite, folder: Path) -> Iterator[Any]:
    """Yield every row as a parameter; one that is skipped, saying why, when there is nothing to read."""
    if not (folder / suite.file).is_file():
        reason = f"NOTHING CHECKED: no {suite.file} in {folder}; name another folder with --scenarios"
        yield pytest.param(None, id="missing", marks=pytest.mark.skip(reason=reason))
        return
    for row in suite.read(folder):
        known = structs.replace(row, foreseen=is_default(folder) or row.name in _named())
        yield pytest.param(known, id=row.id, marks=marks(known))


def _named() -> frozenset[str]:
    return frozenset({*deliberate().rows, *pending().rows})


def is_default(folder: Path) -> bool:
    """Say whether these are the rows that the tables were written for."""
    return folder.resolve() == DEFAULT_FOLDER.resolve()


def marks(row: Row) -> list[pytest.MarkDecorator]:
    """Return how a pending row must fail: strictly, where the tables were written in knowledge of it.

    A row of ours may say that it is `full`, one more of what others ask already.
    """
    slow = [pytest.mark.full] if row.data.get("full") else []
    reason = None if deliberate().about(row) else pending().about(row)
    if reason is None:
        return slow
    return [*slow, pytest.mark.xfail(reason=reason, strict=row.foreseen, raises=AssertionError)]


def settle(row: Row, answer: object) -> None:
    """Hold an answer against what the row expects, or against what we said we answer instead."""
    difference = deliberate().about(row)
    if difference is None or (answer == row.expected and not row.foreseen):
        assert answer == row.expected, row.data.get("why") or row.data.get("notes") or row.data.get("title")
        return
    assert answer != row.expected, (
        f"answered as expected: take it out of deliberate.toml ({difference.reason})"
    )
    if difference.answer is not None:
        assert answer == difference.answer, difference.reason
