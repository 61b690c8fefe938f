"""A rule made ready for segments: what is true, and what is false, as plain bit algebra.

With hidden never true and never false, the true set of `not leaf` is what is visible without the true set of
the leaf; so a negation is pushed inwards and only asks the other way. Everything a plan needs of the moment
(literals, codes, windows' beginnings, slots of listed profiles) is in it, so it runs beside later changes.
"""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any, Final, Protocol, assert_never

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.audiences.codebook import Chosen
from assent.audiences.leaf import Range
from assent.audiences.seen import TIER, Bound
from assent.audiences.share import Span
from assent.core.ids import CategoryId, FeatureId
from assent.core.time import Instant

Sight = npt.NDArray[Any]
"""Some of the people of a view: words of 64 bits, or a truth for each. Bits of nobody are never set.

What a view answers of values alone (`bare`, `present`, `within`, `holding`, `listed`) may say anything of
who shows nothing: it is only used cut to who shows the category.
"""


class Everybody(Struct, frozen=True):
    """Who shows anything at all."""


class Nobody(Struct, frozen=True):
    """Neither true nor false for anyone."""


class Listed(Struct, frozen=True):
    """Who is on the list of this number."""

    number: int


class Share(Struct, frozen=True):
    """Who is drawn into a share of the people."""

    span: Span


class OfTier(Struct, frozen=True):
    """Whose tier is one of those asked for, and whose is none of them; of anybody else it is not sure."""

    inside: Chosen
    outside: Chosen


class Weighed(Struct, frozen=True):
    """The weights of what is true add up to so much."""

    parts: tuple[tuple["Plan", int], ...]
    least: int


class Every(Struct, frozen=True):
    """All parts are true."""

    of: tuple["Plan", ...]


class Some(Struct, frozen=True):
    """So many parts are true."""

    count: int
    of: tuple["Plan", ...]


class Opposite(Struct, frozen=True):
    """The part is false."""

    of: "Plan"


class Reference(Struct, frozen=True):
    """Another audience's plan, by number."""

    number: int
    of: "Plan"


class Presence(Struct, frozen=True):
    """There is a value."""

    feature: FeatureId
    category: CategoryId


class Ranges(Struct, frozen=True):
    """The integer lies in one of the ranges."""

    feature: FeatureId
    category: CategoryId
    ranges: tuple[Range, ...]
    bound: Bound


class Choice(Struct, frozen=True):
    """The value is one of those chosen."""

    feature: FeatureId
    category: CategoryId
    chosen: Chosen
    bound: Bound


class Drawn(Struct, frozen=True):
    """The integer is drawn into a share of the values."""

    feature: FeatureId
    category: CategoryId
    span: Span
    bound: Bound


Cut = frozenset[CategoryId]
UNCUT: Final[Cut] = frozenset()

Leaf = Presence | Ranges | Choice | Drawn
Plan = Everybody | Nobody | Listed | Share | OfTier | Every | Some | Weighed | Opposite | Reference | Leaf


class View(Protocol):
    """People at one instant, as arrays of one shape: bitmaps of a segment, or truths of some of its slots."""

    windows: Mapping[FeatureId, Instant]
    """Where the windows of windowed features begin."""
    answered: dict[tuple[int, bool], Sight]
    """Of references, by number: an audience referred to many times is asked once."""

    def nobody(self) -> Sight:
        """Return who is in nothing."""

    def anybody(self) -> Sight:
        """Return who shows anything at all."""

    def visible(self, category: CategoryId) -> Sight:
        """Return who shows the category."""

    def covered(self, leaf: Leaf) -> Sight | None:
        """Return, for a windowed feature, whose permit covers the whole window; None if everybody's does."""

    def bare(self, leaf: Leaf, *, true: bool) -> Sight:
        """Return where the leaf holds (or does not) for a value that is the whole value. Uncut."""

    def present(self, feature: FeatureId) -> Sight:
        """Return who has a value."""

    def within(self, feature: FeatureId, asked: Range) -> Sight:
        """Return who has an integer in the range."""

    def holding(self, feature: FeatureId, chosen: Chosen) -> Sight:
        """Return who has one of the values."""

    def drawn(self, feature: FeatureId, span: Span) -> Sight:
        """Return whose integer is drawn into a share."""

    def listed(self, number: int) -> Sight:
        """Return who is on the list of this number."""

    def shared(self, span: Span) -> Sight:
        """Return who is drawn into a share."""


