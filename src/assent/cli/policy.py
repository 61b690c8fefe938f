"""`assent policy`: check a folder of policies, put it in force, show what is in force."""

from pathlib import Path

import click
from rich.table import Table

from assent.cli.running import controller_option, out, settings, with_controller
from assent.core.documents import parse_policy
from assent.core.ids import CategoryId, ControllerId, members
from assent.core.policy import Policy
from assent.http.keys import Role
from assent.http.wiring import Service
from assent.ingest.activation import activate as put_in_force
from assent.ingest.activation import checked, in_force
from assent.policies import digest, read_folder

_folder = click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)


@click.group()
def policy() -> None:
    """Policies: what may be used for which purpose."""


@policy.command()
@_folder
def check(folder: Path | None) -> None:
    """Check FOLDER (ASSENT_POLICIES without one) and say what it declares. Needs no database."""
    documents = read_folder(folder or settings().policies)
    parsed, _ = parse_policy(documents)
    click.echo(
        f"valid: {len(parsed.purposes)} purposes, {len(parsed.categories)} categories, "
        f"{len(parsed.features)} features, {len(parsed.namespaces)} namespaces; "
        f"digest {digest(documents).hex()[:16]}"
    )


@policy.command()
@controller_option
@_folder
def activate(controller: str, folder: Path | None) -> None:
    """Put FOLDER (ASSENT_POLICIES without one) in force. Until then a changed folder changes nothing."""
    documents = read_folder(folder or settings().policies)

    async def activated(wired: Service, controller_id: ControllerId) -> str:
        async with wired.database.auditor.acquire() as connection:
            version, before = await in_force(connection, controller_id)
            if digest(before) == digest(documents):
                return f"version {version} is in force and says the same: nothing changed"
            await checked(connection, controller_id, documents)
        revision = await put_in_force(wired.means, controller_id, documents, role=Role.ADMIN.value)
        now = await wired.policies.refreshed(controller_id)
        return f"version {now.version} is in force since revision {revision}"

    click.echo(with_controller(controller, activated))


@policy.command()
@controller_option
def show(controller: str) -> None:
    """Show the policy in force: each purpose, on what it rests and which data it may use."""

    async def read(wired: Service, controller_id: ControllerId) -> tuple[Policy, str]:
        async with wired.database.auditor.acquire() as connection:
            _, documents = await in_force(connection, controller_id)
        return await wired.policies.refreshed(controller_id), digest(documents).hex()[:16]

    found, digested = with_controller(controller, read)
    table = Table("purpose", "legal basis", "data", "validity", title_justify="left")
    for one in sorted(found.purposes.values(), key=lambda purpose: purpose.name):
        data = " ".join(found.categories[CategoryId(number)].name for number in members(one.categories))
        validity = "" if one.validity is None else f"{one.validity.months} months"
        table.add_row(one.name, one.legal_basis.value, data, validity)
    click.echo(f"version {found.version}, digest {digested}")
    out.print(table)
