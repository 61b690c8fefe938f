"""Identifiers by readable names, and the links that events among them make."""

import hashlib
from collections.abc import Collection, Iterable
from itertools import combinations
from typing import NamedTuple

from assent.core.ids import EntryIndex, IdentifierId, NamespaceId
from assent.core.policy import ConflictRule, IdentifierKind, LinkKind, Namespace, Policy
from assent.core.time import BEGINNING, Duration, Instant
from assent.identity.components import Pair
from assent.identity.resolve import Link, Node, Resolution, resolve


class Sighting(NamedTuple):
    """Names `namespace:value` seen together at a time."""

    at: int
    names: frozenset[str]
    kind: LinkKind = LinkKind.OBSERVED


def sighting(at: int, names: str, kind: LinkKind = LinkKind.OBSERVED) -> Sighting:
    return Sighting(at, frozenset(names.split()), kind)


def identity_policy(
    spaces: str,
    rule: ConflictRule = ConflictRule.AMBIGUOUS,
    *,
    identifiers_per_profile: int = 100,
    links_per_identifier: int = 200,
    probable_threshold: int | None = None,
) -> Policy:
    """Return a policy from text such as `user!1 email!5/9 cookie~7`: highest priority first, `!n` the limit.

    `/p` is the limit's period, `~t` the lifetime, both in the unit of the sightings' times.
    `device` and `cookie` are what they say; every other namespace is of people.
    """
    namespaces = {}
    for number, text in enumerate(spaces.split(), 1):
        rest, _, lifetime = text.partition("~")
        rest, _, period = rest.partition("/")
        name, _, limit = rest.partition("!")
        namespaces[NamespaceId(number)] = Namespace(
            id=NamespaceId(number),
            name=name,
            kind=_KINDS.get(name, IdentifierKind.PERSON),
            priority=number,
            limit=int(limit) if limit else None,
            limit_period=Duration(microseconds=int(period)) if period else None,
            lifetime=Duration(microseconds=int(lifetime)) if lifetime else None,
        )
    return Policy(
        version=1,
        purposes={},
        categories={},
        features={},
        namespaces=namespaces,
        views={},
        conflict=rule,
        identifiers_per_profile=identifiers_per_profile,
        links_per_identifier=links_per_identifier,
        probable_threshold=probable_threshold,
        purpose_ids={},
        category_ids={},
        feature_ids={},
        namespace_ids={space.name: space.id for space in namespaces.values()},
    )


_KINDS = {"device": IdentifierKind.DEVICE, "cookie": IdentifierKind.COOKIE}


class Evidence(NamedTuple):
    """What the write path makes of sightings: ids in order of arrival, a link for every pair of an event."""

    ids: dict[str, IdentifierId]
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def pair(self, one: str, other: str) -> Pair:
        low, high = sorted((self.ids[one], self.ids[other]))
        return low, high

    def named(self, group: Iterable[IdentifierId]) -> frozenset[str]:
        names = {number: name for name, number in self.ids.items()}
        return frozenset(names[one] for one in group)


def gather(policy: Policy, sightings: Iterable[Sighting]) -> Evidence:
    ids: dict[str, IdentifierId] = {}
    links: dict[tuple[IdentifierId, IdentifierId, LinkKind], Link] = {}
    for entry, (at, names, kind) in enumerate(sightings):
        for position, name in enumerate(sorted(names)):
            ids.setdefault(name, IdentifierId(entry * 64 + position))
        for low, high in combinations(sorted(ids[name] for name in names), 2):
            old = links.get((low, high, kind))
            links[low, high, kind] = Link(
                low=low,
                high=high,
                kind=kind,
                first_at=Instant(min(at, old.first_at if old else at)),
                last_at=Instant(max(at, old.last_at if old else at)),
                first_entry=old.first_entry if old else EntryIndex(entry),
                last_entry=EntryIndex(entry),
                # A model's newest word counts: surer the later, in these worlds.
                weight=500_000 + 100_000 * max(at, old.last_at if old else at)
                if kind == LinkKind.PROBABLE
                else 0,
            )
    nodes = tuple(
        Node(
            id=number,
            namespace=policy.namespace_ids[name.partition(":")[0]],
            key=hashlib.sha256(name.encode()).digest(),
        )
        for name, number in ids.items()
    )
    return Evidence(ids, nodes, tuple(links.values()))


def resolved(
    policy: Policy,
    sightings: Iterable[Sighting],
    denied: Collection[tuple[str, str]] = (),
    now: int = BEGINNING,
) -> tuple[Resolution, Evidence]:
    evidence = gather(policy, sightings)
    pairs = frozenset(evidence.pair(*names) for names in denied)
    return resolve(policy, evidence.nodes, evidence.links, pairs, now=Instant(now)), evidence


def clusters(
    policy: Policy,
    sightings: Iterable[Sighting],
    denied: Collection[tuple[str, str]] = (),
    now: int = BEGINNING,
) -> set[frozenset[str]]:
    """Return the clusters by name, singles included."""
    resolution, evidence = resolved(policy, sightings, denied, now)
    return {evidence.named(group) for group in resolution.clusters}
