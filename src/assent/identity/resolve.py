"""Resolve evidence into clusters: which identifiers are held to be one person (DESIGN section 5).

Pure and total: a function of the policy, the identifiers and the links, whatever order they come in and
however many components they make. Nothing is merged destructively: taking a link away again gives what was
before. Ties are broken by the keyed hash of the values, never by ids, which tell the order of arrival.

A component within every limit, as almost all are, costs one pass of union-find.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from operator import attrgetter
from typing import Final, assert_never

from msgspec import Struct

from assent.core.ids import EntryIndex, IdentifierId, NamespaceId
from assent.core.policy import ConflictRule, IdentifierKind, LinkKind, Policy
from assent.core.time import BEGINNING, Instant
from assent.identity import ranking
from assent.identity.caps import beyond, hubs
from assent.identity.claims import Outcome, is_tied, parting, spared
from assent.identity.components import Group, Pair, components
from assent.identity.conflict import Limits, Spaces, ambiguous, fold, within
from assent.identity.lifetime import ends_at, lifetimes
from assent.identity.proposals import refused

_PLACE: Final = attrgetter("low", "high", "kind")


class Node(Struct, frozen=True, kw_only=True):
    """An identifier. `key` is the keyed hash of its value: the tie-break."""

    id: IdentifierId
    namespace: NamespaceId
    key: bytes


UNNAMED: Final = bytes(8)
"""The number of the source of evidence that names none: an officer's word, say."""


class Link(Struct, frozen=True, kw_only=True):
    """Evidence of one kind that two identifiers are one person; `low` is the lower id.

    `first_at` and `last_at` are the times of the oldest and newest evidence, the entries those proving it.
    """

    low: IdentifierId
    high: IdentifierId
    kind: LinkKind
    first_at: Instant
    last_at: Instant
    first_entry: EntryIndex
    last_entry: EntryIndex
    weight: int = 0
    """How sure a model was when it proposed the link last, in millionths; 0 for every other kind."""
    sources: bytes = UNNAMED
    """Which sources prove it, and what each of them saw (`proofs`); no rule asks for them."""


class DropReason(StrEnum):
    """Why a link joins nothing."""

    DENIED = "denied"
    """A person or a data protection officer said that it is wrong."""
    EXPIRED = "expired"
    """Nothing proved it for longer than the policy lets such an identifier live."""
    PROPOSED = "proposed"
    """A model proposed it, less surely than the policy asks for."""
    UNSURE = "unsure"
    """A model proposed it, and with other proposals it would join two named people, or too many."""
    UNDECLARED = "undeclared"
    """The policy declares no such namespace, or one end is gone."""
    CLAIMED = "claimed"
    """A public key's word alone, and it would part what other evidence joins."""
    CONFLICT = "conflict"
    """It would give a profile more values of a namespace than the policy admits."""
    SHARED = "shared"
    """One end is between two people and belongs to neither."""
    GENERIC = "generic"
    """One end is past a cap: it has too many links, or its profile too many identifiers."""


class Dropped(Struct, frozen=True, kw_only=True):
    """A link that joins nothing, and why."""

    link: Link
    reason: DropReason


class Resolution(Struct, frozen=True, kw_only=True):
    """Every identifier in exactly one cluster, ascending, alone when nothing joins it.

    `kept` and `dropped` together are all the links, each ascending; `kept` connects the clusters, no more.
    """

    clusters: tuple[Group, ...]
    kept: tuple[Link, ...]
    dropped: tuple[Dropped, ...] = ()
    shared: frozenset[IdentifierId] = frozenset()
    generic: frozenset[IdentifierId] = frozenset()


