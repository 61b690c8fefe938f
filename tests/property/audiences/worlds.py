"""A small catalogue with a feature of every kind, and random people, rules and instants over it."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from assent.audiences.rule import (
    Absent,
    All,
    And,
    AtLeast,
    Audience,
    Between,
    Bucket,
    Contains,
    Eq,
    Ge,
    Gt,
    Has,
    Ids,
    In,
    Known,
    Le,
    Lt,
    Ne,
    Near,
    Not,
    NotIn,
    Or,
    Part,
    Recent,
    Rule,
    Score,
    Tier,
)
from assent.audiences.seen import AT_LEAST_KNOWN, TIER, UNSURE, Opening, Shown
from assent.core.ids import CategoryId, CategoryMask, FeatureId, ProfileId, PurposeId, ViewId, mask
from assent.core.policy import Aggregate, Category, Feature, LegalBasis, Policy, Purpose, ValueType
from assent.core.time import BEGINNING, DAY, FOREVER, Duration, Instant, format_time
from assent.features.catalogue import Value

ASKING = PurposeId(1)
VISIBLE = CategoryMask(mask([1, 2]))
START = 1_700_000_000_000_000
WEEK = Duration(microseconds=7 * DAY)

_N, _X, _T = ValueType.NUMBER, ValueType.TEXT, ValueType.TIME


def _features() -> dict[str, Feature]:
    declared: list[tuple[str, int, ValueType, Aggregate, Duration | None]] = [
        ("country", 1, _X, Aggregate.TRAIT, None),
        ("age", 1, _N, Aggregate.TRAIT, None),
        ("member", 1, ValueType.BOOLEAN, Aggregate.TRAIT, None),
        ("tags", 1, ValueType.SET, Aggregate.TRAIT, None),
        ("born", 1, _T, Aggregate.TRAIT, None),
        ("orders", 2, _N, Aggregate.COUNT, None),
        ("orders_7d", 2, _N, Aggregate.COUNT, WEEK),
        ("least_7d", 2, _N, Aggregate.LOW, WEEK),
        ("mean_7d", 2, _N, Aggregate.MEAN, WEEK),
        ("last_7d", 2, _X, Aggregate.LAST, WEEK),
        ("shops_7d", 2, ValueType.SET, Aggregate.DISTINCT, WEEK),
        ("first_7d", 2, _T, Aggregate.FIRST_TIME, WEEK),
        ("home", 1, ValueType.PLACE, Aggregate.TRAIT, None),
        ("place_7d", 2, ValueType.PLACE, Aggregate.LAST, WEEK),
        ("first_place_7d", 2, ValueType.PLACE, Aggregate.FIRST, WEEK),
        ("secret", 3, _X, Aggregate.TRAIT, None),
    ]
    return {
        name: Feature(
            id=FeatureId(number),
            name=name,
            category=CategoryId(category),
            type=kind,
            aggregate=how,
            window=window,
        )
        for number, (name, category, kind, how, window) in enumerate(declared, 1)
    }


FEATURES = _features()

POLICY = Policy(
    version=1,
    purposes={
        ASKING: Purpose(
            id=ASKING,
            name="personalisation",
            title="",
            text="",
            legal_basis=LegalBasis.CONSENT,
            categories=VISIBLE,
            view=ViewId(2),
            opened_by=frozenset(),
        )
    },
    categories={
        CategoryId(n): Category(id=CategoryId(n), name=name) for n, name in enumerate(("a", "b", "c"), 1)
    },
    features={feature.id: feature for feature in FEATURES.values()},
    namespaces={},
    views={},
    purpose_ids={"personalisation": ASKING},
    category_ids={name: CategoryId(n) for n, name in enumerate(("a", "b", "c"), 1)},
    feature_ids={name: feature.id for name, feature in FEATURES.items()},
    namespace_ids={},
)

points = st.sampled_from([(Decimal("45.46"), Decimal("9.19")), (0, 180), (0, -180), (-90, 77)])
tiers = st.sampled_from(["anonymous", "known", "named", AT_LEAST_KNOWN, UNSURE])
texts = st.sampled_from(["IT", "it", "FR", "Ελ", "straße"])
millionths = st.sampled_from([0, 1, -1, 10_000, 1_000_000, 2_000_000, 300_000_000, -(10**14), (1 << 63) - 1])
times = st.sampled_from([START - 30 * DAY, START - 1, START, START + 1, START + 3 * DAY])
places = st.sampled_from(["45.465,9.195", "45.455,9.195", "0.005,-179.995", "0.5,179.5", "-89.995,0.005"])
sets = st.frozensets(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2)

_VALUES: dict[ValueType, st.SearchStrategy[Value]] = {
    ValueType.BOOLEAN: st.booleans(),
    ValueType.NUMBER: millionths,
    ValueType.TEXT: texts,
    ValueType.TIME: times,
    ValueType.SET: sets,
    ValueType.PLACE: places,
}

# Few instants, so that asking falls often on the very turn of a permit or a window.
instants = st.sampled_from([START + n * DAY + odd for n in range(-1, 12) for odd in (-1, 0, 1)]).map(Instant)
begins = st.one_of(st.just(BEGINNING), instants)
ends = st.one_of(st.just(FOREVER), instants)


def values() -> st.SearchStrategy[dict[FeatureId, Value]]:
    told = {one.id: _VALUES[one.type] for one in FEATURES.values()}
    return st.fixed_dictionaries({}, optional={**told, TIER: tiers})


@st.composite
def openings(draw: st.DrawFn) -> Opening:
    return Opening(CategoryMask(draw(st.sampled_from([2, 4, 6, 6, 6]))), draw(begins), draw(ends))


@st.composite
def shown(draw: st.DrawFn, profile: int) -> Shown:
    return Shown(
        profile=ProfileId(profile),
        values=draw(values()),
        permits=tuple(draw(st.lists(openings(), max_size=3))),
        valid_until=draw(st.one_of(st.just(FOREVER), st.just(FOREVER), instants)),
        subject=bytes([draw(st.integers(0, 7))]) * 32,
    )


def number(value: int) -> Decimal:
    return Decimal(value).scaleb(-6)


def raw(kind: ValueType) -> st.SearchStrategy[object]:
    """Values as a rule writes them."""
    if kind is ValueType.NUMBER:
        return millionths.map(number)
    if kind is ValueType.TIME:
        return times.map(lambda at: format_time(Instant(at)))
    return _VALUES[kind]


def _leaves(feature: Feature) -> st.SearchStrategy[Rule]:
    name, kind = feature.name, feature.type
    value = st.sampled_from(["a", "b", "c", "z"]) if kind is ValueType.SET else raw(kind)
    some = st.lists(value, min_size=1, max_size=3)
    options: list[st.SearchStrategy[Rule]] = [
        st.sampled_from([Known(feature=name), Absent(feature=name)]),
        some.map(lambda v: In(feature=name, values=tuple(v))),
        some.map(lambda v: NotIn(feature=name, values=tuple(v))),
    ]
    if kind is ValueType.SET:
        options.append(value.map(lambda v: Has(feature=name, value=v)))
    else:
        options.append(value.map(lambda v: Eq(feature=name, value=v)))
        options.append(value.map(lambda v: Ne(feature=name, value=v)))
    if kind in (ValueType.NUMBER, ValueType.TIME):
        options.append(value.map(lambda v: Lt(feature=name, value=v)))
        options.append(value.map(lambda v: Le(feature=name, value=v)))
        options.append(value.map(lambda v: Gt(feature=name, value=v)))
        options.append(value.map(lambda v: Ge(feature=name, value=v)))
        options.append(st.tuples(value, value).map(lambda v: Between(feature=name, low=v[0], high=v[1])))
    if kind is ValueType.TIME:
        options.append(st.just(Recent(feature=name, begin="-P4D", end="P1D")))
    if kind is ValueType.TEXT:
        options.append(st.sampled_from(["i", "R", "ΕΛ", "SS"]).map(lambda v: Contains(feature=name, value=v)))
    return st.one_of(options)


buckets = st.builds(
    lambda salt, ends, feature: Bucket(salt=salt, low=ends[0], high=ends[1], feature=feature),
    st.sampled_from(["spring", "autumn"]),
    st.sampled_from([(0, 1), (0, Decimal("0.5")), (Decimal("0.5"), 1), (Decimal("0.999999"), 1)]),
    st.sampled_from([None, None, "country", "age", "member", "born", "orders"]),
)
_lists = st.lists(st.sampled_from("0123"), min_size=1, max_size=3)
_plain: st.SearchStrategy[Rule] = st.one_of(
    *[_leaves(one) for one in FEATURES.values() if one.name != "secret" and one.type is not ValueType.PLACE],
    st.just(All()),
    _lists.map(lambda values: Ids(values=tuple(values))),
    buckets,
)


_near = st.builds(
    Near,
    feature=st.sampled_from(["home", "home", "place_7d", "first_place_7d"]),
    of=points,
    within_km=st.sampled_from([1, Decimal("1.2"), 300, 20_000]),
)
_tiers: st.SearchStrategy[Rule] = st.lists(
    st.sampled_from(["anonymous", "known", "named"]), min_size=1, max_size=3
).map(lambda values: Tier(values=tuple(values)))
_weights = st.sampled_from([1, 2, 3, Decimal("0.5"), -1, -2, Decimal("-1.5")])


def rules(audiences: tuple[str, ...] = ()) -> st.SearchStrategy[Rule]:
    """Return rules that may refer to `audiences`."""

    def grouped(inner: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
        some = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(
            some.map(lambda of: And(of=tuple(of))),
            some.map(lambda of: Or(of=tuple(of))),
            inner.map(lambda of: Not(of=of)),
            st.tuples(st.integers(1, 3), some).map(
                lambda v: AtLeast(count=min(v[0], len(v[1])), of=tuple(v[1]))
            ),
        )

    referring = [st.just(Audience(audience=name)) for name in audiences]
    return st.recursive(st.one_of(_plain, *referring), grouped, max_leaves=5)


@dataclass(frozen=True)
class Asked:
    """A rule with the audiences it may refer to."""

    rule: Rule
    audiences: dict[str, Rule]


_first, _second, _asking = rules(), rules(("first",)), rules(("first", "second"))


def asked() -> st.SearchStrategy[Asked]:
    """Return rules with two audiences; the second may refer to the first."""
    return st.builds(
        lambda rule, first, second: Asked(rule, {"first": first, "second": second}), _asking, _first, _second
    )


@st.composite
def nested(draw: st.DrawFn) -> Asked:
    """Return a rule over audiences that refer to one another."""

    def group(inner: st.SearchStrategy[Rule]) -> Rule:
        either = st.one_of(inner, inner.map(lambda of: Not(of=of)))
        of = tuple(draw(st.lists(either, min_size=1, max_size=3)))
        return And(of=of) if draw(st.booleans()) else Or(of=of)

    leaf = st.sampled_from(
        [Eq(feature="country", value="IT"), Eq(feature="member", value=True), Known(feature="age")]
    )
    audiences: dict[str, Rule] = {}
    for name in ("first", "second", "third", "fourth"):
        referring = [st.just(Audience(audience=other)) for other in audiences]
        audiences[name] = group(st.one_of(leaf, *referring))
    return Asked(group(st.sampled_from([Audience(audience=name) for name in audiences])), audiences)


_fact: st.SearchStrategy[Rule] = st.one_of(
    _near,
    _tiers,
    st.sampled_from([Known(feature="home"), Absent(feature="place_7d"), Audience(audience="first")]),
    _leaves(FEATURES["country"]),
    _leaves(FEATURES["orders_7d"]),
)


def _scores(inner: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    parts = st.lists(st.builds(Part, rule=inner, weight=_weights), min_size=1, max_size=4)
    least = st.sampled_from([0, 1, 2, Decimal("2.5"), 5, -1, -3, 100])
    return st.builds(lambda some, reached: Score(parts=tuple(some), at_least=reached), parts, least)


scores = _scores(st.one_of(_fact, _scores(_fact), _fact.map(lambda of: Not(of=of))))


def facts_asked() -> st.SearchStrategy[Asked]:
    """Return rules of places, tiers and scores, with an audience of one."""
    rule = st.one_of(
        _fact, scores, st.lists(scores, min_size=1, max_size=2).map(lambda of: And(of=tuple(of)))
    )
    return st.builds(lambda asking, first: Asked(asking, {"first": first}), rule, st.one_of(_near, _tiers))


@st.composite
def by_time(draw: st.DrawFn) -> Asked:
    """Return a question that time alone answers otherwise."""
    begin = draw(st.sampled_from(["-P3D", "-P1M", "-P5DT10S"]))
    recent = Recent(feature="born", begin=begin, end="P2D")
    windowed = Lt(feature="orders_7d", value=3)
    rules: list[Rule] = [recent, windowed, Not(of=recent)]
    return Asked(draw(st.sampled_from(rules)), {})


@st.composite
def growing_old(draw: st.DrawFn, profile: int) -> Shown:
    """Return somebody whom time alone moves."""
    born, since = (START - draw(st.integers(0, 8)) * DAY for _ in range(2))
    return Shown(
        profile=ProfileId(profile),
        values={FEATURES["born"].id: born, FEATURES["orders_7d"].id: 1_000_000},
        permits=(Opening(VISIBLE, Instant(since)),),
    )
