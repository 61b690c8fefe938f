"""Loading people by column makes what folding them one by one makes; the law is shown to catch faults."""

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import Mock

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences import loading as loading_module
from assent.audiences import windows as windows_module
from assent.audiences.engine import Population
from assent.audiences.loading import batch_of
from assent.audiences.seen import Opening, Shown
from assent.audiences.shelf import shown
from assent.audiences.windows import Items
from assent.core import derived
from assent.core.ids import CategoryId, EntryIndex, FeatureId, NamespaceId, ProfileId
from assent.core.policy import (
    Aggregate,
    Cart,
    Feature,
    IdentifierKind,
    Leaf,
    Namespace,
    Step,
    ValueType,
)
from assent.core.time import DAY, FOREVER, Duration, Instant
from assent.features.catalogue import Value, at_rest, pack_value
from assent.features.state import Partial, State, begun, merged, pack
from assent.gate import profile as profile_module
from assent.gate.page import Page, page_of
from assent.gate.profile import profiles
from tests.property.audiences.worlds import _VALUES as VALUES
from tests.property.audiences.worlds import ASKING, POLICY, START, WEEK, begins, ends, instants, texts

LAWS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=600,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

_MONTH = Duration(months=1)
_MORE: list[tuple[int, ValueType, Aggregate, Duration | None, Leaf | None]] = [
    (1, ValueType.TEXT, Aggregate.FIRST, None, None),
    (2, ValueType.NUMBER, Aggregate.SUM, None, None),
    (2, ValueType.NUMBER, Aggregate.MEAN, None, None),
    (2, ValueType.NUMBER, Aggregate.HIGH, None, None),
    (2, ValueType.TIME, Aggregate.LAST_TIME, None, None),
    (2, ValueType.NUMBER, Aggregate.SUM, WEEK, None),
    (2, ValueType.NUMBER, Aggregate.COUNT, _MONTH, None),
    (1, ValueType.NUMBER, Aggregate.DISTINCT, None, None),
    (1, ValueType.SET, Aggregate.DISTINCT, None, None),
    (2, ValueType.NUMBER, Aggregate.COUNT, WEEK, Leaf(until=Duration(microseconds=DAY))),
    (2, ValueType.NUMBER, Aggregate.HELD, WEEK, Leaf()),
]
_CLEARED = Feature(
    id=FeatureId(40),
    name="cleared",
    category=CategoryId(1),
    type=ValueType.TIME,
    aggregate=Aggregate.LAST_TIME,
)
_CART = Feature(
    id=FeatureId(41),
    name="basket",
    category=CategoryId(2),
    type=ValueType.LIST,
    aggregate=Aggregate.CART,
    cart=Cart(removed="Product Removed", amount="price", cleared="cleared"),
)
_TOP = Feature(
    id=FeatureId(42),
    name="top",
    category=CategoryId(1),
    type=ValueType.SET,
    aggregate=Aggregate.TOP,
    size=2,
)
_STEPS = Leaf(steps=(Step(event="a"), Step(event="b")), among=(CategoryId(1), CategoryId(2)))
_SEQUENCE = [
    msgspec.structs.replace(
        derived.named(
            Feature(
                id=FeatureId(0),
                name="",
                category=CategoryId(category),
                type=ValueType.NUMBER,
                aggregate=Aggregate.SEQUENCE,
                window=WEEK,
                leaf=_STEPS,
            )
        ),
        id=FeatureId(42 + category),
    )
    for category in (1, 2)
]
_BESIDES = [_CLEARED, _CART, _TOP, *_SEQUENCE] + [
    Feature(
        id=FeatureId(number),
        name=f"more_{number}",
        category=CategoryId(category),
        type=kind,
        aggregate=how,
        window=window,
        leaf=leaf,
    )
    for number, (category, kind, how, window, leaf) in enumerate(_MORE, len(POLICY.features) + 1)
]
WIDE = msgspec.structs.replace(
    POLICY,
    features={**POLICY.features, **{one.id: one for one in _BESIDES}},
    feature_ids={**POLICY.feature_ids, **{one.name: one.id for one in _BESIDES}},
    namespaces={
        NamespaceId(1): Namespace(id=NamespaceId(1), name="account", kind=IdentifierKind.PERSON, priority=1),
        NamespaceId(2): Namespace(id=NamespaceId(2), name="browser", kind=IdentifierKind.DEVICE, priority=2),
    },
)

