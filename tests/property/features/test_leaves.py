"""Laws of what rules ask of events: sequences, values held, and when time alone changes an answer."""

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

from hypothesis import find, given, settings
from hypothesis import strategies as st

from assent.core.ids import CategoryId, EntryIndex, FeatureId
from assent.core.policy import Aggregate, Feature, Leaf, Policy, Step, ValueType
from assent.core.time import FOREVER, Duration, Instant
from assent.features.accumulate import EMPTY, Item, read, valid_until
from assent.features.read import in_sequence
from tests.support.identities import identity_policy

LAWS = settings(max_examples=150, deadline=None)
NOBODY: Policy = identity_policy("user!1")
ID = FeatureId(16_384)


def leaf(aggregate: Aggregate, window: int | None, **asked: object) -> Feature:
    return Feature(
        id=ID,
        name="~",
        category=CategoryId(1),
        type=ValueType.NUMBER,
        aggregate=aggregate,
        window=None if window is None else Duration(microseconds=window),
        leaf=Leaf(**asked),  # type: ignore[arg-type]
    )


def item(number: int, at: int, value: bool | int) -> Item:
    return Item(feature=ID, at=Instant(at), entry=EntryIndex(number), value=value)


def items(values: st.SearchStrategy[bool | int]) -> st.SearchStrategy[list[Item]]:
    pairs = st.lists(st.tuples(st.integers(0, 12), values), max_size=7)
    return pairs.map(lambda found: [item(number, *pair) for number, pair in enumerate(found)])


SEQUENCES = st.tuples(items(st.integers(0, 7)), st.integers(2, 3), st.one_of(st.none(), st.integers(0, 5)))


def chosen(found: Sequence[Item], steps: int, gap: int | None) -> bool:
    """Whether some choice of events, one for each step, is in order and close enough: by trying them all."""
    ordered = sorted(found, key=lambda one: (one.at, one.entry))
    return any(
        all(int(one.value) >> place & 1 for place, one in enumerate(choice))  # type: ignore[arg-type]
        and all(
            one.at < other.at and (gap is None or other.at - one.at <= gap) for one, other in pairwise(choice)
        )
        for choice in combinations(ordered, steps)
    )


Sequencer = Callable[[Feature, list[Item]], bool]


def agrees(sequencer: Sequencer, case: tuple[list[Item], int, int | None]) -> bool:
    found, steps, gap = case
    asked = leaf(
        Aggregate.SEQUENCE,
        None,
        steps=tuple(Step(event=f"e{number}") for number in range(steps)),
        gap=None if gap is None else Duration(microseconds=gap),
    )
    return sequencer(asked, found) == chosen(found, steps, gap)


@LAWS
@given(SEQUENCES)
def test_a_sequence_is_found_exactly_where_some_choice_of_events_makes_it(
    case: tuple[list[Item], int, int | None],
) -> None:
    assert agrees(in_sequence, case)


def test_a_search_that_keeps_the_first_event_of_each_step_is_caught() -> None:
    def first_only(asked: Feature, found: list[Item]) -> bool:
        steps = asked.leaf.steps if asked.leaf else ()
        at: Instant | None = None
        for place in range(len(steps)):
            times = [one.at for one in found if int(one.value) >> place & 1]  # type: ignore[arg-type]
            later = [each for each in times if at is None or each > at]
            if not later or (
                at is not None
                and asked.leaf
                and asked.leaf.gap
                and min(later) - at > asked.leaf.gap.microseconds
            ):
                return False
            at = min(later)
        return True

    case = find(SEQUENCES, lambda one: not agrees(first_only, one), settings=settings(max_examples=5_000))
    assert not agrees(first_only, case)


HELDS = st.tuples(items(st.booleans()), st.integers(0, 6), st.integers(0, 14))


@LAWS
@given(HELDS)
def test_a_value_is_held_since_the_last_time_it_was_another(case: tuple[list[Item], int, int]) -> None:
    found, long, now = case
    asked = leaf(Aggregate.HELD, long)
    ordered = sorted((one for one in found if one.at <= now), key=lambda one: (one.at, one.entry))
    run: list[Item] = []
    for one in ordered:
        run = [*run, one] if one.value is True else []
    expected = bool(run) and run[0].at + long <= now
    assert read(NOBODY, asked, EMPTY, found, Instant(now)) == (1_000_000 if expected else 0)


@LAWS
@given(
    st.one_of(
        HELDS.map(lambda case: (leaf(Aggregate.HELD, case[1]), case[0], case[2])),
        SEQUENCES.map(
            lambda case: (leaf(Aggregate.SEQUENCE, 4, steps=(Step(event="a"), Step(event="b"))), case[0], 6)
        ),
        items(st.just(True)).map(
            lambda found: (leaf(Aggregate.COUNT, 5, until=Duration(microseconds=2)), found, 7)
        ),
        items(st.just(True)).map(
            lambda found: (leaf(Aggregate.COUNT, None, between=(Instant(3), Instant(9))), found, 5)
        ),
    )
)
def test_time_alone_changes_nothing_before_the_instant_that_is_told(
    case: tuple[Feature, list[Item], int],
) -> None:
    asked, found, now = case
    until = valid_until(asked, found, Instant(now))
    assert until > now
    answer = read(NOBODY, asked, EMPTY, found, Instant(now))
    for later in range(now, min(until, 40)):
        assert read(NOBODY, asked, EMPTY, found, Instant(later)) == answer
    if until == FOREVER:
        assert read(NOBODY, asked, EMPTY, found, Instant(1_000)) == answer
