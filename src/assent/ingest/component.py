"""Everything that evidence connects, and what follows from it for every purpose.

A `Component` is identifiers, links and statements that hang together. `derive` folds it: one resolution, the
views of purposes as cuts of it, and the permits of every identifier. `changing` says what that means for what
a purpose can see, `nearby` folds no more of it than a fact can reach. Pure: nothing is read, no clock; the
caller brings policy and time.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Self

from msgspec import Struct, structs

from assent.consent.permit import Permit, permits, stances, standing
from assent.consent.question import Bond, Cluster
from assent.consent.statement import MARKS, NARROWING, WIDENING, State, Statement
from assent.core.ids import (
    COMPONENTS,
    RESOLUTION,
    IdentifierId,
    ProfileId,
    PurposeId,
    ViewId,
)
from assent.core.policy import IdentifierKind, LinkKind, Policy
from assent.core.time import BEGINNING, FOREVER, Instant
from assent.identity.resolve import Link, Node, Resolution, resolve
from assent.identity.views import cut

Pair = tuple[IdentifierId, IdentifierId]
LinkKey = tuple[IdentifierId, IdentifierId, LinkKind]
Profiles = Mapping[IdentifierId, ProfileId]


_FIRM = frozenset({LinkKind.OBSERVED, LinkKind.ASSERTED})
_CLOSING = NARROWING | {State.RESTRICTED}
_OPENING = WIDENING | {State.UNRESTRICTED}

Deniers = Mapping[IdentifierId, Sequence[tuple[IdentifierId, Instant, tuple[Statement, ...]]]]
"""By identifier: others linked to it, since when, and what they denied."""


class Component(Struct, frozen=True, kw_only=True):
    """Identifiers, the links between them, denied pairs, and what each one stated."""

    nodes: Mapping[IdentifierId, Node]
    links: Mapping[LinkKey, Link] = {}
    denied: Mapping[Pair, Instant] = {}
    statements: Mapping[IdentifierId, tuple[Statement, ...]] = {}

    @classmethod
    def of(cls, parts: Sequence[Self]) -> Self:
        """Return the union of components."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            nodes={one: node for part in parts for one, node in part.nodes.items()},
            links={key: link for part in parts for key, link in part.links.items()},
            denied={pair: at for part in parts for pair, at in part.denied.items()},
            statements={one: said for part in parts for one, said in part.statements.items()},
        )


class Derived(Struct, frozen=True, kw_only=True):
    """What follows from a component.

    `profiles` holds, per view, identifiers of clusters of two or more; an identifier without a row is a
    profile of its own. `permits` are those not yet over.
    """

    profiles: Mapping[ViewId, Profiles]
    permits: Mapping[IdentifierId, tuple[Permit, ...]]

    def profile(self, view: ViewId, identifier: IdentifierId) -> ProfileId:
        """Return the profile of an identifier in a view."""
        return self.profiles.get(view, {}).get(identifier, ProfileId(identifier))

    def of(self, identifiers: Collection[IdentifierId]) -> "Derived":
        """Return what follows for these identifiers alone."""
        return Derived(
            profiles={
                view: inside
                for view, rows in self.profiles.items()
                if (inside := {one: rows[one] for one in identifiers if one in rows})
            },
            permits={one: self.permits[one] for one in identifiers},
        )

    def members(self, view: ViewId, identifier: IdentifierId) -> tuple[IdentifierId, ...]:
        """Return the identifiers of the same profile, lowest first."""
        profiles = self.profiles.get(view, {})
        profile = profiles.get(identifier)
        if profile is None:
            return (identifier,)
        return tuple(sorted(one for one, other in profiles.items() if other == profile))


def derive(component: Component, policy: Policy, now: Instant) -> Derived:
    """Fold a component: resolution, views, permits."""
    if len(component.nodes) == 1:
        (only,) = component.nodes
        return Derived(profiles={}, permits={only: _alone(component, only, policy, now)})
    resolution = resolution_of(component, policy, now)
    profiles, found = follow(component, resolution, deniers_of(component, policy), policy, now)
    profiles[COMPONENTS] = _profiles(_connected(tuple(component.nodes), component.links))
    return Derived(profiles={view: rows for view, rows in profiles.items() if rows}, permits=found)


