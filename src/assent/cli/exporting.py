"""`assent export`: everything of a controller, decrypted, for its own backup."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from rich.progress import Progress

from assent.cli.private_file import open_private
from assent.cli.running import controller_option, out, with_controller
from assent.core.ids import ControllerId
from assent.http.wiring import Service
from assent.ingest.export import export


@click.command(name="export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@controller_option
def export_(file: Path, controller: str) -> None:
    """Write everything of a controller to FILE as NDJSON, gzipped where its name ends in .gz.

    FILE holds personal data in plain, for its owner alone to read: keeping it safe, and no longer than what
    it holds may be kept, is the controller's. It is for reading and for leaving with: `assent import` does
    not take it, proofs stay in the ledger. To restore a service, keep copies of its database (pg_dump) and
    of its key ring. Needs the key ring. An interrupted export leaves no file.
    """

    async def exported(wired: Service, controller_id: ControllerId) -> int:
        done = 0
        with _writing(file) as target, Progress(console=out, transient=True) as bar:
            task = bar.add_task("exporting", total=None)
            async with wired.database.auditor.acquire() as connection:
                async for lines, done, total in export(connection, wired.ring, controller_id):
                    target.write(lines)
                    bar.update(task, completed=done, total=total)
        return done

    entries = with_controller(controller, exported)
    click.echo(f"exported: {entries:,} entries, readable by their owner alone")


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with open_private(path, replace=False) as file:
        if path.suffix != ".gz":
            yield file
            return
        # Neither name nor time: two exports of the same ledger are the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            yield packed
