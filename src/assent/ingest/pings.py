"""Say to webhooks that an audience changed: signed, without personal data, at least once.

A ping is a row until the receiver has answered 2xx. (1) What is due is taken, for a minute; (2) it is signed
and sent, redirects not followed, the answer's body not read; (3) it is deleted, or put off for longer each
time, or, after the last time, kept as a dead letter that its owner may replay. A crash between leaves it due.
Of pings put off as often for one audience one is kept: changes do not pile up before a receiver that is down.
Nobody waits for a slow or an impossible receiver but what else the same controller has to say beyond `_MOST`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import httpx
import msgspec
import structlog

from assent.core.ids import ControllerId
from assent.core.time import HOUR, MINUTE, SECOND, Instant, format_time
from assent.database.lost import LOST
from assent.database.statements import load
from assent.database.types import Pool
from assent.ingest.webhook_address import AddressRefused, target
from assent.ingest.webhook_signature import signed
from assent.ledger.keyring import KeyRing

_SQL = load("webhooks")

EVERY_S: Final = 1.0

DELAYS: Final = (
    *(5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
"""What the specification proposes: three days in all."""

_CLAIM: Final = MINUTE
_MOST: Final = 50
_TIMEOUT_S: Final = 15.0
_GONE: Final = 410

_NO_ADDRESS: Final = (UnicodeError, ValueError, OverflowError)
"""What the resolver raises of a name or a port that can be none."""

_JITTER: Final = 10
"""A delay is longer by up to a tenth."""

_log = structlog.get_logger()


def secret_aad(controller_id: ControllerId, webhook: str) -> bytes:
    """Return what a webhook's secret is sealed with."""
    return b"assent/webhook-secret@1 %d %s" % (controller_id, webhook.encode())


def url_aad(controller_id: ControllerId, webhook: str) -> bytes:
    """Return what a webhook's url is sealed with."""
    return b"assent/webhook-url@1 %d %s" % (controller_id, webhook.encode())


