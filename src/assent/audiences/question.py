"""A rule asked of one moment of a population: how many it is true for, and for whom.

Made by `Population.ask`, in the population's thread; it answers in any thread while the population goes on
changing. Asks nothing of the gate. Raises nothing.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from assent.audiences.bits import Scratch, Words, counted
from assent.audiences.distinctive import Names, Tally
from assent.audiences.plan import matching
from assent.audiences.ready import Ready
from assent.audiences.rows import Ints
from assent.audiences.segment import Segment
from assent.audiences.view import Whole
from assent.core.policy import Feature
from assent.core.time import Instant


class Question:
    """A rule over one moment of a population. Immutable, and any thread's."""

    def __init__(
        self,
        ready: Ready,
        people: list[tuple[Segment, Words | None]],
        now: Instant,
        lists: Sequence[Ints],
    ) -> None:
        self._plan = ready.plan
        self._never = ready.never
        self._windows = ready.windows
        self._people = people
        self._now = now
        self._lists = lists

    def count(self) -> int:
        """Return for how many profiles the rule is true."""
        return 0 if self._never else sum(view.count(self._plan) for view in self._views())

    def members(self) -> npt.NDArray[np.int64]:
        """Return for which profiles the rule is true, lowest id first."""
        views = () if self._never else self._views()
        found = [members for members in (view.members(self._plan) for view in views) if len(members)]
        if not found:
            return np.zeros(0, np.int64)
        # Segments filled in order follow one another; only others need sorting.
        found.sort(key=lambda members: int(members[0]))
        everybody = np.concatenate(found)
        in_order = all(one[-1] < other[0] for one, other in pairwise(found))
        return everybody if in_order else np.sort(everybody)

    def tally(self, features: Sequence[Feature], names: Names) -> Tally:
        """Return who the members are by the values of features, beside everybody."""
        values = {
            feature: (np.zeros(len(held), np.int64), np.zeros(len(held), np.int64))
            for feature, held in names.items()
        }
        members = population = 0
        for view in self._views():
            found, anybody = matching(self._plan, view), view.anybody()
            members, population = members + counted(found), population + counted(anybody)
            for feature in features:
                for total, among in zip(values[feature.id], (found, anybody), strict=True):
                    np.add(total, view.tally(feature, len(total), among), out=total)
        return Tally(members=members, population=population, values=values)

    def _views(self) -> Iterable[Whole]:
        scratch = Scratch()
        for segment, here in self._people:
            yield Whole(segment, here, self._now, self._windows, self._lists, scratch)
