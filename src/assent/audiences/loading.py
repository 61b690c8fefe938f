"""Fold what the gate yields of many people into a batch, by column: what `gate.profile` does one by one.

Pure. A property holds the two against each other. Values are read by the one reader that single profiles have
(`features.read`), but for what counts, adds or collects within an exact window, which most people have: those
are read for all at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.audiences.filling import Batch
from assent.audiences.rows import ABSENT, INTEGER_TYPES, Ints, Ragged, Raw, Rows, begins_of
from assent.audiences.seen import TIER, TIER_FEATURE, unsure
from assent.audiences.windows import Items
from assent.core.ids import CategoryMask, FeatureId, ProfileId
from assent.core.policy import Feature, IdentifierKind, Policy, ValueType
from assent.core.time import FOREVER, Instant
from assent.features.catalogue import Value
from assent.features.read import read, reading
from assent.features.state import EMPTY, Partial, State, joined, merged
from assent.gate.page import Page
from assent.gate.profile import readable, tier

_Bits = npt.NDArray[np.bool_]

Values = Mapping[int, Value | None]
"""Of one feature, by the person's place; None for absent."""


class _Known(Struct, frozen=True, kw_only=True):
    """The rows of a page that count: of each its number, its person's place, whether it is open."""

    people: Ints
    """Profile ids, each once, lowest first."""
    rows: npt.NDArray[np.intp]
    person: npt.NDArray[np.intp]
    opened: _Bits
    page: Page

    def of(self, column: Ints) -> Ints:
        """Return a column of the page, of these rows."""
        return column[self.rows]


def apart(page: Page) -> list[ProfileId]:
    """Return who is not in the batch: those of whom an account says something are asked about one by one."""
    return [ProfileId(one) for one in np.unique(page.profiles[page.accounts != 0]).tolist()]


def batch_of(
    policy: Policy, told: CategoryMask, features: Sequence[Feature], page: Page, now: Instant
) -> Batch:
    """Return the people of a page, as a purpose that is told these categories sees them.

    Nobody sees an identifier whose namespace the policy does not declare.
    """
    known = _known(policy, page, now)
    size = len(known.people)
    visible = np.zeros(size, np.int64)
    np.bitwise_or.at(visible, known.person[known.opened], known.of(page.categories)[known.opened])
    person = np.full(len(page.profiles), -1)
    person[known.rows] = known.person
    states, values = page.unpacked()
    items = Items(page, person, values, now)
    permits = _permits(known)
    until = _until(known, permits)
    shows = _showing(policy, visible)
    for feature in policy.features.values():
        items.shorten(until, feature, shows[feature.id])
    stated = person[(page.features == 0) & (page.lengths >= 0)].tolist()
    partials = _partials(stated, states)
    columns: dict[FeatureId, Raw] = {}
    names: dict[FeatureId, Sequence[Value]] = {}
    shows[TIER] = np.ones(size, np.bool_)
    for feature in features:
        if feature is TIER_FEATURE:
            found: Values = _tiers(policy, known, zip(stated, states, strict=True), visible & told == told)
        elif feature.itemised:
            found = items.read(policy, feature, partials)
        else:
            read_one = reading(feature)
            found = {who: read_one(partial) for who, partial in partials.get(feature.id, {}).items()}
        default = read(policy, feature, EMPTY, (), now)
        if feature.type in INTEGER_TYPES:
            columns[feature.id] = _integers(found, shows[feature.id], default)
        else:
            book: dict[Value, int] = {}
            coded = _sets if feature.type is ValueType.SET else _codes
            columns[feature.id] = coded(found, shows[feature.id], book)
            names[feature.id] = tuple(book)
    rows = Rows(
        profiles=known.people, keys=_keys(policy, known), permits=permits, valid_until=until, values=columns
    )
    return Batch(rows=rows, names=names)


def _known(policy: Policy, page: Page, now: Instant) -> _Known:
    declared = np.isin(page.namespaces, np.array(list(policy.namespaces), np.int64))
    alone = page.accounts == 0
    if not alone.all():
        alone = ~np.isin(page.profiles, page.profiles[~alone])
    rows = np.flatnonzero(declared & alone)
    people, person = np.unique(page.profiles[rows], return_inverse=True)
    return _Known(people=people, rows=rows, person=person, opened=page.since[rows] <= now, page=page)


def _showing(policy: Policy, visible: Ints) -> dict[FeatureId, _Bits]:
    """Return of whom what is visible gives each feature's value."""
    masks, which = np.unique(visible, return_inverse=True)
    found = {feature: np.zeros(len(masks), np.bool_) for feature in policy.features}
    for place, mask in enumerate(masks.tolist()):
        for feature in readable(policy, mask):
            found[feature.id][place] = True
    return {feature: bits[which] for feature, bits in found.items()}


def _permits(known: _Known) -> Ragged:
    """Return each person's permits, each once."""
    columns = [known.of(column) for column in (known.page.categories, known.page.since, known.page.until)]
    order = _sorted(known.person, columns)
    person, columns = known.person[order], [column[order] for column in columns]
    new = _differs(person, *columns)
    starts = begins_of(np.bincount(person[new], minlength=len(known.people)))
    return Ragged(starts, tuple(column[new] for column in columns))


