"""Put a policy in force: checked against the names that the ledger gave already, prepared, then appended.

(1) one activation of a controller at a time; what an earlier one left is swept, or gone on from; (2) who
would be used for more, without having said anything, is counted: where the policy does not state its basis
for that, it stays out of force; (3) few people are derived in the policy's own commit; many before it, in
chunks, while the service goes on (`preparing`), so that the commit only flips the version; (4) what the old
policy permitted is swept.

A crash before the commit leaves the old policy in force, after it the new one. Raises PolicyInvalid, naming
file, key and what was expected; GainsUnstated; ActivationUnderWay; Unauthorized when there is no such
controller.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from assent.consent.store import load_policy
from assent.core.derived import asked_of, with_derived
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected, GainsUnstated
from assent.core.ids import ControllerId, Revision
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.core.time import DAY, Instant
from assent.database.pool import Database
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest import preparation
from assent.ingest.abandoning import alone, end, sweep
from assent.ingest.facts import Draft, PolicyBody, Random, make_facts
from assent.ingest.gains import unstated
from assent.ingest.preparing import GENTLE, Pace, Preparing, Progress, Tally
from assent.ingest.simulate import simulate
from assent.ledger.append import Append
from assent.ledger.keyring import KeyRing
from assent.ledger.store import read_head

_SQL = load("consent")
_ACTIVATION = load("activation")

Documents = Mapping[str, Mapping[str, object]]

SMALL: Final = 250
"""Identifiers that the policy's own commit derives, in some hundredths of a second; more are prepared."""


class Means(Struct, frozen=True, kw_only=True):
    """What an activation works with."""

    database: Database
    ledger: Append
    ring: KeyRing
    random: Random
    clock: Callable[[], Instant]


async def checked(connection: Connection, controller_id: ControllerId, documents: Documents) -> Policy:
    """Return the policy that the documents would be in force as. Nothing is changed."""
    _, _, policy = await _parsed(connection, controller_id, documents)
    return policy


async def in_force(connection: Connection, controller_id: ControllerId) -> tuple[int, Documents]:
    """Return the version in force and its documents; version 0 has none."""
    head = await read_head(connection, controller_id)
    row = await connection.fetchrow(_SQL.policy_version, controller_id, head.policy_version)
    return head.policy_version, {} if row is None else msgspec.json.decode(row["documents"])


async def activate(
    means: Means,
    controller_id: ControllerId,
    documents: Documents,
    role: str,
    progress: Progress | None = None,
    pace: Pace = GENTLE,
) -> Revision:
    """Put documents in force; durable when this returns. The first policy of a controller takes nobody in."""
    async with means.database.preparer.acquire() as connection, alone(connection, controller_id):
        before, names, policy = await _parsed(connection, controller_id, documents)
        text = msgspec.json.encode(documents, order="sorted").decode()
        begun = await _tidied(connection, controller_id, before, names, text, means.clock())
        as_of = None
        if begun is not None or await _is_large(connection, controller_id):
            preparing = Preparing(
                *(connection, controller_id, before, policy, preparation.digest_of(text)),
                clock=means.clock,
                pace=pace,
            )
            try:
                as_of = await preparing.begin() if begun is None else begun
                _refuse_gains(await preparing.everybody(progress), before, policy)
                _refuse_gains(await preparing.changed(), before, policy)
            except (GainsUnstated, FactRejected):
                # Nothing is left of it.
                await end(connection, controller_id)
                await sweep(connection, controller_id, before, names)
                raise
        elif before.version:
            forecast = await simulate(connection, controller_id, before, policy, means.clock())
            _refuse_gains(forecast.tally, before, policy)
        draft = Draft(body=PolicyBody(documents=text, as_of=as_of), role=role)
        facts = make_facts(means.ring, means.random, controller_id, [draft])
        appended = await means.ledger.append(controller_id, facts)
        if appended.outcomes[0].code is not None:
            raise FactRejected("the policy in force changed meanwhile, and this one does not fit behind it")
        if as_of is not None:
            await sweep(connection, controller_id, policy, names)
    return appended.revision


def _refuse_gains(tally: Tally, before: Policy, policy: Policy) -> None:
    gains = unstated(tally, before, policy)
    if gains:
        raise GainsUnstated(gains)


async def _tidied(
    connection: Connection,
    controller_id: ControllerId,
    before: Policy,
    names: NameBook,
    text: str,
    now: Instant,
) -> Instant | None:
    """Return as of when an activation of the same documents had begun; sweep what any other one left."""
    left = await preparation.read(connection, controller_id)
    if left is not None:
        # A day is long for a preparation: what lapsed since would come into force as not lapsed yet.
        if left.digest == preparation.digest_of(text) and now - left.as_of < DAY:
            return left.as_of
        await end(connection, controller_id)
    await sweep(connection, controller_id, before, names)
    return None


async def _parsed(
    connection: Connection, controller_id: ControllerId, documents: Documents
) -> tuple[Policy, NameBook, Policy]:
    head = await read_head(connection, controller_id)
    before, names = await load_policy(connection, controller_id, head.policy_version)
    policy, _ = parse_policy(documents, names=names, version=head.policy_version + 1)
    # What rules ask of events is asked under any policy.
    policy = with_derived(policy, asked_of(before))
    return before, names, policy


async def _is_large(connection: Connection, controller_id: ControllerId) -> bool:
    return await connection.fetchval(_ACTIVATION.is_larger, controller_id, SMALL) is not None
