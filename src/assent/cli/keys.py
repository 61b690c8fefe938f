"""`assent keys`: make, list and revoke the keys of the wire; show the public keys of the logs."""

from typing import Literal

import click
import msgspec
from rich.table import Table

from assent.cli.running import controller_option, out, with_controller
from assent.core.errors import Refused, UnknownPurpose
from assent.core.ids import ControllerId
from assent.core.time import format_time
from assent.database.statements import load
from assent.http.keys import NewKey, Role
from assent.http.wiring import Service
from assent.ledger.store import Log, Trees

_SQL = load("access")


@click.group()
def keys() -> None:
    """Keys that callers authenticate with."""


@keys.command()
@controller_option
@click.option(
    "--role", required=True, type=click.Choice([role.value for role in Role]), help="What it may do."
)
@click.option("--purpose", "purposes", multiple=True, metavar="NAME", help="An engine's; may be repeated.")
@click.option(
    "--trust",
    type=click.Choice(["browser", "server"]),
    default="server",
    show_default=True,
    help="A collector's: browser keys are public, and what they say of persons is a claim.",
)
@click.option("--members", is_flag=True, help="An engine's: see who is in an audience, and exact counts.")
@click.option(
    "--consumer", default="", metavar="NAME", help="Whom releases are recorded for; the role's name."
)
@click.option("--source", default="", metavar="NAME", help="A collector's: which of your systems it is for.")
@click.option(
    "--channel",
    default="",
    metavar="WORD",
    help="A collector's: where it happens, such as web, app, store, call_centre, chat, social or email.",
)
def create(
    controller: str,
    *,
    role: str,
    purposes: tuple[str, ...],
    trust: Literal["browser", "server"],
    members: bool,
    consumer: str,
    source: str,
    channel: str,
) -> None:
    """Make a key and print it. It is shown this once: only its digest is kept."""
    wanted = NewKey(
        role=Role(role),
        consumer=consumer,
        purposes=purposes,
        trust=trust,
        members=members,
        source=source,
        channel=channel,
    )
    _refuse_pointless(wanted)

    async def made(wired: Service, controller_id: ControllerId) -> tuple[int, str]:
        policy = await wired.policies.refreshed(controller_id)
        for purpose in purposes:
            if purpose not in policy.purpose_ids:
                raise UnknownPurpose(
                    f"expected a purpose of the policy ({', '.join(sorted(policy.purpose_ids))})"
                )
        return await wired.keys.create(controller_id, wanted)

    number, key = with_controller(controller, made)
    click.echo(f"key {number}, shown this once:", err=True)
    click.echo(key)


@keys.command(name="list")
@controller_option
def list_(controller: str) -> None:
    """List keys: what each may do, never what it is."""

    async def read(wired: Service, controller_id: ControllerId) -> Table:
        table = Table("id", "role", "consumer", "purposes", "source", "members", "made", "revoked")
        for row in await wired.database.auditor.fetch(_SQL.keys_of, controller_id):
            role = row["role"]
            table.add_row(
                str(row["key_id"]),
                f"{role} ({row['trust']})" if role == Role.COLLECTOR else role,
                row["consumer"],
                " ".join(row["purposes"]),
                " ".join(word for word in (row["source"], row["channel"] and f"({row['channel']})") if word),
                ("yes" if row["members"] else "no") if role == Role.ENGINE else "",
                format_time(row["created_at"])[:10],
                format_time(row["revoked_at"])[:10] if row["revoked_at"] else "",
            )
        return table

    out.print(with_controller(controller, read))


@keys.command()
@controller_option
@click.argument("number", metavar="ID", type=int)
def revoke(controller: str, number: int) -> None:
    """Revoke the key ID; it is refused everywhere within a second."""

    async def revoked(wired: Service, controller_id: ControllerId) -> bool:
        return await wired.keys.revoke(controller_id, number)

    if not with_controller(controller, revoked):
        raise Refused(f"expected the id of a key in force, got {number}: `assent keys list` shows them")
    click.echo(f"key {number} is revoked")


@keys.command()
@controller_option
def public(controller: str) -> None:
    """Print the public keys of the logs of facts and of releases, for `assent verify`."""

    async def read(wired: Service, controller_id: ControllerId) -> list[str]:
        trees = Trees(wired.ring)
        return [str(trees.signer(controller_id, log).verifier) for log in Log]

    for key in with_controller(controller, read):
        click.echo(key)


def _refuse_pointless(wanted: NewKey) -> None:
    """Refuse what would silently mean nothing: purposes bind engines alone, trust tells collectors apart."""
    try:
        msgspec.convert(msgspec.to_builtins(wanted), NewKey)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"Not a key: {error}.") from error
    if wanted.role not in (Role.COLLECTOR, Role.ISSUER) and (wanted.source or wanted.channel):
        raise click.UsageError("--source and --channel are for collectors' and issuers' keys.")
    if wanted.role is Role.ENGINE and not wanted.purposes:
        raise click.UsageError("Expected at least one --purpose for an engine's key.")
    if wanted.role is not Role.ENGINE and (wanted.purposes or wanted.members):
        raise click.UsageError("--purpose and --members are for engines' keys.")
    if wanted.role is not Role.COLLECTOR and wanted.trust == "browser":
        raise click.UsageError("--trust browser is for collectors' keys.")
