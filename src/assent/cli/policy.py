"""`assent policy`: check a folder of policies, compare it, try it out, put it in force; show what is."""

from pathlib import Path

import click
import msgspec
from rich.table import Table

from assent.cli.progress import told
from assent.cli.running import collect_less_often, controller_option, give_way, out, settings, with_controller
from assent.consent.difference import Difference, differences
from assent.core.documents import parse_policy
from assent.core.ids import CategoryId, ControllerId, members
from assent.core.policy import Policy
from assent.http.keys import Role
from assent.http.wiring import Service
from assent.ingest import preparation
from assent.ingest.abandoning import abandon as abandon_prepared
from assent.ingest.activation import activate as put_in_force
from assent.ingest.activation import checked, in_force
from assent.ingest.preparation import Preparation
from assent.ingest.preparing import STEADY
from assent.ingest.report_policy import Simulation, simulated
from assent.policies import digest, read_folder

_folder = click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)


_json = click.option("--json", "as_json", is_flag=True, help="As one JSON document.")

_LONGEST = 48


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
@_json
def diff(controller: str, folder: Path | None, *, as_json: bool) -> None:
    """Say how FOLDER (ASSENT_POLICIES without one) differs from what is in force, and what that means."""
    documents = read_folder(folder or settings().policies)

    async def compared(wired: Service, controller_id: ControllerId) -> tuple[Difference, ...]:
        async with wired.database.auditor.acquire() as connection:
            wanted = await checked(connection, controller_id, documents)
        return differences(await wired.policies.refreshed(controller_id), wanted)

    found = with_controller(controller, compared)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    table = Table("part", "name", "what", "before", "after", "means", title_justify="left")
    for one in found:
        table.add_row(one.part, one.name, one.key, _short(one.before), _short(one.after), one.meaning.value)
    out.print(table if found else "nothing differs")


@policy.command()
@controller_option
@_folder
@_json
def simulate(controller: str, folder: Path | None, *, as_json: bool) -> None:
    """Say who would gain and lose under FOLDER (ASSENT_POLICIES without one). Changes nothing."""
    documents = read_folder(folder or settings().policies)

    async def tried(wired: Service, controller_id: ControllerId) -> Simulation:
        audiences = await wired.audiences.shelf.all(controller_id)
        async with wired.database.auditor.acquire() as connection:
            wanted = await checked(connection, controller_id, documents)
            collect_less_often()
            give_way()
            with told("simulating") as progress:
                return await simulated(
                    connection, controller_id, wanted, wired.clock(), audiences.values(), progress, STEADY
                )

    found = with_controller(controller, tried)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    click.echo(f"{found.identifiers} identifiers, {found.statements} statements")
    table = Table("purpose", "people before", "after", "gain", "lose", "", title_justify="left")
    for one in found.purposes:
        blocks = "needs gains_basis" if one.blocks else ""
        table.add_row(one.purpose, *map(str, (one.before, one.after, one.gains, one.loses)), blocks)
    out.print(table)
    if found.audiences:
        table = Table("audience", "purpose", "enter", "leave", title_justify="left")
        for each in found.audiences:
            table.add_row(each.audience, each.purpose, str(each.enter), str(each.leave))
        out.print(table)


@policy.command()
@controller_option
@_folder
def activate(controller: str, folder: Path | None) -> None:
    """Put FOLDER (ASSENT_POLICIES without one) in force. Until then a changed folder changes nothing.

    Refused where people would be used for more without a statement, and no new gains_basis says why. Goes on
    where it stopped when it was interrupted; the service serves meanwhile, under the policy in force.
    """
    documents = read_folder(folder or settings().policies)

    async def activated(wired: Service, controller_id: ControllerId) -> str:
        async with wired.database.auditor.acquire() as connection:
            version, before = await in_force(connection, controller_id)
            if digest(before) == digest(documents):
                return f"version {version} is in force and says the same: nothing changed"
            await checked(connection, controller_id, documents)
        collect_less_often()
        give_way()
        with told("preparing") as progress:
            revision = await put_in_force(
                *(wired.means, controller_id, documents, Role.ADMIN.value, progress, STEADY)
            )
        now = await wired.policies.refreshed(controller_id)
        await wired.keep_what_rules_ask(controller_id, now, Role.ADMIN.value)
        return f"version {now.version} is in force since revision {revision}"

    click.echo(with_controller(controller, activated))


@policy.command()
@controller_option
def abandon(controller: str) -> None:
    """End the activation that is under way, or that was interrupted: nothing of it comes into force.

    Whoever activates at that moment is told, and gives up.
    """

    async def abandoned(wired: Service, controller_id: ControllerId) -> str:
        async with wired.database.preparer.acquire() as connection:
            left = await abandon_prepared(connection, controller_id)
        if left is None:
            return "no policy is being prepared: nothing changed"
        return f"version {left.policy_version} is no longer being prepared"

    click.echo(with_controller(controller, abandoned))


@policy.command()
@controller_option
def show(controller: str) -> None:
    """Show the policy in force: each purpose, on what it rests and which data it may use; and what comes."""

    async def read(wired: Service, controller_id: ControllerId) -> tuple[Policy, str, str]:
        async with wired.database.auditor.acquire() as connection:
            _, documents = await in_force(connection, controller_id)
            coming = _coming(
                await preparation.read(connection, controller_id),
                is_under_way=await preparation.is_under_way(connection, controller_id),
            )
        return await wired.policies.refreshed(controller_id), digest(documents).hex()[:16], coming

    found, digested, coming = with_controller(controller, read)
    table = Table("purpose", "legal basis", "data", "validity", title_justify="left")
    for one in sorted(found.purposes.values(), key=lambda purpose: purpose.name):
        data = " ".join(found.categories[CategoryId(number)].name for number in members(one.categories))
        validity = "" if one.validity is None else f"{one.validity.months} months"
        table.add_row(one.name, one.legal_basis.value, data, validity)
    click.echo(f"version {found.version}, digest {digested}")
    out.print(table)
    if coming:
        click.echo(coming)


def _coming(left: Preparation | None, *, is_under_way: bool) -> str:
    if left is None:
        return ""
    told = f"version {left.policy_version} is prepared for {left.done:,} of {left.identifiers:,} identifiers"
    if is_under_way:
        return told
    return f"{told}; nobody goes on: `activate` with the same folder does, `abandon` ends it"


def _short(value: object) -> str:
    """Return a value as one would say it, cut where it is long."""
    text = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