def follow(
    component: Component, resolution: Resolution, deniers: Deniers, policy: Policy, now: Instant
) -> tuple[dict[ViewId, Profiles], dict[IdentifierId, tuple[Permit, ...]]]:
    """Return the profiles, in every view but the components, and permits of whom a resolution is about."""
    bonds: dict[IdentifierId, list[Bond]] = {}
    for bond in bonds_of(resolution.kept):
        bonds.setdefault(bond.low, []).append(bond)
    found: dict[IdentifierId, tuple[Permit, ...]] = {}
    for members in resolution.clusters:
        found.update(_permitted(component, members, bonds, deniers, policy, now))
    said = [one for each in found for one in component.statements.get(each, ())]
    denies, agrees = stances(said, policy, now)
    profiles = {RESOLUTION: _profiles(resolution.clusters)}
    for view, use in policy.views.items():
        profiles[view] = _profiles(cut(found, resolution.kept, use, denies, agrees))
    return profiles, found


def derive_prepared(component: Component, policy: Policy, as_of: Instant) -> Derived:
    """Fold a component under a policy that is prepared as of an instant, or as of the last word since.

    A function of the component alone: it does not matter when it is asked, nor whether a rebuild asks again.
    """
    return derive(component, policy, prepared_at(component, as_of))


def prepared_at(component: Component, as_of: Instant) -> Instant:
    """Return the instant as of which a component is derived for a policy that is prepared as of another."""
    known = (one.known_at for said in component.statements.values() for one in said)
    return max(as_of, max(known, default=as_of))


def heard(
    component: Component,
    policy: Policy,
    members: Sequence[IdentifierId],
    deniers: Deniers | None = None,
) -> tuple[Statement, ...]:
    """Return what speaks about one person: their words, and denials of who was one with them.

    A person who denied, authenticated, denied for every device that was linked to them by then; and by one of
    their addresses they denied for all that name them. What parts these from them, a second user for one,
    re-opens nothing; only undoing the link itself does, or their own word. A public key's claim gives nobody
    a say. `deniers` are the component's, where the caller has them.
    """
    said = [one for member in members for one in component.statements.get(member, ())]
    deniers = deniers_of(component, policy) if deniers is None else deniers
    if deniers:
        inside = frozenset(members)
        said += [
            structs.replace(denial, identifier=one)
            for one in members
            for other, since, denials in deniers.get(one, ())
            if other not in inside
            for denial in denials
            if denial.acted_at >= since
        ]
    return tuple(said)


def deniers_of(component: Component, policy: Policy) -> Deniers:
    """Return, for every identifier, who denied for all of theirs and is linked to it firmly.

    Between two that name persons it does not matter when: whoever goes by one and said no by the other, or is
    restricted by it, has said no, though somebody else goes by it too. Nobody's word is that of a number that
    a crowd goes by.
    """
    denials = {
        one: spoken
        for one, said in component.statements.items()
        if (
            spoken := [
                each
                for each in said
                if each.state in _CLOSING and each.address is None and each.purpose != policy.linking
            ]
        )
    }
    found: dict[IdentifierId, list[tuple[IdentifierId, Instant, tuple[Statement, ...]]]] = {}
    # Once over all links: a component may hold ten thousand profiles.
    firm = [key for key in component.links if key[2] in _FIRM] if denials else []
    partners = Counter(one for key in firm for one in key[:2])
    for key in firm:
        low, high, _ = key
        for one, other in ((low, high), (high, low)):
            if other not in denials:
                continue
            if kind_of(component, policy, one) is not IdentifierKind.PERSON:
                since = component.links[key].first_at
                spoken = [
                    each
                    for each in denials[other]
                    if each.state in NARROWING and each.authenticated and each.person_scope
                ]
            elif (
                kind_of(component, policy, other) is IdentifierKind.PERSON
                and partners[other] <= policy.links_per_identifier
                and (low, high) not in component.denied
            ):
                since, spoken = BEGINNING, _in_force(denials[other], component.statements[other])
            else:
                continue
            found.setdefault(one, []).append((other, since, tuple(spoken)))
    return found


