"""The command line: one file per command, each parses, asks and answers.

A fault is one line on standard error that says what was expected: exit code 2 for what was typed wrongly,
1 for everything else, 130 after an interruption. No traceback: its messages could quote a person. No secret
is printed, except a new key, once.
"""

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from assent.core.errors import AssentError

_PLACES = {
    "demo": "demo:demo",
    "example": "probable:example",
    "export": "exporting:export_",
    "import": "importing:import_",
    "keys": "keys:keys",
    "migrate": "upkeep:migrate",
    "policy": "policy:policy",
    "rebuild": "upkeep:rebuild",
    "run": "serving:run",
    "upkeep": "upkeep:upkeep",
    "verify": "verifying:verify",
}


class _Commands(click.Group):
    """Loads the command that is asked for alone: all of them take longer than many of them run."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(_PLACES)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        module, name = _PLACES.get(cmd_name, ":").split(":")
        if not module:
            return None
        command: click.Command = getattr(import_module(f"assent.cli.{module}"), name)
        return command


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="assent", message="%(prog)s %(version)s")
def commands() -> None:
    """Consent and identity: who agreed to what, who is who, and what may be released to whom.

    Settings are read from the environment (ASSENT_FOLDER, ASSENT_PORT and others: see the README). Without
    any, everything lies under .assent/ in the current folder, with a PostgreSQL of its own.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = commands.main(arguments, prog_name="assent", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "assent"
        return _failed(f"{error.format_message()} See `{where} --help`.", 2)
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", 130)
    except Exception as error:  # noqa: BLE001 whatever it is, one line says it
        return _failed(_told(_alone(error)), 1)
    return code if isinstance(code, int) else 0


def _alone(error: Exception) -> Exception:
    """Return the refusal in a group, however deep, or else the first of what failed together.

    What the server opens, it opens in a task group, which wraps even what fails alone.
    """
    if not isinstance(error, ExceptionGroup):
        return error
    found = [_alone(one) for one in error.exceptions]
    return next((one for one in found if isinstance(one, AssentError)), found[0])


def _told(error: Exception) -> str:
    match error:
        case AssentError():
            return str(error)
        case OSError():
            return f"{error.filename or 'the system'}: {error.strerror or type(error).__name__}"
        case _:  # a fault of ours: its kind and place, never its words
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return f"a fault in the program: {type(error).__name__} in {frame.name}:{frame.lineno}"


def _failed(message: str, code: int) -> int:
    click.echo("assent: " + " ".join(message.split()), err=True)
    return code
