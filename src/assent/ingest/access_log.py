"""Record that a person, an officer or an administrator read personal data: `access`, in the release log.

The record says who asked what, and how many identifiers were in the answer; which ones stands sealed, beside
a salted commitment. It is committed before the answer leaves: a crash in between leaves a record of an answer
that nobody got, never the other way round.
"""

from collections.abc import Callable, Collection

import msgspec
from msgspec import Struct

from assent.core.ids import ControllerId, IdentifierId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Pool
from assent.ledger.entries import SALT_BYTES, commit
from assent.ledger.keyring import KeyRing

_SQL = load("releases")


class Access(Struct, frozen=True, kw_only=True):
    """One reading: who, what was asked, of which revision, about whom."""

    controller_id: ControllerId
    at: Instant
    consumer: str
    asked: str
    """One word, such as `audit/subject`: it stands among the words of a leaf."""
    revision: int
    policy_version: int
    identifiers: Collection[IdentifierId]


async def record_access(pool: Pool, ring: KeyRing, random: Callable[[int], bytes], access: Access) -> str:
    """Record one reading; durable when this returns. Returns what the release log calls it."""
    salt = random(SALT_BYTES)
    who = msgspec.json.encode(sorted(access.identifiers))
    (sealed,) = ring.seal_many([(salt + who, b"assent/release@1 %d" % access.controller_id)])
    number: int = await pool.fetchval(
        _SQL.record_access,
        access.controller_id,
        access.at,
        access.consumer,
        access.revision,
        access.policy_version,
        access.asked,
        len(access.identifiers),
        commit(salt, who),
        sealed,
    )
    return f"r:{number}"
