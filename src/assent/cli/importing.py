"""`assent import`: bring a file's records in, beside a running service or alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from assent.cli.private_file import open_private
from assent.cli.running import collect_less_often, controller_option, out, with_controller
from assent.core.ids import ControllerId
from assent.http.wiring import Service
from assent.ingest.importer import Importing, Summary, import_file, try_file
from assent.ingest.reading import MOST_DISTINCT, Hear, unheard
from assent.ingest.records import Records, read_mapping
from assent.ingest.rows import Rejected
from assent.ingest.together import People

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("file", type=_file)
@click.option("--mapping", required=True, type=_file, help="How lines become events: see policies/imports/.")
@click.option(
    "--dry-run", is_flag=True, help="Read the whole file and report, and write nothing to the ledger."
)
@click.option(
    "--rejected",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what was not taken to this file: NDJSON of lines, codes and articles, never a value.",
)
@controller_option
def import_(file: Path, mapping: Path, controller: str, rejected: Path | None, *, dry_run: bool) -> None:
    """Import FILE (CSV, NDJSON or Parquet, also compressed) with the times that stand in it.

    May be interrupted at any point, by kill -9 too: the same command goes on where it stopped, and a file
    that was imported whole brings nothing new. A running service may go on meanwhile. Ends with an account
    of every line.
    """
    read = read_mapping(mapping)

    async def imported(wired: Service, controller_id: ControllerId) -> Summary:
        importing = Importing(
            controller_id=controller_id,
            policy=await wired.policies.refreshed(controller_id),
            ledger=wired.ledger,
            ring=wired.ring,
            random=wired.random,
            clock=wired.clock,
            pool=wired.database.writer,
        )
        collect_less_often()
        bring = try_file if dry_run else import_file
        with _Bar() as bar, _hearing(rejected) as hear:
            return await bring(importing, file, read, bar, hear=hear)

    _account(with_controller(controller, imported), dry_run=dry_run)


@contextmanager
def _hearing(path: Path | None) -> Iterator[Hear]:
    """Write what is heard to a file for its owner alone; written again by every run, whole."""
    if path is None:
        yield unheard
        return
    with open_private(path, replace=True) as file:

        def hear(rejected: Rejected) -> None:
            file.write(_line(rejected) + b"\n")

        yield hear


_line = msgspec.json.Encoder().encode


class _Bar(Progress):
    """The progress bar: how much of the file is read, and how many lines a second."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[lines]:,} lines, {task.fields[rate]:,.0f} a second"),
            TimeElapsedColumn(),
            console=out,
        )
        self._bar = self.add_task("", total=1.0, lines=0, rate=0.0)

    def __call__(self, records: Records[Any], summary: Summary) -> None:
        """Hear how far the reading has come."""
        elapsed = self.tasks[0].elapsed or 0.0
        rate = summary.lines / elapsed if elapsed > 0 else 0.0
        self.update(self._bar, completed=records.read_share, lines=summary.lines, rate=rate)


def _account(summary: Summary, *, dry_run: bool) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(justify="right")
    table.add_column()
    for number, words in (*_of_lines(summary), *_of_fates(summary, dry_run=dry_run), *_of_people(summary)):
        table.add_row(f"{number:,}", words)
    out.print(table)
    if (summary.rejected or summary.refused or summary.unstated) and not dry_run:
        out.print("corrected lines come in as a file of their own: this one, changed, would be another file")
    if dry_run:
        out.print("a dry run: nothing was written, and what a purpose permits was not asked")


def _of_lines(summary: Summary) -> Iterator[tuple[int, str]]:
    yield summary.lines, "lines"
    for code, lines in sorted(summary.rejected.items()):
        yield lines, f"lines rejected: {code}"
    for column, lines in sorted(summary.unfit.items()):
        yield lines, f"of these, a cell of {column} that is not of its type"
    yield (
        summary.records,
        "records made of the other lines" if summary.rejected else "records made of them",
    )


def _of_fates(summary: Summary, *, dry_run: bool) -> Iterator[tuple[int, str]]:
    if summary.earlier:
        yield summary.earlier, "records that an earlier run settled"
    if dry_run:
        yield summary.fit, "records that fit the policy"
    else:
        yield summary.kept, "records kept, each an entry of the ledger"
        yield summary.not_kept, "records not kept: no purpose permits them"
    for code, records in sorted(summary.refused.items()):
        yield records, f"records refused: {code}"
    for purpose, statements in sorted(summary.stated.items()):
        yield statements, f"statements about {purpose}"
    for (code, article), statements in sorted(summary.unstated.items()):
        yield statements, f"statements refused: {code}" + (f" (GDPR Art. {article})" if article else "")


def _of_people(summary: Summary) -> Iterator[tuple[int, str]]:
    yield from _of_clusters(summary.people) if summary.people is not None else ()
    for namespace, values in summary.identifiers.items():
        yield len(values), f"different {namespace}{_or_more(values)}"
    for trait, values in summary.traits.items():
        yield len(values), f"different values of {trait}{_or_more(values)}"


def _of_clusters(people: People) -> Iterator[tuple[int, str]]:
    """What the file alone would do: whatever else is known of these identifiers is left aside."""
    more = " or more: only the first pairs were worked out" if people.unread else ""
    yield people.profiles, f"profiles of two or more identifiers, from this file alone{more}"
    yield people.largest, "identifiers in the largest of them"
    yield people.alone, "identifiers that nothing joins"
    yield people.shared, "of these, shared: between two people, and so nobody's"
    yield people.generic, "of these, generic: past a cap, and so nobody's"
    for reason, links in sorted(people.dropped.items()):
        yield links, f"pairs that join nothing: {reason}"


def _or_more(values: set[int]) -> str:
    return " or more" if len(values) >= MOST_DISTINCT else ""
