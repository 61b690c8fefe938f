"""Proofs that the log holds what it said: an entry's inclusion, one size after another, and the tiles.

All of it is what a stranger needs to check us with tools of their own. Nothing here says who an entry is
about: a leaf holds a public header and salted commitments. Sizes are told to nobody whose key is public or
bound to a purpose, for the reasons that `/checkpoint` gives; entries to data protection officers alone.

Raises UnreadableBody for a number that is none, RevisionAhead for one beyond the head.
"""

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from litestar import Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from msgspec import Struct

from assent.core.errors import Forbidden, ProofInvalid, RevisionAhead, Unauthorized, UnreadableBody
from assent.core.ids import ControllerId
from assent.database.statements import load
from assent.database.types import Connection
from assent.http.access import caller
from assent.http.at_least import refuse_ahead, revision_asked
from assent.http.bodies import answer, number, parameter, reading
from assent.http.keys import Role
from assent.http.schema import NUMBER, TEXT, Parameter, shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ledger.proof import Proof
from assent.ledger.store import Log, consistency, inclusion_proofs, leaves, read_head, tile
from assent.ledger.tiles import ENTRIES, TileAt, encode_bundle, parse_tile_path, tile_width
from assent.ledger.tree import TILE_WIDTH

_SQL = load("ledger")

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_BYTES: Final = "application/octet-stream"
_LOGS: Final = {log.name.lower(): log for log in Log}
_LOG: Final = Parameter(name="log", kind=TEXT | {"enum": list(_LOGS)})

_KEPT: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
"""Tiles never change; they are for whom the key lets in, and so never for a shared cache."""


class Consistency(Struct, frozen=True, kw_only=True, rename={"first": "from", "second": "to"}):
    """That the tree of `to` entries begins with all of the tree of `from` (RFC 6962, 2.1.2)."""

    first: int | str
    second: int | str
    hashes: tuple[str, ...]
    checkpoint: str | None
    """The newest signed checkpoint, where `to` is its size."""


class Standing(Struct, frozen=True, kw_only=True):
    """How far a log has come."""

    size: int
    checkpoint: str


@reading(
    "/v1/audit/proof/{index:str}",
    opt=shape(by="dpo, admin", answer=str, media_type="text/plain", query=(_LOG,)),
)
async def proof(request: AnyRequest, index: FromPath[str]) -> Response[bytes]:
    """Return the proof that entry INDEX is in the log, as a C2SP tlog-proof file; `?log=releases` too."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    log, place = _log(request), _parsed(index)
    async with _snapshot(service(request)) as connection:
        stands = await _standing(connection, who.controller_id, log)
        if place >= stands.size:
            raise RevisionAhead
        (hashes,) = await inclusion_proofs(connection, who.controller_id, log, [place], stands.size)
    file = Proof(index=place, hashes=hashes, checkpoint=stands.checkpoint.encode())
    return Response(file.to_bytes(), media_type="text/plain")


@reading(
    "/v1/audit/consistency",
    opt=shape(
        by="dpo, admin",
        answer=Consistency,
        at_least=True,
        query=(
            Parameter(name="from", kind=NUMBER, required=True),
            Parameter(name="to", kind=NUMBER),
            _LOG,
        ),
    ),
)
async def consistent(request: AnyRequest) -> Response[bytes]:
    """Return the proof that the log of `?to=` entries (all, unless said) begins with that of `?from=`."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    log = _log(request)
    first = _parsed(parameter(request, "from") or "")
    asked = parameter(request, "to")
    async with _snapshot(service(request)) as connection:
        stands = await _standing(connection, who.controller_id, log)
        refuse_ahead(revision_asked(request), stands.size)
        second = stands.size if asked is None else _parsed(asked)
        refuse_ahead(second, stands.size)
        if first > second:
            raise UnreadableBody("Expected `from` to be at most `to`.")
        hashes = await consistency(connection, who.controller_id, log, first, second)
    return answer(
        Consistency(
            first=number(first),
            second=number(second),
            hashes=tuple(base64.b64encode(one).decode() for one in hashes),
            checkpoint=stands.checkpoint if second == stands.size else None,
        )
    )


@reading(
    "/tile/{path:path}",
    opt=shape(
        by="collector with trust server, issuer, dpo, admin (entries: dpo)", answer=bytes, media_type=_BYTES
    ),
)
async def tiles(request: AnyRequest, path: FromPath[str]) -> Response[bytes]:
    """Return a tile of the log of facts, or a bundle of its entries (C2SP tlog-tiles)."""
    who = await caller(request, Role.COLLECTOR, Role.ISSUER, Role.DPO, Role.ADMIN)
    if not who.server:
        raise Forbidden
    try:
        at = parse_tile_path(f"tile/{path.removeprefix('/')}")
    except ProofInvalid as error:
        raise NotFoundException from error
    if at.level == ENTRIES:
        who.require(Role.DPO)
    async with _snapshot(service(request)) as connection:
        size = (await read_head(connection, who.controller_id)).revision
        found = await _bundle(connection, who.controller_id, at, size)
        if found is None:
            found = await tile(connection, who.controller_id, Log.FACTS, at, size)
    if found is None:
        raise NotFoundException
    return Response(found, media_type=_BYTES, headers=_KEPT)


async def _bundle(connection: Connection, controller_id: ControllerId, at: TileAt, size: int) -> bytes | None:
    if at.level != ENTRIES or tile_width(0, at.number, size) < at.width:
        return None
    first = at.number * TILE_WIDTH
    return encode_bundle(await leaves(connection, controller_id, Log.FACTS, first, first + at.width))


@asynccontextmanager
async def _snapshot(wired: Service) -> AsyncIterator[Connection]:
    async with (
        wired.database.auditor.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def _standing(connection: Connection, controller_id: ControllerId, log: Log) -> Standing:
    if log is Log.FACTS:
        head = await read_head(connection, controller_id)
        return Standing(size=head.revision, checkpoint=head.checkpoint)
    row = await connection.fetchrow(_SQL.release_head, controller_id)
    if row is None:
        raise Unauthorized
    return Standing(**dict(row))


def _log(request: AnyRequest) -> Log:
    asked = parameter(request, "log")
    try:
        return Log.FACTS if asked is None else _LOGS[asked]
    except KeyError as error:
        raise UnreadableBody("Expected `log` to be facts or releases.") from error


def _parsed(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise UnreadableBody("Expected a whole number, without sign and leading zeroes.")
    return int(text)


HANDLERS = [proof, consistent, tiles]
