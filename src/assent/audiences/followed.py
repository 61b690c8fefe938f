"""What a worker knows of a feed that it writes, as of its last commit: what was said, and whom lists name.

Reads what the gate says of names; raises what its statements raise.
"""

import asyncio
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from assent.audiences.lease import Feed
from assent.audiences.live import Standing
from assent.audiences.naming import PAGE, named
from assent.audiences.spoken import Spoken
from assent.core.ids import ProfileId
from assent.core.time import Instant
from assent.gate.door import Door
from assent.ledger.keyring import KeyRing

if TYPE_CHECKING:
    from assent.audiences.holdout import Holdout


class Followed:
    """One feed."""

    __slots__ = ("commits", "holdout", "listed", "lock", "looked", "names", "spoken", "turn")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.commits = -1
        self.turn = -1
        self.holdout: Holdout | None = None
        self.looked = Instant(0)
        self.spoken = Spoken()
        self.listed = frozenset[str]()
        """Whom lists of the rule name; `names` holds who that is to the feed's consumer, as of `turn`."""
        self.names: dict[str, ProfileId] = {}

    async def whom(
        self,
        feed: Feed,
        standing: Standing,
        door: Door,
        ring: KeyRing,
        again: AbstractSet[ProfileId] | None,
        wanted: Collection[str],
    ) -> Mapping[str, ProfileId]:
        """Return whom the lists of a rule name for the feed's consumer; `again` were looked at since `turn`.

        A name cannot be turned back: everyone's is computed once, then that of whoever was looked at again.
        """
        if again is None or self.listed != wanted:
            self.names, self.listed = {}, frozenset(wanted)
            again = frozenset(standing.population.profiles().tolist()) if wanted else frozenset()
        if self.listed and again:
            who = feed.controller_id, feed.consumer, feed.purpose_id
            profiles, known = list(again), dict[str, ProfileId]()
            for start in range(0, len(profiles), PAGE):
                page = profiles[start : start + PAGE]
                subjects = await door.subjects(standing.connection, standing.position, page)
                known |= {name: one for one, name in (await named(ring, *who, subjects)).items()}
            kept = {name: profile for name, profile in self.names.items() if profile not in again}
            self.names = kept | {name: known[name] for name in self.listed & known.keys()}
        return self.names
