"""Let browsers call from any page: tracking calls, and the notices that a page shows. Nothing else of ours.

The calls carry their key in a header or in the body, never in a cookie, so any origin may call and none is
trusted. Of the other paths a page of another origin learns nothing, for no answer of theirs allows it.
"""

from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_ANSWER: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Assent-Revision, Retry-After",
}

_PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST",
    # The star does not stand for Authorization (Fetch, 3.3.5), and older browsers do not know the star.
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, *",
    "Access-Control-Max-Age": "86400",
}


def from_anywhere(app: ASGIApp) -> ASGIApp:
    """Let a page of any origin call `app` and read its answers, refusals too."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        allowing = _PREFLIGHT if scope.get("method") == "OPTIONS" else _ANSWER

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message).update(allowing)
            await send(message)

        await app(scope, receive, sending)

    return answering
