"""Many audiences asked of one profile at once, in a few additions of whole numbers.

Every gate of every rule (`gates`) is a field of one large number, which begins so far below its field's
highest bit as the gate needs, and to which every leaf that holds adds its weight: the bit is set where the
gate holds. Gates inside gates are handed on by shifting, the innermost first; the bits of the audiences are
then laid side by side. What a value adds is looked up (`sums`), for all leaves over its feature together. So
asking costs about the same for one audience and for a hundred.

A feature whose window a permit covers in part, and a leaf that no value alone decides, is asked as the
evaluator asks it. Pure; raises what `evaluate` raises on rules that were not checked. Immutable.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from assent.audiences.evaluate import Evaluator
from assent.audiences.gates import Gate, Gates, Literal
from assent.audiences.holding import Person
from assent.audiences.leaf import feature_named
from assent.audiences.rows import ABSENT
from assent.audiences.rule import Audience, Bucket, Ids, Score, Tier
from assent.audiences.seen import TIER_FEATURE, Shown, seen_at
from assent.audiences.sums import Added, Sized, Weighed, added, tabled
from assent.core.ids import CategoryMask, FeatureId
from assent.core.policy import Feature, Policy
from assent.core.time import Instant
from assent.features.read import begins

_SIGHTS: Final = 256
"""Sets of visible categories of which it is kept which features show."""

_Sized = tuple[FeatureId, list[int], list[int]]
"""A feature, and what its integers add (`Sized`)."""


class Windowed(Struct, frozen=True):
    """What the values of a windowed feature add, and its leaves for whose permit covers a part of it."""

    feature: Feature
    add: Added
    leaves: tuple[Weighed, ...]

    def of(self, person: Person) -> int:
        """Return what the feature adds for one profile."""
        feature = self.feature
        if not person.visible >> feature.category & 1:
            return 0
        begin = begins(feature, person.now)
        if begin is None or person.since[feature.category] <= begin:
            return self.add(person.values.get(feature.id))
        return sum(weighed.of(person) for weighed in self.leaves)


class Board:
    """Some audiences under one policy, asked together."""

    def __init__(self, names: Sequence[str], gates: Gates, evaluator: Evaluator, policy: Policy) -> None:
        """Make the audiences of these names ready. `gates` and `evaluator` know whatever they refer to."""
        self._evaluator, self._policy = evaluator, policy
        roots = sorted(
            ((gates.named(name), name) for name in names), key=lambda one: _shape(one[0]), reverse=True
        )
        layout = _Layout([gate for gate, _ in roots])
        self._base, self._inner = layout.base, layout.shifts()
        # As many together as a field has bits: each lot, shifted, fills what the others leave free.
        lot = -(-len(roots) // layout.width)
        lots = [range(start, min(start + lot, len(roots))) for start in range(0, len(roots), max(1, lot))]
        self._beside = [
            (layout.bits(places), (places.start + 1) * layout.width - 1 - phase)
            for phase, places in enumerate(lots)
        ]
        self.places: Final = {
            roots[place][1]: (place - places.start) * layout.width + phase
            for phase, places in enumerate(lots)
            for place in places
        }
        """Of each audience, which bit is its own."""
        self.length: Final = lot * layout.width
        """Bits in all."""
        self._plain: list[tuple[Feature, Added]] = []
        self._shown = lru_cache(_SIGHTS)(self._shows)
        self._windowed: list[Windowed] = []
        self._asked: list[Weighed] = []
        self._fill(layout)

    def held(self, shown: Shown, visible: CategoryMask, now: Instant) -> int:
        """Return the audiences that hold a profile of which these categories are visible, as bits."""
        get, total = shown.values.get, self._base
        sized, others = self._shown(visible)
        # Not asked as a function: a third of a change's time is this.
        for number, lasts, sums in sized:
            total += sums[bisect_left(lasts, get(number, ABSENT))]
        for number, add in others:
            total += add(get(number))
        if self._windowed or self._asked:
            person = Person(seen_at(shown, now), now)
            total += sum(each.of(person) for each in self._windowed)
            total += sum(each.of(person) for each in self._asked)
        for mask, shift in self._inner:
            total += (total & mask) >> shift
        bits = 0
        for mask, shift in self._beside:
            bits |= (total & mask) >> shift
        return bits

    def _fill(self, layout: "_Layout") -> None:
        leaves: dict[FeatureId, tuple[Feature, list[Weighed]]] = {}
        for literal, weight in layout.literals():
            leaf = literal.leaf
            weighed = Weighed(
                leaf=leaf,
                ask=self._evaluator.ask(leaf),
                true=weight if literal.holds else 0,
                false=0 if literal.holds else weight,
            )
            if not isinstance(leaf, Score | Audience | Ids | Bucket):
                feature = (
                    TIER_FEATURE if isinstance(leaf, Tier) else feature_named(self._policy, leaf.feature)
                )
                if tabled(leaf, feature):
                    leaves.setdefault(feature.id, (feature, []))[1].append(weighed)
                    continue
            self._asked.append(weighed)
        for feature, some in leaves.values():
            add = added(some, feature)
            if begins(feature, Instant(0)) is not None:
                self._windowed.append(Windowed(feature, add, tuple(some)))
            else:
                self._plain.append((feature, add))

    def _shows(self, visible: CategoryMask) -> tuple[list[_Sized], list[tuple[FeatureId, Added]]]:
        """Return the plain features that show where these categories do: integers, and others with a tier."""
        shown = [
            (feature.id, add)
            for feature, add in self._plain
            if feature is TIER_FEATURE or visible >> feature.category & 1
        ]
        sized = [(number, add.lasts, add.sums) for number, add in shown if isinstance(add, Sized)]
        return sized, [(number, add) for number, add in shown if not isinstance(add, Sized)]


class _Layout:
    """Where the field of each gate is: roots first, then gates inside them.

    Gates that lie alike in their roots stand as their roots do: those around them are all as far away.
    """

    def __init__(self, roots: Sequence[Gate]) -> None:
        self._placed: dict[int, Gate] = {}
        self._edges: list[tuple[int, int, int, int]] = []
        """Of each gate inside another: how deep it is, how far that one, its own place, and its weight."""
        begins: dict[_Path, int] = {}
        alike: dict[_Path, list[tuple[int, int, Gate]]] = {(): [(n, 0, gate) for n, gate in enumerate(roots)]}
        """By their path the roots' numbers, lowest first, the weights, and the gates."""
        end = 0
        while alike:
            path, some = next(iter(alike.items()))
            del alike[path]
            begin = begins[path] = end - some[0][0]
            end = begin + some[-1][0] + 1
            for root, weight, gate in some:
                self._placed[begin + root] = gate
                if path:
                    self._edges.append((len(path), begin - begins[path[:-1]], begin + root, weight))
                inside = sorted(gate.inner(), key=lambda one: _shape(one[1]), reverse=True)
                for turn, (heavy, inner) in enumerate(inside):
                    alike.setdefault((*path, turn), []).append((root, heavy, inner))
        # The highest bit of a field must stay free for the sum that is enough.
        self.width = 1 + max(gate.total.bit_length() for gate in self._placed.values())
        self.base = sum(
            (1 << self.width - 1) - min(max(0, gate.least), gate.total + 1) << place * self.width
            for place, gate in self._placed.items()
        )

    def bits(self, places: Iterable[int]) -> int:
        """Return the bits that say which of these gates hold."""
        return sum(1 << (place + 1) * self.width - 1 for place in places)

    def shifts(self) -> list[tuple[int, int]]:
        """Return how gates are handed on, the innermost first: of whose bits, how far."""
        found: dict[tuple[int, int], list[int]] = defaultdict(list)
        for depth, far, place, weight in self._edges:
            for bit in range(weight.bit_length()):
                if weight >> bit & 1:
                    found[-depth, (far + 1) * self.width - 1 - bit].append(place)
        return [(self.bits(places), far) for (_, far), places in sorted(found.items())]

    def literals(self) -> Iterator[tuple[Literal, int]]:
        """Yield the leaves of all gates, with what they add."""
        for place, gate in self._placed.items():
            for weight, part in gate.parts:
                if isinstance(part, Literal):
                    yield part, weight << place * self.width


_Path = tuple[int, ...]
"""Of a gate inside others: which inner one of its root it is in, which of that one, and so on."""

_Shape = tuple["_Shape", ...]


def _shape(gate: Gate) -> _Shape:
    """Return how gates lie inside one another."""
    return tuple(sorted((_shape(inner) for _, inner in gate.inner()), reverse=True))
