"""Serve in this process: `python -m tests.support.served FOLDER DATABASE_URL|- FAULT|-`. Prints its port.

A planted fault is laid over the product's code before it serves: what a guarantee's test must find.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path

import uvicorn

from assent.app import create_app
from tests.support.planted import FAULTS
from tests.support.service import settings_for


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, port: int) -> None:
        super().__init__(config)
        self._port = port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(json.dumps({"port": self._port}) + "\n")
            sys.stdout.flush()


def main(folder: str, database_url: str, fault: str) -> None:
    if fault != "-":
        FAULTS[fault]()
    settings = settings_for(Path(folder), None if database_url == "-" else database_url)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings), log_level="critical", loop="uvloop", timeout_graceful_shutdown=2
    )
    server = _Server(config, listening.getsockname()[1])
    asyncio.run(server.serve([listening]))


if __name__ == "__main__":
    main(*sys.argv[1:])