def _until(known: _Known, permits: Ragged) -> Ints:
    """Return from when on time alone shows something else: a permit opens, or one of several closes.

    Of several identifiers, or of several permits of one.
    """
    until = np.full(len(known.people), FOREVER, np.int64)
    later = ~known.opened
    np.minimum.at(until, known.person[later], known.of(known.page.since)[later])
    several = (np.bincount(_identifiers(known)[0], minlength=len(until)) > 1) | (np.diff(permits.starts) > 1)
    if several.any():
        closes = np.minimum.reduceat(permits.flat[2], permits.starts[:-1])
        until = np.where(several, np.minimum(until, closes), until)
    return until


def _identifiers(known: _Known) -> tuple[Ints, Ints]:
    """Return each open identifier once: whose it is, and its namespace."""
    columns = [known.of(column)[known.opened] for column in (known.page.identifiers, known.page.namespaces)]
    person = known.person[known.opened]
    order = _sorted(person, columns)
    identifiers, namespaces = (column[order] for column in columns)
    new = _differs(person[order], identifiers)
    return person[order][new], namespaces[new]


def _tiers(
    policy: Policy, known: _Known, states: Iterable[tuple[int, State]], sure: _Bits
) -> dict[int, Value | None]:
    """Return each person's tier, or what is sure of it."""
    kinds: list[list[IdentifierKind]] = [[] for _ in known.people]
    whose, namespaces = _identifiers(known)
    for who, namespace in zip(whose.tolist(), namespaces.tolist(), strict=True):
        kinds[who].append(policy.namespaces[namespace].kind)
    halves: dict[int, tuple[tuple[Instant, Instant], ...]] = {}
    for who, state in states:
        halves[who] = joined(halves.get(who, ()), state.halves)
    found: dict[int, Value | None] = {}
    for who, (own, is_sure) in enumerate(zip(kinds, sure.tolist(), strict=True)):
        seems = tier(own, len(State({}, halves.get(who, ())).sessions))
        found[who] = seems if is_sure else unsure(seems)
    return found


def _keys(policy: Policy, known: _Known) -> npt.NDArray[np.uint64]:
    """Return whom each person is drawn by: the identifier that the purpose could use first."""
    keys = np.zeros(len(known.people), np.uint64)
    person, hashed = known.person[known.opened], known.page.keys[known.rows][known.opened]
    priorities = np.zeros(max(policy.namespaces, default=0) + 1, np.int64)
    for number, namespace in policy.namespaces.items():
        priorities[number] = namespace.priority
    priority = priorities[known.of(known.page.namespaces)[known.opened]]
    order = np.lexsort((hashed, priority, known.of(known.page.since)[known.opened], person))
    first = order[_differs(person[order])]
    keys[person[first]] = hashed[first]
    return keys


def _partials(whose: Iterable[int], states: Iterable[State]) -> dict[FeatureId, dict[int, Partial]]:
    found: dict[FeatureId, dict[int, Partial]] = {}
    for who, state in zip(whose, states, strict=True):
        if who < 0:
            continue
        for feature, partial in state.partials.items():
            column = found.get(feature)
            if column is None:
                column = found[feature] = {}
            held = column.setdefault(who, partial)
            if held is not partial:
                column[who] = merged(held, partial)
    return found


def _integers(found: Values, shows: _Bits, default: Value | None) -> Ints:
    column = np.full(len(shows), ABSENT if default is None else int(default), np.int64)  # type: ignore[arg-type]
    who = np.fromiter(found, np.int64, len(found))
    column[who] = [value if isinstance(value, int) else ABSENT for value in found.values()]
    return np.where(shows, column, ABSENT)


def _codes(found: Values, shows: _Bits, book: dict[Value, int]) -> Ints:
    column = np.zeros(len(shows), np.int64)
    seen = shows.tolist()
    for who, value in found.items():
        if value is not None and seen[who]:
            column[who] = book.setdefault(value, len(book) + 1)
    return column


def _sets(found: Values, shows: _Bits, book: dict[Value, int]) -> Ragged:
    lengths = np.zeros(len(shows), np.int64)
    seen = shows.tolist()
    flat: list[int] = []
    for who, value in sorted(found.items()):
        if isinstance(value, frozenset) and seen[who]:
            lengths[who] = len(value)
            flat += [book.setdefault(member, len(book) + 1) for member in value]
    return Ragged(begins_of(lengths), (np.array(flat, np.int64),))


def _sorted(person: npt.NDArray[np.intp], columns: Sequence[Ints]) -> npt.NDArray[np.intp]:
    return np.lexsort((*reversed(columns), person))


def _differs(*columns: npt.NDArray[np.signedinteger[Any]]) -> _Bits:
    """Return which rows are not the one before."""
    found = np.zeros(len(columns[0]), np.bool_)
    found[:1] = True
    for column in columns:
        found[1:] |= column[1:] != column[:-1]
    return found
