"""Tell whom another policy would concern, in names: for the wire, the command line and whoever reads them."""

from collections.abc import Collection

from msgspec import Struct

from assent.audiences.shelf import Audience
from assent.consent.store import load_policy
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Connection
from assent.ingest.gains import unstated
from assent.ingest.preparing import GENTLE, Pace, Progress
from assent.ingest.simulate import Forecast, simulate
from assent.ledger.store import read_head


class PurposeChange(Struct, frozen=True, kw_only=True):
    """How many people a purpose could be used for, before and after; who gains, who loses."""

    purpose: str
    before: int
    after: int
    gains: int
    loses: int
    blocks: bool
    """Whether people gain for it on no stated basis: then the policy cannot be put in force."""


class AudienceChange(Struct, frozen=True, kw_only=True):
    """How many people enter and leave an audience. The others are not counted."""

    audience: str
    purpose: str
    enter: int
    leave: int


class Simulation(Struct, frozen=True, kw_only=True):
    """Whom a policy would concern. Exact numbers, for who decides about policies."""

    identifiers: int
    statements: int
    purposes: tuple[PurposeChange, ...]
    audiences: tuple[AudienceChange, ...]

    @property
    def blocked(self) -> bool:
        """Whether it could not be put in force."""
        return any(one.blocks for one in self.purposes)


async def simulated(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    now: Instant,
    audiences: Collection[Audience],
    progress: Progress | None = None,
    pace: Pace = GENTLE,
) -> Simulation:
    """Simulate that a policy follows the one in force. Nothing is changed."""
    head = await read_head(connection, controller_id)
    in_force, _ = await load_policy(connection, controller_id, head.policy_version)
    found = await simulate(
        connection,
        controller_id,
        in_force,
        policy,
        Instant(max(now, head.at)),
        audiences=audiences,
        progress=progress,
        pace=pace,
    )
    return _told(found, in_force, policy)


def _told(found: Forecast, in_force: Policy, policy: Policy) -> Simulation:
    blocking = unstated(found.tally, in_force, policy) if in_force.version else {}
    names = {number: one.name for number, one in (*in_force.purposes.items(), *policy.purposes.items())}
    return Simulation(
        identifiers=found.identifiers,
        statements=found.statements,
        purposes=tuple(
            PurposeChange(
                purpose=name,
                before=counted.before,
                after=counted.after,
                gains=counted.gains,
                loses=counted.loses,
                blocks=name in blocking,
            )
            for name, counted in sorted({names[n]: one for n, one in found.tally.items()}.items())
        ),
        audiences=tuple(
            AudienceChange(audience=audience, purpose=purpose, enter=one.gains, leave=one.loses)
            for (audience, purpose), one in sorted(found.audiences.items())
        ),
    )