class Pinger:
    """Sends what is due."""

    def __init__(
        self,
        pool: Pool,
        ring: KeyRing,
        clock: Callable[[], Instant],
        random: Callable[[int], bytes],
        *,
        inside: bool,
    ) -> None:
        self._pool = pool
        self._ring = ring
        self._clock = clock
        self._random = random
        self._inside = inside
        self._sending: set[asyncio.Task[None]] = set()
        self._under_way: Counter[int] = Counter()
        """Pings by controller."""

    async def ping_all(self) -> int:
        """Send everything that is due now, once, and wait for it; return how many were taken."""
        taken = await self.begin()
        await self.end()
        return taken

    async def begin(self) -> int:
        """Begin to send what is due now; return how many were taken. Who is slow holds up their own alone."""
        now, taken = self._clock(), 0
        for (controller_id,) in await self._pool.fetch(_SQL.controllers_due, now):
            free = _MOST - self._under_way[controller_id]
            if free <= 0:
                continue
            rows = await self._pool.fetch(_SQL.claim_pings, controller_id, now, now + _CLAIM, free)
            if rows:
                self._under_way[controller_id] += len(rows)
                taken += len(rows)
                sending = asyncio.create_task(self._send(rows), name="pings")
                self._sending.add(sending)
                sending.add_done_callback(self._sending.discard)
        return taken

    async def end(self) -> None:
        """Wait until nothing is under way."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _send(self, rows: Sequence[asyncpg.Record]) -> None:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
            # What fails, whyever, is due again in a minute: it must end no other's.
            faults = await asyncio.gather(*(self._one(client, row) for row in rows), return_exceptions=True)
        for fault in faults:
            if isinstance(fault, Exception):
                _log.warning("a ping failed", error=type(fault).__name__)

    async def _one(self, client: httpx.AsyncClient, row: asyncpg.Record) -> None:
        try:
            await self._ping(client, row)
        finally:
            self._under_way[row["controller_id"]] -= 1

    async def _ping(self, client: httpx.AsyncClient, row: asyncpg.Record) -> None:
        key = (row["controller_id"], row["ping_id"])
        webhook = await self._pool.fetchrow(_SQL.webhook, row["controller_id"], row["webhook_id"])
        if webhook is None or row["audience_id"] not in webhook["audiences"]:
            await self._pool.execute(_SQL.delete_ping, *key)
            return
        if webhook["gone"]:  # since this one was put off
            await self._pool.execute(_SQL.put_ping_off, *key, self._clock(), _GONE, True)  # noqa: FBT003 a column
            return
        status, wait = await self._sent(client, row, webhook)
        if status is not None and 200 <= status < 300:
            await self._pool.execute(_SQL.delete_ping, *key)
            return
        if status == _GONE:
            await self._pool.execute(_SQL.webhook_is_gone, row["controller_id"], row["webhook_id"])
        dead = status == _GONE or row["tries"] > len(DELAYS)
        delay = 0 if dead else max(wait, self._delay(row["tries"]))
        now = self._clock()
        told = (*key, now + delay, now + _CLAIM)
        if dead or not await self._pool.fetchval(_SQL.drop_ping_told_by_another, *told):
            await self._pool.execute(_SQL.put_ping_off, *key, now + delay, status, dead)
        _log.info("ping not taken", status=status, tries=row["tries"], dead=dead)

    async def _sent(
        self, client: httpx.AsyncClient, row: asyncpg.Record, webhook: asyncpg.Record
    ) -> tuple[int | None, int]:
        """Return the answer's status, if there was one, and how long it asked to be left alone."""
        controller_id, now = row["controller_id"], self._clock()
        aad = secret_aad(controller_id, row["webhook_id"])
        former = zip(webhook["former"], webhook["former_until"], strict=True)
        sealed = [webhook["secret"], *(one for one, until in former if now < until)]
        secrets = [self._ring.open(one, aad) for one in sealed]
        url = httpx.URL(self._ring.open(webhook["url"], url_aad(controller_id, row["webhook_id"])).decode())
        body = msgspec.json.encode(
            {
                "type": "audience.changed",
                "timestamp": format_time(row["at"]),
                "data": {"audience": row["audience_id"], "purpose": webhook["purpose"]},
            }
        )
        headers = signed(secrets, row["ping_id"], now // SECOND, body)
        try:
            to = await target(url, inside=self._inside)
            request = client.build_request(
                "POST",
                to.url,
                content=body,
                headers={**headers, "host": to.host, "content-type": "application/json"},
                extensions={"sni_hostname": to.name},
            )
            async with asyncio.timeout(_TIMEOUT_S):  # in all: a byte now and then is no answer
                response = await client.send(request, stream=True, follow_redirects=False)
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, AddressRefused, *_NO_ADDRESS):
            return None, 0
        return response.status_code, _asked_to_wait(response)

    def _delay(self, tries: int) -> int:
        delay = DELAYS[min(tries, len(DELAYS)) - 1]
        return delay + delay * int.from_bytes(self._random(2), "big") // (_JITTER << 16)


@asynccontextmanager
async def pinging(pinger: Pinger) -> AsyncIterator[None]:
    """Send what is due while the context is open; what is under way is finished when it closes."""
    closing = asyncio.Event()

    async def work() -> None:
        while not closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), EVERY_S)
            if closing.is_set():
                return
            try:
                await pinger.begin()
            except (*LOST, asyncpg.PostgresError) as error:
                _log.warning("pings wait", error=type(error).__name__)

    task = asyncio.create_task(work(), name="pinger")
    try:
        yield
    finally:
        closing.set()
        await task
        await pinger.end()


def _asked_to_wait(response: httpx.Response) -> int:
    text = response.headers.get("retry-after", "")
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    return min(seconds * SECOND, DELAYS[-1])
