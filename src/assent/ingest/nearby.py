"""Derive no more of a component than a fact can reach, where people hang together by somebody generic.

An identifier past the cap on links (a call centre's telephone, a kiosk's cookie) joins nobody: without it
those who hang on it fall into pieces that say nothing of each other. So a fact that only adds evidence or a
statement makes something else of the pieces of those whom it names, and of what it makes generic itself of
everybody. The answer is that of `derive` over everything, but for what time alone ended in other pieces,
which is found there as it is in components that no fact comes to.

Nothing of it is stored: who is generic is asked of the evidence, once a batch, and then of what is added.
Pure.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from msgspec import structs

from assent.core.ids import COMPONENTS, IdentifierId, NamespaceId, ProfileId, ViewId
from assent.core.policy import LinkKind, Policy
from assent.core.time import Instant
from assent.identity.components import components
from assent.identity.lifetime import lifetimes
from assent.identity.resolve import passes_cap, resolve
from assent.ingest.component import Component, Derived, LinkKey, Profiles, deniers_of, follow


class Web:
    """By which links each identifier of a component hangs on others, and who is generic by their number.

    True of one component under one policy without lifetimes; it goes on with what is added, where nothing
    else changes.
    """

    __slots__ = ("generic", "links_at")

    def __init__(self, component: Component, policy: Policy, now: Instant) -> None:
        self.links_at: dict[IdentifierId, list[LinkKey]] = {}
        for key in component.links:
            self.links_at.setdefault(key[0], []).append(key)
            self.links_at.setdefault(key[1], []).append(key)
        cap = policy.links_per_identifier
        crowded = [one for one, keys in self.links_at.items() if len(keys) > cap]
        self.generic = {
            one for one in crowded if _is_generic(component, one, self.links_at[one], policy, now)
        }

    def grow(self, others: Iterable["Web"], added: Iterable[LinkKey]) -> None:
        """Take in other components, and links that make nobody generic."""
        for other in others:
            self.links_at |= other.links_at
            self.generic |= other.generic
        for key in added:
            for one in key[:2]:
                self.links_at.setdefault(one, []).append(key)


class Near(NamedTuple):
    """Whom a fact can reach, on whom of the generic ones they hang, and the links of both."""

    members: frozenset[IdentifierId]
    generic: frozenset[IdentifierId]
    links_at: Callable[[IdentifierId], Sequence[LinkKey]]


def has_crowds(component: Component, policy: Policy) -> bool:
    """Whether anybody in a component may be past the cap on links, and will be until a fact says otherwise.

    With a lifetime, time alone may have made somebody generic, or be about to end it.
    """
    return len(component.nodes) > policy.links_per_identifier and not lifetimes(policy)


def near(
    component: Component,
    webs: Sequence[Web],
    named: Iterable[IdentifierId],
    speaking: Collection[IdentifierId],
    added: Collection[LinkKey],
    policy: Policy,
    now: Instant,
) -> Near | None:
    """Return whom a fact reaches that names these and added these links; None: everybody, perhaps.

    `webs` are those of the components that the fact joins. `speaking` are those who state something: what
    they deny for all of theirs travels along links that join nobody, too, so of a generic one to everybody.
    """
    generic = {one for web in webs for one in web.generic}
    fresh: dict[IdentifierId, list[LinkKey]] = {}
    for key in added:
        for one in key[:2]:
            fresh.setdefault(one, []).append(key)

    def links_at(one: IdentifierId) -> Sequence[LinkKey]:
        return [*(key for web in webs for key in web.links_at.get(one, ())), *fresh.get(one, ())]

    if not generic.isdisjoint(speaking):
        return None
    # Whom claims alone made generic is so no longer once other evidence ties them to somebody.
    looked_at = {one for one, keys in fresh.items() if one not in generic or _holds_firm(keys)}
    if any(_is_generic(component, one, links_at(one), policy, now) != (one in generic) for one in looked_at):
        return None
    members, reached = set[IdentifierId](), set[IdentifierId]()
    waiting = list(named)
    while waiting:
        one = waiting.pop()
        if one in generic:
            reached.add(one)
        elif one not in members:
            members.add(one)
            waiting += [high if low == one else low for low, high, _ in links_at(one)]
    return Near(frozenset(members), frozenset(reached), links_at)


def derive_near(
    component: Component,
    reach: Near,
    added: Collection[LinkKey],
    before: Derived,
    policy: Policy,
    now: Instant,
) -> tuple[Derived, frozenset[IdentifierId]]:
    """Return what follows, of whom the fact did not reach what stood `before`; and whom it did reach."""
    here = reach.members | reach.generic
    keys = {key for one in reach.members for key in reach.links_at(one)}
    resolution = resolve(
        policy,
        [component.nodes[one] for one in here],
        [component.links[key] for key in keys],
        frozenset(component.denied),
        generic=reach.generic,
        now=now,
    )
    # One on which many hang hears what each of them denied for all of theirs.
    for one in reach.generic:
        keys.update(reach.links_at(one))
    heard = structs.replace(component, links={key: component.links[key] for key in keys})
    inside, permits = follow(component, resolution, deniers_of(heard, policy), policy, now)
    profiles: dict[ViewId, Profiles] = {}
    for view in before.profiles.keys() | inside.keys():
        stood, rows = before.profiles.get(view, {}), inside.get(view, {})
        kept = dict(stood)
        for one in here:
            kept.pop(one, None)
        profiles[view] = kept | dict(rows)
    profiles[COMPONENTS], moved = _connected(before, here, added)
    derived = Derived(
        profiles={view: rows for view, rows in profiles.items() if rows},
        permits={**before.permits, **permits},
    )
    return derived, here | moved


def _is_generic(
    component: Component, one: IdentifierId, keys: Sequence[LinkKey], policy: Policy, now: Instant
) -> bool:
    def space_of(each: IdentifierId) -> NamespaceId | None:
        space = component.nodes[each].namespace
        return space if space in policy.namespaces else None

    links = (component.links[key] for key in keys)
    return len(keys) > policy.links_per_identifier and passes_cap(
        policy, one, links, space_of, component.denied, now
    )


def _holds_firm(keys: Iterable[LinkKey]) -> bool:
    return any(kind != LinkKind.CLAIMED for _, _, kind in keys)


def _connected(
    before: Derived, here: Collection[IdentifierId], added: Collection[LinkKey]
) -> tuple[Profiles, frozenset[IdentifierId]]:
    """Return what evidence connects, more than before by the added links alone; and whom that moves."""
    rows = dict(before.profiles.get(COMPONENTS, {}))

    def root(one: IdentifierId) -> IdentifierId:
        return IdentifierId(before.profile(COMPONENTS, one))

    pairs = [(root(low), root(high)) for low, high, _ in added]
    groups = components({root(one) for one in here}, pairs)
    lowest = {one: ProfileId(group[0]) for group in groups for one in group if len(group) > 1}
    replaced = {ProfileId(one): profile for one, profile in lowest.items() if ProfileId(one) != profile}
    # Of those who join, all have the highest numbers but where two that were known are joined.
    moved = {one for one, profile in rows.items() if profile in replaced} if replaced else set()
    rows |= {one: replaced[rows[one]] for one in moved}
    alone = {one for one in lowest if one not in rows}
    rows |= {one: lowest[one] for one in alone}
    return rows, frozenset(moved | alone)
