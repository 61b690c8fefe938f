"""A rule made ready for blocks of slots: what is true, and what is false, as plain bit algebra.

With hidden never true and never false, the true set of `not leaf` is what is visible without the true set of
the leaf; so a negation is pushed inwards and only asks the other way. Everything a plan needs of the moment
(literals, codes, windows' beginnings, slots of listed profiles) is in it, so it runs beside later changes.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

import numpy as np
from msgspec import Struct

from assent.audiences.columns import Bits, Chosen, Codes, IntegerView
from assent.audiences.leaf import Range
from assent.audiences.seen import Bound
from assent.audiences.share import Keys, Span
from assent.core.ids import CategoryId, FeatureId


class View(Struct, frozen=True, kw_only=True):
    """One block at one instant, for keeping."""

    anybody: Bits
    visible: Mapping[CategoryId, Bits]
    columns: Mapping[FeatureId, IntegerView | Codes]
    covered: Mapping[FeatureId, Bits]
    """Of windowed features: whose permit covers the whole window."""
    listed: tuple[Bits, ...]
    keys: Keys
    """By which people are drawn into shares; none where the plan draws nobody."""
    answered: dict[tuple[int, bool], Bits]
    """Of references, by number: an audience referred to many times is asked once."""


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


Leaf = Presence | Ranges | Choice | Drawn
Plan = Everybody | Nobody | Listed | Share | Every | Some | Opposite | Reference | Leaf


def matching(plan: Plan, view: View, *, true: bool = True) -> Bits:
    """Return for which slots the plan is true, or (`true=False`) false. Not to be written into."""
    match plan:
        case Every(of=of):
            return _all(of, view, true=True) if true else _any(of, view, true=False)
        case Some(count=1, of=of):
            return _any(of, view, true=True) if true else _all(of, view, true=False)
        case Some(count=count, of=of):
            # False when so many are false that the count cannot be reached any more.
            return _counted(of, view, count if true else len(of) - count + 1, true=true)
        case Opposite(of=inner):
            return matching(inner, view, true=not true)
        case Reference():
            return _referred(plan, view, true=true)
        case Everybody():
            return view.anybody if true else np.zeros_like(view.anybody)
        case Nobody():
            return np.zeros_like(view.anybody)
        case Listed() | Share():
            bits = view.listed[plan.number] if isinstance(plan, Listed) else plan.span.among(view.keys)
            return view.anybody & (bits if true else ~bits)
        case Presence() | Ranges() | Choice() | Drawn():
            return _leaf(plan, view, true=true)
        case _:
            assert_never(plan)


def _referred(plan: Reference, view: View, *, true: bool) -> Bits:
    asked = plan.number, true
    if asked not in view.answered:
        view.answered[asked] = matching(plan.of, view, true=true)
    return view.answered[asked]


def _all(of: Iterable[Plan], view: View, *, true: bool) -> Bits:
    bits = view.anybody.copy()
    for part in of:
        bits &= matching(part, view, true=true)
    return bits


def _any(of: Iterable[Plan], view: View, *, true: bool) -> Bits:
    bits = np.zeros_like(view.anybody)
    for part in of:
        bits |= matching(part, view, true=true)
    return bits


def _counted(of: Iterable[Plan], view: View, count: int, *, true: bool) -> Bits:
    found = np.zeros(len(view.anybody), np.int16)
    for part in of:
        found += matching(part, view, true=true)
    return view.anybody & (found >= count)


def _leaf(leaf: Leaf, view: View, *, true: bool) -> Bits:
    visible = view.visible[leaf.category]
    column = view.columns[leaf.feature]
    holds = visible & _holds(leaf, column)
    covered = view.covered.get(leaf.feature)
    if covered is None:
        return holds if true else visible ^ holds
    proven = visible & ~covered & _proven(leaf, column, true=true)
    return ((holds if true else visible ^ holds) & covered) | proven


def _holds(leaf: Leaf, column: IntegerView | Codes) -> Bits:
    """Return where the leaf holds for a value that is the whole value."""
    match leaf:
        case Presence():
            return _present(column)
        case Ranges(ranges=ranges) if isinstance(column, IntegerView):
            return _within(column, ranges)
        case Drawn(span=span) if isinstance(column, IntegerView):
            return column.present() & span.among(column.integers().astype(np.uint64))
        case Choice(chosen=chosen) if not isinstance(column, IntegerView):
            return chosen.among(column)
        case _:
            message = "a leaf was planned for another type of column"
            raise TypeError(message)


def _present(column: IntegerView | Codes) -> Bits:
    return column.present() if isinstance(column, IntegerView) else column != 0


def _within(column: IntegerView, ranges: tuple[Range, ...]) -> Bits:
    if len(ranges) == 1:
        return column.within(*ranges[0])
    return column.among([least for least, _ in ranges if least is not None])


def _proven(leaf: Leaf, column: IntegerView | Codes, *, true: bool) -> Bits:
    """Return where a value over the later part of a window proves the leaf true (or false) of the whole."""
    present = _present(column)
    if isinstance(leaf, Presence):
        return present if true else np.zeros_like(present)
    if leaf.bound is Bound.ITSELF:
        holds = _holds(leaf, column)
        return holds if true else present & ~holds
    if isinstance(leaf, Choice):
        grows = true and leaf.bound is Bound.AT_LEAST  # a set: what the part holds the whole holds
        return _holds(leaf, column) if grows else np.zeros_like(present)
    if isinstance(leaf, Drawn) or leaf.bound is Bound.NOTHING or not isinstance(column, IntegerView):
        return np.zeros_like(present)
    return _bounded(leaf.ranges, column, at_least=leaf.bound is Bound.AT_LEAST, true=true)


def _bounded(ranges: tuple[Range, ...], column: IntegerView, *, at_least: bool, true: bool) -> Bits:
    bits = np.zeros_like(column.present()) if true else column.present()
    for least, most in ranges:
        end = most if at_least else least  # the end that the whole value may still reach
        if true and end is None:
            bits |= column.within(least, most)
        elif not true and end is not None:
            bits &= column.within(end + 1, None) if at_least else column.within(None, end - 1)
        elif not true:
            bits &= False
    return bits
