"""`assent run`: serve, until a signal asks to stop.

The first start makes the controller, puts the policies in force and shows its keys, once; a later start
shows the address alone. On SIGTERM or SIGINT what is under way is answered, what waits is committed, and the
embedded PostgreSQL stops with its last user. A second signal does not wait for answers.

Raises StartupRefused (another server has the port, a ring that is not this ledger's, a ledger rolled back)
and PolicyInvalid.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import uvicorn

from assent.app import create_app
from assent.cli.first_start import Made, make_controller
from assent.cli.running import collect_less_often, controller_option, finish, settings
from assent.config import Settings
from assent.core.errors import StartupRefused
from assent.http.metrics import metrics_app

if TYPE_CHECKING:
    from assent.http.wiring import Service

DRAIN_S = 10
"""How long answers under way may take after a signal; orchestrators kill after 30 seconds."""

SERVING = "Assent serves on "
"""Begins the line that is printed once requests are taken."""


@click.command()
@controller_option
def run(controller: str) -> None:
    """Serve the HTTP API on ASSENT_HOST and ASSENT_PORT, metrics on ASSENT_ADMIN_PORT.

    The first start makes the controller, puts the folder of policies in force (ASSENT_POLICIES) and prints
    one key per role as lines for a shell. They are shown once: only their digests are kept. SIGTERM and
    Ctrl-C end it in order.
    """
    finish(_serve(settings(), controller))


async def _serve(settings: Settings, controller: str) -> None:
    # The ports first: nothing is made when nobody could be served.
    listening = _bound(settings.host, settings.port, "ASSENT_PORT")
    listening_admin = _bound(settings.host, settings.admin_port, "ASSENT_ADMIN_PORT")
    app = create_app(settings)
    async with app.lifespan():
        wired: Service = app.state["service"]
        made = await make_controller(wired, controller)
        if made is not None:
            _show(made, _address(settings))
        admin = _Server(_config(metrics_app(wired)))
        server = _Server(_config(app), says=f"{SERVING}{_address(settings)}")
        _stop_on_signal(wired.stopping, server, admin)
        collect_less_often()
        await asyncio.gather(
            server.serve(sockets=[listening]),
            admin.serve(sockets=[listening_admin]),
        )


class _Server(uvicorn.Server):
    """Uvicorn without its signals: its own way repeats the signal at the end, so that no end is in order."""

    def __init__(self, config: uvicorn.Config, says: str = "") -> None:
        super().__init__(config)
        self._says = says

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests, and say so."""
        await super().startup(sockets)
        if self._says:
            click.echo(self._says)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `_stop_on_signal`."""
        yield


def _stop_on_signal(stopping: asyncio.Event, *servers: uvicorn.Server) -> None:
    """Stop on the first signal, without waiting for answers on the second."""

    def stop() -> None:
        stopping.set()
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _config(app: Callable[..., Any]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",  # opened by the caller, so that its refusals are ours to tell
        http="httptools",
        ws="none",
        access_log=False,  # it would hold addresses of people
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _bound(host: str, port: int, setting: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        message = f"cannot serve on {host}:{port} ({error.strerror}): set ASSENT_HOST or {setting}"
        raise StartupRefused(message) from error
    return listening


def _show(made: Made, address: str) -> None:
    click.echo(
        f"Made the controller {made.name!r} and put policy version {made.policy_version} in force.\n"
        "Its keys, shown this once, as lines for a shell:\n"
    )
    for name, key in made.keys:
        click.echo(f"export {name}={key}")
    click.echo(f"export URL={address}\n")
