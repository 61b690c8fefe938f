"""What commands share: settings, an event loop that ends on a signal, the controller they are about.

Raises SettingInvalid, Unauthorized (there is no such controller), click.Abort (a signal came).
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import click
import uvloop
from rich.console import Console

from assent.app import open_service
from assent.cli import logs
from assent.config import Settings
from assent.core.errors import Unauthorized
from assent.core.ids import ControllerId
from assent.database.statements import load
from assent.http.wiring import Service

_SQL = load("ledger")

T = TypeVar("T")

_GIVES_WAY = 5
"""A third of the processor's time where a service of ordinary priority wants all of it."""

out = Console(highlight=False)
"""Standard output, in colour where it is a terminal."""

controller_option = click.option(
    "--controller",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The controller (the tenant) that this is about.",
)


def settings() -> Settings:
    """Return the settings of the environment."""
    return Settings.from_environment(os.environ)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or until a signal cancels it: what is open is then closed in order."""

    async def cancellable() -> T:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _cancel, task)
        return await work

    logs.configure()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(cancellable())
    except asyncio.CancelledError as cancelled:
        raise click.Abort from cancelled


def with_controller(name: str, work: Callable[[Service, ControllerId], Awaitable[T]]) -> T:
    """Open the service beside whatever runs already, and do something for one controller."""

    async def opened() -> T:
        async with open_service(settings()) as wired:
            found = await named(wired, name)
            if found is None:
                raise Unauthorized(f"expected an existing controller, got {name!r}: `assent run` makes one")
            return await work(wired, found)

    return finish(opened())


def collect_less_often() -> None:
    """Let the garbage collector look at what is new less often, and never at what was there before.

    Nearly all that a request makes dies by its count. A tenth of an import's processor time was collecting.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def give_way() -> None:
    """Let whoever serves on this machine have its processors first: what takes minutes can take longer."""
    os.nice(_GIVES_WAY)


async def named(wired: Service, name: str) -> ControllerId | None:
    """Return the controller of a name."""
    rows = await wired.database.auditor.fetch(_SQL.controllers)
    return next((row["controller_id"] for row in rows if row["name"] == name), None)


def _cancel(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()
