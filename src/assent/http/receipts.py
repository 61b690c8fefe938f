"""Receipts: what a person said, signed and proved; the schemas and the key that anybody checks them by."""

import re
from typing import Any, Final

from litestar import Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from msgspec import Struct

from assent.consent.receipt_schema import RECEIPT_PATH, RECEIPT_SCHEMA, RECORD_PATH, RECORD_SCHEMA
from assent.consent.signature import JwkSet, public_jwk
from assent.http.access import Subject, subject
from assent.http.at_least import revision_asked
from assent.http.bodies import answer, at_revision, number, number_asked, page_asked, reading
from assent.http.own import own
from assent.http.schema import PERSON, paged, shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.receipt_file import ReceiptFile
from assent.ingest.receipts import Page, read_receipts
from assent.ledger.store import read_head

MOST: Final = 100

_ID: Final = re.compile(r"s:(0|[1-9][0-9]{0,17})", re.ASCII)
_SCHEMA: Final = "application/schema+json"


class Receipts(Struct, frozen=True, kw_only=True):
    """A page of receipts, newest first; `next` is the `before` of the page after, if there is one."""

    receipts: tuple[ReceiptFile, ...]
    next: int | str | None


@reading(
    "/v1/me/receipts",
    opt=shape(by=PERSON, answer=dict[str, Any], at_least=True, query=paged(MOST, "before")),
)
async def receipts(request: AnyRequest) -> Response[bytes]:
    """Return the receipts of what the person said, newest first: `?limit=` of them, `?before=` an entry."""
    found = subject(request)
    limit = page_asked(request, MOST, 20)
    before = number_asked(request, "before")
    page, revision = await _read(
        service(request), found, before=before, limit=limit, at_least=revision_asked(request)
    )
    following = None if page.next is None else number(page.next)
    return answer(Receipts(receipts=page.receipts, next=following), headers=at_revision(revision))


@reading("/v1/me/receipts/{id:str}", opt=shape(by=PERSON, answer=dict[str, Any]))
async def receipt(request: AnyRequest, id: FromPath[str]) -> Response[bytes]:  # noqa: A002 - the wire's word
    """Return one receipt, by the id that its statement was answered with, as a file to keep."""
    found = subject(request)
    named = _ID.fullmatch(id)
    if named is None:
        raise NotFoundException
    index = int(named[1])
    page, revision = await _read(service(request), found, before=index + 1, limit=1, at_least=0)
    if not page.receipts or page.receipts[0].id != id:
        raise NotFoundException  # erased, somebody else's, or no statement: nobody is told which
    return answer(page.receipts[0], headers=at_revision(revision))


@reading("/.well-known/jwks.json", opt=shape(answer=JwkSet))
async def keys(request: AnyRequest) -> Response[bytes]:
    """Return the public key that receipts are signed with (RFC 7517)."""
    found = JwkSet(keys=(public_jwk(service(request).ring.receipt_key()),))
    return answer(found, media_type="application/jwk-set+json")


@reading(RECORD_PATH, opt=shape(answer=dict[str, Any], media_type=_SCHEMA))
async def record_schema() -> Response[bytes]:
    """Return the JSON Schema of a consent record (ISO/IEC TS 27560:2023)."""
    return answer(RECORD_SCHEMA, media_type=_SCHEMA)


@reading(RECEIPT_PATH, opt=shape(answer=dict[str, Any], media_type=_SCHEMA))
async def receipt_schema() -> Response[bytes]:
    """Return the JSON Schema of a consent receipt, the record's inside it."""
    return answer(RECEIPT_SCHEMA, media_type=_SCHEMA)


async def _read(
    wired: Service, found: Subject, *, before: int | None, limit: int, at_least: int
) -> tuple[Page, int]:
    controller_id = found.controller_id
    async with own(wired, found, "me/receipts", at_least) as opened:
        connection = opened.present.connection
        head = await read_head(connection, controller_id)
        page = await read_receipts(
            connection,
            wired.ring,
            controller_id,
            lambda version: wired.policies.version(controller_id, version),
            head,
            opened.ids | opened.stated,
            before=before,
            limit=limit,
        )
    return page, head.revision


HANDLERS = [receipts, receipt, keys, record_schema, receipt_schema]
