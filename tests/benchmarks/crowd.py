"""A crowd of any size for the audience benchmarks: seeded people with skewed values and permits, and rules.

Twelve features: three texts (6, 60 and 5,000 values, the first ones far more frequent), three numbers, three
booleans, two times and one set of about five of 500 values. Beside them three counts of what happened within
a window, two of them over a timeline of each person: most have few events or none, some as many as thirty. Of
a timeline an engine is shown what it is shown of any: what it comes to, and when time next changes that.
Permits of eight purposes, given at different rates.
"""

import random
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from assent.audiences.filling import Batch
from assent.audiences.rows import ABSENT, Ints, Ragged, Rows
from assent.audiences.rule import Rule, parse
from assent.core.ids import CategoryId, CategoryMask, FeatureId, PurposeId, ViewId, mask
from assent.core.policy import Aggregate, Category, Feature, LegalBasis, Policy, Purpose, ValueType
from assent.core.time import DAY, FOREVER, SECOND, Duration, Instant, format_time
from assent.features.catalogue import MILLIONTHS, Value

NOW: Final = Instant(1_750_000_000 * SECOND)
ASKING: Final = PurposeId(2)
RATES: Final = (0.97, 0.8, 0.6, 0.45, 0.3, 0.15, 0.05, 0.01)
"""How many give each of the eight purposes their permit."""

_X, _N, _B, _T, _S = (
    ValueType.TEXT,
    ValueType.NUMBER,
    ValueType.BOOLEAN,
    ValueType.TIME,
    ValueType.SET,
)
_DECLARED: Final = (
    ("channel", 1, _X, Aggregate.TRAIT),
    ("country", 1, _X, Aggregate.TRAIT),
    ("city", 1, _X, Aggregate.TRAIT),
    ("age", 1, _N, Aggregate.TRAIT),
    ("newsletter", 1, _B, Aggregate.TRAIT),
    ("app", 1, _B, Aggregate.TRAIT),
    ("member", 1, _B, Aggregate.TRAIT),
    ("interests", 1, _S, Aggregate.TRAIT),
    ("orders", 2, _N, Aggregate.COUNT),
    ("revenue", 2, _N, Aggregate.HIGH),
    ("first_seen", 2, _T, Aggregate.FIRST_TIME),
    ("last_seen", 2, _T, Aggregate.LAST_TIME),
    ("orders_30d", 2, _N, Aggregate.COUNT),
    ("viewed_30d", 2, _N, Aggregate.COUNT),
    ("bought_90d", 2, _N, Aggregate.COUNT),
)
_WINDOWS: Final = {"orders_30d": 30 * DAY, "viewed_30d": 30 * DAY, "bought_90d": 90 * DAY}
_BOUGHT: Final = 0.2
"""How many events of a timeline are purchases; the others are views."""
_MOST_EVENTS: Final = 30
FEATURES: Final = {
    name: Feature(
        id=FeatureId(number),
        name=name,
        category=CategoryId(category),
        type=kind,
        aggregate=how,
        window=Duration(microseconds=_WINDOWS[name]) if name in _WINDOWS else None,
    )
    for number, (name, category, kind, how) in enumerate(_DECLARED, 1)
}
TEXTS: Final = {"channel": 6, "country": 60, "city": 5_000, "interests": 500}
BOOLEANS: Final = {"newsletter": 0.55, "app": 0.2, "member": 0.04}


def policy() -> Policy:
    """Return a policy of eight purposes that see the same two categories."""
    return Policy(
        version=1,
        purposes={
            PurposeId(n): Purpose(
                id=PurposeId(n),
                name=f"p{n}",
                title="",
                text="",
                legal_basis=LegalBasis.CONSENT,
                categories=CategoryMask(mask([1, 2])),
                view=ViewId(2),
                opened_by=frozenset(),
            )
            for n in range(1, 9)
        },
        categories={CategoryId(n): Category(id=CategoryId(n), name=f"c{n}") for n in (1, 2)},
        features={one.id: one for one in FEATURES.values()},
        namespaces={},
        views={},
        purpose_ids={f"p{n}": PurposeId(n) for n in range(1, 9)},
        category_ids={f"c{n}": CategoryId(n) for n in (1, 2)},
        feature_ids={name: one.id for name, one in FEATURES.items()},
        namespace_ids={},
    )


