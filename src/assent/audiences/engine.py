"""Everyone whom a purpose may see, in memory, and the count and members of a rule among them.

Fed by the gate alone: what is held here was released for this purpose. `Population` belongs to one thread,
the event loop. `ask` takes what a question needs at one instant, in a millisecond or so; the `Question` then
counts in any thread while the population goes on changing, because an array that was handed out is never
written again: the next change to its block of 65,536 slots copies the array first (copy on write). So a
question sees one moment, whole.

Nobody is seen whose permit is not open, nor from `Shown.valid_until` on: ask `stale` first, and the gate for
those.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from assent.audiences.block import INTEGER_TYPES, Block
from assent.audiences.columns import Bits, Codebook
from assent.audiences.derive import expanded
from assent.audiences.plan import Plan, View, matching
from assent.audiences.planner import Planner
from assent.audiences.rule import Rule
from assent.audiences.seen import Opening, Shown
from assent.core.errors import UnknownPurpose
from assent.core.ids import CategoryMask, ProfileId, PurposeId
from assent.core.policy import Policy
from assent.core.time import Instant

BLOCK: Final = 65_536
"""Slots a block. One column's part of a block fits a processor's cache."""

NO_KEYS: Final = np.zeros(0, np.uint64)

NO_IDS: Final[Mapping[str, ProfileId]] = {}


class Population:
    """The profiles of one purpose under one policy; another policy is another population."""

    def __init__(self, policy: Policy, purpose: PurposeId, *, block: int = BLOCK) -> None:
        """Hold nobody. Raises UnknownPurpose."""
        declared = policy.purposes.get(purpose)
        if declared is None:
            raise UnknownPurpose
        self._policy = policy
        self._size = block
        self._categories = declared.categories
        self._features = [f for f in policy.features.values() if declared.categories >> f.category & 1]
        self._books = {f.id: Codebook() for f in self._features if f.type not in INTEGER_TYPES}
        self._blocks: list[Block] = []
        self._slots: dict[ProfileId, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return how many profiles are held, visible now or not."""
        return len(self._slots)

    def __contains__(self, profile: ProfileId) -> bool:
        return profile in self._slots

    def put(self, shown: Shown) -> None:
        """Hold a profile as the gate shows it, in place of what was held of it."""
        known = self._known(shown.permits)
        if not known:
            self.drop(shown.profile)
            return
        slot = self._slots.get(shown.profile)
        if slot is None:
            slot = self._slots[shown.profile] = self._free.pop() if self._free else self._grow()
        self._blocks[slot // self._size].put(slot % self._size, shown, known)

    def put_all(self, shown: Iterable[Shown]) -> None:
        """Hold many profiles."""
        for each in shown:
            self.put(each)

    def drop(self, profile: ProfileId) -> None:
        """Hold nothing of a profile any more; nothing happens if nothing was."""
        slot = self._slots.pop(profile, None)
        if slot is not None:
            self._blocks[slot // self._size].clear(slot % self._size)
            self._free.append(slot)

    def drop_all(self, profiles: Iterable[ProfileId]) -> None:
        """Hold nothing of many profiles."""
        for profile in profiles:
            self.drop(profile)

    def profiles(self) -> npt.NDArray[np.int64]:
        """Return everyone who is held, in no order."""
        return np.fromiter(self._slots, np.int64, len(self._slots))

    def stale(self, now: Instant) -> npt.NDArray[np.int64]:
        """Return the profiles to ask the gate about: time has changed a value, or closed a permit."""
        found = [block.stale(now) for block in self._blocks]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def ask(
        self, rule: Rule, now: Instant, audiences: Mapping[str, Rule], ids: Mapping[str, ProfileId] = NO_IDS
    ) -> "Question":
        """Return the question as of this moment. `ids` says which profile a value of an `ids` list names."""
        planner = Planner(self._policy, self._categories, self._books, now, audiences)
        plan = planner.plan(expanded(rule, self._policy))
        lists = [
            {self._slots[ids[value]] for value in values if ids.get(value) in self._slots}
            for values in planner.lists
        ]
        views, profiles = [], []
        for number, block in enumerate(self._blocks):
            block.open_at(now)
            listed = tuple(self._marked(number, slots) for slots in lists)
            views.append(_view(block, planner, now, listed))
            profiles.append(block.profiles.share())
        return Question(plan, views, profiles)

    def count(
        self, rule: Rule, now: Instant, audiences: Mapping[str, Rule], ids: Mapping[str, ProfileId] = NO_IDS
    ) -> int:
        """Return for how many profiles the rule is true at `now`."""
        return self.ask(rule, now, audiences, ids).count()

    def members(
        self, rule: Rule, now: Instant, audiences: Mapping[str, Rule], ids: Mapping[str, ProfileId] = NO_IDS
    ) -> npt.NDArray[np.int64]:
        """Return for which profiles the rule is true at `now`, lowest id first."""
        return self.ask(rule, now, audiences, ids).members()

    def memory_bytes(self) -> int:
        """Return how much memory is held: arrays exactly, Python's structures by their usual size."""
        # 168: a dict's entry at its usual fill, and two integers.
        around = 168 * len(self._slots) + 40 * len(self._free)
        books = sum(book.nbytes for book in self._books.values())
        return around + books + sum(block.nbytes for block in self._blocks)

    def _known(self, permits: Iterable[Opening]) -> tuple[Opening, ...]:
        """Return the permits cut to the purpose's categories, those that show nothing left out."""
        cut = (
            Opening(CategoryMask(each.categories & self._categories), each.since, each.until)
            for each in permits
        )
        return tuple(each for each in cut if each.categories and each.since < each.until)

    def _grow(self) -> int:
        first = len(self._blocks) * self._size
        categories = {feature.category for feature in self._features}
        self._blocks.append(Block(self._size, self._features, sorted(categories), self._books))
        self._free.extend(range(first + self._size - 1, first, -1))  # lowest slot first
        return first

    def _marked(self, block: int, slots: Iterable[int]) -> Bits:
        bits = np.zeros(self._size, np.bool_)
        bits[[slot % self._size for slot in slots if slot // self._size == block]] = True
        return bits


class Question:
    """A rule over one moment of a population. Immutable, and any thread's."""

    def __init__(self, plan: Plan, views: list[View], profiles: list[npt.NDArray[np.int64]]) -> None:
        self._plan = plan
        self._views = views
        self._profiles = profiles

    def count(self) -> int:
        """Return for how many profiles the rule is true."""
        return sum(int(np.count_nonzero(matching(self._plan, view))) for view in self._views)

    def members(self) -> npt.NDArray[np.int64]:
        """Return for which profiles the rule is true, lowest id first."""
        found = [
            profiles[matching(self._plan, view)]
            for view, profiles in zip(self._views, self._profiles, strict=True)
        ]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)


def _view(block: Block, planner: Planner, now: Instant, listed: tuple[Bits, ...]) -> View:
    return View(
        anybody=block.anybody(),
        visible={f.category: block.visible(f.category) for f in planner.features.values()},
        columns={number: block.columns[number].share() for number in planner.features},
        covered={
            number: block.covers(planner.features[number].category, begin, now)
            for number, begin in planner.windows.items()
        },
        listed=listed,
        keys=block.keys.share() if planner.draws else NO_KEYS,
        answered={},
    )
