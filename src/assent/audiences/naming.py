"""What people are called by one consumer, for one purpose: many at once, a few at a time.

A name is worked out from the identifier that stands for somebody, and cannot be turned back. Raises nothing.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from assent.core.ids import ControllerId, ProfileId, PurposeId
from assent.ledger.keyring import KeyRing

PAGE: Final = 2_000
"""Profiles whose identifiers are asked for in one statement."""

_AT_ONCE: Final = 64
"""Names worked out before others get their turn, such as who waits for a decision: half a millisecond."""


async def named(
    ring: KeyRing,
    controller_id: ControllerId,
    consumer: str,
    purpose: PurposeId,
    subjects: Mapping[ProfileId, bytes],
) -> dict[ProfileId, str]:
    """Return the pairwise ids of people, in their order; `subjects` are keyed hashes of their identifiers."""
    found: dict[ProfileId, str] = {}
    for profile, subject in subjects.items():
        found[profile] = ring.pairwise(controller_id, consumer, purpose, subject)
        if not len(found) % _AT_ONCE:
            await asyncio.sleep(0)
    return found