class Crowd(Struct, frozen=True, kw_only=True):
    """Everybody by column: numbers of values, 0 for none; integers, ABSENT for none; and permits."""

    ids: Ints
    columns: dict[str, Ints]
    interests: Ragged
    permitted: npt.NDArray[np.uint8]
    """A bit for each purpose."""
    since: Ints
    until: Ints
    valid_until: Ints
    events: int
    """In all timelines."""

    def of(self, purpose: PurposeId) -> npt.NDArray[np.bool_]:
        """Return who gave the purpose a permit."""
        return (self.permitted >> (purpose - 1) & 1).astype(np.bool_)

    def batch(self, purpose: PurposeId) -> Batch:
        """Return whom the gate would show to a purpose."""
        size = len(self.ids)
        shows = np.where(self.of(purpose), mask([1, 2]), 0)
        rows = Rows(
            profiles=self.ids,
            keys=self.ids.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15),
            permits=Ragged(np.arange(size + 1), (shows, self.since, self.until)),
            valid_until=self.valid_until,
            values={
                one.id: self.interests if one.type is ValueType.SET else self.columns[one.name]
                for one in FEATURES.values()
            },
        )
        return Batch(rows=rows, names={FEATURES[name].id: names(name) for name in (*TEXTS, *BOOLEANS)})


def names(feature: str) -> Sequence[Value]:
    """Return the values of a text, set or boolean, by number from 1."""
    if feature in BOOLEANS:
        return (False, True)
    return [f"{feature}-{number}" for number in range(1, TEXTS[feature] + 1)]


def crowd(size: int, seed: int = 1) -> Crowd:
    """Return so many people, the same for the same seed."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Ints] = {
        name: np.where(draw.random(size) < 0.1, 0, _skewed(draw, TEXTS[name], size))
        for name in ("channel", "country", "city")
    }
    for name, rate in BOOLEANS.items():
        held = 1 + (draw.random(size) < rate).astype(np.int64)
        columns[name] = np.where(draw.random(size) < 0.15, 0, held)
    age = np.clip(draw.normal(44, 16, size), 16, 99).astype(np.int64)
    columns["age"] = np.where(draw.random(size) < 0.2, ABSENT, age * MILLIONTHS)
    orders = draw.geometric(0.35, size).astype(np.int64) - 1
    columns["orders"] = orders * MILLIONTHS
    cents = np.exp(draw.normal(8.5, 1.2, size)).astype(np.int64)
    columns["revenue"] = np.where(orders == 0, ABSENT, cents * 10_000)
    last = NOW - (draw.exponential(120.0, size) * DAY).astype(np.int64) // 1_000 * 1_000
    columns["last_seen"] = last
    columns["first_seen"] = last - (draw.exponential(300.0, size) * DAY).astype(np.int64) // 1_000 * 1_000
    lately = last > NOW - 30 * DAY
    columns["orders_30d"] = np.where(lately, np.minimum(orders, 3), 0) * MILLIONTHS
    permitted = np.zeros(size, np.uint8)
    for place, rate in enumerate(RATES):
        permitted |= (draw.random(size) < rate).astype(np.uint8) << np.uint8(place)
    since = columns["first_seen"] - DAY
    lapses = draw.random(size) < 0.4
    valid_until = np.where(lately & (orders > 0), last + 30 * DAY, FOREVER)
    who, at, bought = _timelines(draw, size)
    for name, of in (("viewed_30d", ~bought), ("bought_90d", bought)):
        inside = of & (at > NOW - _WINDOWS[name])
        columns[name] = np.bincount(who[inside], minlength=size) * MILLIONTHS
        np.minimum.at(valid_until, who[inside], at[inside] + _WINDOWS[name])
    return Crowd(
        ids=np.arange(1, size + 1, dtype=np.int64) * 64,
        columns=columns,
        interests=_interests(draw, size),
        permitted=permitted,
        since=since,
        until=np.where(lapses, np.maximum(since + 396 * DAY, NOW + DAY), FOREVER),
        valid_until=valid_until,
        events=len(who),
    )


def _timelines(draw: np.random.Generator, size: int) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Return events: whose each is, when, and whether it is a purchase; about five a person."""
    lengths = np.minimum(draw.geometric(1 / 6, size) - 1, _MOST_EVENTS)
    who = np.repeat(np.arange(size), lengths)
    at = NOW - (draw.exponential(90.0, len(who)) * DAY).astype(np.int64) // 1_000 * 1_000
    return who, at, draw.random(len(who)) < _BOUGHT


