"""Claims of an Idempotency-Key, the answers kept for 24 hours, and the message keys of a claim's facts.

A claim is a row: inserted before anything is done, settled with the sealed answer after. Keys and bodies are
kept as keyed hashes, answers sealed, and no longer than what they tell of: once that is erased, a repeat is
refused. Raises IdempotencyMismatch, IdempotencyInFlight, Erased.
"""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import msgspec
from litestar import Response
from msgspec import Struct

from assent.core.errors import Erased, IdempotencyInFlight, IdempotencyMismatch, OverCapacity, Refused
from assent.core.ids import ControllerId, EntryIndex
from assent.core.time import DAY, HOUR, SECOND, Instant
from assent.database.lost import LOST
from assent.database.statements import load
from assent.database.types import Pool
from assent.ledger.append import Append, Appended, Fact
from assent.ledger.keyring import KeyRing

_SQL = load("access")

KEPT: Final = DAY

_ABANDONED: Final = 15 * SECOND
"""A claim of another process without an answer: longer than the committer tries to reach the database."""

_INTERRUPTED: Final = 0
"""In place of a status: the process that acted saw itself fail, and anybody may go on at once."""


class Claim(Struct, frozen=True, kw_only=True):
    """A key that is in use: for which request, since when, and whether nobody acted under it before."""

    controller_id: ControllerId
    key: bytes
    digest: bytes
    at: Instant
    first: bool


class _Kept(Struct, frozen=True, array_like=True):
    """An answer as it is sealed."""

    media_type: str
    headers: dict[str, str]
    content: bytes


