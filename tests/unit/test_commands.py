"""Each command loads what it needs: `assent verify` works where there is no service, and starts at once."""

import subprocess
import sys

import click
import pytest

from assent.cli import commands

LOADED = """
import sys
from assent.cli import main
try:
    main([sys.argv[1], "--help"])
except SystemExit:
    print(*sorted({"asyncpg", "litestar", "networkx"} & sys.modules.keys()))
"""


def loaded_by(command: str) -> list[str]:
    said = subprocess.run(
        [sys.executable, "-c", LOADED, command], capture_output=True, text=True, check=True
    ).stdout
    return said.splitlines()[-1].split()


def test_verifying_loads_no_service_and_no_database() -> None:
    assert loaded_by("verify") == []


def test_what_a_command_loads_would_be_seen() -> None:
    assert loaded_by("keys") == ["asyncpg", "litestar", "networkx"]


@pytest.mark.parametrize("name", commands.list_commands(click.Context(commands)))
def test_each_command_that_is_listed_is_there(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert command.name == name
    assert command.help