Row = tuple[Any, ...]


@st.composite
def partial(draw: st.DrawFn, feature: Feature) -> Partial | None:
    value = at_rest(draw(VALUES[feature.type]))
    found = None
    for _ in range(draw(st.integers(1, 2))):
        at, entry = draw(instants), EntryIndex(draw(st.integers(0, 3)))
        one = begun(feature.aggregate, value, at, entry)
        found = one if found is None or one is None else merged(found, one)
    return found


@st.composite
def state(draw: st.DrawFn) -> bytes:
    chosen = draw(st.lists(st.sampled_from([one for one in WIDE.features.values() if not one.itemised])))
    partials = {one.id: draw(partial(one)) for one in chosen}
    return pack(
        State(
            {number: one for number, one in sorted(partials.items()) if one is not None},
            draw(st.sampled_from([(), ((NOW, NOW),), ((Instant(0), Instant(1)), (NOW, NOW))])),
        )
    )


def item_value(feature: Feature) -> st.SearchStrategy[Value]:
    if feature.aggregate is Aggregate.COUNT:
        return st.just(value=True)
    if feature.aggregate is Aggregate.CART:
        return st.builds(
            '[{},"{}",{},null]'.format, st.sampled_from(["true", "false"]), texts, st.integers(1, 2)
        )
    if feature.aggregate is Aggregate.TOP:
        return st.one_of(texts, VALUES[ValueType.SET])
    if feature.aggregate is Aggregate.HELD:
        return st.booleans()
    if feature.aggregate is Aggregate.SEQUENCE:
        return st.sampled_from([1, 2])
    if feature.aggregate is Aggregate.DISTINCT:
        return st.one_of(VALUES[ValueType.TEXT], VALUES[ValueType.NUMBER], st.booleans())
    return VALUES[feature.type]


@st.composite
def rows_of(draw: st.DrawFn, profile: int) -> list[Row]:
    found: list[Row] = []
    itemised = [one for one in WIDE.features.values() if one.itemised]
    for number in range(draw(st.integers(1, 3))):
        identifier = profile * 64 + number
        namespace = draw(st.sampled_from([1, 1, 2, 2, 9]))
        lookup = bytes([draw(st.integers(0, 3))]) + bytes([identifier % 251]) * 31
        for _ in range(draw(st.integers(1, 2))):
            since, until = draw(begins), Instant(max(draw(ends), START + 2 * DAY + 1))
            who = (
                profile * 64,
                identifier,
                namespace,
                lookup,
                draw(st.sampled_from([2, 4, 6])),
                since,
                until,
            )
            found.append((*who, None, 0, None, None, None, None, None, None))
            if since > NOW:
                continue
            found += [
                (*who, 1, 0, None, None, draw(state()), None, None, None)
                for _ in range(draw(st.integers(0, 2)))
            ]
            for entry in range(draw(st.integers(0, 5))):
                feature = draw(st.sampled_from(itemised))
                body = pack_value(draw(item_value(feature)))
                found.append(
                    (*who, feature.category, feature.id, draw(instants), entry, body, None, None, None)
                )
    return found


NOW = Instant(START + 2 * DAY)
TOLD = WIDE.purposes[ASKING].categories
people = st.integers(0, 4).flatmap(lambda size: st.tuples(*(rows_of(who) for who in range(1, size + 1))))


