"""The database's roles: made once, and never mightier than the service needs.

What a role may touch is granted by the migrations. Here the roles come into being (`sql/roles.sql` says what
each is for), and a connection is refused that could do more than its role, or whose server may lose what it
acknowledged.

Raises StartupRefused.
"""

import asyncio
import hashlib
import hmac
import os
from base64 import b64encode
from enum import StrEnum

import asyncpg

from assent.config import Secret
from assent.core.errors import StartupRefused
from assent.database.statements import load
from assent.database.types import Connection
from assent.resources import sql_folder

OWNER = "assent_owner"

_SUPPORTED = range(15, 19)
_SCRAM_ROUNDS = 4096  # PostgreSQL's own default (scram_iterations)

# Roles are rows of the whole server, and other databases' services may touch them in the same moment.
_COLLISIONS = (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.InternalServerError)
_ATTEMPTS = 10


class Role(StrEnum):
    """Who the service connects as."""

    WRITER = "assent_writer"
    READER = "assent_reader"
    AUDITOR = "assent_auditor"
    ERASER = "assent_eraser"


async def create_roles(connection: Connection, password: Secret | None = None) -> None:
    """Make the roles that are missing, and give those that log in `password` if there is one.

    Safe to run at every start and in several databases of one server at once.
    """
    await _settled(connection, (sql_folder() / "roles.sql").read_text(encoding="utf-8"))
    if password is None:
        return
    for role in Role:
        verifier = scram_verifier(password.reveal(), os.urandom(16))
        await _settled(
            connection, await connection.fetchval(load("database").password_statement, role, verifier)
        )


async def refuse_unsafe_role(connection: Connection, expected: Role) -> None:
    """Return only if this session is exactly `expected`, on a server that keeps what it acknowledges."""
    found = await connection.fetchrow(load("database").session_role)
    if found is None or found["session_role"] != expected or found["current_role_name"] != expected:
        raise _refused(expected, "the session runs as another role")
    # (1) nothing that ignores grants or row security
    if found["powers"]:
        raise _refused(expected, f"the role has {', '.join(found['powers'])}")
    # (2) nothing that lends it another role's rights
    if found["memberships"]:
        raise _refused(expected, f"the role is a member of {', '.join(found['memberships'])}")
    # (3) nothing of its own, for an owner may always grant itself more
    if found["owns"]:
        raise _refused(expected, "the role owns a schema, a table or a function")
    # (4) a commit that was acknowledged survives a crash
    for setting in ("fsync", "full_page_writes"):
        if found[setting] != "on":
            raise _refused(expected, f"the server runs with {setting} {found[setting]}")
    # (5) a version these statements were tested on
    if found["server_version"] not in _SUPPORTED:
        raise _refused(expected, f"expected PostgreSQL 15 to 18, got {found['server_version']}")


def scram_verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL stores for SCRAM-SHA-256 (RFC 5803), so that it never sees the password itself.

    A statement with the password in it could stand in the server's log.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (b64encode(part).decode("ascii") for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_SCRAM_ROUNDS, *parts)


async def _settled(connection: Connection, statement: str) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await connection.execute(statement)
        except _COLLISIONS:
            if attempt == _ATTEMPTS:
                raise
            await asyncio.sleep(0.05 * attempt)
        else:
            return


def _refused(role: Role, why: str) -> StartupRefused:
    return StartupRefused(f"refusing to serve as {role}: {why}")
