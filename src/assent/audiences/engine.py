"""Everyone whom a purpose may see, in memory, and the count and members of a rule among them.

Fed by the gate alone: what is held here was released for this purpose. `Population` belongs to one thread at
a time. `ask` takes what a question needs of this moment, in well under a millisecond; the `Question`
then counts in any thread while the population goes on changing.

People stand in segments, which are never written: who changes leaves a segment (one bit) and waits, with
others that changed, to become a segment in turn. Segments of one size are joined, eight at a time, and one
that many have left is made anew: a change costs three such moves in all. So a question sees one moment,
whole. What somebody left behind in a segment is out of reach at once, and out of memory when the segment is
next made anew: `tidy` does that.

Nobody is seen whose permit is not open, nor from `Shown.valid_until` on: ask `stale` first, and the gate for
those.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from assent.audiences.bits import Bits
from assent.audiences.codebook import Codebook
from assent.audiences.distinctive import Names
from assent.audiences.filling import Batch, batch
from assent.audiences.question import Neighbours, Question, true_of
from assent.audiences.ready import Plans
from assent.audiences.rows import INTEGER_TYPES, Ints, Ragged, Raw, Rows, distinct, joined, known
from assent.audiences.rule import Rule
from assent.audiences.seen import TIER, TIER_FEATURE, Shown
from assent.audiences.segment import Segment
from assent.audiences.watch import Spans
from assent.core.errors import UnknownPurpose
from assent.core.ids import FeatureId, ProfileId, PurposeId
from assent.core.policy import Feature, Policy
from assent.core.time import FOREVER, Instant
from assent.features.catalogue import Value

MOST: Final = 2_097_152
"""Slots a segment at most. Two of its bitmaps fit a processor's own cache; asking few takes about as long."""

WAITING: Final = 128
"""Who changed becomes a segment, as soon as a question is asked, when so many others have."""

_UNASKED: Final = 16
"""So many times more wait while nothing is asked: a segment costs about the same for few and for many."""

WASTE: Final = 0.25
"""A segment is made anew when more of it than this have left."""

_JOINED: Final = 8
"""So many segments of about one size become one, unless that might be more than a segment."""


NO_IDS: Final[Mapping[str, ProfileId]] = {}


