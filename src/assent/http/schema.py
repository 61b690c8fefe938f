"""What the service can be asked, as OpenAPI 3.1: made from the routes themselves, so that none is left out.

A handler says with `shape` what it takes and gives; its docstring's first line is its summary. The document
is the same for everybody, and names no controller, no policy and no person.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Struct

from assent.http.bodies import answer, reading
from assent.http.problems import MEDIA_TYPE
from assent.http.wiring import AnyRequest

_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_AT: Final = "#/components/schemas/{name}"


TEXT: Final = {"type": "string"}
NUMBER: Final[dict[str, object]] = {"type": "integer", "minimum": 0}
FROM_ONE: Final[dict[str, object]] = {"type": "integer", "minimum": 1}
DAY_ASKED: Final = {"type": "string", "format": "date"}


class Parameter(Struct, frozen=True, kw_only=True):
    """One parameter of the query, and its schema."""

    name: str
    kind: Mapping[str, object]
    required: bool = False


def paged(most: int, place: str) -> tuple[Parameter, ...]:
    """Return the parameters of a page: how many rows, and after or before which."""
    limit = Parameter(name="limit", kind=FROM_ONE | {"maximum": most})
    return limit, Parameter(name=place, kind=FROM_ONE)


class Shape(Struct, frozen=True, kw_only=True):
    """What a handler takes and gives. No `by` means that nobody needs a key."""

    body: Any = None
    answer: Any = None
    media_type: str = "application/json"
    by: str = ""
    """Who may ask: the roles of the key, or the person."""
    once: bool = False
    """Whether an Idempotency-Key is taken."""
    at_least: bool = False
    """Whether `Assent-At-Least` is taken."""
    query: tuple[Parameter, ...] = ()
    """Every parameter that is read."""


class Place(Struct, frozen=True, kw_only=True):
    """Where in the body a fault lies (RFC 6901)."""

    pointer: str
    code: str


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    errors: tuple[Place, ...] = ()


def shape(
    *,
    by: str = "",
    body: Any = None,  # noqa: ANN401 - any type that msgspec can describe
    answer: Any = None,  # noqa: ANN401 - the same
    media_type: str = "application/json",
    once: bool = False,
    at_least: bool = False,
    query: tuple[Parameter, ...] = (),
) -> dict[str, Shape]:
    """Return the `opt` of a route handler."""
    said = Shape(
        body=body, answer=answer, media_type=media_type, by=by, once=once, at_least=at_least, query=query
    )
    return {"shape": said}


@reading("/schema", opt=shape(answer=dict[str, Any]))
async def schema(request: AnyRequest) -> Response[bytes]:
    """Return this document."""
    routes = [route for route in request.app.routes if isinstance(route, HTTPRoute)]
    return answer(openapi(routes), media_type="application/vnd.oai.openapi+json;version=3.1")


def openapi(routes: list[HTTPRoute]) -> dict[str, Any]:
    """Return the document of these routes."""
    found = sorted(_operations(routes), key=lambda one: one[:2])
    kinds = [kind for *_, said in found for kind in (said.body, said.answer) if kind is not None]
    described, components = msgspec.json.schema_components(
        [*kinds, Problem], schema_hook=_anything, ref_template=_AT
    )
    schemas = iter(described)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler, said in found:
        operation = _operation(path, method, handler, said)
        if said.body is not None:
            operation["requestBody"] = {"required": True, "content": _content(next(schemas))}
        good = operation["responses"][str(handler.status_code)]
        if said.answer is not None:
            good["content"] = _content(next(schemas), said.media_type)
        operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Assent", "version": version("assent")},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                "Problem": {"description": "Refused.", "content": _content(next(schemas), MEDIA_TYPE)}
            },
            "securitySchemes": _SCHEMES,
        },
    }


def _anything(kind: type) -> dict[str, Any]:
    """Describe `object`, which any JSON is."""
    if kind is object:
        return {"description": "Any JSON."}
    raise NotImplementedError


def _operations(routes: list[HTTPRoute]) -> Iterator[tuple[str, str, HTTPRouteHandler, Shape]]:
    for route in routes:
        for handler in route.route_handlers:
            for method in set(_METHODS) & set(handler.http_methods):
                yield route.path_format, method, handler, handler.opt.get("shape", Shape())


def _operation(path: str, method: str, handler: HTTPRouteHandler, said: Shape) -> dict[str, Any]:
    words = (handler.fn.__doc__ or "").strip().split("\n", 1)[0]
    parameters: list[dict[str, Any]] = [
        {"name": part.strip("{}"), "in": "path", "required": True, "schema": {"type": "string"}}
        for part in path.split("/")
        if part.startswith("{")
    ]
    parameters += [
        {"name": one.name, "in": "query", "required": one.required, "schema": one.kind} for one in said.query
    ]
    if said.once:
        parameters.append(_header("Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255}))
    if said.at_least:
        parameters.append(_header("Assent-At-Least", {"type": "string", "pattern": "^[lp]:[0-9]+$"}))
    status = handler.status_code
    return {
        "operationId": "_".join((method.lower(), *path.replace("{", "").replace("}", "").split("/")[1:])),
        "summary": words,
        "parameters": parameters,
        "security": [{name: [] for name in _security(said)}] if said.by else [],
        "responses": {str(status): {"description": HTTPStatus(status).phrase}},
        **({"description": f"For: {said.by}."} if said.by else {}),
    }


def _security(said: Shape) -> list[str]:
    return ["subject_token"] if said.by == PERSON else ["key"]


def _header(name: str, kind: Mapping[str, object]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": kind}


def _content(kind: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": kind}}


PERSON: Final = "the person, by a subject token"

_SCHEMES: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key made by an administrator."},
    "subject_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}

HANDLERS = [schema]
