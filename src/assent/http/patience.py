"""Answer 503 promptly when the database says nothing, whatever a handler waits for.

A request that has no answer after `PATIENCE_S` asks whether the database answers at all. If it does, the
request is merely long and goes on. If not, the caller is told so at once; the handler is left alone, because
what it sent may still be committed, and what it says later reaches nobody.
"""

import asyncio
from typing import Final

from litestar import Request
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from assent.core.errors import DatabaseUnavailable
from assent.http.problems import on_refusal
from assent.http.wiring import AnyRequest, Service

PATIENCE_S: Final = 5.0


class _Waiting:
    """One request without an answer yet."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._answered = False
        self._given_up = False
        self._asking: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._ask)

    async def send(self, message: Message) -> None:
        """Pass the handler's answer on, unless the caller has one already."""
        if not self._given_up:
            self._answered = True
            self._timer.cancel()
            await self._send(message)

    def done(self) -> None:
        """Wait no more: the handler is through."""
        self._answered = True
        self._timer.cancel()

    def _ask(self) -> None:
        self._asking = asyncio.create_task(self._give_up_unless_alive(), name="patience")

    async def _give_up_unless_alive(self) -> None:
        service: Service = self._scope["litestar_app"].state["service"]
        if await service.pulse.beats():
            if not self._answered:
                self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._ask)
            return
        if self._answered:
            return
        self._given_up = True
        request: AnyRequest = Request(self._scope)
        response = on_refusal(request, DatabaseUnavailable())
        await response.to_asgi_response(app=None, request=request)(self._scope, self._receive, self._send)


def patient(app: ASGIApp) -> ASGIApp:
    """Wrap `app` so that no caller of it waits for a database that says nothing."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        waiting = _Waiting(scope, receive, send)
        try:
            await app(scope, receive, waiting.send)
        finally:
            waiting.done()

    return answering
