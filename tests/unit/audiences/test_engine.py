"""The engine's own cases: width of columns, memory, threads, reuse of places."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from assent.audiences.columns import Codebook, CodeColumn, IntegerColumn
from assent.audiences.engine import Population
from assent.audiences.rule import All, Audience, Contains, Eq, Ids, Rule, parse
from assent.audiences.seen import Opening, Shown
from assent.core.errors import UnknownPurpose
from assent.core.ids import CategoryMask, FeatureId, ProfileId, PurposeId
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
    column = IntegerColumn(8)
    held: list[int | None] = [None] * 8
    widths = []
    for slot, value in enumerate([5_000_000, 300_000_000, 12_340_000, 10**13, 7, INT64_MOST, INT64_LEAST]):
        before = column.share()
        column.set(slot, value)
        held[slot] = value
        widths.append(column.nbytes // 8)
        view = column.share()
        for place, number in enumerate(held):
            if number is not None:
                assert np.flatnonzero(view.within(number, number)).tolist() == [place]
                assert not view.within(number + 1, number).any()
        assert view.present().sum() == slot + 1
        assert before.present().sum() == slot
    assert widths == [1, 2, 2, 4, 8, 8, 8]


def test_codes_widen_and_are_given_again_when_nobody_has_them() -> None:
    book = Codebook()
    column = CodeColumn(70_000, book)
    for slot in range(70_000):
        column.set(slot, f"t{slot}")
    assert column.nbytes == 4 * 70_000
    assert book.equal(["t69999"]).among(column.share()).nonzero()[0].tolist() == [69_999]
    assert book.where(lambda text: str(text).endswith("999")).among(column.share()).sum() == 70
    size = book.nbytes
    for slot in range(70_000):
        column.set(slot, "same")
    assert len(book) == 1
    assert book.nbytes <= size


def test_who_is_dropped_leaves_nothing_behind() -> None:
    population = Population(POLICY, ASKING, block=4)
    population.put_all(person(n, country="IT", tags=frozenset({"x"}), age=n) for n in range(6))
    population.drop_all([ProfileId(n) for n in range(6)])
    population.drop(ProfileId(99))
    assert len(population) == 0
    assert ProfileId(1) not in population
    assert population.count(EVERYBODY, NOW, {}) == 0
    for block in population._blocks:
        assert (block.profiles.read() == -1).all()
        for column in block.columns.values():
            view = column.share()
            assert not (view if isinstance(view, np.ndarray) else view.present()).any()
    population.put_all(person(n) for n in range(10, 18))
    assert len(population._blocks) == 2
    assert population.members(EVERYBODY, NOW, {}).tolist() == list(range(10, 18))


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
    population = Population(POLICY, ASKING, block=2)
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
    population = Population(POLICY, ASKING, block=2)
    population.put_all(person(n) for n in range(5))
    rule = Ids(values=("k1", "k4", "k9", "nobody"))
    ids = {"k1": ProfileId(1), "k4": ProfileId(4), "k9": ProfileId(9)}
    assert population.members(rule, NOW, {}, ids).tolist() == [1, 4]
    assert population.count(rule, NOW, {}) == 0


def test_audiences_referred_to_many_times_are_asked_once() -> None:
    population = Population(POLICY, ASKING, block=2)
    population.put_all(person(n, country="IT" if n % 2 else "FR") for n in range(6))
    audiences: dict[str, Rule] = {"a0": Contains(feature="country", value="i")}
    for number in range(1, 9):
        of = [{"op": "audience", "audience": f"a{number - 1}"}] * 60
        audiences[f"a{number}"] = parse({"op": "and" if number % 2 else "or", "of": of})
    assert population.members(Audience(audience="a8"), NOW, audiences).tolist() == [1, 3, 5]
    assert population.count(Audience(audience="loop"), NOW, {"loop": Audience(audience="loop")}) == 0
    assert population.count(Audience(audience="nobody"), NOW, {}) == 0


def test_a_thread_counts_one_moment_while_people_come_and_go() -> None:
    population = Population(POLICY, ASKING, block=256)
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
    population = Population(POLICY, ASKING, block=2)
    population.put_all([person(1), person(2, Instant(NOW + 5)), person(3, Instant(NOW + 7))])
    assert population.stale(Instant(NOW + 4)).tolist() == []
    assert population.stale(Instant(NOW + 5)).tolist() == [2]
    assert population.members(EVERYBODY, Instant(NOW + 5), {}).tolist() == [1, 3]
    population.put(person(2, Instant(NOW + 9)))
    assert population.stale(Instant(NOW + 5)).tolist() == []
    assert population.stale(Instant(NOW + 9)).tolist() == [2, 3]


def test_memory_grows_with_people_and_is_told() -> None:
    population = Population(POLICY, ASKING, block=1024)
    empty = population.memory_bytes()
    population.put_all(person(n, country="IT") for n in range(2000))
    assert empty < 1000 < population.memory_bytes() < 2048 * 400


def test_an_unknown_purpose_has_no_population() -> None:
    with pytest.raises(UnknownPurpose):
        Population(POLICY, PurposeId(9))
    assert Population(POLICY, ASKING).stale(NOW).tolist() == []
    assert Population(POLICY, ASKING).members(EVERYBODY, NOW, {}).tolist() == []
