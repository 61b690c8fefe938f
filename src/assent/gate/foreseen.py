"""Foresee what a purpose would see under a policy that is not in force. For counting: nothing of it leaves.

The same rows as the gate's view yields of what is in force, made into the same profiles.
"""

from collections.abc import Sequence
from typing import NamedTuple

from assent.core.ids import CategoryMask, ControllerId, IdentifierId, ProfileId
from assent.core.policy import Policy, Purpose
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.profile import Profile, profiles

_SQL = load("foreseen")


class AsIf(NamedTuple):
    """One identifier in its profile, with a permit that would not be over."""

    profile: ProfileId
    identifier: IdentifierId
    categories: CategoryMask
    since: Instant
    until: Instant


async def foresee(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    purpose: Purpose,
    permits: Sequence[AsIf],
    now: Instant,
) -> list[Profile]:
    """Return the profiles that the purpose would see, were exactly these permits in force."""
    if not permits:
        return []
    columns = (list(column) for column in zip(*permits, strict=True))
    rows = await connection.fetch(
        _SQL.released_as_if, controller_id, *columns, purpose.id, purpose.retroactive, now
    )
    rows.sort(key=lambda row: row[0])
    return list(profiles(policy, purpose, rows, now))
