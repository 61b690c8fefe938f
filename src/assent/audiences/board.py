"""Many audiences asked of one profile at once, in a few additions of whole numbers.

Every gate of every rule (`gates`) is a field of one large number, which begins so far below its field's
highest bit as the gate needs, and to which every leaf that holds adds its weight: the bit is set where the
gate holds. Gates inside gates are handed on by shifting, the innermost first. What a value adds is looked up
(`sums`), for all leaves over its feature together. So what a profile is in before and after a change costs
about the same for one audience and for a hundred; and nothing where the changed values add what they added.

A feature whose window a permit covers in part, and a leaf that no value alone decides, is asked as the
evaluator asks it. Pure; raises what `evaluate` raises on rules that were not checked. Immutable.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from assent.audiences.evaluate import Evaluator
from assent.audiences.gates import Gate, Gates, Literal
from assent.audiences.holding import Person
from assent.audiences.leaf import Positive, feature_named
from assent.audiences.rule import Audience, Bucket, Ids, Score, Tier
from assent.audiences.seen import TIER, TIER_FEATURE, Seen, Shown, differ_in_values, seen_at
from assent.audiences.sums import Added, Weighed, added, tabled
from assent.core.ids import FeatureId
from assent.core.policy import Feature, Policy
from assent.core.time import Instant
from assent.features.read import begins

_ANYBODY: Final = -1
"""The bits of whatever shows to whom anything shows."""


class Asked(Struct, frozen=True):
    """A leaf that is asked for itself, and the features that it looks at; None where it may be any."""

    weighed: Weighed
    features: frozenset[FeatureId] | None


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
        self._names = [name for _, name in roots]
        layout = _Layout([gate for gate, _ in roots])
        self._width, self._base, self._all = layout.width, layout.base, layout.length
        self._roots = layout.bits(range(len(roots)))
        both = 1 | 1 << self._all
        self._inner = [(mask * both, shift) for mask, shift in layout.shifts()]
        self._plain: list[tuple[FeatureId, int, Added]] = []
        self._windowed: list[Windowed] = []
        self._asked: list[Asked] = []
        self._fill(layout)

    def members(self, seen: Seen, now: Instant, key: str) -> int:
        """Return the audiences that hold a profile, as bits."""
        if not seen.visible:
            return 0
        return self._held(self._sum(Person(seen, now, key))) & self._roots

    def moved(
        self, before: Shown, then: Instant, after: Shown, now: Instant, visible: int, key: str
    ) -> tuple[int, int]:
        """Return the audiences that hold a profile with other values alone, and with those it had alone.

        Both sights show the categories `visible`, and no others, each at its instant.
        """
        get, found = before.values.get, after.values.get
        total, more = self._base, 0
        for number, shown, add in self._plain:
            if visible & shown:
                one, other = get(number), found(number)
                adds = add(one)
                total += adds
                if one is not other and one != other:
                    more += add(other) - adds
        if self._windowed or self._asked:
            was, becomes = Person(seen_at(before, then), then, key), Person(seen_at(after, now), now, key)
            adds = self._asked_now(was)
            total += adds
            if then == now and differ_in_values(before, after):
                more += self._asked_anew(was, becomes)
            else:
                more += self._asked_now(becomes) - adds
        if not more:
            return 0, 0
        # Both at once, the later one above the other.
        bits = self._held(total | total + more << self._all)
        held, holds = bits & self._roots, bits >> self._all & self._roots
        return holds & ~held, held & ~holds

    def names(self, bits: int) -> Iterator[str]:
        """Yield the names of audiences given as bits."""
        names, width = self._names, self._width
        while bits:
            end = bits.bit_length()
            yield names[end // width - 1]
            bits ^= 1 << end - 1

    def _held(self, sums: int) -> int:
        """Return sums with gates inside others handed on: the highest bit of a field says if it holds."""
        for mask, shift in self._inner:
            sums += (sums & mask) >> shift
        return sums

    def _sum(self, person: Person) -> int:
        get, visible = person.values.get, person.visible
        plain = sum(add(get(number)) for number, shown, add in self._plain if visible & shown)
        return self._base + plain + self._asked_now(person)

    def _asked_now(self, person: Person) -> int:
        """Return what is added beside what plain values add."""
        windowed = sum(each.of(person) for each in self._windowed)
        return windowed + sum(each.weighed.of(person) for each in self._asked)

    def _asked_anew(self, was: Person, now: Person) -> int:
        """Return what a change of values adds to leaves that are asked one by one."""
        changed = {
            number
            for number in was.values.keys() | now.values.keys()
            if was.values.get(number) != now.values.get(number)
        }
        more = 0
        for each in self._windowed:
            if each.feature.id in changed:
                more += each.of(now) - each.of(was)
        for asked in self._asked:
            if asked.features is None or asked.features & changed:
                more += asked.weighed.of(now) - asked.weighed.of(was)
        return more

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
            if isinstance(leaf, Score | Audience):
                self._asked.append(Asked(weighed, None))
            elif isinstance(leaf, Ids):
                self._asked.append(Asked(weighed, frozenset()))
            else:
                feature = self._feature(leaf)
                if feature is not None and not isinstance(leaf, Bucket) and tabled(leaf, feature):
                    leaves.setdefault(feature.id, (feature, []))[1].append(weighed)
                else:
                    self._asked.append(Asked(weighed, frozenset({feature.id} if feature else ())))
        for number, (feature, some) in leaves.items():
            add = added(some, feature)
            if begins(feature, Instant(0)) is not None:
                self._windowed.append(Windowed(feature, add, tuple(some)))
            else:
                shown = _ANYBODY if number == TIER else 1 << feature.category
                self._plain.append((number, shown, add))

    def _feature(self, leaf: Positive | Tier | Bucket) -> Feature | None:
        if isinstance(leaf, Tier):
            return TIER_FEATURE
        return None if leaf.feature is None else feature_named(self._policy, leaf.feature)


class _Layout:
    """Where the field of each gate is: roots first, then gates inside them, alike ones side by side."""

    def __init__(self, roots: Sequence[Gate]) -> None:
        self._placed: list[Gate] = []
        self._edges: list[tuple[int, int, int]] = []
        """Of each gate inside another: its place, that one's, and its weight."""
        row = [(gate, -1, 0) for gate in roots]
        while row:
            first = len(self._placed)
            for place, (gate, outer, weight) in enumerate(row, first):
                self._placed.append(gate)
                if weight:
                    self._edges.append((place, outer, weight))
            inside = [
                (place, sorted(gate.inner(), key=lambda one: _shape(one[1]), reverse=True))
                for place, (gate, _, _) in enumerate(row, first)
            ]
            most = max(len(inner) for _, inner in inside)
            row = [
                (inner[turn][1], place, inner[turn][0])
                for turn in range(most)
                for place, inner in inside
                if turn < len(inner)
            ]
        # The highest bit of a field must stay free for the sum that is enough.
        self.width = 1 + max((gate.total.bit_length() for gate in self._placed), default=0)
        self.length = self.width * len(self._placed)
        self.base = sum(
            (1 << self.width - 1) - min(max(0, gate.least), gate.total + 1) << place * self.width
            for place, gate in enumerate(self._placed)
        )

    def bits(self, places: Iterable[int]) -> int:
        """Return the bits that say which of these gates hold."""
        return sum(1 << (place + 1) * self.width - 1 for place in places)

    def shifts(self) -> list[tuple[int, int]]:
        """Return how gates are handed on: of whose bits, how far; in turn."""
        found: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, outer, weight in self._edges:
            height = _height(self._placed[place])
            far = (place - outer + 1) * self.width - 1
            for bit in range(weight.bit_length()):
                if weight >> bit & 1:
                    found[height, far - bit].append(place)
        return [(self.bits(places), far) for (_, far), places in sorted(found.items())]

    def literals(self) -> Iterator[tuple[Literal, int]]:
        """Yield the leaves of all gates, with what they add."""
        for place, gate in enumerate(self._placed):
            for weight, part in gate.parts:
                if isinstance(part, Literal):
                    yield part, weight << place * self.width


_Shape = tuple["_Shape", ...]


def _shape(gate: Gate) -> _Shape:
    """Return how gates lie inside one another."""
    return tuple(sorted((_shape(inner) for _, inner in gate.inner()), reverse=True))


def _height(gate: Gate) -> int:
    return 1 + max((_height(inner) for _, inner in gate.inner()), default=0)
