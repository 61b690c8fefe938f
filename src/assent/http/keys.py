"""Keys of the wire: made from 256 random bits, kept as their SHA-256, looked up at most once a second each.

A revoked key is refused at the latest a second after its revocation.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from assent.core.errors import Forbidden, Unauthorized
from assent.core.ids import ControllerId
from assent.core.time import SECOND, Instant
from assent.database.statements import load
from assent.database.types import Pool

_SQL = load("access")

ONE_LINE: Final = r"^[^\x00-\x1f\x7f]*\Z"
"""A name that is shown to people: no control characters, which PostgreSQL and tables of text do not hold."""

_FRESH: Final = SECOND
_MOST_KEPT: Final = 10_000
_LONGEST: Final = 200


class Role(StrEnum):
    """What a key may do (API.md, Credentials)."""

    COLLECTOR = "collector"
    ENGINE = "engine"
    ISSUER = "issuer"
    DPO = "dpo"
    ADMIN = "admin"


class Caller(Struct, frozen=True, kw_only=True):
    """Whose key a request brought, and what it may do."""

    controller_id: ControllerId
    key_id: int
    role: Role
    consumer: str
    purposes: frozenset[str] = frozenset()
    server: bool = False
    """A secret key; a browser key is public, and what it says of persons is claimed."""
    members: bool = False
    declared: Mapping[str, str] = {}
    """The `source` and `channel` of what comes through it, where the call names none."""

    @property
    def counted_as(self) -> str:
        """The name under which what it sends is counted."""
        return f"key:{self.key_id}"

    def require(self, *roles: Role) -> None:
        """Raise Forbidden unless the key has one of these roles."""
        if self.role not in roles:
            raise Forbidden

    def require_members(self) -> None:
        """Raise Forbidden unless the key may know who is in an audience."""
        if not self.members:
            raise Forbidden


class NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key is to be."""

    role: Role
    consumer: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{0,64}\Z")] = ""
    """Who asks; one word, since a release's leaf names it among other words. Empty: the role."""
    purposes: tuple[str, ...] = ()
    trust: Literal["browser", "server"] = "server"
    members: bool = False
    source: Annotated[str, Meta(max_length=64, pattern=ONE_LINE)] = ""
    """Which of the controller's systems it is for, of a collector or an issuer."""
    channel: Annotated[str, Meta(pattern=r"^([a-z][a-z0-9_-]{0,31})?\Z")] = ""
    """Where what comes through it happens, unless the call says so; the words are in policies/README.md."""


class Keys:
    """The keys of every controller."""

    def __init__(self, pool: Pool, clock: Callable[[], Instant], random: Callable[[int], bytes]) -> None:
        self._pool = pool
        self._clock = clock
        self._random = random
        self._kept: dict[bytes, tuple[Instant, Caller | None]] = {}

    async def caller(self, key: str) -> Caller:
        """Return whose key it is. Raises Unauthorized for an unknown or revoked one."""
        if not key or len(key) > _LONGEST or not key.isascii():
            raise Unauthorized
        digest = digest_of(key)
        kept = self._kept.get(digest)
        if kept is None or not 0 <= self._clock() - kept[0] < _FRESH:
            kept = (self._clock(), await self._look_up(digest))
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[digest] = kept
        if kept[1] is None:
            raise Unauthorized
        return kept[1]

    async def create(self, controller_id: ControllerId, wanted: NewKey) -> tuple[int, str]:
        """Return the number and the text of a new key; the text is never shown again."""
        text = "assent_" + wanted.role + "_" + urlsafe_b64encode(self._random(32)).decode().rstrip("=")
        key_id = await self._pool.fetchval(
            _SQL.insert_key,
            controller_id,
            digest_of(text),
            wanted.role.value,
            wanted.consumer or wanted.role.value,
            list(wanted.purposes),
            wanted.trust,
            wanted.members,
            self._clock(),
            wanted.source,
            wanted.channel,
        )
        return key_id, text

    async def revoke(self, controller_id: ControllerId, key_id: int) -> bool:
        """Revoke a key; False when there was none in force."""
        return await self._pool.fetchval(_SQL.revoke_key, controller_id, key_id, self._clock()) is not None

    async def _look_up(self, digest: bytes) -> Caller | None:
        row = await self._pool.fetchrow(_SQL.key_by_digest, digest)
        if row is None or row["revoked_at"] is not None:
            return None
        return Caller(
            controller_id=row["controller_id"],
            key_id=row["key_id"],
            role=Role(row["role"]),
            consumer=row["consumer"],
            purposes=frozenset(row["purposes"]),
            server=row["trust"] == "server",
            members=row["members"],
            declared={name: row[name] for name in ("source", "channel") if row[name]},
        )


def digest_of(key: str) -> bytes:
    """Return the digest that a key is kept as. The key is random: it needs no salt and no slow hash."""
    return hashlib.sha256(key.encode()).digest()
