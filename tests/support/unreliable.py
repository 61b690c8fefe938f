"""A proxy before the service that fails as networks and servers fail, at the word of the events themselves.

An event that carries the text `fault:KIND:NAME` meets that fault: the first request with it never reaches the
service, the second one is served and its answer replaced or lost, the third is left alone. So a client that
tries again is seen to do so, and what was applied behind its back would be applied twice.
"""

import asyncio
import gzip
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final, TypeVar

import h11
import httpx
from msgspec import Struct


class Fault(StrEnum):
    """How a request fails."""

    LOST = "lost"
    """The connection is closed without an answer."""
    FAILED = "500"
    LIMITED = "429"
    BUSY = "503"


Event = TypeVar("Event", h11.Request, h11.Data)

FAILURES: Final = 2
"""Requests that fail before one does not."""

_WORD: Final = re.compile(rb"fault:(lost|500|429|503):[A-Za-z0-9-]+")
_ID: Final = re.compile(rb'"(?:messageId|uuid)": ?"([^"]+)"')
_HOP: Final = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding", b"accept-encoding"})
_FROM_ANYWHERE: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Retry-After"),
)
_GZIP_BEGINS: Final = b"\x1f\x8b"


def fault_word(fault: Fault, name: str) -> str:
    """Return the text that makes the requests that carry it fail."""
    return f"fault:{fault}:{name}"


class Seen(Struct, frozen=True, kw_only=True):
    """A request as it came, and the status that the client was given; None: the connection was closed."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    status: int | None

    @property
    def body(self) -> bytes:
        """Return the body, unpacked where it was packed."""
        return unpacked(self.raw)


def unpacked(body: bytes) -> bytes:
    """Return a body's bytes, whatever its headers called it."""
    return gzip.decompress(body) if body.startswith(_GZIP_BEGINS) else body


class Unreliable:
    """What a client is pointed at: its address, and all that passed."""

    def __init__(self, upstream: httpx.AsyncClient) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self._upstream = upstream
        self._failed: Counter[bytes] = Counter()
        self._settled: set[bytes] = set()
        self._arrived: set[bytes] = set()
        self._changed = asyncio.Event()

    async def settled(self, words: set[str], within_s: float) -> None:
        """Return once an event with each of these words has met its faults and was answered after all."""
        await self._until(lambda: self._settled.issuperset(word.encode() for word in words), within_s)

    async def arrived(self, events: int, within_s: float) -> None:
        """Return once so many events, told apart by the ids that clients give them, were answered well."""
        await self._until(lambda: len(self._arrived) >= events, within_s)

    async def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, request after request, until a side closes it."""
        wire = h11.Connection(h11.SERVER)
        try:
            # A client that closes or resets its connection has ended it, no more.
            with suppress(ConnectionError, h11.RemoteProtocolError):
                while await self._exchange(wire, reader, writer):
                    wire.start_next_cycle()
        finally:
            writer.close()

    async def _exchange(
        self, wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer the next request; False when there is none, or the connection must end after it."""
        request = await _next(wire, reader, h11.Request)
        if request is None:
            return False
        body = b""
        while (data := await _next(wire, reader, h11.Data)) is not None:
            body += bytes(data.data)
        answer = await self._answer(request, body)
        if answer is None:
            return False
        writer.write(_written(wire, answer))
        await writer.drain()
        return wire.our_state is h11.DONE and wire.their_state is h11.DONE

    async def _answer(self, request: h11.Request, body: bytes) -> httpx.Response | None:
        words = {found.group(): Fault(found[1].decode()) for found in _WORD.finditer(unpacked(body))}
        faulty = next((word for word in sorted(words) if self._failed[word] < FAILURES), None)
        if faulty is None:
            answer: httpx.Response | None = await self._pass_on(request, body)
        else:
            self._failed[faulty] += 1
            if self._failed[faulty] == FAILURES:
                await self._pass_on(request, body)
            answer = _failure(words[faulty], dict(request.headers).get(b"origin"))
        self.seen.append(
            Seen(
                method=request.method.decode(),
                path=request.target.decode(),
                headers={name.decode(): value.decode("latin-1") for name, value in request.headers},
                raw=body,
                status=None if answer is None else answer.status_code,
            )
        )
        if faulty is None and answer is not None and answer.is_success:
            self._settled.update(words)
            self._arrived.update(_ID.findall(unpacked(body)))
        self._changed.set()
        return answer

    async def _pass_on(self, request: h11.Request, body: bytes) -> httpx.Response:
        headers = [(name, value) for name, value in request.headers if name not in _HOP]
        return await self._upstream.request(
            request.method.decode(), request.target.decode(), headers=headers, content=body
        )


@asynccontextmanager
async def unreliable(service_url: str) -> AsyncIterator[Unreliable]:
    """Yield a proxy before the service at this address, on a free port of 127.0.0.1."""
    connections: set[asyncio.Task[None]] = set()
    async with httpx.AsyncClient(base_url=service_url, timeout=20) as upstream:
        proxy = Unreliable(upstream)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(asyncio.create_task(proxy.serve(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            for connection in connections:
                connection.cancel()
            ended = await asyncio.gather(*connections, return_exceptions=True)
    for fault in ended:
        if isinstance(fault, Exception):  # of the proxy itself
            raise fault


async def _next(wire: h11.Connection, reader: asyncio.StreamReader, kind: type[Event]) -> Event | None:
    """Return the next event of a kind; None at the end of the message, or of the connection."""
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(1 << 16))
        elif isinstance(event, kind):
            return event
        else:
            return None


def _failure(fault: Fault, origin: bytes | None) -> httpx.Response | None:
    """Return the answer that a failing server, or a balancer before it, gives; None for none."""
    if fault is Fault.LOST:
        return None
    headers = {} if origin is None else dict(_FROM_ANYWHERE)
    if fault is not Fault.FAILED:
        headers["Retry-After"] = "1"
    return httpx.Response(int(fault), headers=headers, content=b"{}")


def _written(wire: h11.Connection, answer: httpx.Response) -> bytes:
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _HOP]
    headers.append((b"Content-Length", str(len(answer.content)).encode()))
    start = h11.Response(status_code=answer.status_code, headers=headers)
    end = [h11.Data(data=answer.content)] if answer.content else []
    events: list[h11.Event] = [start, *end, h11.EndOfMessage()]
    return b"".join(wire.send(event) or b"" for event in events)
