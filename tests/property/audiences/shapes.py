"""Random rules of every operator, as any tree of the right shape: what they name need not exist, nor fit."""

from decimal import Decimal

from hypothesis import strategies as st

from assent.audiences.rule import AGGREGATES, Rule, parse

texts = st.one_of(
    st.sampled_from(["", "IT", "and", "not", 'say "no"', "a\\b", "tab\t", "Ελ", "last"]), st.text(max_size=6)
)
names = st.one_of(
    st.sampled_from(["order_count", "level1.level2", "$set", "and", "everyone", "did", "7d", "x-y"]), texts
)
numbers = st.one_of(
    st.integers(), st.decimals(allow_nan=False, allow_infinity=False), st.just(Decimal("1E+400"))
)
scalars = st.one_of(texts, numbers, st.booleans(), st.none())
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=2),
    st.dictionaries(texts, scalars, max_size=2),
)
durations = st.one_of(
    st.sampled_from(
        ["P30D", "-P30D", "PT12H", "P1M", "-P1M", "PT1M", "PT0S", "P0D", "P2W", "P1DT2H", "PT0.5S", "P007D"]
    ),
    st.sampled_from(["30d", "", "--P3D", "P", "soon", "p3d", "-", "P1M x"]),
)
compares = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
windows = st.fixed_dictionaries(
    {},
    optional={
        "last": durations,
        "from": durations,
        "to": durations,
        "between_t": st.tuples(values, values).map(list),
    },
)


MADE: set[str] = set()
"""The operators of which random rules are made."""


def _node(op: str, **members: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    MADE.add(op)
    return st.fixed_dictionaries({"op": st.just(op), **members})


def _leaves() -> st.SearchStrategy[dict[str, object]]:
    some = st.lists(values, max_size=3)
    return st.one_of(
        _node("all"),
        *[
            _node(op, feature=names, value=values)
            for op in ("eq", "ne", "lt", "le", "gt", "ge", "has", "icontains")
        ],
        *[_node(op, feature=names, values=some) for op in ("in", "not_in")],
        *[_node(op, feature=names) for op in ("known", "absent")],
        _node("between", feature=names, low=values, high=values),
        _node("recent", feature=names, **{"from": durations}),
        _node("recent", feature=names, **{"from": durations, "to": durations}),
        _node("audience", audience=texts),
        _node("ids", values=st.lists(texts, max_size=3)),
        _node("tier", values=st.lists(texts, max_size=3)),
        _node("near", feature=names, of=st.tuples(values, values).map(list), within_km=values),
        _node("bucket", salt=texts, low=values, high=values),
        _node("bucket", salt=texts, low=values, high=values, feature=names),
        _node("held", feature=names, value=values, compare=compares, duration=durations),
        _did(),
        _agg(),
    )


def _agg(**members: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    plain = _node(
        "agg", event=texts, aggregate=st.sampled_from(AGGREGATES), compare=compares, value=values, **members
    )
    paths = st.one_of(st.just({}), st.builds(lambda name: {"path": name}, names))
    return st.builds(lambda one, window, path: {**one, **window, **path}, plain, windows, paths)


def _did(**members: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    plain = _node("did", event=texts, compare=compares, count=st.integers(-1, 3), **members)
    return st.builds(lambda one, window: {**one, **window}, plain, windows)


def _around(inner: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[dict[str, object]]:
    some = st.lists(inner, max_size=3)
    parts = st.fixed_dictionaries({"rule": inner, "weight": values})
    steps = st.lists(st.one_of(_did(), _did(where=inner)), max_size=2)
    return st.one_of(
        _node("and", of=some),
        _node("or", of=some),
        _node("not", of=inner),
        _node("score", parts=st.lists(parts, max_size=3), at_least=values),
        _node("at_least", count=st.integers(-1, 3), of=some),
        _node("any_item", feature=names, where=inner),
        _node("any_item", feature=names, where=inner, **{"for": durations}),
        _did(where=inner),
        _agg(where=inner),
        _node("seq", steps=steps),
        _node("seq", steps=steps, gap=durations, last=durations),
    )


_around(_leaves())  # said once, so that every operator is among those made
trees = st.recursive(_leaves(), _around, max_leaves=6)


def rules() -> st.SearchStrategy[Rule]:
    return trees.map(parse)
