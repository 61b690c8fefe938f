"""The truth of a rule for one profile: strong Kleene logic over what the purpose may see.

A leaf on a hidden category is unknown, whatever it asks: `known`, `absent` and zero included. On an absent
value it is true or false. A windowed leaf whose permit covers a part of the window only is unknown where that
part does not prove it (`seen.Bound`). A profile of which nothing is visible is unknown to every rule. Members
are those for whom the rule is true, so neither unknown nor its negation selects anybody.

A rule is made ready once (`Evaluator`) and then asked of anybody; to evaluate is to make ready and to ask. So
what an operator means stands in one place, whether one profile is asked or every change followed.

Pure; the rule was checked: it raises nothing then, and WrongType or UnknownFeature, when it is made ready, on
one that was not. Leaves over single events are answered by the derived features that they need (`derive`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import assert_never

from msgspec import Struct

from assent.audiences.derive import expanded
from assent.audiences.holding import FALSE, TRUE, UNKNOWN, Ask, Person, Truth, leaf_ask, negated, told
from assent.audiences.leaf import feature_named
from assent.audiences.rule import (
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Bucket,
    Did,
    Held,
    Ids,
    Not,
    Or,
    Rule,
    Score,
    Seq,
    Tier,
)
from assent.audiences.seen import POSSIBLE, TIER, Seen, value_of
from assent.audiences.share import Span, key_of_subject, key_of_value, span_of
from assent.core.policy import Aggregate, Policy
from assent.core.time import Instant
from assent.features.catalogue import millionths
from assent.features.read import begins

__all__ = ["Evaluator", "Seen", "Tally", "Truth", "evaluate", "scored", "teller"]


def evaluate(
    rule: Rule, policy: Policy, seen: Seen, now: Instant, audiences: Mapping[str, Rule], profile_key: str = ""
) -> Truth:
    """Return whether the rule holds for one profile at `now`. `profile_key` is what `ids` lists name."""
    return teller(policy, seen, now, audiences, profile_key)(rule)


def teller(
    policy: Policy, seen: Seen, now: Instant, audiences: Mapping[str, Rule], profile_key: str = ""
) -> Callable[[Rule], Truth]:
    """Return what tells, of any rule or part of one, whether it holds for one profile at `now`."""
    if seen.visible == 0:
        return lambda _: UNKNOWN
    evaluator, person = Evaluator(policy, audiences), Person(seen, now, profile_key)
    return lambda rule: evaluator.ask(rule)(person)


class Tally(Struct, frozen=True, kw_only=True):
    """What a score comes to, in millionths: what is proven, what it can be at most, what was counted."""

    low: int
    high: int
    least: int
    counted: tuple[int, ...]
    """The parts in `low`, by place: what is true and, of what is taken off, whatever is not ruled out."""

    @property
    def truth(self) -> Truth:
        """Whether the score is reached."""
        if self.low >= self.least:
            return TRUE
        return FALSE if self.high < self.least else UNKNOWN


def scored(
    score: Score,
    policy: Policy,
    seen: Seen,
    now: Instant,
    audiences: Mapping[str, Rule],
    profile_key: str = "",
) -> Tally | None:
    """Return what a score comes to for one profile, None where nothing of it is visible."""
    if seen.visible == 0:
        return None
    rule = expanded(score, policy)
    if not isinstance(rule, Score):
        return None
    return Evaluator(policy, audiences).tally(rule)(Person(seen, now, profile_key))


class Evaluator:
    """Rules of one policy made ready, each with whatever it refers to, once."""

    def __init__(self, policy: Policy, audiences: Mapping[str, Rule]) -> None:
        """Make nothing ready yet. `audiences` are what a rule may refer to, by name."""
        self._policy = policy
        self._audiences = audiences
        self._named: dict[str, Ask] = {}
        self._opened: set[str] = set()

    def holding(self, names: Iterable[str], seen: Seen, now: Instant, profile_key: str = "") -> set[str]:
        """Return which of these audiences the profile is a member of."""
        if seen.visible == 0:
            return set()
        person = Person(seen, now, profile_key)
        return {name for name in names if self.named(name)(person) is TRUE}

    def named(self, name: str) -> Ask:
        """Return what asks for an audience of this name; of one that does not exist nothing is known."""
        ask = self._named.get(name)
        if ask is not None:
            return ask
        rule = self._audiences.get(name)
        if rule is None or name in self._opened:
            return _unknown  # what a circle says, should one ever pass the check
        self._opened.add(name)
        try:
            ask = self._named[name] = _remembered(name, self.ask(rule))
        finally:
            self._opened.discard(name)
        return ask

    def ask(self, rule: Rule) -> Ask:
        """Return what asks for a rule. Of whom nothing is visible it must not be asked."""
        return self._ask(expanded(rule, self._policy))

    def tally(self, score: Score) -> Callable[[Person], Tally]:
        """Return what adds up a score whose leaves over events were expanded."""
        least = millionths(score.at_least) or 0
        parts = [
            (place, millionths(part.weight) or 0, self._ask(part.rule))
            for place, part in enumerate(score.parts)
        ]

        def tally(person: Person) -> Tally:
            low = high = 0
            counted: list[int] = []
            for place, weight, ask in parts:
                truth = ask(person)
                # What is unknown may be so or not: the least it can come to, and the most.
                ends = (weight, weight) if truth is TRUE else (min(0, weight), max(0, weight))
                if truth is not FALSE:
                    low, high = low + ends[0], high + ends[1]
                    counted += [place] if ends[0] else []
            return Tally(low=low, high=high, least=least, counted=tuple(counted))

        return tally

    def _ask(self, rule: Rule) -> Ask:
        match rule:
            case And(of=of):
                return _first_of(FALSE, self._in_turn(of), TRUE)
            case Or(of=of):
                return _first_of(TRUE, self._in_turn(of), FALSE)
            case Not(of=inner):
                return negated(self._ask(inner))
            case AtLeast(count=count, of=of):
                return _at_least(count, [self._ask(each) for each in of])
            case All():
                return lambda _: TRUE
            case Ids() | Tier() | Bucket():
                return self._of_profile(rule)
            case Score():
                tally = self.tally(rule)
                return lambda person: tally(person).truth
            case Audience(audience=name):
                return self.named(name)
            case Did() | Agg() | Seq() | AnyItem() | Held():
                return _unknown
            case _:
                return leaf_ask(rule, self._policy)

    def _in_turn(self, of: Iterable[Rule]) -> list[Ask]:
        """Return what asks for parts, of which the first to decide ends the asking: first what lasts."""
        return [self._ask(each) for each in sorted(of, key=self._turn)]

    def _turn(self, rule: Rule) -> int:
        """Return 0 for what is said of a person, 1 for what events alone change, 2 for a part of several."""
        name = getattr(rule, "feature", None)
        number = None if name is None else self._policy.feature_ids.get(name)
        if number is None:
            return 2
        return 0 if self._policy.features[number].aggregate is Aggregate.TRAIT else 1

    def _of_profile(self, rule: Ids | Tier | Bucket) -> Ask:
        match rule:
            case Ids(values=values):
                listed = frozenset(values)
                return lambda person: told(person.key in listed)
            case Tier(values=values):
                return _of_tier(frozenset(values))
            case Bucket():
                return self._bucket(rule)
            case _:
                assert_never(rule)

    def _bucket(self, bucket: Bucket) -> Ask:
        span = span_of(bucket)
        if bucket.feature is None:
            return _drawn(span)
        feature = feature_named(self._policy, bucket.feature)
        if begins(feature, Instant(0)) is not None:
            return _unknown

        def ask(person: Person) -> Truth:
            if not person.visible >> feature.category & 1:
                return UNKNOWN
            value = value_of(feature, person.values)
            return told(value is not None and span.holds(key_of_value(value)))

        return ask


def _unknown(_: Person) -> Truth:
    return UNKNOWN


def _drawn(span: Span) -> Ask:
    def ask(person: Person) -> Truth:
        return told(span.holds(key_of_subject(person.subject)))

    return ask


def _remembered(name: str, ask: Ask) -> Ask:
    """Return what asks once for each person."""

    def answer(person: Person) -> Truth:
        truth = person.answered.get(name)
        if truth is None:
            truth = person.answered[name] = ask(person)
        return truth

    return answer


def _first_of(decisive: Truth, of: Sequence[Ask], otherwise: Truth) -> Ask:
    """Return what asks until one part decides all; unknown is stronger than what none of them is then."""
    if not of:
        return _unknown  # an empty group says nothing

    def ask(person: Person) -> Truth:
        found = otherwise
        for part in of:
            truth = part(person)
            if truth is decisive:
                return decisive
            if truth is UNKNOWN:
                found = UNKNOWN
        return found

    return ask


def _at_least(count: int, of: Sequence[Ask]) -> Ask:
    if not of:
        return _unknown

    def ask(person: Person) -> Truth:
        truths = [part(person) for part in of]
        if truths.count(TRUE) >= count:
            return TRUE
        return FALSE if len(truths) - truths.count(FALSE) < count else UNKNOWN

    return ask


def _of_tier(asked: frozenset[str]) -> Ask:
    truths = {
        said: TRUE if possible <= asked else UNKNOWN if possible & asked else FALSE
        for said, possible in POSSIBLE.items()
        if possible
    }

    def ask(person: Person) -> Truth:
        said = person.values.get(TIER)
        return UNKNOWN if said is None else truths.get(said, UNKNOWN)

    return ask
