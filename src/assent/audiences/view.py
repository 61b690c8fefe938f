"""What a plan sees of a segment at one instant: all of it as bitmaps, or a few of its slots one by one.

Belongs to the thread that counts.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from assent.audiences.bits import AnySlots, Bits, Scratch, Words, at, packed, unpacked
from assent.audiences.codebook import Chosen
from assent.audiences.columns import CodeColumn, IntegerColumn, SetColumn
from assent.audiences.leaf import Range
from assent.audiences.plan import Choice, Cut, Every, Leaf, Plan, Ranges, held
from assent.audiences.ready import Ready
from assent.audiences.rows import Ints, Slots
from assent.audiences.segment import Segment, Visible
from assent.audiences.share import Span
from assent.core.ids import CategoryId, FeatureId
from assent.core.policy import Feature
from assent.core.time import Instant

if TYPE_CHECKING:
    from assent.audiences.formula import Formula

_FEW: Final = 64
"""Of slots that one leaf leaves no more than one in so many, the others are asked about slot by slot."""


Covers = dict[tuple[CategoryId, Instant], Words | None]
"""By category and where a window begins, whose permit covers it all; None for everybody's."""


class Whole:
    """All slots of a segment, as bitmaps, whoever is still there."""

    def __init__(
        self,
        segment: Segment,
        seen: Visible,
        now: Instant,
        ready: Ready,
        lists: Sequence[Ints],
        covers: Covers | None = None,
    ) -> None:
        """`covers` is what other rules asked of this segment at this instant."""
        self.answered: dict[tuple[int, bool], Formula] = {}
        self.segment = segment
        self.now = now
        self.windows = ready.windows
        self.lists = lists
        self.scratch = Scratch()
        self._seen = seen
        self._covers: Covers = {} if covers is None else covers

    def nobody(self) -> Words:
        """Return who is in nothing."""
        return np.zeros_like(self._seen.anybody)

    def anybody(self) -> Words:
        """Return who shows anything at all."""
        return self._seen.anybody

    def visible(self, category: CategoryId) -> Words:
        """Return who shows the category."""
        return self._seen.by_category[category]

    def alike(self, category: CategoryId) -> Cut:
        """Return categories that the same people show, this one among them."""
        mine, shown = self._seen.by_category[category], self._seen.by_category.items()
        return frozenset(other for other, words in shown if words is mine)

    def covered(self, leaf: Leaf) -> Words | None:
        """Return whose permit covers the whole window; None if everybody's does."""
        begin = self.windows.get(leaf.feature)
        if begin is None:
            return None
        asked = leaf.category, begin
        if asked not in self._covers:
            self._covers[asked] = self.segment.covered(*asked, self.now)
        return self._covers[asked]

    def bare(self, leaf: Leaf, *, true: bool) -> Words:
        """Return where the leaf holds, or does not, for a value that is the whole value."""
        return self.segment.lately.words(
            (leaf, true), lambda: held(leaf, self) if true else ~held(leaf, self)
        )

    def present(self, feature: FeatureId) -> Words:
        """Return who has a value."""
        column = self.segment.columns[feature]
        return column.present() if isinstance(column, IntegerColumn) else column.present

    def within(self, feature: FeatureId, asked: Range) -> Words:
        """Return who has an integer in the range."""
        return self.integers(feature).within(*asked)

    def holding(self, feature: FeatureId, chosen: Chosen) -> Words:
        """Return who has one of the values."""
        return self.codes(feature).holding(chosen, self.scratch)

    def listed(self, number: int) -> Words:
        """Return who is on the list of this number."""
        return self.scratch.words(self.segment.places(self.lists[number]), len(self.segment))

    def drawn(self, feature: FeatureId, span: Span) -> Words:
        """Return whose integer is drawn into a share."""
        return packed(span.among(self.integers(feature).raw().view(np.uint64)))

    def shared(self, span: Span) -> Words:
        """Return who is drawn into a share."""
        return packed(span.among(self.segment.keys))

    def tally(self, feature: Feature, size: int, among: Words) -> Ints:
        """Return how many `among` show each value of a feature, by its number below `size`."""
        seen = unpacked(among & self.visible(feature.category), len(self.segment))
        return self.codes(feature.id).tally(seen, size)

    def integers(self, feature: FeatureId) -> IntegerColumn:
        """Return a column of numbers or times. Raises TypeError on another."""
        column = self.segment.columns[feature]
        if not isinstance(column, IntegerColumn):
            raise TypeError(_OTHER)
        return column

    def codes(self, feature: FeatureId) -> CodeColumn | SetColumn:
        """Return a column of texts, booleans or sets. Raises TypeError on another."""
        column = self.segment.columns[feature]
        if isinstance(column, IntegerColumn):
            raise TypeError(_OTHER)
        return column


