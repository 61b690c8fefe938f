"""A rule made ready for segments: what is true, and what is false, as plain bit algebra.

Looking at leaves makes arrays; how they go together is written down as a formula, for whoever asks.
With hidden never true and never false, the true set of `not leaf` is what is visible without the true set of
the leaf; so a negation is pushed inwards and only asks the other way. Everything a plan needs of the moment
(literals, codes, windows' beginnings, slots of listed profiles) is in it, so it runs beside later changes.
"""

from collections.abc import Mapping, Sequence
from math import gcd
from typing import Final, Protocol, assert_never

from msgspec import Struct

from assent.audiences.codebook import Chosen
from assent.audiences.formula import Formula, Sight, every, odd, some
from assent.audiences.leaf import Range
from assent.audiences.seen import TIER, Bound
from assent.audiences.share import Span
from assent.core.ids import CategoryId, FeatureId
from assent.core.time import Instant


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
    """People at one instant, as arrays of one shape: bitmaps of a segment, or truths of some of its slots.

    What it answers of values alone (`bare`, `present`, `within`, `holding`, `listed`) may say anything of who
    shows nothing: it is only used cut to who shows the category. No array of it is written into.
    """

    windows: Mapping[FeatureId, Instant]
    """Where the windows of windowed features begin."""
    answered: dict[tuple[int, bool], Formula]
    """Of references, by number: an audience referred to many times is asked once."""

    def nobody(self) -> Sight:
        """Return who is in nothing."""

    def anybody(self) -> Sight:
        """Return who shows anything at all."""

    def visible(self, category: CategoryId) -> Sight:
        """Return who shows the category."""

    def alike(self, category: CategoryId) -> Cut:
        """Return categories that the same people show, this one among them."""

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


def matching(plan: Plan, view: View, *, true: bool = True, cut: Cut = UNCUT) -> Formula:
    """Return for whom the plan is true, or (`true=False`) false.

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


def _referred(plan: Reference, view: View, *, true: bool) -> Formula:
    asked = plan.number, true
    if asked not in view.answered:
        view.answered[asked] = matching(plan.of, view, true=true)
    return view.answered[asked]


def _all(of: Sequence[Plan], view: View, *, true: bool, cut: Cut) -> Formula:
    parts: list[Formula] = []
    for part in sorted(of, key=lambda part: _bare(part) is None):
        parts.append(matching(part, view, true=true, cut=cut))
        leaf = _bare(part)
        if leaf is not None and leaf.feature not in view.windows:
            # Whoever such a leaf is true for, or false, shows its category: all parts are cut to that by it.
            cut |= view.alike(leaf.category)
    return every(parts)


def _any(of: Sequence[Plan], view: View, *, true: bool, cut: Cut) -> Formula:
    return some([matching(part, view, true=true, cut=cut) for part in of])


def _bare(plan: Plan) -> "Leaf | None":
    """Return the leaf that the plan is, or is the opposite of; None of any other."""
    while isinstance(plan, Opposite):
        plan = plan.of
    return plan if isinstance(plan, Presence | Ranges | Choice | Drawn) else None


def _counted(of: Sequence[Plan], view: View, count: int, *, true: bool) -> Formula:
    # reached[n]: for whom n + 1 of the parts so far hold; of fewer parts, nobody.
    reached: list[Formula] = []
    for part in of:
        holds = matching(part, view, true=true)
        more = [every((one, holds)) for one in reached]
        reached = [some(pair) for pair in zip(reached, [holds, *more], strict=False)]
        reached = [*reached, (more or [holds])[-1]][:count]
    return reached[-1] if len(reached) == count else view.nobody()


def _weighed(score: Weighed, view: View, *, true: bool) -> Formula:
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


def _reaching(parts: Sequence[tuple[Formula, int]], need: int, view: View) -> Formula:
    """Return for whom the weights add up to `need`: all sums at once, a bit of each in every plane."""
    if need <= 0:
        return view.anybody()
    if sum(weight for _, weight in parts) < need:
        return view.nobody()
    unit = gcd(*(weight for _, weight in parts))
    need = -(-need // unit)
    planes: list[Formula] = []
    most = 0
    for holds, weight in parts:
        most += weight // unit
        _add(planes, holds, weight // unit, [view.nobody()] * (most.bit_length() - len(planes)))
    reached: Formula = view.anybody()
    for bit, plane in enumerate(planes):
        reached = every((plane, reached)) if need >> bit & 1 else some((plane, reached))
    return reached


def _add(planes: list[Formula], holds: Formula, weight: int, more: Sequence[Formula]) -> None:
    """Add the weight, where it holds, to the sums whose bits stand in the planes, lowest first.

    No sum needs more planes than there are with `more`.
    """
    planes += more
    carry: Formula | None = None
    for bit, plane in enumerate(planes):
        added = [one for one in (holds if weight >> bit & 1 else None, carry) if one is not None]
        if not added:
            continue
        planes[bit] = odd((plane, *added))
        carry = every((plane, added[0]))
        if len(added) > 1:
            carry = some((carry, every((plane, added[1])), every(added)))


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
