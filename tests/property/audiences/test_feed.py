"""A feed replayed gives the members, whatever happened and however often anybody looked."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.audiences import feed
from assent.audiences.feed import Change, Kind, Present, Said, Step, follow, replayed, written
from assent.audiences.holdout import Arm
from assent.core.ids import IdentifierId, ProfileId

PEOPLE = range(1, 6)

Moment = Mapping[int, tuple[int, bool]]
"""Usable identifiers, each with the profile it is in; and which of them make their profile a member."""

moments = st.dictionaries(
    st.sampled_from(list(PEOPLE)), st.tuples(st.sampled_from(list(PEOPLE)), st.booleans()), max_size=5
)
Happening = tuple[Moment, int, int]
"""What is so at a look, of how many one is held out (0: nobody is), and how much the consumer then reads."""

happenings = st.lists(st.tuples(moments, st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8)

Erased = Sequence[AbstractSet[int]]
"""Who was erased before each look; who is there all the same came back, as another identifier."""

erasures = st.lists(st.frozensets(st.sampled_from(list(PEOPLE)), max_size=2), max_size=8)


def shown(
    moment: Moment, held: int = 0, lives: Mapping[int, int] | None = None
) -> tuple[dict[ProfileId, Present], dict[IdentifierId, ProfileId]]:
    """Return profiles and whom they hold: the lowest identifier stands for each, and names the subject."""
    groups: dict[int, list[int]] = {}
    for one, (group, _) in sorted(moment.items()):
        groups.setdefault(group, []).append(one)
    number = {one: one + 10 * (lives or {}).get(one, 0) for one in moment}
    present = {
        ProfileId(number[ones[0]]): Present(
            subject=f"k{ones[0]}",
            anchor=IdentifierId(number[ones[0]]),
            member=any(moment[one][1] for one in ones),
            bucket=(Arm.TREATMENT if ones[0] % held else Arm.CONTROL) if held else None,
        )
        for ones in groups.values()
    }
    opened = {
        IdentifierId(number[one]): ProfileId(number[ones[0]]) for ones in groups.values() for one in ones
    }
    return present, opened


class Stored:
    """A feed as the database keeps it, and a consumer that reads it."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        self.lines: list[Change] = []
        self.seq = 0
        self.delivered = 0
        self.got: list[Change] = []
        self.lives: Counter[int] = Counter()

    def look(self, moment: Moment, held: int = 0) -> None:
        present, opened = shown(moment, held, self.lives)
        result = written(follow(list(self.said.values()), present, opened), self.delivered, self.seq)
        gone = dict(result.forgotten)
        self.lines = [
            one
            for one in self.lines
            if one.into not in gone
            and not (one.subject in gone and one.seq >= gone[one.subject])
            and not (one.subject in result.returned and one.kind is Kind.MERGED)
        ]
        self.lines += result.changes
        self.said = {name: one for name, one in self.said.items() if name not in gone}
        self.said |= {one.subject: one for one in result.said}
        self.seq = result.seq

    def given(self) -> set[str]:
        """Return whom the consumer was given and not yet told to forget."""
        return {name for name, one in self.said.items() if 0 < one.first_seq <= self.delivered}

    def read(self, most: int) -> None:
        page = [one for one in self.lines if one.seq > self.delivered][:most]
        self.got += page
        self.delivered = page[-1].seq if page else self.delivered


def pairs(lines: Iterable[Change]) -> list[tuple[str, str]]:
    return [(one.subject, one.kind.value) for one in lines]


def buckets(lines: Iterable[Change]) -> dict[str, Arm | None]:
    """Return the bucket of each member, as whoever follows the lines has it."""
    found: dict[str, Arm | None] = {}
    for one in lines:
        found.pop(one.subject, None)
        if one.kind is Kind.ENTERED:
            found[one.subject] = one.bucket
    return found


