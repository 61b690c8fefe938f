"""Laws of what is most frequent, of carts, of net sums and of coarse places; each catches a fault."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from math import acos, cos, pi, radians, sin
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assent.core.ids import EntryIndex
from assent.core.policy import Aggregate, Cart, Leaf, ValueType
from assent.core.time import FOREVER, Duration, Instant, format_time, parse_time
from assent.features import cart as cart_module
from assent.features import place as place_module
from assent.features import read as read_module
from assent.features.accumulate import EMPTY, Content, Item, absorb, items, read, valid_until
from assent.features.place import EARTH_KM, centre, cut, distance_km
from tests.property.features.worlds import ORDERS, feature, policy_of

LAWS = settings(max_examples=150, deadline=None)
CANARY = settings(
    LAWS, max_examples=1_000, derandomize=True, database=None, phases=[Phase.generate, Phase.explicit]
)

_CART = Cart(removed="removed", amount="price", cleared="ordered")
CATALOGUE = policy_of(
    feature(1, "top", ValueType.SET, Aggregate.TOP, event="viewed", path="of.kind", size=2),
    feature(2, "net", ValueType.NUMBER, Aggregate.SUM, event="bought", path="paid", less="refunded"),
    feature(3, "ordered", ValueType.TIME, Aggregate.LAST_TIME, event="bought"),
    feature(4, "cart", ValueType.LIST, Aggregate.CART, event="added", path="sku", cart=_CART),
    feature(
        5,
        "~old",
        ValueType.NUMBER,
        Aggregate.CART,
        event="added",
        path="sku",
        cart=_CART,
        leaf=Leaf(where='{"op":"ge","feature":"amount","value":4}', until=Duration(microseconds=3)),
    ),
)

kinds = st.sampled_from(["a", "b", "c", ""])
said: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.one_of(kinds, st.lists(kinds, max_size=3)).map(lambda kind: ("viewed", {"of": {"kind": kind}})),
    st.lists(kinds, max_size=3).map(lambda some: ("viewed", {"of": [{"kind": kind} for kind in some]})),
    st.integers(0, 9).map(lambda paid: ("bought", {"paid": paid})),
    st.integers(-9, 9).map(lambda paid: ("refunded", {"paid": paid})),
    st.fixed_dictionaries(
        {"sku": st.sampled_from(["x", "y", 7, ""])},
        optional={"quantity": st.sampled_from([1, 2, 3, 0, -1, Decimal("1.5"), None]), "price": st.just(2)},
    ).map(lambda data: ("added", data)),
    st.fixed_dictionaries(
        {"sku": st.sampled_from(["x", "y", 7])}, optional={"quantity": st.sampled_from([1, 2, None])}
    ).map(lambda data: ("removed", data)),
)
histories = st.lists(st.tuples(st.integers(0, 9), said), max_size=9)
History = list[tuple[int, tuple[str, dict[str, Any]]]]


def contents(history: History) -> list[Content]:
    return [
        Content(category=ORDERS, kind="event", name=name, at=Instant(at), entry=EntryIndex(number), data=data)
        for number, (at, (name, data)) in enumerate(history)
    ]


def value(name: str, some: Iterable[Content], now: int = 20) -> object:
    state, kept = EMPTY, list[Item]()
    for content in some:
        state = absorb(CATALOGUE, state, content)
        kept += items(CATALOGUE, content)
    return read(CATALOGUE, CATALOGUE.features[CATALOGUE.feature_ids[name]], state, kept, Instant(now))


def the_most_frequent_are_on_top(history: History) -> None:
    seen: list[str] = []
    for name, data in (one for _, one in history):
        if name == "viewed":
            of = data["of"]
            said_here = [each["kind"] for each in of] if isinstance(of, list) else of["kind"]
            seen += sorted({said_here} if isinstance(said_here, str) else set(said_here))
    ranked = sorted({one for one in seen if one}, key=lambda one: (-seen.count(one), one))
    assert value("top", contents(history)) == (frozenset(ranked[:2]) or None)


def a_refund_is_taken_off(history: History) -> None:
    paid = sum(data["paid"] for _, (name, data) in history if name == "bought")
    back = sum(abs(data["paid"]) for _, (name, data) in history if name == "refunded")
    assert value("net", contents(history)) == (paid - back) * 1_000_000


def in_cart(history: History, now: int = 20) -> list[dict[str, object]]:
    """Return what is left of what was added since the last order, by going through it all."""
    ordered = max((at for at, (name, _) in history if name == "bought"), default=-1)
    held: dict[str, dict[str, Any]] = {}
    for at, (name, data) in sorted(history, key=lambda one: one[0]):
        sku, number = str(data.get("sku", "")), data.get("quantity")
        if name not in ("added", "removed") or not sku or not ordered < at <= now:
            continue
        if number is not None and (number <= 0 or number != int(number)):
            continue
        if name == "added":
            before = held.pop(sku, {"quantity": 0})
            held[sku] = {"at": at, "quantity": before["quantity"] + (number or 1), "price": data.get("price")}
        elif sku in held:
            left = 0 if number is None else held[sku]["quantity"] - number
            held[sku]["quantity"] = left
            if left <= 0:
                del held[sku]
    found = []
    for sku, one in sorted(held.items(), key=lambda pair: (pair[1]["at"], pair[0])):
        amount = {} if one["price"] is None else {"amount": one["price"] * one["quantity"]}
        since = format_time(Instant(one["at"]))
        found.append({"sku": sku, "quantity": one["quantity"], "time": since, **amount})
    return found


def a_cart_holds_what_is_left(history: History) -> None:
    told = value("cart", contents(history))
    assert ([] if told is None else msgspec.json.decode(str(told))) == in_cart(history)
    for now in range(0, 14, 3):
        old = [
            one
            for one in in_cart([each for each in history if each[0] <= now], now)
            if int(one.get("amount", 0)) >= 4  # type: ignore[call-overload]
            and parse_time(str(one["time"])) <= now - 3
        ]
        assert (
            value("~old", contents([one for one in history if one[0] <= now]), now) == bool(old) * 1_000_000
        )


def arrival_does_not_matter(history: History, dice: Sequence[int]) -> None:
    some = contents(history)
    other = [some[number] for number in sorted(range(len(some)), key=lambda number: dice[number % len(dice)])]
    for name in ("top", "net", "cart", "~old"):
        assert value(name, some) == value(name, other)


def time_alone_changes_nothing_before_it_says(history: History, now: int) -> None:
    kept = [item for content in contents(history) for item in items(CATALOGUE, content)]
    asked = CATALOGUE.features[CATALOGUE.feature_ids["~old"]]
    until = valid_until(asked, kept, Instant(now))
    assert until > now
    answer = read(CATALOGUE, asked, EMPTY, kept, Instant(now))
    for later in range(now, min(until, 30)):
        assert read(CATALOGUE, asked, EMPTY, kept, Instant(later)) == answer


degrees = st.one_of(
    st.sampled_from([0.0, -0.0, 90.0, -90.0, 180.0, -180.0, 45.46, 9.19, -0.004, 89.999, 179.999]),
    st.floats(-90, 90, allow_nan=False),
)
points = st.tuples(degrees.filter(lambda one: -90 <= one <= 90), degrees)


def a_cell_is_coarse(where: tuple[float, float], decimals: int) -> None:
    """Whoever is anywhere in a cell is told alike, and nobody is told more finely than the grid."""
    cell = cut(list(where), decimals)
    assert cell is not None
    north, east = centre(cell) or (99.0, 999.0)
    assert abs(north) < 90
    assert abs(east) < 180
    assert cut(cell, decimals) == cell
    assert abs(north - where[0]) <= 0.5000001 / 10**decimals
    apart = abs(east - where[1])
    assert min(apart, 360 - apart) <= 0.5000001 / 10**decimals
    finest = cut(list(where), 2)
    assert cut(finest, decimals) == cell, "a coarser cell is made of whole finer ones"


def a_distance_is_the_great_circles(one: tuple[float, float], other: tuple[float, float]) -> None:
    """Compared with the angle between two vectors; the same both ways, and however often around the earth."""
    told = distance_km(one, other)
    (p, q), (r, s) = ((radians(a), radians(b)) for a, b in (one, other))
    inner = cos(p) * cos(q) * cos(r) * cos(s) + cos(p) * sin(q) * cos(r) * sin(s) + sin(p) * sin(r)
    assert abs(told - EARTH_KM * acos(max(-1.0, min(1.0, inner)))) < 0.5
    assert abs(told - distance_km(other, one)) < 1e-6
    assert abs(told - distance_km((one[0], one[1] + 360), other)) < 1e-3
    assert 0 <= told <= EARTH_KM * pi + 1e-6


dice = st.lists(st.integers(0, 9), min_size=1, max_size=5)
LAWS_OF: dict[str, tuple[Callable[..., None], tuple[st.SearchStrategy[Any], ...]]] = {
    "top": (the_most_frequent_are_on_top, (histories,)),
    "net": (a_refund_is_taken_off, (histories,)),
    "cart": (a_cart_holds_what_is_left, (histories,)),
    "arrival": (arrival_does_not_matter, (histories, dice)),
    "time": (time_alone_changes_nothing_before_it_says, (histories, st.integers(0, 12))),
    "cell": (a_cell_is_coarse, (points, st.integers(0, 2))),
    "distance": (a_distance_is_the_great_circles, (points, points)),
}


@pytest.mark.parametrize("name", LAWS_OF)
def test_the_law_holds(name: str) -> None:
    law, cases = LAWS_OF[name]
    LAWS(given(*cases)(law))()


def first_come_on_top(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read_module, "sorted", lambda times, **_: list(times), raising=False)


def refunds_as_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("assent.features.accumulate.abs", lambda amount: amount, raising=False)


def an_order_clears_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read_module, "_cleared", lambda *_: None)


def as_they_came(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        cart_module,
        "sorted",
        lambda some, key: list(some) if isinstance(some, Iterable) else some,
        raising=False,
    )


def it_never_gets_old(patch: pytest.MonkeyPatch) -> None:
    def told(*_: object) -> Instant:
        return FOREVER

    patch.setitem(globals(), "valid_until", told)


def rounded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        place_module, "_floor", lambda degree, decimals: int(degree.scaleb(decimals).to_integral_value())
    )


def flat(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(place_module, "cos", lambda _: 1.0)


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (first_come_on_top, "top"),
        (refunds_as_written, "net"),
        (an_order_clears_nothing, "cart"),
        (as_they_came, "arrival"),
        (it_never_gets_old, "time"),
        (rounded, "cell"),
        (flat, "distance"),
    ],
)
def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    law, cases = LAWS_OF[name]
    plant(monkeypatch)
    with pytest.raises((AssertionError, BaseExceptionGroup)):
        CANARY(given(*cases)(law))()


def test_what_is_no_place_is_none() -> None:
    for raw in ("here", [91, 0], [0, 181], [1], {"lat": 1}, {"lat": True, "lon": 2}, None, [float("nan"), 1]):
        assert cut(raw, 2) is None
    assert cut({"latitude": Decimal("45.464211"), "longitude": Decimal("9.191383"), "accuracy": 5}, 2) == (
        "45.465,9.195"
    )
    assert [cut([-90, 180], decimals) for decimals in (0, 1, 2)] == [
        "-89.5,-179.5",
        "-89.95,-179.95",
        "-89.995,-179.995",
    ]


def test_neighbours_across_the_antimeridian_and_over_a_pole_are_near() -> None:
    assert distance_km((0.0, 179.995), (0.0, -179.995)) < 1.2
    assert distance_km((89.995, 0.0), (89.995, 180.0)) < 1.2
