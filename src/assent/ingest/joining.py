"""The component that a fact would make, worked out before anything is changed.

Pure. A fact names identifiers; what holds them is joined, evidence or a statement is added, and what would
follow is derived. Whether the fact is taken is the board's to decide.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from assent.consent.statement import Statement
from assent.core.ids import COMPONENTS, IDENTIFIERS_PER_ENTRY, EntryIndex, IdentifierId, ProfileId
from assent.core.policy import ConflictRule, LinkKind, Policy
from assent.core.time import FOREVER, HOUR, Instant
from assent.identity.lifetime import ends_at, lifetimes
from assent.identity.proofs import also, number_of, part_of, seen, without
from assent.identity.resolve import Link, Node
from assent.ingest.component import Component, Derived, LinkKey, Pair, derive, union
from assent.ingest.nearby import Web, derive_near, has_crowds, near
from assent.ledger.append import Ref

_NOTHING = Derived(profiles={}, permits={})

_STATED = frozenset({LinkKind.ASSERTED, LinkKind.PROBABLE})
"""Kinds of evidence that somebody or something stated, and may take back."""


class Holding:
    """A component with what follows from it; facts replace it whole."""

    __slots__ = ("component", "derived", "web")

    def __init__(self, component: Component, derived: Derived, web: Web | None = None) -> None:
        self.component = component
        self.derived = derived
        self.web = web

    def woven(self, policy: Policy, now: Instant) -> Web:
        """Return its web, which is made once."""
        if self.web is None:
            self.web = Web(self.component, policy, now)
        return self.web


class Joined:
    """The component that a fact would make, before anything is changed."""

    def __init__(
        self,
        policy: Policy,
        now: Instant,
        index: EntryIndex,
        known: Sequence[tuple[Ref, IdentifierId | None]],
        holdings: Mapping[IdentifierId, Holding],
        positions: Sequence[int] = (),
    ) -> None:
        """Join what holds the identifiers of a fact; one that is not known yet gets its id from the entry."""
        self.index = index
        self._policy = policy
        self._now = now
        self._lasting = lifetimes(policy)
        self.new_nodes: list[tuple[Ref, Node]] = []
        self.ids: list[IdentifierId] = []
        for position, (ref, known_id) in zip(positions or range(len(known)), known, strict=True):
            one = known_id
            if one is None:
                one = IdentifierId(index * IDENTIFIERS_PER_ENTRY + position)
                self.new_nodes.append((ref, Node(id=one, namespace=ref.namespace, key=ref.lookup)))
            self.ids.append(one)
        self._holdings = list({id(holding): holding for holding in holdings.values()}.values())
        parts = [holding.component for holding in self._holdings]
        self.before = union([holding.derived for holding in self._holdings] or [_NOTHING])
        if self.new_nodes:
            parts.append(Component(nodes={node.id: node for _, node in self.new_nodes}))
        self._base = Component.of(parts)
        self.new_links: dict[LinkKey, Link] = {}
        self.gone_links: set[LinkKey] = set()
        self._lessened: set[LinkKey] = set()
        self.new_denied: list[Pair] = []
        self.lifted: set[Pair] = set()
        self._statements: list[Statement] = []
        self._loses = False
        self.changed = bool(self.new_nodes)
        self.reached: Collection[IdentifierId] | None = None
        """For whom what was derived may be other than what stood; None: for anybody."""

    def link(
        self,
        one: IdentifierId,
        other: IdentifierId,
        kind: LinkKind,
        at: Instant,
        weight: int = 0,
        source: str = "",
    ) -> None:
        """Add a source's evidence that two identifiers are one person; `weight`: how sure a model was."""
        if one == other:
            return
        low, high = min(one, other), max(one, other)
        key, number = (low, high, kind), number_of(source)
        held = self._base.links.get(key)
        if held is None:
            self.new_links[key] = seen(low, high, kind, at, self.index, weight=weight, source=number)
            self.changed = True
            return
        own = part_of(held, number)
        if own is None:
            fresh = seen(low, high, kind, at, self.index, weight=weight, source=number)
        else:
            fresh = _evidenced(own, at, self.index, weight)
        timed = self._policy.conflict is not ConflictRule.AMBIGUOUS
        ends = self._ends_at(held)
        # Within an hour the newest time says nothing that a rule would ask for, unless one that goes by
        # time, a model's, or one from which a lifetime is counted.
        exact = timed or kind is LinkKind.PROBABLE or ends < FOREVER
        if own is not None and not _is_news(fresh, own, 0 if exact else HOUR):
            return
        made = self.new_links[key] = fresh if own is held else also(held, fresh)
        self.changed = self.changed or (
            made.weight != held.weight
            or made.first_at < held.first_at
            # What was over is seen again: it counts again.
            or ((timed or ends <= self._now) and made.last_at > held.last_at)
        )

    def _ends_at(self, link: Link) -> Instant:
        if not self._lasting:
            return FOREVER
        nodes = self._base.nodes
        return ends_at(self._lasting, nodes[link.low].namespace, nodes[link.high].namespace, link.last_at)

    def expire(self) -> None:
        """Look again at what time ended; whether that changes anything, what is derived says."""
        self._loses = True
        self.changed = True

    def retract(self, one: IdentifierId, other: IdentifierId) -> None:
        """Take back what was stated about two identifiers, yes or no; what was observed stands."""
        pair = (min(one, other), max(one, other))
        self.gone_links = {key for key in self._base.links if key[:2] == pair and key[2] in _STATED}
        if pair in self._base.denied:
            self.lifted.add(pair)
        self.changed = self.changed or bool(self.gone_links or self.lifted)

    def retract_sources(self, one: IdentifierId, other: IdentifierId, sources: Collection[str]) -> None:
        """Take back what some sources proved of two identifiers; what others proved stands, as it was."""
        numbers = {number_of(source) for source in sources}
        pair = (min(one, other), max(one, other))
        for key, held in self._base.links.items():
            if key[:2] != pair or (left := without(held, numbers)) is held:
                continue
            if left is None:
                self.gone_links.add(key)
                continue
            self.new_links[key] = left
            if msgspec.structs.replace(left, sources=held.sources) != held:
                self._lessened.add(key)
        self._loses = bool(self.gone_links or self._lessened)
        self.changed = self.changed or self._loses

    def part(self, one: IdentifierId) -> None:
        """Void all evidence so far about an identifier, so that it is shared or generic no longer."""
        self.gone_links = {key for key in self._base.links if one in key[:2]}
        if (one, one) in self._base.denied:  # it was to stay shared
            self.lifted.add((one, one))
        self.changed = self.changed or bool(self.gone_links or self.lifted)

    def deny(self, one: IdentifierId, other: IdentifierId) -> None:
        """Say that two identifiers are not one person: what linked them so far is void."""
        pair = (min(one, other), max(one, other))
        self.new_denied.append(pair)
        self.gone_links = {key for key in self._base.links if key[:2] == pair}
        self.changed = True

    def lift(self, one: IdentifierId, other: IdentifierId) -> None:
        """Take back that two identifiers are not one person, because somebody entitled says they are."""
        pair = (min(one, other), max(one, other))
        if pair in self._base.denied:
            self.lifted.add(pair)
            self.changed = True

    def state(self, statement: Statement) -> None:
        """Add a statement."""
        self._statements.append(statement)
        self.changed = True

    def said_by(self, one: IdentifierId) -> tuple[Statement, ...]:
        """Return what an identifier has stated so far."""
        return self._base.statements.get(one, ())

    def stating(self, statement: Statement) -> Derived:
        """Return what would follow from a statement, which is not added."""
        statements = {
            **self._base.statements,
            statement.identifier: (*self.said_by(statement.identifier), statement),
        }
        supposed = msgspec.structs.replace(self._base, statements=statements)
        return self._followed(supposed, {statement.identifier})[0]

    def voided(self) -> Iterator[Link]:
        """Yield the links that are no evidence any more, or are of less than they were."""
        return (self._base.links[key] for key in sorted(self.gone_links | self._lessened))

    def component(self) -> Component:
        """Return the component with everything that was added."""
        base = self._base
        if not (self.new_links or self.gone_links or self.new_denied or self.lifted or self._statements):
            return base
        statements = dict(base.statements)
        for said in self._statements:
            statements[said.identifier] = (*statements.get(said.identifier, ()), said)
        denied = {pair: at for pair, at in base.denied.items() if pair not in self.lifted}
        links = base.links
        if self.new_links or self.gone_links:
            if self.gone_links:
                links = {key: link for key, link in links.items() if key not in self.gone_links}
            links = {**links, **self.new_links}
        return Component(
            nodes=base.nodes,
            links=links,
            denied=denied | dict.fromkeys(self.new_denied, self._now),
            statements=statements,
        )

    def derived(self) -> Derived:
        """Return what follows from it; what stood, when nothing that matters was added."""
        if not self.changed:
            return self.before
        speaking = {said.identifier for said in self._statements}
        derived, self.reached = self._followed(self.component(), speaking)
        return derived

    def held(self, component: Component, after: Derived) -> list[Holding]:
        """Return what is held from now on: one component, or the parts that an end of links leaves of it."""
        roots = {after.profile(COMPONENTS, one) for one in self.ids}
        if self.reached is None or not self._holdings or len(roots) > 1:
            parts = split(component, after)
            return [Holding(part, after if part is component else after.of(part.nodes)) for part in parts]
        # What was woven goes on with the largest of those that are joined: they are held no more.
        webs = [holding.woven(self._policy, self._now) for holding in self._holdings]
        webs.sort(key=lambda web: len(web.links_at))
        webs[-1].grow(webs[:-1], self._added())
        return [Holding(component, after, webs[-1])]

    def _added(self) -> Collection[LinkKey]:
        return {key for key in self.new_links if key not in self._base.links}

    def _followed(
        self, component: Component, speaking: Collection[IdentifierId]
    ) -> tuple[Derived, Collection[IdentifierId] | None]:
        """Return what follows from a component, and for whom alone that may be other than what stood."""
        only_adds = not (self.gone_links or self.new_denied or self.lifted or self._loses)
        if only_adds and has_crowds(component, self._policy):
            added = self._added()
            webs = [holding.woven(self._policy, self._now) for holding in self._holdings]
            reach = near(component, webs, self.ids, speaking, added, self._policy, self._now)
            if reach is not None:
                return derive_near(component, reach, added, self.before, self._policy, self._now)
        return derive(component, self._policy, self._now), None


