"""A lean HTTP/1.1 client that keeps connections busy and measures each answer.

A general client costs more than the service it would measure. This one knows one thing: a request is bytes,
an answer has a Content-Length. Each connection sends the next request as soon as the last answer is whole.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any, cast

import msgspec
from msgspec import Struct

HOST = "127.0.0.1"

_HEAD_ENDS = b"\r\n\r\n"
_LENGTH = b"content-length: "
_ANSWERS_WITHIN_S = 60.0

Check = Callable[[int, bytes], bool]
"""Whether an answer, given as status and body, is the right one."""


class WrongAnswerError(Exception):
    """An answer was not what the benchmark must see: its figures would mean nothing."""


class Driven(Struct, frozen=True, kw_only=True):
    """What a drive took: answers, the time until the last of them, each one's latency in order of size."""

    answers: int
    seconds: float
    latencies_us: list[float]

    @property
    def per_second(self) -> float:
        """Return answers per second."""
        return self.answers / self.seconds

    def percentile(self, percent: float) -> float:
        """Return the latency, in microseconds, within which that share of answers came."""
        return self.latencies_us[min(len(self.latencies_us) - 1, int(len(self.latencies_us) * percent / 100))]


class Reading:
    """What one connection has read of the answer under way."""

    def __init__(self) -> None:
        self._buffer = b""
        self._whole = 0

    def feed(self, data: bytes) -> tuple[int, bytes, bytes] | None:
        """Return status, head and body once the answer is whole."""
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if not self._whole:
            head = buffer.find(_HEAD_ENDS)
            if head < 0:
                return None
            place = buffer.find(_LENGTH, 0, head) + len(_LENGTH)
            end = buffer.find(b"\r\n", place)
            self._whole = head + len(_HEAD_ENDS) + int(buffer[place:end])
        if len(buffer) < self._whole:
            return None
        ends = buffer.find(_HEAD_ENDS)
        self._buffer, self._whole = b"", 0
        return int(buffer[9:12]), buffer[:ends], buffer[ends + len(_HEAD_ENDS) :]


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, drive: "_Drive") -> None:
        self._drive = drive
        self._reading = Reading()
        self._sent_at = 0
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def send(self) -> None:
        request = self._drive.next()
        if request is None or self._transport is None:
            self._busy = False
            self._drive.ended(None)
            return
        self._busy = True
        self._sent_at = perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        read = self._reading.feed(data)
        if read is None:
            return
        took = perf_counter_ns() - self._sent_at
        status, _, body = read
        if self._drive.answered(took, status, body):
            if self._drive.pause_s:
                asyncio.get_running_loop().call_later(self._drive.pause_s, self.send)
            else:
                self.send()
        else:
            self._busy = False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._drive.ended(ConnectionError("a connection was closed in the middle of a request"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Drive:
    def __init__(
        self, requests: Iterator[bytes], connections: int, check: Check, pause_s: float = 0.0
    ) -> None:
        self.pause_s = pause_s
        self._requests = requests
        self._check = check
        self._left = connections
        self._until = 0
        self.took: list[int] = []
        self.last = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self, seconds: float | None) -> None:
        if seconds is not None:
            self._until = perf_counter_ns() + int(seconds * 1e9)

    def next(self) -> bytes | None:
        if self._until and perf_counter_ns() >= self._until:
            return None
        return next(self._requests, None)

    def answered(self, took: int, status: int, body: bytes) -> bool:
        self.last = perf_counter_ns()
        self.took.append(took)
        if self._check(status, body):
            return True
        self.ended(WrongAnswerError(f"status {status}: {body[:300]!r}"))
        return False

    def ended(self, error: Exception | None) -> None:
        self._left -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif not self._left:
            self.done.set_result(None)


async def drive(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    check: Check,
    seconds: float | None = None,
    within_s: float = _ANSWERS_WITHIN_S,
    pause_s: float = 0.0,
) -> Driven:
    """Send requests over so many connections, for so long or until there are none left.

    Each connection waits for `pause_s` between an answer and its next request.
    Connections are made before the clock starts. Raises WrongAnswerError at the first answer that `check`
    refuses.
    """
    loop = asyncio.get_running_loop()
    driving = _Drive(requests, connections, check, pause_s)
    made = [
        (await loop.create_connection(lambda: _Connection(driving), HOST, port))[1]
        for _ in range(connections)
    ]
    try:
        began = perf_counter_ns()
        driving.begin(seconds)
        for connection in made:
            connection.send()
        async with asyncio.timeout(within_s + (seconds or 0) * 2):
            await driving.done
    finally:
        for connection in made:
            connection.close()
    return Driven(
        answers=len(driving.took),
        seconds=(driving.last - began) / 1e9,
        latencies_us=sorted(took / 1e3 for took in driving.took),
    )


async def drive_all(
    ports: Sequence[int],
    requests: Iterator[bytes],
    *,
    connections: int,
    check: Check,
    seconds: float | None = None,
    within_s: float = _ANSWERS_WITHIN_S,
) -> Driven:
    """Drive several ports at once with the same stream of requests, an even share of the connections each."""
    drives = [
        drive(port, requests, connections=max(1, connections // len(ports)), check=check, seconds=seconds)
        for port in ports
    ]
    return _together(await asyncio.gather(*drives))


async def drive_expecting(
    port: int,
    asked: Iterator[tuple[bytes, Check]],
    *,
    connections: int,
    seconds: float | None = None,
    within_s: float = _ANSWERS_WITHIN_S,
) -> Driven:
    """Drive a port as `drive` does, with requests that each know their right answer."""
    each = [_Expecting(asked) for _ in range(connections)]
    drives = [
        drive(port, one, connections=1, check=one.check, seconds=seconds, within_s=within_s) for one in each
    ]
    return _together(await asyncio.gather(*drives))


class _Expecting:
    """The requests of one connection, and the check of the one that it waits for."""

    def __init__(self, asked: Iterator[tuple[bytes, Check]]) -> None:
        self._asked = asked
        self._check: Check = lambda *_: False

    def __iter__(self) -> "_Expecting":
        return self

    def __next__(self) -> bytes:
        request, self._check = next(self._asked)
        return request

    def check(self, status: int, body: bytes) -> bool:
        """Whether this answers the last request."""
        return self._check(status, body)


def _together(driven: Sequence[Driven]) -> Driven:
    return Driven(
        answers=sum(one.answers for one in driven),
        seconds=max(one.seconds for one in driven),
        latencies_us=sorted(took for one in driven for took in one.latencies_us),
    )


async def ask(port: int, request: bytes, *, status: int = 200) -> Any:  # noqa: ANN401 JSON
    """Send one request and return its answer's JSON document. Raises WrongAnswerError on another status."""
    answers: list[bytes] = []

    def keep(got: int, body: bytes) -> bool:
        answers.append(body)
        return got == status

    await drive(port, iter([request]), connections=1, check=keep)
    return msgspec.json.decode(answers[0])


def get(path: str) -> bytes:
    """Return a request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def post(path: str, key: str, body: bytes, method: str = "POST") -> bytes:
    """Return a request with a JSON body."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
