"""A page in Chromium as a client: on an origin of its own, with Segment's bundle as it is published."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from msgspec import Struct

from tests.integration.clients.matrix import WITHIN_S, Ended, Work

_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)


class ChromiumPage(Struct, frozen=True, kw_only=True):
    """Segment's client in a page; `bundle` is its script."""

    name: str
    bundle: Path

    async def send(self, work: Work) -> Ended:
        """Open the page, and close it once it has told its acts and everything has arrived."""
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with _page_server(self.bundle, work, told) as url:
            async with asyncio.timeout(WITHIN_S), _Chromium(url):
                outcome = await told
                if work.delivered is not None:
                    await work.delivered.wait()
        return Ended(status=0 if outcome == "told" else 1, output=outcome, errors=outcome)


class _Chromium:
    """Chromium at an address, with an empty profile of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="assent-chromium-"))
        self._process = await asyncio.create_subprocess_exec(
            "chromium",
            *_FLAGS,
            f"--user-data-dir={self._profile}",
            self._url,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def __aexit__(self, *_: object) -> None:
        # Its other processes are in the session that was started for it; none of them keeps anything.
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        async with asyncio.timeout(WITHIN_S):
            while self._profile.exists():  # one of them may write once more before it is gone
                shutil.rmtree(self._profile, ignore_errors=True)
                await asyncio.sleep(0.05)


@contextmanager
def _page_server(bundle: Path, work: Work, told: asyncio.Future[str]) -> Iterator[str]:
    """Serve the page, the bundle and the work; the page posts back how it ended."""
    task = {"url": work.url, "key": work.key, "groups": work.groups, "options": work.options}
    files = {
        "/": ("text/html", Path(__file__).with_name("index.html").read_bytes()),
        "/analytics-next.js": ("text/javascript", bundle.read_bytes()),
        "/work": ("application/json", json.dumps(task).encode()),
    }
    loop = asyncio.get_running_loop()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files.get(self.path, ("text/plain", b""))
            self.send_response(HTTPStatus.OK if self.path in files else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            outcome = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
            loop.call_soon_threadsafe(told.set_result, outcome)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
