"""How far a walk over everybody has come, on standard error: a bar on a terminal, or lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_EVERY_S: Final = 10.0


@contextmanager
def told(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what is called with how many identifiers are done, and of how many."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what)
        return
    counts = TextColumn("{task.completed:,.0f} of {task.total:,.0f} identifiers")
    speed = TextColumn("{task.fields[rate]:,.0f} a second")
    with Progress(
        *(TextColumn(what), BarColumn(), counts, speed, TimeElapsedColumn()), console=console, transient=True
    ) as shown:
        task = shown.add_task(what, total=0.0, rate=0.0)
        rate = _Rate()

        def moved(done: int, of: int) -> None:
            shown.update(task, completed=done, total=of, rate=rate(done))

        yield moved


class _Rate:
    """How many a second since the first time it was asked: what an earlier run did counts for nothing."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def __call__(self, done: int) -> float:
        if self._first is None:
            self._first = done, monotonic()
        number, began = self._first
        return (done - number) / max(monotonic() - began, 1e-3)


def _lines(what: str) -> Callable[[int, int], None]:
    rate, said = _Rate(), monotonic()

    def moved(done: int, of: int) -> None:
        nonlocal said
        now = monotonic()
        if now - said >= _EVERY_S:
            said = now
            click.echo(f"{what}: {done:,} of {of:,} identifiers, {rate(done):,.0f} a second", err=True)
        else:
            rate(done)

    return moved
