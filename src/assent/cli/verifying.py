"""`assent verify`: the word of the log, without the service, its database or its settings."""

from pathlib import Path

import click

from assent.consent.signature import read_keys
from assent.ingest.receipt_file import verify as verify_receipt
from assent.ledger.note import Verifier
from assent.ledger.verify import verify_checkpoint


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