def resolve(
    policy: Policy,
    nodes: Sequence[Node],
    links: Sequence[Link],
    denied: frozenset[Pair] = frozenset(),
    *,
    generic: frozenset[IdentifierId] = frozenset(),
    now: Instant = BEGINNING,
) -> Resolution:
    """Return the one resolution over all evidence as it stands `now`; at the beginning of time none is over.

    `denied` are pairs, lower id first; one of an identifier with itself says that it was found shared once
    and evidence of that is erased: it stays so. `generic` are those past the cap on links by links that are
    not given here.

    Steps: (1) evidence that cannot join is dropped: denied, proposed less surely than the policy asks for,
    of an undeclared namespace, not renewed in time, or between two values of a unique one; (2) an identifier
    with more links than the cap is generic, and out, unless it is so by claims and other evidence ties it to
    somebody: then its claims are dropped; (3) what is connected is a component; (4) one within every limit
    is a cluster as it stands; elsewhere claims that would part a person whom other evidence joins are
    dropped, and (5) the conflict rule cuts; (6) in a cluster past the cap on identifiers those ranking past
    it are generic and out: higher priority ranks first, then the longer known (a newcomer moves nobody), then
    the keyed hash; (7) last, proposals join what they may: they cut nothing, and never join two named people.
    """
    found = _Findings(policy, nodes, frozenset(low for low, high in denied if low == high), generic)
    found.admit(links, denied, now)  # (1)
    found.part_hubs()  # (2)
    found.drop_parting()  # (3), (4)
    found.part_conflicts()  # (5)
    found.part_crammed()  # (6)
    found.join_proposals()  # (7)
    return Resolution(
        clusters=found.clusters,
        kept=tuple(found.kept),
        dropped=tuple(sorted(found.dropped, key=lambda one: _PLACE(one.link))),
        shared=found.shared.intersection(node.id for node in nodes),
        generic=found.generic,
    )


def passes_cap(
    policy: Policy,
    one: IdentifierId,
    links: Iterable[Link],
    space_of: "SpaceOf",
    denied: Collection[Pair],
    now: Instant,
) -> bool:
    """Whether `resolve` would find an identifier generic by its links: its steps (1) and (2), for one."""
    verdict = _admission(policy, space_of, denied, now)
    firm: set[IdentifierId] = set()
    claimed: set[IdentifierId] = set()
    for link in links:
        if link.kind != LinkKind.PROBABLE and verdict(link) is None:
            others = claimed if link.kind == LinkKind.CLAIMED else firm
            others.add(link.high if link.low == one else link.low)
            if len(firm) > policy.links_per_identifier:
                return True
    space = space_of(one)
    named = space is not None and policy.namespaces[space].kind is IdentifierKind.PERSON
    return len(firm | claimed) > policy.links_per_identifier and not is_tied(len(firm), named=named)


