"""`assent migrate` and `assent verify`: the database's schema, and the log's word without the database."""

from pathlib import Path

import click

from assent.cli.running import finish, settings
from assent.database.pool import open_database
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
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key", required=True, metavar="KEY", help="The log's public key, as `assent keys public` says."
)
def verify(checkpoint: Path, key: str) -> None:
    """Verify the signed checkpoint in a file with the log's public key. Needs no service and no database."""
    found = verify_checkpoint(checkpoint.read_bytes(), Verifier.parse(key))
    click.echo(f"verified: {found.origin} has {found.size} entries, root {found.root.hex()}")
