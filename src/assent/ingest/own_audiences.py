"""In which audiences somebody is, for which purpose, by data that they may see themselves; and why.

The same profile that the gate yields, of the identifiers given alone: what a claim joined to them, or others
share with them, is neither looked at nor told. An audience that holds a list of people is not told
here, since each consumer has its own names for them. For the person; never for an engine.
"""

from collections.abc import Collection

from msgspec import Struct

from assent.audiences.evaluate import Truth
from assent.audiences.explain import Part, explained
from assent.audiences.rule import listed
from assent.audiences.seen import seen_at
from assent.audiences.shelf import Audience, shown
from assent.core.ids import ControllerId, IdentifierId
from assent.core.policy import Purpose
from assent.database.types import Connection
from assent.gate.foreseen import AsIf, foresee
from assent.identity.store import known_by_id
from assent.ingest.gains import Side
from assent.ingest.person import Person
from assent.ingest.simulate import rules_of


class Belonging(Struct, frozen=True, kw_only=True):
    """One audience that somebody is in, for one purpose, and what makes it so."""

    audience: Audience
    purpose: Purpose
    tree: Part


async def belongings(
    connection: Connection,
    controller_id: ControllerId,
    person: Person,
    ids: Collection[IdentifierId],
    audiences: Collection[Audience],
) -> list[Belonging]:
    """Return the audiences that these identifiers of a person are in now, in order of purpose and name."""
    policy, now = person.policy, person.now
    mine = [one for one in sorted(ids) if one in person.derived.permits]
    known = await known_by_id(connection, controller_id, mine)
    side = Side(policy, person.derived.of(mine), {one.node.id: one.seen_by for one in known})
    found = []
    for number, rules in sorted(rules_of(audiences, policy).items()):
        purpose = policy.purposes[number]
        permits = [
            AsIf(person.derived.profile(purpose.view, one), one, *span)
            for one, spans in side.shown(number).items()
            for span in spans
            if span[2] > now
        ]
        for profile in await foresee(connection, controller_id, policy, purpose, permits, now):
            seen = seen_at(shown(profile), now)
            for audience in rules.asked:
                if listed(audience.rule, rules.known):  # `not` of a list that names nobody here would be true
                    continue
                tree = explained(audience.rule, policy, seen, now, rules.known)
                if tree.truth is Truth.TRUE:
                    found.append(Belonging(audience=audience, purpose=purpose, tree=tree))
    return found
