"""Derive components that differ only in who and when once, for whoever derives everybody.

What follows from a component depends on its instants by their order alone: who spoke first, whether a give
has lapsed by now, whether a link was there already. So two components with the same words, links and kinds
of identifier, whose instants stand in the same order, have the same permits and profiles, but for the names
and the instants put in. The instants are every one that `derive` may compare: of statements and links, when
a give lapses under any validity that may count, when a link is over, of the policy itself, and now. The rules
stay where they are: whatever has a shape that was not met before goes through `derive`.

Left to `derive` alone: components with many statements, which are all different, and namespaces whose limit
counts within a period, where distances matter and not only order.

Pure but for what it remembers, which is bounded.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final

from msgspec import Struct

from assent.consent.duties import lapse
from assent.consent.permit import Permit
from assent.consent.statement import WIDENING, Statement
from assent.consent.terms import terms_of
from assent.core.ids import CategoryMask, EntryIndex, IdentifierId, ProfileId, PurposeId, PurposeMask, ViewId
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Duration, Instant
from assent.identity.lifetime import ends_at, lifetimes
from assent.identity.resolve import Link
from assent.ingest.component import Component, Derived, derive_prepared, prepared_at
from assent.ingest.denials import denied_purposes

MOST_WORDS: Final = 24
"""Statements of a component; who said more has hardly a second."""

REMEMBERED: Final = 4_096
"""Shapes, at some kilobytes each. A shop's people have some hundreds."""

_TOLD_APART: Final = frozenset({"identifier", "acted_at", "known_at", "entry", "expires_at", "address"})
"""What a shape says of a statement by its place alone: instants, entries, identifiers."""

_words: Final = attrgetter(*(field for field in Statement.__struct_fields__ if field not in _TOLD_APART))

_Shape = tuple[object, ...]


class Followed(Struct, frozen=True, kw_only=True):
    """What follows from a component, and what each identifier's own words deny."""

    derived: Derived
    denies: Mapping[IdentifierId, PurposeMask]


class _Mould(Struct, frozen=True, kw_only=True):
    """What follows from every component of a shape: places stand for identifiers, instants and entries."""

    profiles: tuple[tuple[ViewId, tuple[tuple[int, int], ...]], ...]
    permits: tuple[tuple[tuple[PurposeId, CategoryMask, int, int, int], ...], ...]
    """By identifier: purpose, categories, since, until, and the entry that decided (-1: none)."""
    denies: tuple[tuple[int, PurposeMask], ...]


class _Places(Struct, frozen=True, kw_only=True):
    """A component's own identifiers, instants and entries, each in order."""

    identifiers: tuple[IdentifierId, ...]
    instants: list[Instant]
    entries: list[EntryIndex]