class Answers:
    """The answers of the last 24 hours, and the requests that this process has under way."""

    def __init__(self, pool: Pool, ring: KeyRing, clock: Callable[[], Instant]) -> None:
        self._pool = pool
        self._ring = ring
        self._clock = clock
        self._under_way: set[tuple[ControllerId, bytes]] = set()
        self._swept: dict[ControllerId, Instant] = {}

    def wanted(self, controller_id: ControllerId, caller: str, key: str, body: bytes) -> Claim:
        """Return what a request would claim: `key` with its route, for `caller` alone."""
        hashed = self._ring.message_key
        return Claim(
            controller_id=controller_id,
            key=hashed(controller_id, f"idempotency {caller}", key),
            digest=hashed(controller_id, "idempotency digest", hashlib.sha256(body).hexdigest()),
            at=self._clock(),
            first=True,
        )

    async def claim(self, wanted: Claim) -> Claim | Response[bytes]:
        """Return the claim to act under, or the answer when it was given already.

        Raises IdempotencyMismatch when the key stands for another request, IdempotencyInFlight when somebody
        acts under it now, Erased when what the answer told of was erased since.
        """
        if (wanted.controller_id, wanted.key) in self._under_way:
            raise IdempotencyInFlight
        await self._sweep(wanted)
        claimed = await self._pool.fetchval(
            _SQL.claim, wanted.controller_id, wanted.key, wanted.digest, wanted.at, wanted.at - KEPT
        )
        if claimed is not None:
            return wanted
        row = await self._pool.fetchrow(_SQL.claimed, wanted.controller_id, wanted.key)
        if row is None:  # given up between the two statements
            raise IdempotencyInFlight
        if row["digest"] != wanted.digest:
            raise IdempotencyMismatch
        held = msgspec.structs.replace(wanted, at=row["at"], first=False)
        match row["status"]:
            case None if 0 <= wanted.at - held.at < _ABANDONED:
                raise IdempotencyInFlight
            case None | 0:  # `_INTERRUPTED`
                return held
            case 410:
                raise Erased
            case status:
                kept = msgspec.msgpack.decode(self._ring.open(row["body"], _aad(held)), type=_Kept)
                return Response(
                    kept.content, status_code=status, headers=kept.headers, media_type=kept.media_type
                )

    async def settled(
        self, claim: Claim, acting: Awaitable[Response[bytes]], said: "Stamped", *, personal: bool
    ) -> Response[bytes]:
        """Return what `acting` answers, and keep it; of a refusal keep nothing.

        It is kept no longer than the entries that it tells of (`said`): what they said may be erased. An
        answer to a person (`personal`) that tells of no entry is not kept, since nothing would let go of it.
        """
        place = claim.controller_id, claim.key
        self._under_way.add(place)
        try:
            response = await acting
        except (Refused, OverCapacity):
            await self._give_up(claim)
            raise
        except Exception:
            # Whether the facts became durable is not known here.
            await self._write(_SQL.settle, *place, claim.at, _INTERRUPTED, None)
            raise
        finally:
            self._under_way.discard(place)
        status = response.status_code or HTTPStatus.OK
        if status >= HTTPStatus.BAD_REQUEST:
            await self._give_up(claim)
        else:
            kept = _Kept(str(response.media_type), dict(response.headers), response.content)
            sealed = self._ring.seal(msgspec.msgpack.encode(kept), _aad(claim))
            if said.entries or not personal:
                await self._keep(claim, status, sealed, sorted(said.entries))
            else:
                await self._write(_SQL.settle, *place, claim.at, _INTERRUPTED, None)
        return response

    async def _keep(self, claim: Claim, status: int, sealed: bytes, entries: list[EntryIndex]) -> None:
        """Keep an answer, unless an entry that it tells of was erased since."""
        with suppress(*LOST):
            async with self._pool.acquire() as connection, connection.transaction():
                # No erasure is being committed while the head is held: each is before this, or finds it.
                await connection.execute(_SQL.hold_head, claim.controller_id)
                await connection.execute(
                    _SQL.settle_with, claim.controller_id, claim.key, claim.at, status, sealed, entries
                )

    async def _give_up(self, claim: Claim) -> None:
        # Who acted before may have appended something before it was cut off: then the claim stays as it is.
        if claim.first:
            await self._write(_SQL.give_up, claim.controller_id, claim.key, claim.at)

    async def _write(self, statement: str, *values: object) -> None:
        # What was applied is applied, and the caller is told so, even if the database is lost right now: the
        # repeated request then acts again and is recognised.
        with suppress(*LOST):
            await self._pool.execute(statement, *values)

    async def _sweep(self, wanted: Claim) -> None:
        if not 0 <= wanted.at - self._swept.get(wanted.controller_id, Instant(-HOUR)) < HOUR:
            self._swept[wanted.controller_id] = wanted.at
            await self._pool.execute(_SQL.forget_answers, wanted.controller_id, wanted.at - KEPT)


class Stamped:
    """An `Append` that gives every fact of a claim its message key, the same whenever it is sent again.

    The key holds what the fact says, so another order, or a policy that adds one, changes none of the others.
    """

    def __init__(self, ledger: Append, ring: KeyRing, claim: Claim) -> None:
        self._ledger = ledger
        self._ring = ring
        self._source = f"idempotency {claim.key.hex()} {claim.digest.hex()} {claim.at}"
        self._said: Counter[str] = Counter()
        self.entries: set[EntryIndex] = set()
        """What the facts became, now or when they were taken first."""

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        """Append the facts, those that were taken before excepted: they are answered with their entries."""
        answer = await self._ledger.append(
            controller_id, [self._stamped(controller_id, one) for one in facts]
        )
        self.entries.update(one.index for one in answer.outcomes if one.index is not None)
        return answer

    def _stamped(self, controller_id: ControllerId, fact: Fact) -> Fact:
        if fact.message_key is not None:
            return fact  # it is recognised by more than this claim
        said = hashlib.sha256(msgspec.json.encode(fact.body)).hexdigest()
        self._said[said] += 1
        key = self._ring.message_key(controller_id, self._source, f"{said} {self._said[said]}")
        return msgspec.structs.replace(fact, message_key=key)


def _aad(claim: Claim) -> bytes:
    return b"assent/answer@1 %d %s" % (claim.controller_id, claim.key)
