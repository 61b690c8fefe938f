"""The engine's own cases: width of columns, memory, threads, reuse of places."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from assent.audiences import lately
from assent.audiences import question as question_module
from assent.audiences import segment as segment_module
from assent.audiences.bits import Scratch, counted, places
from assent.audiences.codebook import Codebook
from assent.audiences.columns import CodeColumn, IntegerColumn
from assent.audiences.engine import Population
from assent.audiences.filling import batch
from assent.audiences.integers import MANY
from assent.audiences.lately import Programs
from assent.audiences.rows import ABSENT
from assent.audiences.rule import All, And, Audience, Contains, Eq, Ge, Ids, Not, Rule, parse
from assent.audiences.seen import Opening, Shown
from assent.audiences.view import Few
from assent.core.errors import UnknownPurpose
from assent.core.ids import CategoryId, CategoryMask, FeatureId, ProfileId, PurposeId
from assent.core.time import BEGINNING, FOREVER, Instant
from assent.features.catalogue import INT64_LEAST, INT64_MOST, Value
from tests.property.audiences.worlds import ASKING, FEATURES, POLICY, START, VISIBLE

NOW = Instant(START)
EVERYBODY = All()


def person(number: int, valid_until: Instant = FOREVER, **values: Value) -> Shown:
    return Shown(
        profile=ProfileId(number),
        values={FEATURES[name].id: value for name, value in values.items()},
        permits=(Opening(VISIBLE, BEGINNING),),
        valid_until=valid_until,
    )


def test_a_column_is_as_narrow_as_its_values_and_exact_at_every_width() -> None:
    values = [5_000_000, 300_000_000, 12_340_000, 10**13, 7, INT64_MOST, INT64_LEAST]
    widths = []
    for held in range(1, len(values) + 1):
        slots = np.full(8, ABSENT)
        slots[:held] = values[:held]
        column = IntegerColumn(slots)
        widths.append(column.nbytes // 8)
        assert column.raw().tolist() == slots.tolist()
        for place, number in enumerate(values[:held]):
            assert places(column.within(number, number), 8).tolist() == [place]
            assert not counted(column.within(number + 1, number))
        assert counted(column.present()) == held
    assert widths == [1, 2, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 65, 16_384])
def test_every_bit_is_counted_once(size: int) -> None:
    words = np.random.default_rng(size).integers(0, 1 << 64, size, np.uint64)
    assert counted(words) == np.bitwise_count(words).sum(dtype=np.int64)
    assert counted(~np.zeros(size, np.uint64)) == 64 * size


@pytest.mark.parametrize("different", [5, 40, 1_000, 2_000_000])
def test_a_column_says_of_every_range_what_a_scan_says(different: int) -> None:
    """Side by side or, where many are wide, by steps."""
    size = MANY + 700
    draw = np.random.default_rng(different)
    values = draw.integers(-different, different, size) ** 3
    values[draw.random(size) < 0.2] = ABSENT
    column = IntegerColumn(values)
    assert column.raw().tolist() == values.tolist()
    assert places(column.present(), size).tolist() == np.flatnonzero(values != ABSENT).tolist()
    ends = [
        *draw.choice(values[values != ABSENT], (100, 2)),
        *draw.integers(-(different**3), different**3, (50, 2)),
    ]
    for low, high in np.array(ends).tolist():
        right = np.flatnonzero((values >= low) & (values <= high) & (values != ABSENT)).tolist()
        assert places(column.within(low, high), size).tolist() == right
        few = column.few(low, high, size)
        assert few is None or few.tolist() == right
    assert [column.reader(())(slot) for slot in range(9)] == [
        None if value == ABSENT else value for value in values[:9].tolist()
    ]


def test_codes_widen_and_are_given_again_when_nobody_has_them() -> None:
    book, scratch = Codebook(), Scratch()
    codes = book.number(f"t{slot}" for slot in range(70_000))
    column = CodeColumn(codes)
    book.use(column.codes())
    assert column.nbytes == 4 * 70_000
    assert places(column.holding(book.equal(["t69999"]), scratch), 70_000).tolist() == [69_999]
    assert counted(column.holding(book.where(lambda text: str(text).endswith("999")), scratch)) == 70
    size = book.nbytes
    book.release(column.codes())
    assert len(book) == 0
    book.use(np.unique(book.number(["same"] * 9)))
    assert len(book) == 1
    assert book.nbytes <= size


def test_who_is_dropped_leaves_nothing_behind() -> None:
    population = Population(POLICY, ASKING, most=4, waiting=2)
    population.put_all(person(n, country="IT", tags=frozenset({"x"}), age=n) for n in range(6))
    population.drop_all([ProfileId(n) for n in range(6)])
    population.drop(ProfileId(99))
    assert len(population) == 0
    assert ProfileId(1) not in population
    assert population.shown(ProfileId(1)) is None
    assert population.count(EVERYBODY, NOW, {}) == 0
    assert population._segments == []
    population.put_all(person(n) for n in range(10, 18))
    assert population.members(EVERYBODY, NOW, {}).tolist() == list(range(10, 18))


def test_what_one_left_behind_is_gone_when_tidied() -> None:
    population = Population(POLICY, ASKING, waiting=2)
    population.put_all(person(n, country="IT" if n else "FR") for n in range(100))
    population.drop(ProfileId(0))
    assert len(population._books[FEATURES["country"].id]) == 2
    population.tidy()
    assert len(population._books[FEATURES["country"].id]) == 1
    assert len(population._segments[0]) == 99


def test_what_was_filled_in_bulk_is_what_was_put_one_by_one() -> None:
    draw = np.random.default_rng(1)
    people = [
        person(
            n, country=f"c{n % 7}", age=n * 10_000, tags=frozenset({f"t{n % 3}", f"t{n % 5}"}), orders_7d=n
        )
        for n in draw.permutation(500).tolist()
    ]
    by_one, filled = (Population(POLICY, ASKING, most=1_000, waiting=3) for _ in range(2))
    for each in people:
        by_one.put(each)
    by_one._settle()
    by_one._replace(list(by_one._segments))
    filled.fill(batch(filled._features, people))
    (one,), (other,) = by_one._segments, filled._segments
    assert one.profiles.tolist() == other.profiles.tolist()
    assert {name: type(column) for name, column in one.columns.items()} == {
        name: type(column) for name, column in other.columns.items()
    }
    assert one.nbytes == other.nbytes
    for each in people:
        assert by_one.shown(each.profile) == filled.shown(each.profile)
        assert filled.shown(each.profile) == with_zeros(each)


def test_segments_stay_few_and_none_is_larger_than_may_be() -> None:
    most, room = 256, 2
    population = Population(POLICY, ASKING, most=most, waiting=room)
    for number in range(4 * most):
        population.put(person(number))
        assert population.count(EVERYBODY, NOW, {}) == number + 1
    sizes = [len(segment) for segment in population._segments]
    assert max(sizes) <= most
    # Those of an eighth of the most, and fewer than eight of both sizes below.
    assert len(sizes) <= 4 * 8 + 2 * 8


def with_zeros(each: Shown) -> Shown:
    """Return a profile with what counts and was not given, as it is held."""
    zeros = {FEATURES[name].id: 0 for name in ("orders", "orders_7d")}
    return Shown(
        profile=each.profile, subject=bytes(8), values=zeros | dict(each.values), permits=each.permits
    )


def test_categories_of_other_purposes_are_not_kept() -> None:
    population = Population(POLICY, ASKING)
    population.put(
        Shown(
            profile=ProfileId(1),
            values={FeatureId(13): "x"},
            permits=(Opening(CategoryMask(1 << 3), BEGINNING),),
        )
    )
    assert len(population) == 0
    assert population.count(Eq(feature="secret", value="x"), NOW, {}) == 0
    assert FEATURES["secret"].id not in population._books


def test_what_no_permit_shows_is_not_kept() -> None:
    population = Population(POLICY, ASKING, most=2, waiting=2)
    population.put(
        Shown(
            profile=ProfileId(1),
            values={FeatureId(1): "IT"},
            permits=(Opening(CategoryMask(1 << 2), BEGINNING),),
        )
    )
    assert len(population) == 1
    assert len(population._books[FeatureId(1)]) == 0


def test_lists_name_profiles_through_what_the_asker_calls_them() -> None:
    population = Population(POLICY, ASKING, most=2, waiting=2)
    population.put_all(person(n) for n in range(5))
    rule = Ids(values=("k1", "k4", "k9", "nobody"))
    ids = {"k1": ProfileId(1), "k4": ProfileId(4), "k9": ProfileId(9)}
    assert population.members(rule, NOW, {}, ids).tolist() == [1, 4]
    assert population.count(rule, NOW, {}) == 0


def test_who_left_after_a_question_was_asked_is_still_on_its_list() -> None:
    population = Population(POLICY, ASKING, most=8, waiting=2)
    population.put_all(person(n) for n in range(5))
    waiting = population.ask(Not(of=Ids(values=("k1",))), NOW, {}, {"k1": ProfileId(1)})
    population.drop(ProfileId(1))
    assert waiting.members().tolist() == [0, 2, 3, 4]


def few_of_many_are_those_who_show_it_and_are_still_there() -> None:
    """Of 300 four are from SM, and each is looked at: one hides orders, which a later permit shows."""
    population = Population(POLICY, ASKING, waiting=2)
    people = [person(n, country="SM" if n < 4 else "IT", orders=n * 1_000_000) for n in range(300)]
    later = (Opening(CategoryMask(1 << 1), BEGINNING), Opening(VISIBLE, Instant(NOW + 1)))
    people[1] = msgspec.structs.replace(people[1], permits=later)
    population.put_all(people)
    rule = And(of=(Eq(feature="country", value="SM"), Not(of=Ge(feature="orders", value=3))))
    for left, members in ((None, [0, 2]), (ProfileId(0), [2])):
        if left is not None:
            population.drop(left)
        question = population.ask(rule, NOW, {})
        (slots,) = [question._program(segment).slots for segment in population._segments]
        assert slots is not None
        assert slots.tolist() == [0, 1, 2, 3]
        assert question.members().tolist() == members
        assert question.count() == len(members)
    assert population.members(rule, Instant(NOW + 1), {}).tolist() == [1, 2]


def test_few_of_many_are_those_who_show_it_and_are_still_there() -> None:
    few_of_many_are_those_who_show_it_and_are_still_there()


def of_few_who_left_is_still_there(patch: pytest.MonkeyPatch) -> None:
    real = question_module._slots
    patch.setattr(question_module, "_slots", lambda program, _here, size: real(program, None, size))


def of_few_who_hides_it_is_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Few, "visible", lambda self, _category: self.anybody())


def of_few_who_shows_something_shows_it_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Few, "alike", lambda _self, _category: frozenset({CategoryId(1), CategoryId(2)}))


def programs_outlive_their_moment(patch: pytest.MonkeyPatch) -> None:
    kept = Programs(1 << 30)
    patch.setattr(segment_module, "Programs", lambda _most: kept)


@pytest.mark.parametrize(
    "plant",
    [
        of_few_who_left_is_still_there,
        of_few_who_hides_it_is_seen,
        of_few_who_shows_something_shows_it_all,
        programs_outlive_their_moment,
    ],
)
def test_a_fault_among_few_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        few_of_many_are_those_who_show_it_and_are_still_there()


def test_audiences_referred_to_many_times_are_asked_once() -> None:
    population = Population(POLICY, ASKING, most=2, waiting=2)
    population.put_all(person(n, country="IT" if n % 2 else "FR") for n in range(6))
    audiences: dict[str, Rule] = {"a0": Contains(feature="country", value="i")}
    for number in range(1, 9):
        of = [{"op": "audience", "audience": f"a{number - 1}"}] * 60
        audiences[f"a{number}"] = parse({"op": "and" if number % 2 else "or", "of": of})
    assert population.members(Audience(audience="a8"), NOW, audiences).tolist() == [1, 3, 5]
    assert population.count(Audience(audience="loop"), NOW, {"loop": Audience(audience="loop")}) == 0
    assert population.count(Audience(audience="nobody"), NOW, {}) == 0


def test_a_thread_counts_one_moment_while_people_come_and_go() -> None:
    population = Population(POLICY, ASKING, most=256, waiting=16)
    population.put_all(person(n, country="IT" if n % 2 else "FR") for n in range(1000))
    rule = Eq(feature="country", value="IT")
    with ThreadPoolExecutor(1) as pool:
        for turn in range(20):
            waiting = [pool.submit(population.ask(rule, NOW, {}).count) for _ in range(3)]
            population.put_all(person(n, country="FR" if (n + turn) % 2 else "IT") for n in range(1000))
            population.drop_all([ProfileId(turn)])
            population.put(person(turn, country="FR"))
            counts = {each.result() for each in waiting}
            assert len(counts) == 1
            assert counts <= {499, 500}


def test_time_alone_makes_a_profile_stale() -> None:
    population = Population(POLICY, ASKING, most=2, waiting=2)
    population.put_all([person(1), person(2, Instant(NOW + 5)), person(3, Instant(NOW + 7))])
    assert population.stale(Instant(NOW + 4)).tolist() == []
    assert population.stale(Instant(NOW + 5)).tolist() == [2]
    assert population.members(EVERYBODY, Instant(NOW + 5), {}).tolist() == [1, 3]
    population.put(person(2, Instant(NOW + 9)))
    assert population.stale(Instant(NOW + 5)).tolist() == []
    assert population.stale(Instant(NOW + 9)).tolist() == [2, 3]


def test_what_questions_leave_behind_is_bounded_and_what_holds_memory_is_told() -> None:
    population = Population(POLICY, ASKING, waiting=2)
    population.put_all(person(n, age=n * 1_000_000) for n in range(300))
    for age in range(3 * lately.MOST):
        assert population.count(Ge(feature="age", value=age), NOW, {}) == 300 - age
    assert all(len(segment.lately._words) <= lately.MOST for segment in population._segments)
    held = population.memory()
    assert sum(held.values()) == population.memory_bytes()
    assert held["leaves asked lately"] <= (lately.MOST + lately.MOST_READ) * (40 + lately.AROUND) * len(
        population._segments
    )


def test_memory_grows_with_people_and_is_told() -> None:
    population = Population(POLICY, ASKING)
    empty = population.memory_bytes()
    population.put_all(person(n, country="IT") for n in range(2000))
    assert empty < 4_096 < population.memory_bytes() < 2048 * 400


def test_an_unknown_purpose_has_no_population() -> None:
    with pytest.raises(UnknownPurpose):
        Population(POLICY, PurposeId(9))
    assert Population(POLICY, ASKING).stale(NOW).tolist() == []
    assert Population(POLICY, ASKING).members(EVERYBODY, NOW, {}).tolist() == []