def matching(plan: Plan, view: View, *, true: bool = True, cut: Cut = UNCUT) -> Sight:
    """Return for whom the plan is true, or (`true=False`) false. Not to be written into.

    Of who does not show a category of `cut` it may say anything: the caller cuts to who does. So in a
    conjunction who shows a category is looked up once, and not for each leaf.
    """
    match plan:
        case Presence() | Ranges() | Choice() | Drawn():
            return _leaf(plan, view, true=true, cut=cut)
        case Every(of=of):
            return _all(of, view, true=True, cut=cut) if true else _any(of, view, true=False, cut=cut)
        case Some(count=1, of=of):
            return _any(of, view, true=True, cut=cut) if true else _all(of, view, true=False, cut=cut)
        case Some(count=count, of=of):
            # False when so many are false that the count cannot be reached any more.
            return _counted(of, view, count if true else len(of) - count + 1, true=true)
        case Opposite(of=inner):
            return matching(inner, view, true=not true, cut=cut)
        case Reference():
            return _referred(plan, view, true=true)
        case Everybody() | Nobody() | Listed() | Share() | OfTier():
            return _of_profile(plan, view, true=true)
        case Weighed():
            return _weighed(plan, view, true=true)
        case _:
            assert_never(plan)


def _of_profile(plan: Everybody | Nobody | Listed | Share | OfTier, view: View, *, true: bool) -> Sight:
    match plan:
        case Everybody():
            return view.anybody() if true else view.nobody()
        case Nobody():
            return view.nobody()
        case Listed() | Share():
            found = view.listed(plan.number) if isinstance(plan, Listed) else view.shared(plan.span)
            return view.anybody() & (found if true else ~found)
        case OfTier(inside=inside, outside=outside):
            return view.anybody() & view.holding(TIER, inside if true else outside)
        case _:
            assert_never(plan)


def _referred(plan: Reference, view: View, *, true: bool) -> Sight:
    asked = plan.number, true
    if asked not in view.answered:
        view.answered[asked] = matching(plan.of, view, true=true)
    return view.answered[asked]


def _all(of: Sequence[Plan], view: View, *, true: bool, cut: Cut) -> Sight:
    # Whoever such a leaf is true for, or false, shows its category: cut to that once, at the end.
    whole = {
        leaf.category for leaf in map(_bare, of) if leaf is not None and leaf.feature not in view.windows
    }
    inside = cut | whole
    parts = [matching(part, view, true=true, cut=inside) for part in of]
    # By identity: most often who shows one category shows another.
    shown = {id(sight): sight for sight in map(view.visible, whole - cut)}
    return _folded(np.bitwise_and, [*parts, *shown.values()])


def _any(of: Sequence[Plan], view: View, *, true: bool, cut: Cut) -> Sight:
    apart: dict[CategoryId, list[Sight]] = {}
    found: list[Sight] = []
    for part in of:
        leaf = _bare(part)
        if leaf is None or leaf.category in cut or leaf.feature in view.windows:
            found.append(matching(part, view, true=true, cut=cut))
        else:
            bare = matching(part, view, true=true, cut=cut | {leaf.category})
            apart.setdefault(leaf.category, []).append(bare)
    for category, parts in apart.items():
        found.append(view.visible(category) & _folded(np.bitwise_or, parts))
    return _folded(np.bitwise_or, found)


def _bare(plan: Plan) -> "Leaf | None":
    """Return the leaf that the plan is, or is the opposite of; None of any other."""
    while isinstance(plan, Opposite):
        plan = plan.of
    return plan if isinstance(plan, Presence | Ranges | Choice | Drawn) else None


def _folded(how: np.ufunc, parts: Sequence[Sight]) -> Sight:
    """Return all parts in one. Writes into none of them."""
    if len(parts) == 1:
        return parts[0]
    found: Sight = how(parts[0], parts[1])
    for part in parts[2:]:
        how(found, part, found)
    return found


def _counted(of: Sequence[Plan], view: View, count: int, *, true: bool) -> Sight:
    # reached[n]: for whom n + 1 of the parts so far hold.
    reached = [view.nobody() for _ in range(count)]
    for part in of:
        holds = matching(part, view, true=true)
        for number in range(count - 1, 0, -1):
            reached[number] = reached[number] | (reached[number - 1] & holds)
        reached[0] = reached[0] | holds
    return reached[-1]


