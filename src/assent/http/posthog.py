"""What PostHog's clients call: their paths and their answer around the tracking contract's one way in."""

from typing import Any, Final

from litestar import Response, Router, post
from msgspec import Struct

from assent.core.errors import AssentError, Refused
from assent.http.bodies import answer
from assent.http.cross_origin import from_anywhere
from assent.http.problems import on_refused_calls
from assent.http.schema import shape
from assent.http.tracking import count_unread, limits_of, take, told_revision, tracking_body
from assent.http.wiring import AnyRequest, service
from assent.ingest.posthog import posthog_calls
from assent.ingest.tracking import Refusal

PATHS: Final = ("/batch", "/capture", "/i/v0/e")
"""Where the clients send batches, and where their documents send one event; with or without a last slash."""


class Captured(Struct, frozen=True, kw_only=True):
    """PostHog's answer, `status`, and ours beside it: its clients look at the status code alone."""

    status: int
    accepted: int
    refused: tuple[Refusal, ...]
    revision: int


async def capture(request: AnyRequest) -> Response[bytes]:
    """Take PostHog's events. One faulty event is refused with its index, as in the tracking contract."""
    limits = limits_of(service(request))
    with service(request).intake.admitted() as held:
        try:
            said = posthog_calls(await tracking_body(request, held, limits.batch_bytes), limits=limits)
        except Refused as refusal:
            await count_unread(request, refusal)
            raise
        taken = await take(request, said)
    captured = Captured(status=1, accepted=taken.accepted, refused=taken.refused, revision=taken.revision)
    return answer(captured, headers=told_revision(taken))


def router(prefix: str) -> Router:
    """Return what takes the events, at the root and, unless it is empty, under the prefix too."""
    paths = [before + path for before in dict.fromkeys(("", prefix)) for path in PATHS]
    said = shape(by="collector; also api_key in the body", body=dict[str, Any], answer=Captured)
    taking = post(paths, status_code=200, opt=said)
    return Router(
        "/",
        route_handlers=[taking(capture)],
        middleware=[from_anywhere],
        exception_handlers={AssentError: on_refused_calls},
    )
