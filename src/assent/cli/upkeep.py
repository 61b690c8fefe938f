"""`assent migrate`, `rebuild`, `verify`: the schema, the folds, and the log's word without the database."""

from collections import Counter
from pathlib import Path

import asyncpg
import click
from rich.progress import Progress

from assent.app import load_service_ring, system_clock
from assent.cli.running import finish, out, settings
from assent.consent.signature import read_keys
from assent.core.errors import DatabaseUnavailable
from assent.database.pool import Database, open_database
from assent.ingest.rebuild import Rebuilt
from assent.ingest.rebuild import rebuild as fold_again
from assent.ingest.receipt_file import verify as verify_receipt
from assent.ingest.upkeep import keep_up
from assent.ledger.note import Verifier
from assent.ledger.verify import verify_checkpoint


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
    """Delete now what is due: what lapsed, what its category keeps no longer, old message keys.

    The service does so every minute by itself; beside it this does nothing twice.
    """

    async def kept() -> Counter[str]:
        chosen = settings()
        async with open_database(chosen) as database:
            ring = await load_service_ring(chosen, database)
            return await keep_up(database.eraser, ring, system_clock)

    done = finish(kept())
    click.echo(", ".join(f"{kind}: {number:,}" for kind, number in sorted(done.items())) or "nothing was due")


async def _as_owner(database: Database) -> "asyncpg.Connection[asyncpg.Record]":
    url = settings().database_url
    address = url.reveal() if url is not None else database.server.dsn() if database.server else ""
    try:
        return await asyncpg.connect(address, server_settings={"application_name": "assent_rebuild"})
    except (OSError, asyncpg.PostgresError) as cause:
        raise DatabaseUnavailable from cause


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    required=True,
    metavar="KEY",
    help="The log's public key, as `assent keys public` says.",
)
@click.option(
    "--receipts-key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A receipt's: the keys that /.well-known/jwks.json gives, kept in a file.",
)
def verify(file: Path, key: str, receipts_key: Path | None) -> None:
    """Verify a signed checkpoint, or a person's receipt, in FILE. Needs no service and no database.

    A receipt is what GET /v1/me/receipts/ID answers. Its signature is checked by the receipts' key, its words
    against the entry that commits to them, and the entry's place in the log by the log's key.
    """
    content, log = file.read_bytes(), Verifier.parse(key)
    if not content.lstrip().startswith(b"{"):
        found = verify_checkpoint(content, log)
        click.echo(f"verified: {found.origin} has {found.size} entries, root {found.root.hex()}")
        return
    if receipts_key is None:
        raise click.UsageError("A receipt is checked by two keys: expected --receipts-key too.")
    said = verify_receipt(content, [log], read_keys(receipts_key.read_bytes()))
    click.echo(
        f"verified: receipt {said.id}, {said.purpose} {said.state} at {said.at},"
        f" entry {said.index} of {said.checkpoint.origin} with {said.checkpoint.size} entries"
    )