def _weighed(score: Weighed, view: View, *, true: bool) -> Sight:
    """Return who reaches the score whatever is unknown, or (`true=False`) who cannot reach it.

    Every weight is counted upwards: one that is taken off where its part is true is given where it is false.
    """
    given = sum(weight for _, weight in score.parts if weight > 0)
    taken = sum(-weight for _, weight in score.parts if weight < 0)
    parts = [
        (matching(part, view, true=(weight > 0) is true), abs(weight))
        for part, weight in score.parts
        if weight
    ]
    # Out of reach: more than what may be missing is missing, or taken off.
    return _reaching(parts, score.least + taken if true else given - score.least + 1, view)


def _reaching(parts: Sequence[tuple[Sight, int]], need: int, view: View) -> Sight:
    """Return for whom the weights add up to `need`: all sums at once, a bit of each in every plane."""
    if need <= 0:
        return view.anybody()
    if sum(weight for _, weight in parts) < need:
        return view.nobody()
    unit = gcd(*(weight for _, weight in parts))
    need = -(-need // unit)
    planes: list[Sight] = []
    for holds, weight in parts:
        _add(planes, holds, weight // unit, view)
    reached = view.anybody()
    for bit in range(max(len(planes), need.bit_length())):
        plane = planes[bit] if bit < len(planes) else view.nobody()
        reached = plane & reached if need >> bit & 1 else plane | reached
    return reached


def _add(planes: list[Sight], holds: Sight, weight: int, view: View) -> None:
    """Add the weight, where it holds, to the sums whose bits stand in the planes, lowest first."""
    carry: Sight | None = None
    bit = 0
    while weight >> bit or carry is not None:
        if bit == len(planes):
            planes.append(view.nobody())
        adding = holds if weight >> bit & 1 else None
        plane = planes[bit]
        if adding is not None and carry is not None:
            planes[bit] = plane ^ adding ^ carry
            carry = (plane & adding) | (plane & carry) | (adding & carry)
        elif (one := carry if adding is None else adding) is not None:
            planes[bit], carry = plane ^ one, plane & one
        if carry is not None and not carry.any():
            carry = None
        bit += 1


def _leaf(leaf: Leaf, view: View, *, true: bool, cut: Cut) -> Sight:
    covered = view.covered(leaf)
    if covered is None:
        found = view.bare(leaf, true=true)
        return found if leaf.category in cut else view.visible(leaf.category) & found
    visible = view.visible(leaf.category)
    holds = visible & view.bare(leaf, true=True)
    proven = visible & ~covered & _proven(leaf, view, true=true)
    return ((holds if true else visible ^ holds) & covered) | proven


def held(leaf: Leaf, view: View) -> Sight:
    """Return where the leaf holds for a value that is the whole value."""
    match leaf:
        case Presence(feature=feature):
            return view.present(feature)
        case Choice(feature=feature, chosen=chosen):
            return view.holding(feature, chosen)
        case Drawn(feature=feature, span=span):
            return view.present(feature) & view.drawn(feature, span)
        case Ranges(feature=feature, ranges=(first, *others)):
            found = view.within(feature, first)
            for asked in others:
                found = found | view.within(feature, asked)
            return found
        case _:
            return view.nobody()


def _proven(leaf: Leaf, view: View, *, true: bool) -> Sight:
    """Return where a value over the later part of a window proves the leaf true (or false) of the whole."""
    if isinstance(leaf, Presence):
        return view.present(leaf.feature) if true else view.nobody()
    if leaf.bound is Bound.ITSELF:
        holds = view.bare(leaf, true=true)
        return holds if true else view.present(leaf.feature) & holds
    if isinstance(leaf, Choice):
        grows = true and leaf.bound is Bound.AT_LEAST  # a set: what the part holds the whole holds
        return view.bare(leaf, true=True) if grows else view.nobody()
    if isinstance(leaf, Drawn) or leaf.bound is Bound.NOTHING:
        return view.nobody()
    return _bounded(leaf, view, at_least=leaf.bound is Bound.AT_LEAST, true=true)


def _bounded(leaf: Ranges, view: View, *, at_least: bool, true: bool) -> Sight:
    found = view.nobody() if true else view.present(leaf.feature)
    for least, most in leaf.ranges:
        end = most if at_least else least  # the end that the whole value may still reach
        if true and end is None:
            found = found | view.within(leaf.feature, (least, most))
        elif not true and end is not None:
            beyond = (end + 1, None) if at_least else (None, end - 1)
            found = found & view.within(leaf.feature, beyond)
        elif not true:
            found = view.nobody()
    return found
