"""A catalogue with one feature of every kind, and contents that reach its corners."""

from decimal import Decimal

from hypothesis import strategies as st

from assent.core.ids import CategoryId, EntryIndex, FeatureId
from assent.core.policy import Aggregate, Feature, Policy, ValueType
from assent.core.time import DAY, HOUR, MINUTE, Duration, Instant
from assent.features.accumulate import Content

ORDERS = CategoryId(1)
ACCOUNT = CategoryId(2)
START = 1_700_000_000_000_000

_N, _T = ValueType.NUMBER, ValueType.TIME


def feature(
    number: int,
    name: str,
    kind: ValueType,
    aggregate: Aggregate,
    category: CategoryId = ORDERS,
    **rest: object,
) -> Feature:
    return Feature(
        id=FeatureId(number),
        name=name,
        category=category,
        type=kind,
        aggregate=aggregate,
        **rest,  # type: ignore[arg-type]
    )


def policy_of(*features: Feature) -> Policy:
    return Policy(
        version=1,
        purposes={},
        categories={},
        features={each.id: each for each in features},
        namespaces={},
        views={},
        purpose_ids={},
        category_ids={},
        feature_ids={each.name: each.id for each in features},
        namespace_ids={},
    )


CATALOGUE = policy_of(
    feature(1, "orders", _N, Aggregate.COUNT, event="bought"),
    feature(2, "spent", _N, Aggregate.SUM, event="bought", path="cart.total"),
    feature(3, "mean", _N, Aggregate.MEAN, event="bought", path="cart.total"),
    feature(4, "least", _N, Aggregate.LOW, event="bought", path="cart.total"),
    feature(5, "most", _N, Aggregate.HIGH, event="bought", path="cart.total"),
    feature(6, "first_shop", ValueType.TEXT, Aggregate.FIRST, event="bought", path="shop"),
    feature(7, "last_shop", ValueType.TEXT, Aggregate.LAST, event="bought", path="shop"),
    feature(8, "first_seen", _T, Aggregate.FIRST_TIME),
    feature(9, "last_seen", _T, Aggregate.LAST_TIME),
    feature(10, "shops", ValueType.SET, Aggregate.DISTINCT, event="bought", path="shop"),
    feature(11, "shop_count", _N, Aggregate.DISTINCT, event="bought", path="shop"),
    feature(12, "orders_7d", _N, Aggregate.COUNT, event="bought", window=Duration(microseconds=7 * DAY)),
    feature(13, "mean_1m", _N, Aggregate.MEAN, event="bought", path="cart.total", window=Duration(months=1)),
    feature(14, "country", ValueType.TEXT, Aggregate.TRAIT, ACCOUNT, trait="address.country"),
    feature(15, "member", ValueType.BOOLEAN, Aggregate.TRAIT, ACCOUNT, trait="member"),
    feature(16, "tags", ValueType.SET, Aggregate.TRAIT, ACCOUNT, trait="tags"),
    feature(17, "born", _T, Aggregate.TRAIT, ACCOUNT, trait="born"),
)

_MAX = Decimal("9223372036854.775807")

numbers = st.one_of(
    st.integers(-5, 5),
    st.decimals(-10, 10, places=2),
    st.sampled_from([_MAX, -_MAX, Decimal("0.0000001"), 10**30, float("nan"), 0.1, True, "12", None]),
)
instants = st.one_of(
    st.integers(0, 3 * HOUR),
    st.integers(0, 40 * DAY),
    st.sampled_from([0, 0, 15, 30, 45, 75, 120, 200]).map(lambda n: n * MINUTE),
).map(lambda offset: Instant(START + offset))


@st.composite
def events(draw: st.DrawFn) -> Content:
    data: dict[str, object] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "cart": st.one_of(st.fixed_dictionaries({"total": numbers}), st.just("none")),
                "shop": st.sampled_from(["a", "b", "c", "", 7, None]),
            },
        )
    )
    name = draw(st.sampled_from(["bought", "bought", "looked"]))
    return Content(
        category=ORDERS,
        kind="event",
        name=name,
        at=draw(instants),
        entry=EntryIndex(draw(st.integers(0, 3))),
        data=data,
    )


@st.composite
def traits(draw: st.DrawFn) -> Content:
    data: dict[str, object] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "address": st.sampled_from(
                    [{"country": "IT"}, {"country": "FR"}, {"country": None}, {}, None, 3]
                ),
                "member": st.sampled_from([True, False, None, 1, "yes"]),
                "tags": st.sampled_from([[], ["b", "a"], ["a", "b"], ["c"], [1], "a"]),
                "born": st.sampled_from(["2001-02-03T00:00:00Z", "2001-02-03", 5, None]),
            },
        )
    )
    return Content(
        category=ACCOUNT,
        kind="traits",
        name="",
        at=draw(instants),
        entry=EntryIndex(draw(st.integers(0, 3))),
        data=data,
    )


contents = st.lists(st.one_of(events(), events(), traits()), max_size=14)