def is_moved(before: Derived, after: Derived, now: Instant) -> bool:
    """Whether time alone made something else of a component than what stands; a permit's own end aside."""
    if before.profiles != after.profiles:
        return True
    return any(
        [one for one in held if one.until > now] != [*after.permits[who]]
        for who, held in before.permits.items()
    )


def split(component: Component, after: Derived) -> Sequence[Component]:
    """Return the parts that still hang together: one, except after an unlink or for unlinked identifiers."""
    groups: dict[ProfileId, list[IdentifierId]] = {}
    for one in component.nodes:
        groups.setdefault(after.profile(COMPONENTS, one), []).append(one)
    if len(groups) == 1:
        return (component,)
    return tuple(_restricted(component, frozenset(group)) for group in groups.values())


def _evidenced(held: Link, at: Instant, index: EntryIndex, weight: int) -> Link:
    """Return what a source proves that sees once more what it saw."""
    earlier, later = at < held.first_at, at > held.last_at
    # A model's newest word counts; of two at one instant the less sure.
    weighed = weight if later else min(weight, held.weight) if at == held.last_at else held.weight
    return msgspec.structs.replace(
        held,
        first_at=at if earlier else held.first_at,
        first_entry=index if earlier else held.first_entry,
        last_at=at if later else held.last_at,
        last_entry=index if later else held.last_entry,
        weight=weighed,
    )


def _is_news(fresh: Link, own: Link, within: int) -> bool:
    """Whether what a source proves is to be written anew; its newest time not, as long as it is so near."""
    if fresh.weight != own.weight or fresh.first_at < own.first_at:
        return True
    return fresh.last_at - own.last_at > within


def _restricted(component: Component, inside: frozenset[IdentifierId]) -> Component:
    return Component(
        nodes={one: node for one, node in component.nodes.items() if one in inside},
        links={key: link for key, link in component.links.items() if key[0] in inside},
        denied={pair: at for pair, at in component.denied.items() if pair[0] in inside},
        statements={one: said for one, said in component.statements.items() if one in inside},
    )
