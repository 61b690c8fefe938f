"""A receiver of webhooks on 127.0.0.1: keeps what it is sent, answers what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct


class Sent(Struct, frozen=True, kw_only=True):
    """One request: its first line, headers by lower-case name, body."""

    line: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers with `status`, and `headers` beside."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hear?token=t0ken"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {}
        for one in filter(None, rest):
            name, _, value = one.partition(": ")
            headers[name.lower()] = value
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.sent.append(Sent(line=line, headers=headers, body=body))
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        writer.write(f"HTTP/1.1 {self.status} Said\r\n{extra}content-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Yield a receiver that listens."""
    found = Receiver()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found
