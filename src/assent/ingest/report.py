"""Count people, consent and what was kept, for the data protection officer: numbers, nobody's data.

People are those of the one resolution, whatever single purposes may see of it. Everything is of one snapshot,
the caller's. Only states that a tier may depend on are read one by one; all else is counted in the database.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Final

from msgspec import Struct

from assent.core.ids import ControllerId, IdentifierId, NamespaceId, PurposeId
from assent.core.policy import IdentifierKind, Policy
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.features.accumulate import merge, unpack
from assent.gate.profile import tier
from assent.ingest.consent_report import NEGATIVE, WORDS
from assent.ingest.deleting import Waiting, waiting
from assent.ingest.erasure_chunks import erasures_waiting

_SQL = load("reports")

_PAGE: Final = 1_000


class Consent(Struct, frozen=True, kw_only=True):
    """People by what they said last about a purpose, and people whose data it may use now."""

    given: int = 0
    refused: int = 0
    withdrawn: int = 0
    objected: int = 0
    permitted: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """The counts of one controller."""

    tiers: Mapping[str, int]
    purposes: Mapping[str, Consent]
    identifiers: Mapping[str, int]
    not_kept: Mapping[str, int]
    """What was not taken, by reason: a count is all that remains of it."""
    releases: Mapping[str, int]
    waiting: Waiting
    """What is closed for everybody, and too much to be deleted at once."""
    erasures: int
    """Erasures that are closed, and of which rows are still being deleted."""


async def report(connection: Connection, controller_id: ControllerId, policy: Policy, now: Instant) -> Report:
    """Return the counts at `now`. The caller's transaction is one snapshot."""
    names = {number: namespace.name for number, namespace in policy.namespaces.items()}
    held = await connection.fetch(_SQL.identifiers_by_namespace, controller_id)
    return Report(
        tiers=await _tiers(connection, controller_id, policy),
        purposes=await _purposes(connection, controller_id, policy, now),
        identifiers=dict(sorted((names.get(number, str(number)), count) for number, count in held)),
        not_kept=dict(map(tuple, await connection.fetch(_SQL.refusals_by_code, controller_id))),
        releases=dict(map(tuple, await connection.fetch(_SQL.releases, controller_id))),
        waiting=await waiting(connection, controller_id),
        erasures=await erasures_waiting(connection, controller_id),
    )


async def _tiers(connection: Connection, controller_id: ControllerId, policy: Policy) -> dict[str, int]:
    persons = [number for number, one in policy.namespaces.items() if one.kind is IdentifierKind.PERSON]
    counted = Counter({"anonymous": 0, "known": 0, "named": 0})
    for is_named, holds_several, people in await connection.fetch(_SQL.people, controller_id, persons):
        kinds = [IdentifierKind.PERSON if is_named else IdentifierKind.COOKIE] * (2 if holds_several else 1)
        counted[tier(kinds, 0)] += people
    # Of those who hold one device or cookie alone, the ones who have come back.
    async for sessions in _lone_sessions(connection, controller_id, persons):
        found = tier([IdentifierKind.COOKIE], sessions)
        counted[found] += 1
        counted["anonymous"] -= 1
    return dict(counted)


async def _lone_sessions(
    connection: Connection, controller_id: ControllerId, persons: list[NamespaceId]
) -> AsyncIterator[int]:
    """Yield the number of sessions of each lone identifier that anything was collected of."""
    current: IdentifierId | None = None
    packed: list[bytes] = []
    async for one, state in connection.cursor(_SQL.lone_states, controller_id, persons, prefetch=_PAGE):
        if one != current and packed:
            yield len(merge(map(unpack, packed)).sessions)
            packed = []
        current = one
        packed.append(state)
    if packed:
        yield len(merge(map(unpack, packed)).sessions)


async def _purposes(
    connection: Connection, controller_id: ControllerId, policy: Policy, now: Instant
) -> dict[str, Consent]:
    counted: dict[PurposeId, Counter[str]] = {number: Counter() for number in policy.purposes}
    said = await connection.fetch(_SQL.newest_words, controller_id, list(WORDS), list(NEGATIVE))
    for purpose, state, people in said:
        if purpose in counted:
            counted[purpose][WORDS[state]] += people
    for purpose, people in await connection.fetch(_SQL.people_permitted, controller_id, policy.version, now):
        if purpose in counted:
            counted[purpose]["permitted"] = people
    return {policy.purposes[number].name: Consent(**words) for number, words in sorted(counted.items())}
