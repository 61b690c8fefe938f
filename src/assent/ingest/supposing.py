"""Suppose links stated, taken back or lifted, or another policy: what would be otherwise. Nothing changes.

The facts that would be appended are applied to a board that nobody saves: the fold itself says what follows.
Work is bounded by the components of whoever is named. People are compared by identifier, because profiles get
other numbers where they merge or split.

Raises FactRejected for a fact that the fold would refuse.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from assent.audiences.shelf import Audience
from assent.core.ids import (
    CategoryMask,
    ControllerId,
    EntryIndex,
    IdentifierId,
    PurposeId,
    PurposeMask,
    Revision,
)
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.types import Connection
from assent.identity.components import Group, components
from assent.ingest.board import Board
from assent.ingest.board_parts import Loaded
from assent.ingest.component import Component, derive, resolution_of, union
from assent.ingest.facts import KINDS, Body
from assent.ingest.gains import Side
from assent.ingest.simulate import members_as_if, rules_of
from assent.ledger.append import Fact, Part, Ref


class Scene(Struct, frozen=True, kw_only=True):
    """Everybody concerned under one policy: what follows for them, and who is nobody's."""

    side: Side
    component: Component
    seen_by: Mapping[IdentifierId, PurposeMask]
    now: Instant

    def groups(self, purpose: PurposeId | None) -> tuple[Group, ...]:
        """Return who belongs together: in the one resolution, or for a purpose, singles included."""
        policy, everybody = self.side.policy, tuple(self.component.nodes)
        if purpose is None:
            return resolution_of(self.component, policy, self.now).clusters
        if purpose not in policy.purposes:
            return components(everybody, ())
        view, derived = policy.purposes[purpose].view, self.side.derived
        lowest = ((one, IdentifierId(derived.profile(view, one))) for one in everybody)
        return components(everybody, lowest)

    def nobodys(self) -> frozenset[IdentifierId]:
        """Return who is shared or generic."""
        found = resolution_of(self.component, self.side.policy, self.now)
        return found.shared | found.generic

    def permitted(self, purpose: PurposeId) -> dict[IdentifierId, CategoryMask]:
        """Return, of everybody the purpose may use anything of now, what."""
        found: dict[IdentifierId, int] = {}
        for one, permits in self.side.derived.permits.items():
            for permit in permits:
                if permit.purpose == purpose and permit.since <= self.now < permit.until:
                    found[one] = found.get(one, 0) | permit.categories
        return {one: CategoryMask(categories) for one, categories in found.items()}


class Supposed(Struct, frozen=True, kw_only=True):
    """The scene as it is, and as it would be."""

    before: Scene
    after: Scene

    def purposes(self) -> list[PurposeId]:
        """Return the purposes of either policy."""
        return sorted({*self.before.side.policy.purposes, *self.after.side.policy.purposes})


def supposing(body: Body, refs: Sequence[Ref]) -> Fact:
    """Return a fact that is to be supposed alone: nothing is sealed."""
    return Fact(
        kind=KINDS[type(body)], role="dpo", body=body, refs=tuple(refs), who=Part(sealed=b"", commitment=b"")
    )


def suppose(
    in_force: Policy,
    policy: Policy,
    loaded: Loaded,
    facts: Iterable[Fact],
    revision: Revision,
    now: Instant,
) -> Supposed:
    """Return what would be otherwise after these facts, and under this policy."""
    before = _scene(in_force, loaded.components, dict(loaded.seen_by), now)
    board = Board(in_force, NameBook(), now, loaded)
    for number, fact in enumerate(facts):
        board.apply(EntryIndex(revision + number), fact)
    parts = [component for component, _ in board.components()]
    return Supposed(before=before, after=_scene(policy, parts, board.seen_by, now))


def _scene(
    policy: Policy, parts: Sequence[Component], seen_by: Mapping[IdentifierId, PurposeMask], now: Instant
) -> Scene:
    derived = [derive(part, policy, now) for part in parts]
    side = Side(policy, union(derived), seen_by)
    return Scene(side=side, component=Component.of(parts), seen_by=seen_by, now=now)


def moved(before: Iterable[Group], after: Iterable[Group]) -> tuple[list[Group], list[Group]]:
    """Return the groups that are there on one side alone."""
    old, new = frozenset(before), frozenset(after)
    return sorted(old - new), sorted(new - old)


async def joiners(
    connection: Connection, controller_id: ControllerId, supposed: Supposed, audiences: Collection[Audience]
) -> Mapping[tuple[PurposeId, str], tuple[list[IdentifierId], list[IdentifierId]]]:
    """Return by purpose and audience who would enter and who would leave; nobody where it stays as it is."""
    sides = [
        [
            (purpose, name, one)
            async for purpose, name, one in _members(connection, controller_id, scene, audiences)
        ]
        for scene in (supposed.before, supposed.after)
    ]
    was, becomes = map(frozenset, sides)
    found: dict[tuple[PurposeId, str], tuple[list[IdentifierId], list[IdentifierId]]] = {}
    for place, differing in enumerate((becomes - was, was - becomes)):
        for purpose, name, one in sorted(differing):
            found.setdefault((purpose, name), ([], []))[place].append(one)
    return dict(sorted(found.items()))


async def _members(
    connection: Connection, controller_id: ControllerId, scene: Scene, audiences: Collection[Audience]
) -> AsyncIterator[tuple[PurposeId, str, IdentifierId]]:
    """Yield whoever is, with their profile, a member of an audience that a purpose may ask for."""
    policy = scene.side.policy
    for purpose, rules in rules_of(audiences, policy).items():
        members, profile_of = await members_as_if(
            connection, controller_id, purpose, rules, [scene.side], scene.now
        )
        for name, profiles in members.items():
            for one, profile in profile_of.items():
                if profile in profiles:
                    yield purpose, name, one
