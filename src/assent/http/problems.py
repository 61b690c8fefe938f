"""Turn errors into problem documents (RFC 9457). The one place that knows status codes.

A problem names codes and JSON pointers into the caller's own body; never a path, an identifier or a value.
"""

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.routes import HTTPRoute
from litestar.types import ExceptionHandlersMap
from litestar.utils import normalize_path

from assent.core import errors
from assent.core.errors import AssentError
from assent.database.lost import LOST

MEDIA_TYPE: Final = "application/problem+json"

RETRY_AFTER_S: Final = "1"

_FRAMES: Final = 8

_STATUS: Final[Mapping[type[AssentError], int]] = {
    errors.UnreadableBody: 400,
    errors.PolicyInvalid: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.PurposeNotBound: 403,
    errors.NotVerified: 403,
    errors.UnknownAudience: 404,
    errors.UnknownWebhook: 404,
    errors.ActivationUnderWay: 409,
    errors.AudienceInUse: 409,
    errors.GainsUnstated: 409,
    errors.IdempotencyMismatch: 409,
    errors.IdempotencyInFlight: 409,
    errors.RevisionAhead: 409,
    errors.Erased: 410,
    errors.BodyTooLarge: 413,
    errors.OverCapacity: 429,
    errors.Refused: 422,
    errors.Unavailable: 503,
    errors.AssentError: 500,
}

_log = structlog.get_logger()


def status_of(error: AssentError) -> int:
    """Return the status of an error: its own, or that of the nearest class above it."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def problem(
    status: int, code: str, title: str, problems: tuple[dict[str, str], ...] = (), **more: object
) -> Response[bytes]:
    """Return a problem document; `more` are members of its own (RFC 9457, 3.2)."""
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": code}
    if problems:
        document["errors"] = problems
    document |= more
    response = Response(msgspec.json.encode(document), status_code=status, media_type=MEDIA_TYPE)
    if status in {429, 503}:
        response.headers["Retry-After"] = RETRY_AFTER_S
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def on_refusal(_: Request[Any, Any, Any], error: AssentError, **more: object) -> Response[bytes]:
    """Answer one of our own errors."""
    places: tuple[dict[str, str], ...] = ()
    if error.pointer:
        places = ({"pointer": error.pointer, "code": error.code},)
    if isinstance(error, errors.GainsUnstated):
        of = "/documents/purposes/purposes"
        places = tuple(
            {"pointer": f"{of}/{name}/gains_basis", "code": error.code} for name in sorted(error.gains)
        )
        more["gains"] = error.gains
    if isinstance(error, errors.AudienceInUse):
        more["referrers"] = error.referrers
    return problem(status_of(error), error.code, str(error), places, **more)


def on_refused_calls(request: Request[Any, Any, Any], error: AssentError) -> Response[bytes]:
    """Answer a client of the tracking contract, which reads `code` and `message`.

    Without a `message`, rudder-sdk-python takes a refusal for a broken line and sends the same again for
    minutes, with everything else waiting behind it.
    """
    return on_refusal(request, error, message=str(error))


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refused, in our words: its own would repeat the path."""
    status = error.status_code
    code = _HTTP_CODES.get(status, "unreadable_body" if status < 500 else "unavailable")
    response = problem(status, code, HTTPStatus(status).phrase)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods_at(request))
    return response


def _methods_at(request: Request[Any, Any, Any]) -> list[str]:
    """Return the methods that the path asked for knows (RFC 9110, 15.5.6). Every path knows OPTIONS."""
    path = normalize_path(request.scope["path"])
    *_, template = request.app.asgi_router.handle_routing(path=path, method=HttpMethod.OPTIONS)
    routes = [route for route in request.app.routes if isinstance(route, HTTPRoute)]
    return sorted({method for route in routes if route.path_format == template for method in route.methods})


def on_lost(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer that the database cannot be reached: come again, for nothing acknowledged is lost."""
    _log.warning("the database cannot be reached", error=type(error).__name__)
    lost = errors.DatabaseUnavailable()
    return problem(status_of(lost), lost.code, str(lost))


def on_fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a fault of ours: say nothing, log its kind and where it came from.

    Neither its message nor a traceback is logged: both may hold what people sent.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{Path(frame.filename).stem}:{frame.lineno}" for frame in frames]
    _log.error("fault", error=type(error).__name__, places=places)
    return problem(500, "unavailable", "The service failed; nothing acknowledged is lost.")


_HTTP_CODES: Final = {401: "unauthorized", 403: "forbidden", 413: "body_too_large"}

HANDLERS: Final[ExceptionHandlersMap] = {
    AssentError: on_refusal,
    HTTPException: on_http,
    **dict.fromkeys(LOST, on_lost),
    Exception: on_fault,
}