def _skewed(draw: np.random.Generator, values: int, size: int) -> Ints:
    """Return numbers from 1 to `values`, the n-th about n times rarer than the first."""
    return (float(values + 1) ** draw.random(size, np.float32)).astype(np.int64).clip(1, values)


def _interests(draw: np.random.Generator, size: int) -> Ragged:
    lengths = draw.poisson(5.2, size)
    person = np.repeat(np.arange(size), lengths)
    pairs = np.sort(person * 1_000 + _skewed(draw, TEXTS["interests"], len(person)))
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]  # np.unique of so many takes sixteen times as long
    starts = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(pairs // 1_000, minlength=size), out=starts[1:])
    return Ragged(starts, (pairs % 1_000,))


def _leaf(feature: str, op: str, value: object) -> dict[str, object]:
    return {"op": op, "feature": feature, "value": value}


def _time(days: float) -> str:
    return format_time(Instant(NOW - int(days * DAY)))


def rules(seed: int = 2, number: int = 20) -> dict[str, Rule]:
    """Return the three rules of 3, 3 and 10 leaves, and so many random ones."""
    italian = [_leaf("country", "eq", "country-3"), _leaf("orders", "ge", 3), _leaf("newsletter", "eq", True)]
    lately = [
        _leaf("interests", "has", "interests-7"),
        _leaf("last_seen", "ge", _time(30)),
        {"op": "not", "of": _leaf("city", "eq", "city-2")},
    ]
    ten = [
        {"op": "in", "feature": "country", "values": [f"country-{n}" for n in (1, 2, 5, 9)]},
        {"op": "or", "of": [_leaf("app", "eq", True), _leaf("newsletter", "eq", True)]},
        {"op": "between", "feature": "age", "low": 25, "high": 60},
        _leaf("orders", "ge", 1),
        _leaf("first_seen", "lt", _time(90)),
        {
            "op": "or",
            "of": [_leaf("interests", "has", "interests-1"), _leaf("interests", "has", "interests-40")],
        },
        {"op": "not", "of": _leaf("channel", "eq", "channel-4")},
        _leaf("revenue", "gt", 40),
    ]
    found = {
        "3 leaves: country, orders, newsletter": parse({"op": "and", "of": italian}),
        "3 leaves: interest, lately seen, not a city": parse({"op": "and", "of": lately}),
        "10 leaves": parse({"op": "and", "of": ten}),
    }
    draw = random.Random(seed)
    for place in range(1, number + 1):
        found[f"random {place}"] = parse(_group(draw, 2))
    return found


def _group(draw: random.Random, depth: int) -> dict[str, object]:
    of = [
        _group(draw, depth - 1) if depth and draw.random() < 0.25 else _random_leaf(draw)
        for _ in range(draw.randint(2, 4))
    ]
    return {"op": draw.choice(["and", "and", "or"]), "of": of}


def _random_leaf(draw: random.Random) -> dict[str, object]:
    feature = draw.choice([name for name in FEATURES if name not in _WINDOWS])
    kind = FEATURES[feature].type
    leaf: dict[str, object]
    if feature in TEXTS:
        most = TEXTS[feature]
        chosen = [f"{feature}-{min(most, int(most ** draw.random()))}" for _ in range(3)]
        if kind is ValueType.SET:
            leaf = _leaf(feature, "has", chosen[0])
        else:
            leaf = draw.choice(
                [_leaf(feature, "eq", chosen[0]), {"op": "in", "feature": feature, "values": chosen}]
            )
    elif kind is ValueType.BOOLEAN:
        leaf = _leaf(feature, "eq", draw.random() < 0.7)
    elif kind is ValueType.TIME:
        leaf = _leaf(feature, draw.choice(["lt", "ge"]), _time(draw.expovariate(1 / 150)))
    else:
        value = {"age": draw.randint(18, 80), "orders": draw.randint(0, 6), "revenue": draw.randint(5, 300)}
        leaf = _leaf(feature, draw.choice(["lt", "le", "gt", "ge"]), value[feature])
    return {"op": "not", "of": leaf} if draw.random() < 0.2 else leaf