class Population:
    """The profiles of one purpose under one policy; another policy is another population."""

    def __init__(
        self,
        policy: Policy,
        purpose: PurposeId,
        *,
        most: int = MOST,
        waiting: int = WAITING,
        waste: float = WASTE,
    ) -> None:
        """Hold nobody. Raises UnknownPurpose."""
        declared = policy.purposes.get(purpose)
        if declared is None:
            raise UnknownPurpose
        self._policy = policy
        self._most = most
        self._room = waiting
        self._waste = waste
        self._categories = declared.categories
        own = [f for f in policy.features.values() if declared.categories >> f.category & 1]
        self._features = [TIER_FEATURE, *own]
        self._books = {f.id: Codebook() for f in self._features if f.type not in INTEGER_TYPES}
        self._plans = Plans(policy, self._categories, self._books)
        self._names = {feature: book.names for feature, book in self._books.items()}
        self._segments: list[Segment] = []
        self._waiting: dict[ProfileId, Shown] = {}
        self._moved: set[ProfileId] = set()
        """Who of them may still be in a segment."""
        self._early = FOREVER
        """Before this instant none of them is stale."""
        self._young: list[Segment] | None = []
        """Those who wait, as a segment, if no more have changed since a question asked."""

    @property
    def features(self) -> Sequence[Feature]:
        """What is held of each: every feature of the purpose's categories."""
        return self._features

    def __len__(self) -> int:
        """Return how many profiles are held, visible now or not."""
        self._take_out()
        return len(self._waiting) + sum(segment.alive for segment in self._segments)

    def __contains__(self, profile: ProfileId) -> bool:
        return profile in self._waiting or self._place(profile) is not None

    def put(self, shown: Shown) -> None:
        """Hold a profile as the gate shows it, in place of what was held of it."""
        turn = self._turn(shown)
        if turn is None:
            self.drop(shown.profile)
            return
        self._forget_young()
        self._waiting[shown.profile] = shown
        self._moved.add(shown.profile)
        self._early = min(self._early, turn)
        if len(self._waiting) >= _UNASKED * self._room:
            self._settle()

    def put_all(self, shown: Iterable[Shown]) -> None:
        """Hold many profiles."""
        people = list(shown)
        if len(people) < self._room:
            for each in people:
                self.put(each)
        else:
            self.fill(batch(self._features, list({each.profile: each for each in people}.values())))

    def fill(self, many: Batch) -> None:
        """Hold many profiles at once, in place of what was held of them: what `put` of each comes to."""
        self._drop(np.sort(many.rows.profiles))
        self._segments += self._made(many)
        self._compact()

    def drop(self, profile: ProfileId) -> None:
        """Hold nothing of a profile any more; nothing happens if nothing was."""
        self.drop_all((profile,))

    def drop_all(self, profiles: Iterable[ProfileId]) -> None:
        """Hold nothing of many profiles."""
        self._drop(np.array(sorted(profiles), np.int64))
        self._compact()

    def settle(self) -> None:
        """Make whatever the next question needs of those who changed: what takes long may be done apart."""
        self._asked()

    @property
    def settled(self) -> bool:
        """Whether a question needs nothing made of those who changed."""
        return self._young is not None and not self._moved

    def tidy(self) -> None:
        """Leave nothing in memory of who left one segment: the one that most have left."""
        self._take_out()
        left = max(self._segments, key=lambda segment: len(segment) - segment.alive, default=None)
        if left is not None and left.alive < len(left):
            self._replace([left])

    def shown(self, profile: ProfileId) -> Shown | None:
        """Return a profile as the gate showed it, or what the purpose may see of that; None if not held."""
        waiting = self._waiting.get(profile)
        if waiting is not None:
            return waiting
        place = self._place(profile)
        if place is None:
            return None
        segment, slot = place
        return Shown(
            profile=profile,
            subject=segment.subject_of(slot),
            values=segment.values_of(slot),
            permits=segment.permits_of(slot),
            valid_until=segment.valid_until_of(slot),
        )

    def profiles(self) -> npt.NDArray[np.int64]:
        """Return everyone who is held, in no order."""
        held = [segment.profiles[segment.there()] for segment in self._asked()]
        return np.concatenate(held) if held else np.zeros(0, np.int64)

    def stale(self, now: Instant) -> npt.NDArray[np.int64]:
        """Return the profiles to ask the gate about: time has changed a value, or closed a permit."""
        self._take_out()
        found = [segment.stale(now) for segment in self._segments]
        if self._early <= now:
            waiting = ((profile, self._turn(one)) for profile, one in self._waiting.items())
            turns = {profile: turn for profile, turn in waiting if turn is not None}
            found.append(np.array([one for one, turn in turns.items() if turn <= now], np.int64))
            self._early = min(turns.values(), default=FOREVER)
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def turning(self, spans: Spans) -> Ints:
        """Return of whom a permit begins, or a value lies, within one of these spans; lowest id first."""
        if not spans.since and not spans.values:
            return np.zeros(0, np.int64)
        self._take_out()
        found = [segment.turning(*spans) for segment in self._segments]
        waiting = [one for one, each in self._waiting.items() if _turns(each, spans)]
        found.append(np.array(waiting, np.int64))
        return np.sort(np.concatenate(found))

    def ask(
        self, rule: Rule, now: Instant, audiences: Mapping[str, Rule], ids: Mapping[str, ProfileId] = NO_IDS
    ) -> Question:
        """Return the question as of this moment. `ids` says which profile a value of an `ids` list names."""
        # First, since it numbers the values of those who wait, which the plan looks up.
        people = [(segment, segment.here()) for segment in self._asked()]
        ready = self._plans.of(rule, now, audiences)
        lists = [
            np.array(sorted({ids[value] for value in values if value in ids}), np.int64)
            for values in ready.lists
        ]
        return Question(ready, people, now, lists)

    def neighbours(self, profiles: Ints) -> list[Neighbours]:
        """Return where those of these stand, lowest id first, who do not wait."""
        waiting = self._waiting
        others = np.array([one for one in profiles.tolist() if one not in waiting], np.int64)
        found = []
        for segment in self._segments if len(others) else ():
            slots = segment.slots(others)
            if len(slots):
                found.append(Neighbours(segment, slots, profiles.searchsorted(segment.profiles_of(slots))))
        return found

    def holding(
        self, some: Neighbours, rules: Iterable[Rule], now: Instant, audiences: Mapping[str, Rule]
    ) -> Bits:
        """Return for whom of some who stand in one segment each rule is true: a row a rule."""
        return true_of(some, [self._plans.of(rule, now, audiences) for rule in rules], now)

    def names(self, features: Iterable[Feature]) -> Names:
        """Return the values of features by the numbers they have now. Ask first: it numbers who waits."""
        return {feature.id: self._books[feature.id].values() for feature in features}

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
        return sum(self.memory().values())

    def memory(self) -> dict[str, int]:
        """Return the bytes held, by what holds them."""
        # 4,096: one profile as the gate shows it, with its values and permits.
        found = {
            "waiting": 4_096 * len(self._waiting),
            "books": sum(book.nbytes for book in self._books.values()),
        }
        for segment in self._segments:
            for name, size in segment.structures().items():
                found[name] = found.get(name, 0) + size
        return found

    def _asked(self) -> list[Segment]:
        """Return every segment; who waits stands in the last."""
        if len(self._waiting) >= self._room:
            self._settle()
        return self._segments + self._made_of_waiting()

    def _turn(self, shown: Shown) -> Instant | None:
        """Return from when on the gate must be asked again; None where no permit ever shows anything."""
        turn: Instant | None = None
        for permit in shown.permits:
            until = permit.until
            if permit.categories & self._categories and permit.since < until:
                turn = min(shown.valid_until if turn is None else turn, until)
        return turn

    def _settle(self) -> None:
        """Let those who wait become a segment."""
        self._segments += self._made_of_waiting()
        self._young = []
        self._waiting.clear()
        self._early = FOREVER
        self._compact()

    def _made_of_waiting(self) -> list[Segment]:
        self._take_out()
        if self._young is None:
            self._young = self._made(batch(self._features, list(self._waiting.values())))
        return self._young

    def _take_out(self) -> None:
        """Let those who wait be where they were no longer: all at once, as late as may be."""
        if self._moved:
            self._remove(np.sort(np.fromiter(self._moved, np.int64, len(self._moved))))
            self._moved.clear()
            self._compact()

    def _forget_young(self) -> None:
        for segment in self._young or ():
            self._release(segment)
        self._young = None

    def _place(self, profile: ProfileId) -> tuple[Segment, int] | None:
        for segment in self._segments:
            if segment.least <= profile <= segment.most:
                slot = segment.slot(profile)
                if slot is not None:
                    return segment, slot
        return None

    def _drop(self, profiles: Ints) -> None:
        """Let none of these be held any more. Expects the lowest first."""
        for profile in self._waiting.keys() & set(profiles.tolist()) if self._waiting else ():
            del self._waiting[profile]
            self._forget_young()
        self._moved.difference_update(profiles.tolist())
        self._remove(profiles)

    def _remove(self, profiles: Ints) -> None:
        """Let none of these be in a segment any more. Expects the lowest first."""
        for segment in self._segments:
            near = profiles[
                profiles.searchsorted(segment.least) : profiles.searchsorted(segment.most, "right")
            ]
            if len(near):
                segment.remove(segment.slots(near))

    def _made(self, many: Batch) -> list[Segment]:
        told = {TIER: np.zeros(len(many.rows), np.int64), **many.rows.values}
        rows = known(msgspec.structs.replace(many.rows, values=told), self._categories, self._features)
        names = {TIER: (), **many.names}
        values = {feature: self._numbered(feature, raw, names) for feature, raw in rows.values.items()}
        return self._cut(msgspec.structs.replace(rows, values=values))

    def _numbered(self, feature: FeatureId, raw: Raw, names: Mapping[FeatureId, Sequence[Value]]) -> Raw:
        """Return the values in the numbers of this population's book."""
        if feature not in self._books:
            return raw
        codes = raw.flat[0] if isinstance(raw, Ragged) else raw
        used = distinct(codes)
        table = np.zeros(len(names[feature]) + 1, np.int64)
        used = used[used != 0]
        table[used] = self._books[feature].number(names[feature][code - 1] for code in used.tolist())
        return Ragged(raw.starts, (table[codes],)) if isinstance(raw, Ragged) else table[codes]

    def _cut(self, rows: Rows) -> list[Segment]:
        made = [Segment(part, self._features, self._names) for part in rows.cut(self._most)]
        for segment in made:
            for feature, book in self._books.items():
                book.use(segment.codes(feature))
        return made

    def _release(self, segment: Segment) -> None:
        for feature, book in self._books.items():
            book.release(segment.codes(feature))

    def _compact(self) -> None:
        """Make segments anew that many have left, and join those of about one size."""
        kept = 1 - self._waste
        for segment in [one for one in self._segments if one.alive < kept * len(one)]:
            self._replace([segment])
        sizes: dict[int, list[Segment]] = {}
        for segment in self._segments:
            if len(segment) <= self._most // _JOINED:
                sizes.setdefault(_size(segment.alive, self._room), []).append(segment)
        for alike in sizes.values():
            if len(alike) >= _JOINED:
                self._replace(alike)
                self._compact()
                return

    def _replace(self, segments: list[Segment]) -> None:
        made = self._cut(joined([segment.rows() for segment in segments]))
        for segment in segments:
            self._segments.remove(segment)
            self._release(segment)
        self._segments += made


def _turns(shown: Shown, spans: Spans) -> bool:
    for permit in shown.permits:
        for low, high in spans.since:
            if low <= permit.since <= high:
                return True
    for feature, low, high in spans.values:
        value = shown.values.get(feature)
        if isinstance(value, int) and low <= value <= high:
            return True
    return False


def _size(alive: int, least: int) -> int:
    """Return the class of size: 0 up to `least`, then one more each time it grows eightfold."""
    size = 0
    while alive > least:
        alive, size = alive // _JOINED, size + 1
    return size
