"""One process that serves one variant on a socket it is handed: the service itself, or a peer of it.

    python -m tests.benchmarks.served VARIANT FOLDER SOCKET

All variants run under the same uvicorn with the same settings, so that what differs is what the variant says.
"""

import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from litestar import Litestar, Response, post

import assent.app
from assent.app import create_app, open_service
from assent.cli.running import collect_less_often
from assent.config import Settings
from assent.core.ids import ControllerId, EntryIndex, Revision
from assent.http import health
from assent.http.wiring import Clock, Random, Service
from assent.ingest import committer
from assent.ledger.append import Appended, Fact, Outcome
from tests.benchmarks import profiling


def assent_itself(settings: Settings) -> Litestar:
    """Return the service as it is."""
    return create_app(settings)


def one_by_one(settings: Settings) -> Litestar:
    """Return the service with its batching turned off: one transaction, and one flush, per fact."""
    committer.MOST_FACTS = 1  # type: ignore[misc]  # a constant everywhere but here
    return create_app(settings)


def without_database(settings: Settings) -> Litestar:
    """Return the service with a ledger that answers at once and keeps nothing.

    Keys and the policy are looked up once a second as always; nothing is written.
    """
    assent.app.open_service = _forgetful  # type: ignore[assignment]
    return create_app(settings)


def empty(_: Settings) -> Litestar:
    """Return an application with one handler that reads no body and says one short thing."""

    @post("/v1/decisions", status_code=200)
    async def decide() -> Response[bytes]:
        return Response(b'{"decisions":[]}', media_type="application/json")

    return Litestar(route_handlers=[decide, *health.HANDLERS], logging_config=None, openapi_config=None)


VARIANTS: Final[dict[str, Callable[[Settings], Litestar]]] = {
    "assent": assent_itself,
    "one_by_one": one_by_one,
    "without_database": without_database,
    "empty": empty,
    "profiled": assent_itself,
}


class _Nowhere:
    """An `Append` that keeps nothing."""

    def __init__(self) -> None:
        self._revision = 0

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        first = self._revision
        self._revision += len(facts)
        return Appended(
            revision=Revision(self._revision),
            outcomes=tuple(Outcome(index=EntryIndex(first + place)) for place in range(len(facts))),
        )


@asynccontextmanager
async def _forgetful(settings: Settings, clock: Clock, random: Random) -> AsyncIterator[Service]:
    async with open_service(settings, clock, random) as wired:
        yield msgspec.structs.replace(wired, ledger=_Nowhere())


def _calm(app: Litestar) -> Litestar:
    """Let the garbage collector be as calm as `assent run` makes it, for every variant alike."""
    app.on_startup.append(collect_less_often)
    return app


def serve(variant: str, folder: Path, handle: int) -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(
        _calm(VARIANTS[variant](Settings(folder=folder))),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        lifespan="on",
    )
    # uvicorn ends what it serves, then hands the signal on: to this, so that what surrounds it ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = uvicorn.Server(config)
    with socket.socket(fileno=handle) as listening:
        if variant == "profiled":
            with profiling.observed(folder / "profile.json"):
                server.run(sockets=[listening])
        else:
            server.run(sockets=[listening])


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