class Alike:
    """Derives under one policy, as of one instant."""

    def __init__(self, policy: Policy, as_of: Instant) -> None:
        """Remember nothing yet."""
        self._policy = policy
        self._as_of = as_of
        self._moulds: dict[_Shape, _Mould] = {}
        self._lasting = lifetimes(policy)
        self._counted = {one.id for one in policy.namespaces.values() if one.limit_period is not None}
        terms = terms_of(policy)
        self._own = sorted({BEGINNING, FOREVER, *(at for each in terms for at in each.instants)})
        self._validities: dict[PurposeId | None, frozenset[Duration]] = {
            number: frozenset(one for each in terms if number in each.about for one in each.validities)
            for number in {number for each in terms for number in each.about}
        }

    def followed(self, component: Component) -> Followed:
        """Return what `derive_prepared` returns, and what `denied_purposes` does of everybody who spoke."""
        if self._is_singular(component):
            return self._asked(component)
        shape, places = self._shape(component)
        mould = self._moulds.get(shape)
        if mould is None:
            found = self._asked(component)
            while len(self._moulds) >= REMEMBERED:
                self._moulds.pop(next(iter(self._moulds)))
            self._moulds[shape] = _moulded(found, places)
            return found
        return _filled(mould, places)

    def _asked(self, component: Component) -> Followed:
        return Followed(
            derived=derive_prepared(component, self._policy, self._as_of),
            denies={one: denied_purposes(said, self._policy) for one, said in component.statements.items()},
        )

    def _is_singular(self, component: Component) -> bool:
        words = sum(map(len, component.statements.values()))
        return words > MOST_WORDS or any(node.namespace in self._counted for node in component.nodes.values())

    def _shape(self, component: Component) -> tuple[_Shape, _Places]:
        now = prepared_at(component, self._as_of)
        own = sorted(component.nodes)
        place = {one: number for number, one in enumerate(own)}
        said = [(one, each) for one in own for each in component.statements.get(one, ())]
        lapses = [tuple(self._lapses(each)) for _, each in said]
        links = [component.links[key] for key in sorted(component.links)]
        ends = [self._ends_at(component, link) for link in links]
        found = {now, *self._own, *ends}
        found.update(each.acted_at for _, each in said)
        found.update(at for several in lapses for at in several)
        found.update(at for link in links for at in (link.first_at, link.last_at))
        instants = sorted(found)
        turn = {at: number for number, at in enumerate(instants)}
        entries = sorted({each.entry for _, each in said})
        keys = sorted(node.key for node in component.nodes.values())
        shape = (
            turn[now],
            # Where the policy's own instants stand: one may be the very instant of a statement.
            tuple(turn[at] for at in self._own),
            tuple((component.nodes[one].namespace, keys.index(component.nodes[one].key)) for one in own),
            _told(said, lapses, place, turn, entries, now),
            tuple(
                (
                    *(place[link.low], place[link.high], link.kind, link.weight),
                    *(turn[link.first_at], turn[link.last_at], turn[end]),
                )
                for link, end in zip(links, ends, strict=True)
            ),
            # A denied pair may stand between two components: then it parts nobody of this one.
            tuple(
                sorted(
                    (place[low], place[high])
                    for low, high in component.denied
                    if low in place and high in place
                )
            ),
        )
        return shape, _Places(identifiers=tuple(own), instants=instants, entries=entries)

    def _ends_at(self, component: Component, link: Link) -> Instant:
        low, high = component.nodes[link.low].namespace, component.nodes[link.high].namespace
        return ends_at(self._lasting, low, high, link.last_at)

    def _lapses(self, said: Statement) -> Iterator[Instant]:
        """Yield when a give may end: each validity that may count ends it by itself."""
        yield lapse(said.acted_at, said.expires_at, ())
        if said.state in WIDENING:
            for validity in self._validities.get(said.purpose, ()):
                yield lapse(said.acted_at, None, (validity,))


def _told(
    said: Sequence[tuple[IdentifierId, Statement]],
    lapses: Sequence[tuple[Instant, ...]],
    place: Mapping[IdentifierId, int],
    turn: Mapping[Instant, int],
    entries: Sequence[EntryIndex],
    now: Instant,
) -> _Shape:
    entry = {one: number for number, one in enumerate(entries)}
    # Addresses of nobody here are told apart by nothing but being the same or not.
    address: dict[IdentifierId, int] = dict(place)
    for _, each in said:
        if each.address is not None:
            address.setdefault(each.address, len(address))
    return tuple(
        (
            *(place[one], place.get(each.identifier), turn[each.acted_at], entry[each.entry]),
            each.known_at <= now,
            None if each.address is None else address[each.address],
            *(turn[at] for at in ended),
            _words(each),
        )
        for (one, each), ended in zip(said, lapses, strict=True)
    )


def _moulded(found: Followed, places: _Places) -> _Mould:
    place = {one: number for number, one in enumerate(places.identifiers)}
    turn = {at: number for number, at in enumerate(places.instants)}
    entry: dict[int, int] = {one: number for number, one in enumerate(places.entries)}
    entry[-1] = -1
    return _Mould(
        profiles=tuple(
            (view, tuple((place[one], place[IdentifierId(profile)]) for one, profile in rows.items()))
            for view, rows in found.derived.profiles.items()
        ),
        permits=tuple(
            tuple(
                (each.purpose, each.categories, turn[each.since], turn[each.until], entry[each.entry])
                for each in found.derived.permits[one]
            )
            for one in places.identifiers
        ),
        denies=tuple((place[one], denies) for one, denies in found.denies.items()),
    )


def _filled(mould: _Mould, places: _Places) -> Followed:
    own, instants, entries = places.identifiers, places.instants, (*places.entries, -1)
    return Followed(
        derived=Derived(
            profiles={
                view: {own[one]: ProfileId(own[profile]) for one, profile in rows}
                for view, rows in mould.profiles
            },
            permits={
                one: tuple(
                    Permit(one, purpose, categories, instants[since], instants[until], entries[entry])
                    for purpose, categories, since, until, entry in held
                )
                for one, held in zip(own, mould.permits, strict=True)
            },
        ),
        denies={own[one]: denies for one, denies in mould.denies},
    )
