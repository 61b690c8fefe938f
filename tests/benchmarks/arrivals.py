"""Requests that arrive by the clock, whatever became of those before: the load that a crowd makes.

    async with Arrivals.at(port, connections=256) as arrivals:
        began = await arrivals.offer(requests, per_second=800, number=1_600)
        await arrivals.answered()

A latency counts from when a request was due, so that neither a slow answer nor a slow sender is hidden. Who
finds no free connection waits for one, and the wait counts.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Self, cast

from msgspec import Struct

from tests.benchmarks.client import HOST, Reading

_ANSWERS_WITHIN_S = 60.0


class Arrival(Struct):
    """One request: when it was due, when it was sent, and what was answered when; status 0: nothing."""

    name: str
    due: float
    sent: float = 0.0
    done: float = 0.0
    status: int = 0
    retry_after: bool = False
    body: bytes = b""

    @property
    def latency_s(self) -> float:
        """Return seconds from when it was due to its whole answer."""
        return self.done - self.due


class _Line(asyncio.Protocol):
    """One kept connection: free, or with one request under way."""

    def __init__(self, arrivals: "Arrivals") -> None:
        self._arrivals = arrivals
        self._reading = Reading()
        self._arrival: Arrival | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def send(self, arrival: Arrival, request: bytes) -> None:
        self._arrival = arrival
        arrival.sent = perf_counter()
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        read = self._reading.feed(data)
        if read is None or self._arrival is None:
            return
        arrival, self._arrival = self._arrival, None
        status, head, body = read
        arrival.done = perf_counter()
        arrival.retry_after = b"\r\nretry-after: " in head.lower()
        arrival.status, arrival.body = status, body
        self._arrivals.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._arrivals.lost(self, under_way=self._arrival is not None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Arrivals:
    """Everything that arrived so far, in the order in which it was due."""

    def __init__(self) -> None:
        """Start with no connection; `at` makes them."""
        self.all: list[Arrival] = []
        self._free: deque[_Line] = deque()
        self._queue: deque[tuple[Arrival, bytes]] = deque()
        self._under_way = 0
        self._quiet = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def at(cls, port: int, *, connections: int) -> AsyncIterator[Self]:
        """Yield arrivals over so many connections, made before anything is due."""
        arrivals = cls()
        loop = asyncio.get_running_loop()
        lines = [
            (await loop.create_connection(lambda: _Line(arrivals), HOST, port))[1] for _ in range(connections)
        ]
        arrivals._free.extend(lines)
        try:
            yield arrivals
        finally:
            for line in lines:
                line.close()

    async def offer(
        self, requests: Iterator[tuple[str, bytes]], *, per_second: float, number: int
    ) -> Sequence[Arrival]:
        """Let so many requests arrive, evenly; return them once the last was due, answered or not."""
        began = perf_counter()
        first = len(self.all)
        for place in range(number):
            due = began + place / per_second
            if (early := due - perf_counter()) > 0:
                await asyncio.sleep(early)
            elif place % 16 == 0:
                await asyncio.sleep(0)  # late: answers are read all the same
            name, request = next(requests)
            arrival = Arrival(name=name, due=due)
            self.all.append(arrival)
            self._under_way += 1
            self._quiet.clear()
            self._queue.append((arrival, request))
            self._send()
        await asyncio.sleep(max(0.0, began + number / per_second - perf_counter()))
        return self.all[first:]

    async def answered(self) -> None:
        """Return once nothing is under way. Raises TimeoutError after a minute."""
        if self._under_way:
            await asyncio.wait_for(self._quiet.wait(), _ANSWERS_WITHIN_S)

    def free(self, line: _Line) -> None:
        """Take note that a connection is free again."""
        self._free.append(line)
        self._ended()
        self._send()

    def lost(self, line: _Line, *, under_way: bool) -> None:
        """Take note that a connection is gone, and its request without an answer."""
        if line in self._free:
            self._free.remove(line)
        if under_way:
            self._ended()

    def _ended(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._quiet.set()

    def _send(self) -> None:
        while self._queue and self._free:
            # The one used last: its neighbours stay free for a crowd.
            self._free.pop().send(*self._queue.popleft())
