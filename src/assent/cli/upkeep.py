"""`assent migrate`, `rebuild`, `upkeep`: the schema, the folds compared, and what is due deleted."""

from collections import Counter

import asyncpg
import click
from rich.progress import Progress

from assent.app import load_service_ring, open_service
from assent.cli.running import finish, out, settings
from assent.core.errors import DatabaseUnavailable
from assent.database.pool import Database, open_database
from assent.ingest.expiring import Expiry
from assent.ingest.rebuild import Rebuilt
from assent.ingest.rebuild import rebuild as fold_again
from assent.ingest.upkeep import keep_up


@click.command()
def migrate() -> None:
    """Bring the database to the newest schema. Every start does so; this does nothing else."""

    async def migrated() -> list[str]:
        names: list[str] = []
        async with open_database(settings(), progress=names.append):
            return names

    names = finish(migrated())
    click.echo("\n".join(f"applied {name}" for name in names) or "nothing to apply")


@click.command()
def rebuild() -> None:
    """Prove the logs, fold the ledger again beside the live tables and compare, row for row.

    The service may go on meanwhile. Exit code 1 when a log is not what was committed to or a row differs.
    Needs the owner's rights: with ASSENT_DATABASE_URL, those of its user.
    """

    async def rebuilt() -> Rebuilt:
        chosen = settings()
        async with open_database(chosen) as database:
            ring = await load_service_ring(chosen, database)
            connection = await _as_owner(database)
            try:
                with Progress(console=out) as bar:
                    task = bar.add_task("folding", total=None)
                    return await fold_again(
                        connection,
                        ring,
                        progress=lambda done, total: bar.update(task, completed=done, total=total),
                    )
            finally:
                await connection.close()

    found = finish(rebuilt())
    for fault in found.faults:
        click.echo(fault, err=True)
    for one in found.differences:
        click.echo(
            f"{one.table}: {one.live_only} rows live alone, {one.rebuilt_only} rebuilt alone", err=True
        )
    if found.faults or found.differences:
        raise click.exceptions.Exit(1)
    rows = sum(found.rows.values())
    click.echo(
        f"equal: {found.entries:,} entries fold into the same {rows:,} rows of {len(found.rows)} tables"
    )


@click.command()
def upkeep() -> None:
    """Do now what time brings: links that are over, and all that is due to be deleted.

    What lapsed, what was withdrawn or erased and was too much for one commit, what its category or the law
    keeps no longer, old message keys. The service does so every minute by itself; while it does, this does
    nothing.
    """

    async def kept() -> Counter[str]:
        async with open_service(settings()) as wired:
            expiry = Expiry(wired.ring, wired.ledger, wired.random)
            return await keep_up(wired.database.eraser, wired.ring, wired.clock, expiry=expiry)

    done = finish(kept())
    click.echo(", ".join(f"{kind}: {number:,}" for kind, number in sorted(done.items())) or "nothing was due")


async def _as_owner(database: Database) -> "asyncpg.Connection[asyncpg.Record]":
    url = settings().database_url
    address = url.reveal() if url is not None else database.server.dsn() if database.server else ""
    try:
        return await asyncpg.connect(address, server_settings={"application_name": "assent_rebuild"})
    except (OSError, asyncpg.PostgresError) as cause:
        raise DatabaseUnavailable from cause
