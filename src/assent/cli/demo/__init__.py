"""`assent demo`: the whole job on real data, against a service of its own, in one command.

A fresh folder each time, a real process, and nothing of it left at the end. What is printed of people comes
from the running service, over HTTP.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import click

from assent.cli.demo.service import Demonstrated, running_service
from assent.cli.demo.story import tell
from assent.cli.running import finish, out, settings
from assent.resources import policies_folder

_IMPORTS = policies_folder() / "imports"

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--data",
    type=_file,
    default=_IMPORTS / "samples" / "online-retail-2010-12.csv.gz",
    help="Order lines to import; without it, the month that ships with the product.",
)
@click.option("--keep", is_flag=True, help="Keep the folder, to start the same service with `assent run`.")
def demo(data: Path, *, keep: bool) -> None:
    """Show the whole job on real data: consent, import, audiences, a visitor, a withdrawal.

    Starts a service of its own with a fresh database under ASSENT_FOLDER/demo, and ends it again.
    """
    began = time.monotonic()
    folder = settings().folder.absolute() / "demo"

    async def shown() -> Mapping[str, str]:
        async with running_service(folder, keep=keep) as service:
            await tell(Demonstrated(service=service, data=data, mapping=_IMPORTS / "online-retail.toml"))
            return service.keys

    keys = finish(shown())
    out.print(f"\nDone in {time.monotonic() - began:.0f} seconds; the service and its database have ended.")
    if keep:
        click.echo(f"Start the same service again with ASSENT_FOLDER={folder}; its keys:\n")
        click.echo("\n".join(f"export {name}={key}" for name, key in keys.items()))
