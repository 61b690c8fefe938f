"""`assent import`: bring a file's records in, beside a running service or alone."""

from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from assent.cli.running import collect_less_often, controller_option, out, with_controller
from assent.core.ids import ControllerId
from assent.http.wiring import Service
from assent.ingest.importer import Importing, Summary, import_file
from assent.ingest.records import Records, read_mapping

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="import")
@click.argument("file", type=_file)
@click.option("--mapping", required=True, type=_file, help="How lines become events: see policies/imports/.")
@controller_option
def import_(file: Path, mapping: Path, controller: str) -> None:
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
        with _Bar() as bar:
            return await import_file(importing, file, read, bar)

    _account(with_controller(controller, imported))


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

    def __call__(self, records: Records, summary: Summary) -> None:
        """Hear how far the reading has come."""
        elapsed = self.tasks[0].elapsed or 0.0
        rate = summary.lines / elapsed if elapsed > 0 else 0.0
        self.update(self._bar, completed=records.read_share, lines=summary.lines, rate=rate)


def _account(summary: Summary) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(justify="right")
    table.add_column()

    def say(number: int, words: str) -> None:
        table.add_row(f"{number:,}", words)

    say(summary.lines, "lines")
    for code, lines in sorted(summary.rejected.items()):
        say(lines, f"lines rejected: {code}")
    say(summary.records, "records made of the other lines" if summary.rejected else "records made of them")
    if summary.earlier:
        say(summary.earlier, "records that an earlier run settled")
    say(summary.kept, "records kept, each an entry of the ledger")
    say(summary.not_kept, "records not kept: no purpose permits them")
    for code, records in sorted(summary.refused.items()):
        say(records, f"records refused: {code}")
    for namespace, values in summary.identifiers.items():
        say(len(values), f"different {namespace}")
    for trait, values in summary.traits.items():
        say(len(values), f"different values of {trait}")
    out.print(table)
