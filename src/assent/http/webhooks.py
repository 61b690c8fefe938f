"""Webhooks: where an engine wants to hear that an audience changed. Nothing of anybody is sent there."""

import re
from typing import Annotated, Any, Final

import asyncpg
from litestar import Response, delete, post, put
from litestar.params import FromPath
from msgspec import Meta, Struct

from assent.core.errors import UnknownAudience, UnknownWebhook, UnreadableBody
from assent.core.time import DAY, format_time
from assent.database.statements import load
from assent.http.access import caller, may_use
from assent.http.bodies import answer, body_of, reading
from assent.http.keys import ONE_LINE, Caller, Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.pings import secret_aad, url_aad
from assent.ingest.webhook_address import read_url, refuse_inside
from assent.ingest.webhook_signature import SECRET_BYTES, shown

_SQL = load("webhooks")

_BY: Final = "engine with the members right, admin"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_SHOWN: Final = 1_000


class WebhookRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to say that which audiences changed. An administrator names the consumer whose feed it is."""

    url: Annotated[str, Meta(max_length=2_000, pattern=ONE_LINE)]
    purpose: str
    audiences: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
    consumer: Annotated[str, Meta(max_length=200, pattern=ONE_LINE)] | None = None


class ReplayRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters to send again; none named: all."""

    ids: tuple[str, ...] | None = None


@put(
    "/v1/webhooks/{webhook:str}",
    status_code=200,
    opt=shape(by=_BY, body=WebhookRequest, answer=dict[str, Any]),
)
async def save(request: AnyRequest, webhook: FromPath[str]) -> Response[bytes]:
    """Make a webhook, whose secret is shown this once, or change it."""
    wired, who = service(request), await _caller(request)
    body = await body_of(request, WebhookRequest)
    if not _NAME.fullmatch(webhook):
        raise UnreadableBody("A webhook's id is up to 63 lower-case letters, digits, - and _.")
    url = read_url(body.url)
    if not wired.settings.webhooks_inside:
        refuse_inside(url)
    consumer = await _consumer(wired, who, body)
    known = await wired.audiences.shelf.of_purpose(who.controller_id, body.purpose, body.audiences)
    for place, name in enumerate(body.audiences):
        if name not in known:
            raise UnknownAudience(pointer=f"/audiences/{place}")
    secret = wired.random(SECRET_BYTES)
    made = await wired.database.writer.fetchval(
        _SQL.put_webhook,
        who.controller_id,
        webhook,
        body.purpose,
        consumer,
        body.audiences,
        wired.ring.seal(str(url).encode(), url_aad(who.controller_id, webhook)),
        wired.ring.seal(secret, secret_aad(who.controller_id, webhook)),
        who.role is Role.ADMIN,
        list(who.purposes),
    )
    if made is None:
        raise UnknownWebhook
    # Changes are told from now on, also to whom nothing was told before.
    for name in body.audiences:
        await wired.following.begin(who.controller_id, body.purpose, name, consumer)
    return answer({"id": webhook, **({"secret": shown(secret)} if made else {})})


@reading("/v1/webhooks/{webhook:str}", opt=shape(by=_BY, answer=dict[str, Any]))
async def one(request: AnyRequest, webhook: FromPath[str]) -> Response[bytes]:
    """Return a webhook, how much is still to be said to it, what could not be said, and if there is more."""
    wired, who = service(request), await _caller(request)
    found = await _found(wired, who, webhook)
    waiting = await wired.database.writer.fetchval(_SQL.pings_waiting, who.controller_id, webhook)
    dead = await wired.database.writer.fetch(_SQL.dead_letters, who.controller_id, webhook, _SHOWN + 1)
    document = {
        "id": webhook,
        "url": wired.ring.open(found["url"], url_aad(who.controller_id, webhook)).decode(),
        "purpose": found["purpose"],
        "audiences": found["audiences"],
        "consumer": found["consumer"],
        "gone": found["gone"],
        "waiting": waiting,
        "dead": [
            {
                "id": row["ping_id"],
                "audience": row["audience_id"],
                "at": format_time(row["at"]),
                "tries": row["tries"],
                "status": row["status"],
            }
            for row in dead[:_SHOWN]
        ],
        "more": len(dead) > _SHOWN,
    }
    return answer(document)


@delete("/v1/webhooks/{webhook:str}", status_code=200, opt=shape(by=_BY, answer=dict[str, Any]))
async def remove(request: AnyRequest, webhook: FromPath[str]) -> Response[bytes]:
    """Delete a webhook with all that is still to be said to it."""
    wired, who = service(request), await _caller(request)
    await _found(wired, who, webhook)
    await wired.database.writer.execute(_SQL.delete_webhook, who.controller_id, webhook)
    await wired.database.writer.execute(_SQL.delete_pings_of, who.controller_id, webhook)
    return answer({"id": webhook, "deleted": True})


@post("/v1/webhooks/{webhook:str}/secret", status_code=200, opt=shape(by=_BY, answer=dict[str, Any]))
async def rotate(request: AnyRequest, webhook: FromPath[str]) -> Response[bytes]:
    """Sign with another secret, shown this once; former ones sign too, each for a day from its end."""
    wired, who = service(request), await _caller(request)
    await _found(wired, who, webhook)
    secret = wired.random(SECRET_BYTES)
    await wired.database.writer.execute(
        _SQL.rotate_secret,
        who.controller_id,
        webhook,
        wired.ring.seal(secret, secret_aad(who.controller_id, webhook)),
        wired.clock() + DAY,
    )
    return answer({"id": webhook, "secret": shown(secret)})


@post(
    "/v1/webhooks/{webhook:str}/replay",
    status_code=200,
    opt=shape(by=_BY, body=ReplayRequest, answer=dict[str, Any]),
)
async def replay(request: AnyRequest, webhook: FromPath[str]) -> Response[bytes]:
    """Send dead letters again."""
    wired, who = service(request), await _caller(request)
    body = await body_of(request, ReplayRequest)
    await _found(wired, who, webhook)
    rows = await wired.database.writer.fetch(
        _SQL.replay_pings, who.controller_id, webhook, body.ids, wired.clock()
    )
    return answer({"id": webhook, "replayed": len(rows)})


async def _caller(request: AnyRequest) -> Caller:
    who = await caller(request, Role.ENGINE, Role.ADMIN)
    if who.role is Role.ENGINE:
        who.require_members()
    return who


async def _consumer(wired: Service, who: Caller, body: WebhookRequest) -> str:
    policy = await wired.policies.current(who.controller_id)
    if who.role is Role.ENGINE:
        may_use(who, policy, body.purpose)
        if body.consumer not in {None, who.consumer}:
            raise UnreadableBody("An engine's webhook tells of its own feed.", pointer="/consumer")
        return who.consumer
    if not body.consumer:
        raise UnreadableBody("Expected the consumer whose feed it is.", pointer="/consumer")
    return body.consumer


async def _found(wired: Service, who: Caller, webhook: str) -> asyncpg.Record:
    """Return a webhook of the caller's. Another engine's is as unknown as one that never was."""
    found = await wired.database.writer.fetchrow(_SQL.webhook, who.controller_id, webhook)
    if found is None or not _owns(who, found):
        raise UnknownWebhook
    return found


def _owns(who: Caller, found: asyncpg.Record) -> bool:
    if who.role is not Role.ENGINE:
        return True
    return found["consumer"] == who.consumer and found["purpose"] in who.purposes


HANDLERS = [save, one, remove, rotate, replay]