def as_page(rows: Sequence[Row]) -> Page:
    """Return rows as the database sends them."""

    def column(place: int, size: int) -> bytes:
        return b"".join((row[place] or 0).to_bytes(size, "big", signed=True) for row in rows)

    return page_of(
        {
            "profiles": column(0, 8),
            "identifiers": column(1, 8),
            "namespaces": column(2, 2),
            "keys": b"".join(row[3][:8] for row in rows),
            "categories": column(4, 8),
            "since": column(5, 8),
            "until": column(6, 8),
            "features": column(8, 2),
            "at": column(9, 8),
            "entries": column(10, 8),
            "accounts": bytes(2 * len(rows)),
            "lengths": b"".join(
                (-1 if row[11] is None else len(row[11])).to_bytes(4, "big", signed=True) for row in rows
            ),
            "states": b"".join(row[11] or b"" for row in rows if row[8] == 0),
            "items": b"".join(row[11] for row in rows if row[8] != 0),
        }
    )


def held(population: Population) -> dict[ProfileId, Shown | None]:
    found = {}
    for profile in map(ProfileId, population.profiles().tolist()):
        one = population.shown(profile)
        assert one is not None
        found[profile] = msgspec.structs.replace(one, permits=tuple(sorted(one.permits, key=_place)))
    return found  # type: ignore[return-value]


def _place(opening: Opening) -> tuple[int, int, int]:
    return opening.categories, opening.since, opening.until


def loading_equals_folding(groups: Sequence[list[Row]]) -> None:
    rows = [row for group in groups for row in group]
    one_by_one, loaded = Population(WIDE, ASKING, waiting=1), Population(WIDE, ASKING)
    one_by_one.put_all(shown(each) for each in profiles(WIDE, WIDE.purposes[ASKING], rows, NOW))
    mixed = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    loaded.fill(batch_of(WIDE, TOLD, loaded.features, as_page(mixed), NOW))
    assert held(loaded) == held(one_by_one)


@LAWS
@given(people)
def test_loading_by_column_equals_folding_one_by_one(groups: Sequence[list[Row]]) -> None:
    loading_equals_folding(groups)


def a_sequence_is_read_from_every_category() -> None:
    who = (64, 64, 1, b"x" * 32, 6, Instant(0), FOREVER)
    rows: list[Row] = [(*who, None, 0, None, None, None, None, None, None)]
    for one in _SEQUENCE:
        at, step = Instant(NOW - 9 + one.category), pack_value(int(one.category))
        rows.append((*who, one.category, one.id, at, 0, step, None, None, None))
    loading_equals_folding([rows])
    (seen,) = profiles(WIDE, WIDE.purposes[ASKING], rows, NOW)
    assert [seen.values[one.id] for one in _SEQUENCE] == [1_000_000, 1_000_000]


def test_a_sequence_is_read_from_every_category() -> None:
    a_sequence_is_read_from_every_category()


@pytest.mark.parametrize("reader", [windows_module, profile_module])
def test_a_reader_that_passes_over_other_categories_is_found(
    reader: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "made_of", lambda _, feature: (feature.id,))
    with pytest.raises(AssertionError):
        a_sequence_is_read_from_every_category()


def test_bytes_of_another_shape_are_refused() -> None:
    row = (64, 64, 1, b"x" * 32, 6, 0, FOREVER, 1, 0, None, None, b"\x02\x90")
    with pytest.raises(ValueError, match="packed states"):
        batch_of(WIDE, TOLD, (), as_page([row]), NOW)


def undeclared_are_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(np, "isin", lambda one, _: np.ones(len(one), np.bool_))


def nothing_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Items, "shorten", Mock())


def later_permits_are_open(patch: pytest.MonkeyPatch) -> None:
    real = loading_module._known

    def known(*given: Any) -> Any:  # noqa: ANN401
        found = real(*given)
        return msgspec.structs.replace(found, opened=np.ones(len(found.opened), np.bool_))

    patch.setattr(loading_module, "_known", known)


def windows_have_no_beginning(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(windows_module, "window", lambda _, now: (Instant(-(1 << 62)), now))


def the_first_word_wins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loading_module, "merged", lambda one, _: one)


LOADS = CANARY(given(people)(loading_equals_folding))


@pytest.mark.parametrize(
    "plant",
    [
        undeclared_are_seen,
        nothing_ends,
        later_permits_are_open,
        pytest.param(windows_have_no_beginning, marks=pytest.mark.full),  # it is long looked for
        the_first_word_wins,
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, LookupError)):
        LOADS()