def faults(happened: Sequence[Happening], erased: Erased = ()) -> list[str]:
    """Return what is wrong with the feed of what happened."""
    stored = Stored()
    wrong = []
    erasures_then = [*erased, *(frozenset[int]() for _ in happened)]
    for (moment, held, most), gone in zip(happened, erasures_then, strict=False):
        before = stored.seq
        stored.lives.update(gone)
        to_stop = {f"k{one}" for one in gone} & stored.given()
        stored.look(moment, held)
        present, opened = shown(moment, held, stored.lives)
        said_now = [one for one in stored.lines if one.seq > before]
        wrong += unread(stored.lines, opened, to_stop, before)
        members = {one.subject for one in present.values() if one.member}
        if replayed(pairs(stored.lines)) != members:
            wrong.append("replayed from the beginning it is not the members")
        if buckets(stored.lines) != {one.subject: one.bucket for one in present.values() if one.member}:
            wrong.append("a member's bucket is another one")
        if [one.seq for one in said_now] != list(range(before + 1, stored.seq + 1)):
            wrong.append("a number is left out")
        usable = {one.subject for one in present.values()}
        usable |= {f"k{one}" for one in moment}
        if {one.subject for one in stored.lines if one.kind is not Kind.STOP} - usable:
            wrong.append("somebody is kept who may not be used")
        given_to = {one.subject for one in stored.got}
        if {one.subject for one in stored.lines if one.kind is Kind.STOP} - given_to:
            wrong.append("a stop names somebody who was never given")
        stored.read(most)
    stored.read(1 << 30)
    if buckets(stored.got) != buckets(stored.lines):
        wrong.append("who followed it has other members than who reads it now")
    active = {one.subject for one in stored.got if one.kind is Kind.ENTERED}
    last = {one.subject: one.kind for one in stored.got}
    if any(last[one] is not Kind.STOP for one in active if int(one[1:]) not in happened[-1][0]):
        wrong.append("nobody said that somebody may no longer be used")
    return wrong


def unread(
    lines: Sequence[Change], opened: Mapping[IdentifierId, ProfileId], to_stop: AbstractSet[str], before: int
) -> list[str]:
    """Return what is wrong for who reads on: of whom they should hear, and how far they come."""
    wrong = []
    if to_stop - {one.subject for one in lines if one.kind is Kind.STOP and one.seq > before}:
        wrong.append("nobody said that somebody was erased who is there again")
    if {one.anchor for one in lines if one.kind is not Kind.STOP} - opened.keys():
        wrong.append("a change is kept that nobody may read, nor any after it")
    return wrong


@given(happenings, erasures)
@settings(max_examples=300, deadline=None)
def test_a_feed_replayed_is_the_members_after_whatever_happened(
    happened: list[Happening], erased: Erased
) -> None:
    assert faults(happened, erased) == []


def test_who_is_erased_and_back_before_anybody_looked_is_stopped_and_enters_again() -> None:
    assert faults([({1: (1, True)}, 0, 9)] * 2, [set(), {1}]) == []
    merged: list[Happening] = [
        ({1: (1, True), 2: (2, True)}, 0, 9),
        *[({1: (1, True), 2: (1, True)}, 0, 9)] * 2,
    ]
    assert faults(merged, [set(), set(), {1}]) == []


@given(happenings)
@settings(max_examples=100, deadline=None)
def test_looking_twice_says_nothing_more(happened: list[Happening]) -> None:
    stored = Stored()
    for moment, held, _ in happened:
        stored.look(moment, held)
        said = (stored.seq, list(stored.lines))
        stored.look(moment, held)
        assert (stored.seq, stored.lines) == said


def without(kind: Kind) -> Callable[..., list[Step]]:
    sound = feed.follow

    def following(*given_: object) -> list[Step]:
        return [step for step in sound(*given_) if step.now.kind is not kind]  # type: ignore[arg-type]

    return following


@pytest.mark.parametrize("kind", list(Kind))
def test_a_feed_that_leaves_a_kind_of_change_out_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setitem(globals(), "follow", without(kind))
    both = {1: (1, True), 2: (2, True)}
    joined = {1: (1, True), 2: (1, True)}
    lives: list[Happening] = [(both, 0, 9), (joined, 0, 9), ({1: (1, False)}, 0, 9), ({}, 0, 9)]
    assert any(faults(lives[:end]) for end in range(1, 5))


def test_a_stop_for_who_was_never_given_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = feed.written
    monkeypatch.setitem(globals(), "written", lambda steps, _, seq: sound(steps, 1 << 30, seq))
    assert faults([({1: (1, True)}, 0, 0), ({}, 0, 0)])


def test_a_changed_holdout_that_is_not_said_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = feed.follow

    def silent(said: Iterable[Said], *shows: object) -> list[Step]:
        inside = {one.subject for one in said if one.kind is Kind.ENTERED}
        steps = sound(said, *shows)  # type: ignore[arg-type]
        return [one for one in steps if one.now.kind is not Kind.ENTERED or one.now.subject not in inside]

    monkeypatch.setitem(globals(), "follow", silent)
    assert faults([({1: (1, True)}, 0, 9), ({1: (1, True)}, 1, 9)])