def _in_force(denials: Iterable[Statement], said: Iterable[Statement]) -> list[Statement]:
    """Return the denials that the same identifier did not take back later, and restrictions not lifted."""
    taken_back: dict[tuple[PurposeId | None, bool], Instant] = {}
    for one in said:
        if one.state in _OPENING:
            key = one.purpose, one.state in MARKS
            taken_back[key] = max(one.acted_at, taken_back.get(key, BEGINNING))
    return [
        one for one in denials if one.acted_at >= taken_back.get((one.purpose, one.state in MARKS), BEGINNING)
    ]


def kind_of(component: Component, policy: Policy, one: IdentifierId) -> IdentifierKind | None:
    """Return the kind of an identifier; None where the policy declares its namespace no more."""
    namespace = policy.namespaces.get(component.nodes[one].namespace)
    return None if namespace is None else namespace.kind


def resolution_of(component: Component, policy: Policy, now: Instant) -> Resolution:
    """Return the one resolution over a component's evidence, as it stands now."""
    return resolve(
        policy,
        tuple(component.nodes.values()),
        tuple(component.links.values()),
        frozenset(component.denied),
        now=now,
    )


def union(parts: Sequence[Derived]) -> Derived:
    """Return what stood for several components that are becoming one."""
    if len(parts) == 1:
        return parts[0]
    profiles: dict[ViewId, dict[IdentifierId, ProfileId]] = {}
    for part in parts:
        for view, rows in part.profiles.items():
            profiles.setdefault(view, {}).update(rows)
    return Derived(
        profiles=profiles, permits={one: held for part in parts for one, held in part.permits.items()}
    )


def _alone(component: Component, only: IdentifierId, policy: Policy, now: Instant) -> tuple[Permit, ...]:
    said = component.statements.get(only, ())
    if not said:
        return _standing(policy, only, now)
    return permits(said, Cluster(members=(only,), bonds=()), policy, now)


def _standing(policy: Policy, identifier: IdentifierId, now: Instant) -> tuple[Permit, ...]:
    return tuple(
        Permit(
            identifier=identifier,
            purpose=one.purpose,
            categories=one.categories,
            since=one.since,
            until=one.until,
            entry=-1,
        )
        for one in standing(policy)
        if one.until > now
    )


def _permitted(
    component: Component,
    members: tuple[IdentifierId, ...],
    bonds: Mapping[IdentifierId, Sequence[Bond]],
    deniers: Deniers,
    policy: Policy,
    now: Instant,
) -> Iterator[tuple[IdentifierId, tuple[Permit, ...]]]:
    said = heard(component, policy, members, deniers)
    if not said:
        for member in members:
            yield member, _standing(policy, member, now)
        return
    cluster = Cluster(
        members=members, bonds=tuple(bond for member in members for bond in bonds.get(member, ()))
    )
    held: dict[IdentifierId, list[Permit]] = {member: [] for member in members}
    for permit in permits(said, cluster, policy, now):
        held[permit.identifier].append(permit)
    for member in members:
        yield member, tuple(held[member])


def bonds_of(kept: Sequence[Link]) -> tuple[Bond, ...]:
    """Return the bonds along which denials travel: each pair once, since its first evidence."""
    first: dict[Pair, Instant] = {}
    for link in kept:
        pair = (link.low, link.high)
        first[pair] = min(first.get(pair, FOREVER), link.first_at)
    return tuple(
        Bond(low=low, high=high, first_at=at, until=FOREVER) for (low, high), at in sorted(first.items())
    )


def _connected(nodes: Sequence[IdentifierId], links: Mapping[LinkKey, Link]) -> list[list[IdentifierId]]:
    group = {one: [one] for one in nodes}
    for low, high, _ in links:
        one, other = group[low], group[high]
        if one is not other:
            if len(one) < len(other):
                one, other = other, one
            one += other
            group.update(dict.fromkeys(other, one))
    return list({id(members): members for members in group.values()}.values())


def _profiles(clusters: Iterable[Sequence[IdentifierId]]) -> Profiles:
    return {
        one: profile
        for members in clusters
        if len(members) > 1
        for profile in (ProfileId(min(members)),)
        for one in members
    }
