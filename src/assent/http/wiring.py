"""What handlers are handed: ports and keys, put together in `app.py`."""

import asyncio
from collections.abc import Callable
from typing import Any

from litestar import Request
from msgspec import Struct

from assent.audiences.answers import Audiences
from assent.audiences.derive import needed_by_all
from assent.audiences.following import Following
from assent.config import Settings
from assent.consent.shelf import PolicyShelf
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.pool import Database
from assent.database.pulse import Pulse
from assent.gate.door import Door
from assent.http.claims import Answers
from assent.http.intake import Intake
from assent.http.keys import Keys
from assent.http.metrics import Metrics
from assent.ingest.activation import Means
from assent.ingest.counts import Counts
from assent.ingest.derivations import Derivations
from assent.ingest.erasure import HoldBack
from assent.ingest.pings import Pinger
from assent.ledger.append import Append
from assent.ledger.keyring import KeyRing

Clock = Callable[[], Instant]
Random = Callable[[int], bytes]
AnyRequest = Request[Any, Any, Any]


class Service(Struct, frozen=True, kw_only=True):
    """Everything a handler may ask."""

    settings: Settings
    database: Database
    pulse: Pulse
    ring: KeyRing
    clock: Clock
    random: Random
    keys: Keys
    policies: PolicyShelf
    ledger: Append
    hold_back: HoldBack
    intake: Intake
    counts: Counts
    door: Door
    audiences: Audiences
    following: Following
    derivations: Derivations
    pinger: Pinger
    answers: Answers
    metrics: Metrics
    stopping: asyncio.Event
    """Set once the service was asked to end: nobody is made to wait for news any more."""

    async def keep_what_rules_ask(self, controller_id: ControllerId, policy: Policy, role: str) -> None:
        """Keep what the rules in force ask of events under a policy: another may claim events otherwise."""
        saved = await self.audiences.shelf.all(controller_id)
        names = needed_by_all([rule for one in saved.values() for rule in one.rules], policy)
        await self.derivations.ensure(controller_id, names, role)

    @property
    def means(self) -> Means:
        """Return what putting a policy in force works with."""
        return Means(
            database=self.database,
            ledger=self.ledger,
            ring=self.ring,
            random=self.random,
            clock=self.clock,
        )


def service(request: AnyRequest) -> Service:
    """Return the service that this application was wired with."""
    wired: Service = request.app.state["service"]
    return wired
