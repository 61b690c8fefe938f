"""How much of what clients send is held at once: admitted before it is read, or sent away.

A request is turned away while the committer's queue is full, or while more is there than is worked on in a
moment, before a byte of its body is read. What is admitted is read in pieces, and each piece counts until the
request is answered: many that arrive together, or that unpack to much, fill a bound and never the memory. Of
many that arrived together, those are sent away that would wait for long, before they are parsed: the parsing
of all would keep the commit under way from its next step. A connection that has sent nothing holds nothing.

Raises OverCapacity and, while the service ends, Unavailable.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

from litestar import Request

from assent.core.errors import OverCapacity
from assent.http.pace import Pace

MOST_BYTES: Final = 32 * 1024 * 1024
"""Bytes of bodies held at once, unpacked: 65 batches of the default limit."""

MOST_REQUESTS: Final = 4_096
"""Requests whose bodies are read and which are not answered: more would wait for the processor alone."""

WITHIN_S: Final = 10.0
"""How long a body may take to arrive. Its sender comes again; what it sent so far is let go."""


class Intake:
    """What is held by the requests under way."""

    def __init__(self, admits: Callable[[], None], clock: Callable[[], float] = monotonic) -> None:
        self._admits = admits
        self.pace = Pace(clock)
        self.requests = 0
        self.bytes = 0

    @contextmanager
    def admitted(self) -> Iterator["Held"]:
        """Admit a request until the end of the block."""
        self._admits()
        if not self.pace.admits(0):
            raise OverCapacity
        held = Held(self)
        try:
            yield held
        finally:
            held.let_go()

    def take(self, requests: int, number: int) -> None:
        """Hold more, unless that is too much."""
        if self.requests + requests > MOST_REQUESTS or self.bytes + number > MOST_BYTES:
            raise OverCapacity
        self.requests += requests
        self.bytes += number

    def let_go(self, requests: int, number: int) -> None:
        """Hold less."""
        self.requests -= requests
        self.bytes -= number


class Held:
    """What one admitted request holds."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._requests = 0
        self._bytes = 0
        self._work = 0

    async def body(self, request: Request[Any, Any, Any]) -> bytes:
        """Return the whole body as it was sent."""
        pieces = []
        try:
            async with asyncio.timeout(WITHIN_S):
                async for piece in request.stream():
                    self._take(0, len(piece))
                    pieces.append(piece)
        except TimeoutError as error:
            raise OverCapacity from error
        self._take(1, 0)
        body = b"".join(pieces)
        if not self._intake.pace.admits(len(body)):
            raise OverCapacity
        self._begin(len(body))
        return body

    def unpacked(self, number: int) -> None:
        """Hold a body at its unpacked length."""
        more = max(0, number - self._bytes)
        self._take(0, more)
        self._begin(more)

    def let_go(self) -> None:
        """Hold nothing more."""
        self._intake.pace.end(self._work)
        self._work = 0
        self._intake.let_go(self._requests, self._bytes)
        self._requests = self._bytes = 0

    def _take(self, requests: int, number: int) -> None:
        self._intake.take(requests, number)
        self._requests += requests
        self._bytes += number

    def _begin(self, number: int) -> None:
        self._intake.pace.begin(number)
        self._work += number
