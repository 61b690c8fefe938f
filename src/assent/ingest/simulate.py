"""Say who would gain and who would lose under another policy, by purpose and by audience. Nothing changes.

Everybody is read in order of the lowest identifier of their component, a few hundred at a time, each in a
snapshot of its own: memory does not grow with the ledger, and nothing waits. Who comes or changes meanwhile
is seen as they are when their turn comes.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from assent.audiences.check import check
from assent.audiences.rule import Rule
from assent.audiences.shelf import Audience, Rules
from assent.core.errors import Refused
from assent.core.ids import ControllerId, IdentifierId, ProfileId, PurposeId
from assent.core.policy import Policy, Purpose
from assent.core.time import Instant
from assent.database.types import Connection
from assent.gate.foreseen import AsIf, foresee
from assent.ingest import preparation
from assent.ingest.alike import Alike
from assent.ingest.board_parts import Loaded
from assent.ingest.gains import Side, tally
from assent.ingest.loading import load_components
from assent.ingest.preparation import Tallied
from assent.ingest.preparing import BREATH, GENTLE, Pace, Progress, Tally

Membership = Mapping[str, set[ProfileId]]
"""By audience: whose rule is true."""


class Forecast(Struct, kw_only=True):
    """What another policy would mean, counted exactly."""

    tally: Tally = {}
    audiences: dict[tuple[str, str], Tallied] = {}
    """By audience and purpose; of people whom the change concerns."""
    identifiers: int = 0
    statements: int = 0


class _Pages:
    """One page after another: the components of some identifiers, under both policies."""

    def __init__(
        self,
        connection: Connection,
        controller_id: ControllerId,
        in_force: Policy,
        policy: Policy,
        audiences: Collection[Audience],
        now: Instant,
    ) -> None:
        self._connection = connection
        self._controller_id = controller_id
        self._old = in_force
        self._new = policy
        self._now = now
        self._alike = Alike(policy, now)
        self._rules_old = rules_of(audiences, in_force)
        self._rules_new = rules_of(audiences, policy)
        self._redefined = in_force.feature_ids != policy.feature_ids
        self.found = Forecast()

    async def count(self, loaded: Loaded) -> None:
        """Count the people of a page."""
        found = self.found
        concerned: dict[PurposeId, list[tuple[Side, Side]]] = defaultdict(list)
        asked = self._rules_old.keys() | self._rules_new.keys()
        for place, (component, before) in enumerate(zip(loaded.components, loaded.derived, strict=True)):
            if place % BREATH == 0:
                await asyncio.sleep(0)
            old = Side(self._old, before, loaded.seen_by)
            new = Side(self._new, self._alike.followed(component).derived, loaded.seen_by)
            differing = tally(found.tally, old, new, self._now)
            for purpose in asked if self._redefined else asked & differing.keys():
                concerned[purpose].append((old, new))
            found.statements += sum(map(len, component.statements.values()))
        found.identifiers += len(loaded.denies)
        for purpose, sides in concerned.items():
            await self._evaluate(purpose, sides)

    async def _evaluate(self, purpose: PurposeId, sides: Collection[tuple[Side, Side]]) -> None:
        before, after = self._rules_old.get(purpose, _NO_RULES), self._rules_new.get(purpose, _NO_RULES)
        where = self._connection, self._controller_id, purpose
        old, old_of = await members_as_if(*where, before, [one for one, _ in sides], self._now)
        new, new_of = await members_as_if(*where, after, [one for _, one in sides], self._now)
        name = (self._new.purposes.get(purpose) or self._old.purposes[purpose]).name
        for audience in sorted({one.id for one in (*before.asked, *after.asked)}):
            was, is_now = old.get(audience, set()), new.get(audience, set())
            stayed_old = {old_of[one] for one, to in new_of.items() if to in is_now and one in old_of}
            stayed_new = {new_of[one] for one, of in old_of.items() if of in was and one in new_of}
            held = self.found.audiences.get((audience, name), Tallied())
            self.found.audiences[audience, name] = Tallied(
                before=held.before + len(was),
                after=held.after + len(is_now),
                gains=held.gains + len(is_now - stayed_new),
                loses=held.loses + len(was - stayed_old),
            )


async def members_as_if(
    connection: Connection,
    controller_id: ControllerId,
    number: PurposeId,
    rules: Rules,
    sides: Sequence[Side],
    now: Instant,
) -> tuple[Membership, dict[IdentifierId, ProfileId]]:
    """Return whose rules would be true for a purpose, and the profile of everybody whom the gate would show.

    The sides are of one policy, each another component.
    """
    members: dict[str, set[ProfileId]] = {one.id: set() for one in rules.asked}
    policy = sides[0].policy
    purpose = policy.purposes.get(number)
    if purpose is None:
        return members, {}
    permits = [one for side in sides for one in _as_if(side, purpose, now)]
    for profile in await foresee(connection, controller_id, policy, purpose, permits, now):
        for name in rules.of(policy, profile, now):
            members[name].add(profile.id)
    return members, {one.identifier: one.profile for one in permits}


def _as_if(side: Side, purpose: Purpose, now: Instant) -> Iterable[AsIf]:
    for one, spans in side.shown(purpose.id).items():
        for categories, since, until in spans:
            if until > now:
                yield AsIf(side.derived.profile(purpose.view, one), one, categories, since, until)


async def simulate(
    connection: Connection,
    controller_id: ControllerId,
    in_force: Policy,
    policy: Policy,
    now: Instant,
    *,
    audiences: Collection[Audience] = (),
    progress: Progress | None = None,
    pace: Pace = GENTLE,
) -> Forecast:
    """Return who would gain and lose if `policy` followed the one in force now."""
    last = await preparation.last_identifier(connection, controller_id)
    pages = _Pages(connection, controller_id, in_force, policy, audiences, now)
    everybody = await preparation.count_identifiers(connection, controller_id)
    after = IdentifierId(-1)
    time = asyncio.get_running_loop().time
    while after < last:
        began = time()
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            page = await preparation.components_between(
                connection, controller_id, after, last, pace.components
            )
            if not page:
                break
            await pages.count(await load_components(connection, controller_id, in_force, page))
        after = page[-1].node.id
        if progress is not None:
            progress(pages.found.identifiers, max(everybody, pages.found.identifiers))
        await asyncio.sleep((time() - began) * pace.rest)
    return pages.found


_NO_RULES = Rules(asked=(), known={})


def rules_of(audiences: Collection[Audience], policy: Policy) -> dict[PurposeId, Rules]:
    """Return the audiences each purpose may ask for; nobody is a member of one that the policy breaks."""
    found = {}
    for purpose in policy.purposes.values():
        known = {one.id: one.rule for one in audiences if purpose.name in one.purposes}
        asked = tuple(one for one in audiences if one.id in known and _holds(one, policy, purpose, known))
        if asked:
            found[purpose.id] = Rules(asked=asked, known=known)
    return found


def _holds(audience: Audience, policy: Policy, purpose: Purpose, known: Mapping[str, Rule]) -> bool:
    try:
        check(audience.rule, policy, purpose.id, known)
    except Refused:
        return False
    return True
