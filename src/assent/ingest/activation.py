"""Put a policy in force: checked against the names that the ledger gave already, then appended as an entry.

Raises PolicyInvalid, naming file, key and what was expected; Unauthorized when there is no such controller.
"""

from collections.abc import Mapping

import msgspec

from assent.consent.store import load_policy
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected
from assent.core.ids import ControllerId, Revision
from assent.core.policy import Policy
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.facts import Draft, PolicyBody, Random, make_facts
from assent.ledger.append import Append
from assent.ledger.keyring import KeyRing
from assent.ledger.store import read_head

_SQL = load("consent")

Documents = Mapping[str, Mapping[str, object]]


async def checked(connection: Connection, controller_id: ControllerId, documents: Documents) -> Policy:
    """Return the policy that the documents would be in force as. Nothing is changed."""
    head = await read_head(connection, controller_id)
    _, names = await load_policy(connection, controller_id, head.policy_version)
    policy, _ = parse_policy(documents, names=names, version=head.policy_version + 1)
    return policy


async def in_force(connection: Connection, controller_id: ControllerId) -> tuple[int, Documents]:
    """Return the version in force and its documents; version 0 has none."""
    head = await read_head(connection, controller_id)
    row = await connection.fetchrow(_SQL.policy_version, controller_id, head.policy_version)
    return head.policy_version, {} if row is None else msgspec.json.decode(row["documents"])


async def activate(
    ledger: Append,
    ring: KeyRing,
    random: Random,
    controller_id: ControllerId,
    documents: Documents,
    role: str,
) -> Revision:
    """Append documents that were `checked` as the policy in force; durable when this returns."""
    text = msgspec.json.encode(documents, order="sorted").decode()
    draft = Draft(body=PolicyBody(documents=text), role=role)
    appended = await ledger.append(controller_id, make_facts(ring, random, controller_id, [draft]))
    if appended.outcomes[0].code is not None:
        raise FactRejected("the policy in force changed meanwhile, and this one does not fit behind it")
    return appended.revision
