"""Where the service's time goes: samples of its stack by processor time, and the wall time of each statement.

The samples come from a timer of the process's own processor time: what a C function takes counts for the
line that called it. Statements are timed from outside, around asyncpg's methods.
"""

import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any, Final

import asyncpg
import msgspec

from assent.database.statements import load
from assent.resources import sql_folder

EVERY_S: Final = 0.001

_METHODS: Final = ("execute", "fetch", "fetchrow", "fetchval")


@contextmanager
def observed(report: Path) -> Iterator[None]:
    """Observe the process while the context is open; a SIGUSR1 begins anew. Writes the report at the end."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    statements: dict[str, list[float]] = {}

    def sample(_: int, frame: FrameType | None) -> None:
        seen: set[str] = set()
        at = frame
        while at is not None:
            name = _name(at)
            if at is frame:
                own[name] += 1
            if name not in seen:
                seen.add(name)
                within[name] += 1
            at = at.f_back

    def anew(_: int, __: FrameType | None) -> None:
        own.clear()
        within.clear()
        statements.clear()

    _time_statements(statements)
    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR1, anew)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        document = {
            "samples": own.total(),
            "own": own.most_common(60),
            "within": within.most_common(150),
            "statements": sorted(
                ((name, len(took), sum(took)) for name, took in statements.items()), key=lambda row: -row[2]
            ),
        }
        report.write_bytes(msgspec.json.encode(document))


def _name(frame: FrameType) -> str:
    code = frame.f_code
    place = "/".join(code.co_filename.rsplit("/", 2)[-2:])
    return f"{place}:{code.co_qualname}"


def _time_statements(statements: dict[str, list[float]]) -> None:
    names = {
        text: name
        for path in sorted((sql_folder() / "queries").glob("*.sql"))
        for name, text in load(path.stem).items()
    }

    def timed(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(self: object, query: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 as asyncpg
            began = perf_counter()
            try:
                return await method(self, query, *arguments, **options)
            finally:
                name = names.get(query, query.partition("=")[0][:40].strip())
                statements.setdefault(name, []).append(perf_counter() - began)

        return run

    for name in _METHODS:
        setattr(asyncpg.Connection, name, timed(getattr(asyncpg.Connection, name)))