class _Findings:
    """What is known of the evidence so far: every step drops links, and parts or joins clusters."""

    def __init__(
        self,
        policy: Policy,
        nodes: Sequence[Node],
        shared: frozenset[IdentifierId],
        generic: frozenset[IdentifierId],
    ) -> None:
        self.kept: list[Link] = []
        self.dropped: list[Dropped] = []
        self.clusters: tuple[Group, ...] = ()
        self.shared = shared
        self.generic = generic
        self._policy = policy
        self._nodes = nodes
        self._spaces = {node.id: node.namespace for node in nodes if node.namespace in policy.namespaces}
        self._proposals: list[Link] = []
        self._standing: list[Link] = []

    def admit(self, links: Iterable[Link], denied: frozenset[Pair], now: Instant) -> None:
        """Keep the evidence that may join, apart from it what a model proposes."""
        verdict = _admission(self._policy, self._spaces.get, denied, now)
        kept = self._sifted(sorted(links, key=_PLACE), verdict)
        self._proposals = [link for link in kept if link.kind == LinkKind.PROBABLE]
        self.kept = [link for link in kept if link.kind != LinkKind.PROBABLE] if self._proposals else kept

    def part_hubs(self) -> None:
        """Let go of who has more links than the cap."""
        cap = self._policy.links_per_identifier
        found = hubs(cap, [*_pairs(self.kept)])
        if found:
            firm = (link for link in self.kept if link.kind != LinkKind.CLAIMED)
            stay = spared(cap, found, _pairs(firm), _named(self._policy, self._spaces)) - self.generic
            self.generic |= found - stay
            self.kept = self._sifted(self.kept, _claims(lambda link: link.low in stay or link.high in stay))
        if self.generic or self.shared:
            self.kept = self._sifted(self.kept, _exclusion(self.shared, self.generic))
        self._standing = self.kept
        self._connect()

    def drop_parting(self) -> None:
        """Let go of the claims that would part a person whom other evidence joins."""
        if not any(link.kind == LinkKind.CLAIMED for link in self.kept):
            return
        limits, cap = ranking.limits(self._policy, self._standing), self._policy.identifiers_per_profile
        unruly = [one for one in self.clusters if len(one) > cap or not within(limits, self._spaces, one)]
        bad: set[Pair] = set()
        for part in _parts(unruly, self.kept) if unruly else ():
            bad |= self._parting(part)
        if bad:
            self.kept = self._sifted(self.kept, _claims(lambda link: (link.low, link.high) in bad))
            self._standing = self.kept
            self._connect()

    def _parting(self, part: Sequence[Link]) -> AbstractSet[Pair]:
        claims = {(link.low, link.high) for link in part if link.kind == LinkKind.CLAIMED}
        if not claims:
            return claims
        inside = {one for link in part for one in (link.low, link.high)}
        nodes = [node for node in self._nodes if node.id in inside]

        def outcome(left: AbstractSet[Pair]) -> Outcome:
            found = _Findings(self._policy, nodes, frozenset(), frozenset())
            found.kept = [
                link for link in part if link.kind != LinkKind.CLAIMED or (link.low, link.high) in left
            ]
            found._standing = found.kept
            found._connect()
            found.part_conflicts()
            found.part_crammed()
            return Outcome(clusters=found.clusters, out=found.shared | found.generic)

        return parting(claims, _named(self._policy, self._spaces), outcome)

    def part_conflicts(self) -> None:
        """Cut where a namespace is past its limit."""
        limits = ranking.limits(self._policy, self._standing)
        crowded = [one for one in self.clusters if len(one) > 1 and not within(limits, self._spaces, one)]
        if crowded:
            parts = _parts(crowded, self.kept)
            found, undone = _cut(self._policy, limits, self._spaces, self._nodes, parts)
            self.shared |= found
            self.kept = self._sifted(self.kept, _exclusion(self.shared, self.generic, undone))
            self._connect()

    def part_crammed(self) -> None:
        """Let go of whom no profile has room for."""
        cap = self._policy.identifiers_per_profile
        crammed = [group for group in self.clusters if len(group) > cap]
        if crammed:
            self.generic |= beyond(cap, crammed, ranking.rank(self._policy, self._nodes, self._standing))
            self.kept = self._sifted(self.kept, _exclusion(self.shared, self.generic))
            self._connect()

    def join_proposals(self) -> None:
        """Follow the proposals that join no two people, and nobody too many."""
        if not self._proposals:
            return
        proposals = self._sifted(self._proposals, _exclusion(self.shared, self.generic))
        busy = hubs(self._policy.links_per_identifier, [*_pairs(self.kept), *_pairs(proposals)])
        proposals = self._sifted(proposals, _exclusion(frozenset(), busy))
        limits = ranking.limits(self._policy, self._standing, proposals)
        fitting = _proposal(self._policy, self._spaces, limits, self.clusters, proposals)
        self.kept = sorted([*self.kept, *self._sifted(proposals, fitting)], key=_PLACE)
        self._connect()

    def _sifted(self, links: Iterable[Link], verdict: "_Verdict") -> list[Link]:
        """Return the links that stand; the others are dropped, each with its reason."""
        kept = []
        for link in links:
            reason = verdict(link)
            if reason is None:
                kept.append(link)
            else:
                self.dropped.append(Dropped(link=link, reason=reason))
        return kept

    def _connect(self) -> None:
        self.clusters = components((node.id for node in self._nodes), _pairs(self.kept))


_Verdict = Callable[[Link], DropReason | None]
SpaceOf = Callable[[IdentifierId], NamespaceId | None]
"""The namespace of an identifier; None where the policy declares it no more."""