_OTHER: Final = "a leaf was planned for another type of column"


class Few:
    """Some slots of a segment, each with its truth."""

    def __init__(self, whole: Whole, slots: Slots) -> None:
        self.answered: dict[tuple[int, bool], Formula] = {}
        self.windows = whole.windows
        self.slots = slots
        self._whole = whole

    def nobody(self) -> Bits:
        """Return who is in nothing."""
        return np.zeros(len(self.slots), np.bool_)

    def anybody(self) -> Bits:
        """Return who shows anything at all."""
        return at(self._whole.anybody(), self.slots)

    def visible(self, category: CategoryId) -> Bits:
        """Return who shows the category."""
        return at(self._whole.visible(category), self.slots)

    def alike(self, category: CategoryId) -> Cut:
        """Return categories that the same people show, this one among them."""
        return self._whole.alike(category)

    def covered(self, leaf: Leaf) -> Bits | None:
        """Return whose permit covers the whole window; None if everybody's does."""
        covered = self._whole.covered(leaf)
        return None if covered is None else at(covered, self.slots)

    def bare(self, leaf: Leaf, *, true: bool) -> Bits:
        """Return where the leaf holds, or does not, for a value that is the whole value."""
        found: Bits = held(leaf, self) if true else ~held(leaf, self)
        return found

    def present(self, feature: FeatureId) -> Bits:
        """Return who has a value."""
        return self._whole.segment.columns[feature].present_at(self.slots)

    def within(self, feature: FeatureId, asked: Range) -> Bits:
        """Return who has an integer in the range."""
        return self._whole.integers(feature).within_at(*asked, self.slots)

    def holding(self, feature: FeatureId, chosen: Chosen) -> Bits:
        """Return who has one of the values."""
        return self._whole.codes(feature).holding_at(chosen, self.slots, self._whole.scratch)

    def listed(self, number: int) -> Bits:
        """Return who is on the list of this number."""
        return np.isin(self.slots, self._whole.segment.places(self._whole.lists[number]))

    def drawn(self, feature: FeatureId, span: Span) -> Bits:
        """Return whose integer is drawn into a share."""
        return at(self._whole.drawn(feature, span), self.slots)

    def shared(self, span: Span) -> Bits:
        """Return who is drawn into a share."""
        return span.among(self._whole.segment.keys[self.slots])


def few(plan: Plan, whole: Whole) -> Few | None:
    """Return the slots that the narrowest part of the plan leaves, if they are few."""
    if not isinstance(plan, Every):
        return None
    most = len(whole.segment) // _FEW
    found = [slots for slots in (_listed(part, whole, most) for part in plan.of) if slots is not None]
    return Few(whole, np.sort(min(found, key=len)).astype(np.intp)) if found else None


def _listed(part: Plan, whole: Whole, most: int) -> AnySlots | None:
    """Return who may be in the part at most, as slots, if they are no more than `most` and listed."""
    match part:
        case Choice(feature=feature, chosen=chosen):
            return whole.codes(feature).few(chosen, most, whole.scratch)
        case Ranges(feature=feature, ranges=(asked,)) if feature not in whole.windows:
            return whole.integers(feature).few(*asked, most)
        case _:
            return None
