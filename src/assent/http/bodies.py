"""Read the bodies we define, strictly, and write answers: one encoder, one set of headers."""

import json
import re
from typing import Any, Final, TypeVar

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from assent.core.errors import BodyTooLarge, UnreadableBody
from assent.core.ids import ControllerId
from assent.http.wiring import AnyRequest, Service, service
from assent.ledger.store import read_head

T = TypeVar("T")

_WHERE: Final = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+|\.\.\.)\]")

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_EXACT: Final = 1 << 53


def _refuse_twice(members: list[tuple[str, object]]) -> None:
    """Refuse an object of which a member is given twice: one reader takes the first, another one the last."""
    if len(members) > 1 and len({name for name, _ in members}) < len(members):
        raise UnreadableBody("A member of the body is given twice.")


# Numbers are not read: an integer of many digits would be refused, or cost more than all the rest.
_once_each = json.JSONDecoder(
    object_pairs_hook=_refuse_twice, parse_int=len, parse_float=len, strict=False
).decode

_encode = msgspec.json.Encoder(decimal_format="number").encode


def reading(path: str, **options: Any) -> HTTPRouteHandler:  # noqa: ANN401 - what the framework takes
    """Return the decorator of a handler that only reads: HEAD asks for the same without the body."""
    return HTTPRouteHandler(path, http_method=["GET", "HEAD"], status_code=200, **options)


async def body_of(request: AnyRequest, kind: type[T]) -> T:
    """Return the request's JSON body as a struct that refuses unknown members, and members given twice.

    Raises BodyTooLarge, and UnreadableBody with the pointer of the fault; neither repeats what was sent.
    """
    raw = await request.body()
    if len(raw) > service(request).settings.body_limit_bytes:
        raise BodyTooLarge
    try:
        body = msgspec.json.decode(raw, type=kind)
        _once_each(raw.decode())
    except msgspec.ValidationError as error:
        raise UnreadableBody(
            "A member of the body is not what it must be.", pointer=pointer_of(error)
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableBody from error
    return body


def pointer_of(error: msgspec.ValidationError) -> str:
    """Return where a validation failed, as a JSON pointer."""
    found = _WHERE.search(str(error))
    steps = _STEP.findall(found[1]) if found else []
    return "".join(f"/{name or place}" for name, place in steps if place != "...")


def answer(
    document: object,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    media_type: str = "application/json",
) -> Response[bytes]:
    """Return a JSON answer."""
    return Response(_encode(document), status_code=status, media_type=media_type, headers=headers)


def parameter(request: AnyRequest, name: str) -> str | None:
    """Return a parameter of the query, None for none. Raises UnreadableBody for one given twice."""
    said = request.query_params.getall(name, [])
    if len(said) > 1:
        raise UnreadableBody("A parameter is given twice.")
    return said[0] if said else None


def number_asked(request: AnyRequest, name: str) -> int | None:
    """Return a whole number from 1 on that stands in the query, None for none. Raises UnreadableBody."""
    text = parameter(request, name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise UnreadableBody("Expected a whole number from 1 on.")
    return int(text)


def page_asked(request: AnyRequest, most: int, usual: int) -> int:
    """Return how many rows of a page the query asks for. Raises UnreadableBody for more than `most`."""
    limit = number_asked(request, "limit") or usual
    if limit > most:
        raise UnreadableBody(f"Expected `limit` to be at most {most}.")
    return limit


def number(one: int) -> int | str:
    """Return a size or an index as it stands on the wire: JSON's readers are exact up to 2**53."""
    return one if one <= _EXACT else str(one)


async def revision_of(wired: Service, controller_id: ControllerId) -> int:
    """Return the ledger's size, for an answer that appended nothing."""
    async with wired.database.auditor.acquire() as connection:
        return (await read_head(connection, controller_id)).revision


def at_revision(revision: int) -> dict[str, str]:
    """Return the header that says which revision an answer is of."""
    return {"Assent-Revision": str(revision)}


def at_sequence(sequence: int) -> dict[str, str]:
    """Return the header that says which purpose sequence an answer is of."""
    return {"Assent-Sequence": str(sequence)}
