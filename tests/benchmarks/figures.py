"""Figures that may be quoted: a ratio to a named peer, the median of rounds taken in turn within one run."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

LEAST_ROUNDS = 5


class Figure(Struct, frozen=True, kw_only=True):
    """One quantity of ours over the same quantity of a peer, round by round."""

    what: str
    peer: str
    unit: str
    ratio: float
    """The median of the rounds' ratios."""
    lowest: float
    highest: float
    ours: tuple[float, ...]
    theirs: tuple[float, ...]


class Result(Struct, frozen=True, kw_only=True):
    """What one benchmark found."""

    name: str
    rounds: int
    figures: tuple[Figure, ...]
    checked: tuple[str, ...]
    """What was verified, in words."""
    details: dict[str, object] = {}
    environment: dict[str, object] = {}


def figure(what: str, unit: str, ours: Sequence[float], peer: str, theirs: Sequence[float]) -> Figure:
    """Return a figure; the n-th of `ours` and the n-th of `theirs` were taken one after the other."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Figure(
        what=what,
        peer=peer,
        unit=unit,
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        ours=tuple(ours),
        theirs=tuple(theirs),
    )


def show(console: Console, result: Result) -> None:
    """Print a result: ratios first; the quantities beside them are of this run alone."""
    console.print(f"[bold]{result.name}[/bold]: ratios are medians of {result.rounds} rounds taken in turn")
    for peer in dict.fromkeys(one.peer for one in result.figures):
        table = Table(title=f"against {peer}", title_justify="left")
        table.add_column("", no_wrap=True)
        table.add_column("ratio", justify="right", style="bold", no_wrap=True)
        table.add_column("lowest, highest", justify="right", no_wrap=True)
        table.add_column("ours / theirs in this run", justify="right", style="dim", no_wrap=True)
        for one in result.figures:
            if one.peer == peer:
                quantities = f"{_short(median(one.ours))} / {_short(median(one.theirs))} {one.unit}"
                spread = f"{_short(one.lowest)}, {_short(one.highest)}"
                table.add_row(one.what, _short(one.ratio), spread, quantities)
        console.print(table)
    for name, value in result.details.items():
        console.print(f"{name}: {value}", highlight=False)
    for claim in result.checked:
        console.print(f"checked: {claim}", highlight=False)
    console.print()


def write(folder: Path, result: Result) -> Path:
    """Write a result as JSON; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return path


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