def _admission(policy: Policy, space_of: SpaceOf, denied: Collection[Pair], now: Instant) -> _Verdict:
    """Judge a link by itself."""
    threshold = policy.probable_threshold
    unique = {space.id for space in policy.namespaces.values() if space.unique}
    lasting = lifetimes(policy)

    def verdict(link: Link) -> DropReason | None:
        low, high = space_of(link.low), space_of(link.high)
        if (link.low, link.high) in denied:
            return DropReason.DENIED
        if link.kind == LinkKind.PROBABLE and (threshold is None or link.weight < threshold):
            return DropReason.PROPOSED
        if low is None or high is None:
            return DropReason.UNDECLARED
        if lasting and ends_at(lasting, low, high, link.last_at) <= now:
            return DropReason.EXPIRED
        if low == high and low in unique:
            return DropReason.CONFLICT
        return None

    return verdict


def _proposal(
    policy: Policy, spaces: Spaces, limits: Limits, clusters: Sequence[Group], proposals: Sequence[Link]
) -> _Verdict:
    """Judge proposals by what they would join together."""

    def fits(group: Group) -> bool:
        return len(group) <= policy.identifiers_per_profile and within(limits, spaces, group)

    bad = refused(clusters, [*_pairs(proposals)], _named(policy, spaces), fits)

    def verdict(link: Link) -> DropReason | None:
        return DropReason.UNSURE if (link.low, link.high) in bad else None

    return verdict


def _claims(must_go: Callable[[Link], bool]) -> _Verdict:
    """Judge claims alone."""

    def verdict(link: Link) -> DropReason | None:
        return DropReason.CLAIMED if link.kind == LinkKind.CLAIMED and must_go(link) else None

    return verdict


def _exclusion(
    shared: frozenset[IdentifierId], generic: frozenset[IdentifierId], refused: frozenset[Pair] = frozenset()
) -> _Verdict:
    """Judge a link by what was found out about its ends."""

    def verdict(link: Link) -> DropReason | None:
        if link.low in generic or link.high in generic:
            return DropReason.GENERIC
        if link.low in shared or link.high in shared:
            return DropReason.SHARED
        return DropReason.CONFLICT if (link.low, link.high) in refused else None

    return verdict


def _named(policy: Policy, spaces: Spaces) -> set[IdentifierId]:
    return {one for one, space in spaces.items() if policy.namespaces[space].kind is IdentifierKind.PERSON}


def _pairs(links: Iterable[Link]) -> Iterator[Pair]:
    return ((link.low, link.high) for link in links)


def _parts(groups: Sequence[Group], links: Iterable[Link]) -> list[list[Link]]:
    """Return the links of each group."""
    number_of = {one: number for number, group in enumerate(groups) for one in group}
    parts: list[list[Link]] = [[] for _ in groups]
    for link in links:
        if link.low in number_of:
            parts[number_of[link.low]].append(link)
    return parts


def _cut(
    policy: Policy, limits: Limits, spaces: Spaces, nodes: Sequence[Node], parts: Iterable[Sequence[Link]]
) -> tuple[frozenset[IdentifierId], frozenset[Pair]]:
    """Apply the conflict rule to each part. Returns the identifiers found shared and the pairs refused."""
    priorities = {space.id: space.priority for space in policy.namespaces.values()}
    match policy.conflict:
        case ConflictRule.AMBIGUOUS:
            found = [ambiguous(limits, spaces, priorities, [*_pairs(part)]) for part in parts]
            return frozenset().union(*found), frozenset()
        case ConflictRule.LAST_AUTHENTICATED | ConflictRule.FIRST_OWNER as rule:
            keys = {node.id: node.key for node in nodes}
            ranks = {one: priorities[space] for one, space in spaces.items()}
            ordered = (ranking.ordered(rule, ranks, keys, part) for part in parts)
            return frozenset(), frozenset(pair for one in ordered for pair in fold(limits, spaces, one))
        case _:
            assert_never(policy.conflict)
