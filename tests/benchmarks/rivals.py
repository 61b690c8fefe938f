"""The same crowd in DuckDB, polars and PostgreSQL, tuned as one would, and the same rules in their words.

Consent is folded in: a rival holds whom the purpose may see and nobody else, so it asks about no permit. The
set is a table of (member, id) in the order of members, which is the quickest of what either database offers;
texts are enumerations (DuckDB, polars) or small integers (PostgreSQL). Nothing is hidden from those who are
seen, so `not` is what is not true.
"""

from collections.abc import Iterable
from io import BytesIO
from itertools import pairwise
from typing import Any, Final, Protocol

import asyncpg
import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from assent.audiences.leaf import Positive, Range, asked_range, literal
from assent.audiences.rows import ABSENT, Ints
from assent.audiences.rule import And, Between, Eq, Ge, Gt, Has, In, Le, Lt, Not, Or, Rule
from assent.core.policy import ValueType
from tests.benchmarks.crowd import ASKING, BOOLEANS, FEATURES, NOW, TEXTS, Crowd, names

THREADS: Final = 2
_COLUMNS: Final = (*TEXTS, *BOOLEANS, "age", "orders", "revenue", "first_seen", "last_seen")
_INTEGERS: Final = (ValueType.NUMBER, ValueType.TIME)


class Rival(Protocol):
    """Who answers a rule."""

    name: str

    def count(self, rule: Rule) -> int:
        """Return how many."""

    def ids(self, rule: Rule) -> Ints:
        """Return who, in any order."""


def _asked(leaf: Positive) -> tuple[str, list[int], Range | None]:
    """Return a leaf's feature, and the numbers of its values or the range of its integers."""
    feature = FEATURES[leaf.feature]
    match leaf:
        case Eq(value=raw) | Has(value=raw) if feature.type not in _INTEGERS:
            return feature.name, [names(feature.name).index(_value(feature.type, raw)) + 1], None
        case In(values=raws) if feature.type not in _INTEGERS:
            return (
                feature.name,
                [names(feature.name).index(_value(feature.type, raw)) + 1 for raw in raws],
                None,
            )
        case Eq() | Lt() | Le() | Gt() | Ge() | Between():
            return feature.name, [], asked_range(leaf, feature, NOW)
        case _:
            message = "a rule of the benchmark asks what its rivals were not taught"
            raise TypeError(message)


def _value(kind: ValueType, raw: object) -> object:
    return literal(ValueType.TEXT if kind is ValueType.SET else kind, raw)


def sql(rule: Rule, *, member: str) -> str:
    """Return the rule as a condition. `member` says that a set holds a number, `{}`."""
    match rule:
        case And(of=of):
            return "(" + " AND ".join(sql(each, member=member) for each in of) + ")"
        case Or(of=of):
            return "(" + " OR ".join(sql(each, member=member) for each in of) + ")"
        case Not(of=of):
            return f"({sql(of, member=member)} IS NOT TRUE)"
        case _:
            name, numbers, asked = _asked(rule)  # type: ignore[arg-type]
    if asked is not None:
        least, most = asked
        ends = [f"{name} >= {least}"] * (least is not None) + [f"{name} <= {most}"] * (most is not None)
        return "(" + " AND ".join(ends) + ")"
    if name == "interests":
        return member.format(numbers[0])
    if name in BOOLEANS:
        return f"({name} = {'true' if numbers == [2] else 'false'})"
    return f"({name} IN ({', '.join(map(str, numbers))}))"


class Table:
    """Whom the purpose may see, by column, and each member of the set with whoever has it."""

    def __init__(self, crowd: Crowd) -> None:
        shows = np.flatnonzero(crowd.of(ASKING) & (crowd.valid_until > NOW) & (crowd.until > NOW))
        self.ids = crowd.ids[shows]
        self.columns = {name: crowd.columns[name][shows] for name in _COLUMNS if name != "interests"}
        interests = crowd.interests.take(shows)
        order = np.argsort(interests.flat[0], kind="stable")
        self.member = interests.flat[0][order]
        self.who = self.ids[interests.rows()[order]]

    def masked(self) -> dict[str, "np.ma.MaskedArray[Any, Any]"]:
        """Return the columns, narrow, with what is absent masked."""
        found = {}
        for name, column in self.columns.items():
            missing = column == (ABSENT if FEATURES[name].type in _INTEGERS else 0)
            if name in BOOLEANS:
                held: npt.NDArray[Any] = column == 2
            elif name in TEXTS:
                held = column.astype(np.uint8 if TEXTS[name] < 256 else np.uint16)
            else:
                held = column
            found[name] = np.ma.masked_array(held, missing)
        return found

    def frame(self) -> pl.DataFrame:
        """Return the same for polars, absent as null."""
        columns = {
            name: pl.Series(name, column.data).set(pl.Series(column.mask), None)
            for name, column in self.masked().items()
        }
        return pl.DataFrame({"id": pl.Series(self.ids), **columns})


class DuckDB:
    """DuckDB in memory, with as many threads as there are cores here."""

    name = "DuckDB, tuned, 2 threads"

    def __init__(self, table: Table) -> None:
        self._db = duckdb.connect(config={"threads": THREADS})
        self._db.register("given", {"id": table.ids, **table.masked()})
        self._db.register("given_posting", {"member": table.member.astype(np.uint16), "id": table.who})
        self._db.execute("CREATE TABLE people AS SELECT * FROM given ORDER BY id")
        self._db.execute("CREATE TABLE posting AS SELECT member, id FROM given_posting ORDER BY member, id")

    def count(self, rule: Rule) -> int:
        """Return how many."""
        row = self._db.execute(f"SELECT count(*) FROM people WHERE {_duck(rule)}").fetchone()
        return int(row[0]) if row else 0

    def ids(self, rule: Rule) -> Ints:
        """Return who."""
        found: Ints = self._db.execute(f"SELECT id FROM people WHERE {_duck(rule)}").fetchnumpy()["id"]
        return found


def _duck(rule: Rule) -> str:
    return sql(rule, member="(id IN (SELECT id FROM posting WHERE member = {}))")


class Polars:
    """polars, eager columns in memory; the set as who has each member."""

    name = "polars"

    def __init__(self, table: Table) -> None:
        self._frame = table.frame()
        starts = np.searchsorted(table.member, np.arange(TEXTS["interests"] + 2))
        self._who = [pl.Series(table.who[a:b]) for a, b in pairwise(starts)]

    def count(self, rule: Rule) -> int:
        """Return how many."""
        return int(self._frame.lazy().filter(self._said(rule)).select(pl.len()).collect().item())

    def ids(self, rule: Rule) -> Ints:
        """Return who."""
        return self._frame.lazy().filter(self._said(rule)).select("id").collect()["id"].to_numpy()

    def _said(self, rule: Rule) -> pl.Expr:
        match rule:
            case And(of=of):
                return pl.all_horizontal([self._said(each) for each in of])
            case Or(of=of):
                return pl.any_horizontal([self._said(each) for each in of])
            case Not(of=of):
                return ~self._said(of).fill_null(value=False)
            case _:
                name, numbers, asked = _asked(rule)  # type: ignore[arg-type]
        column = pl.col(name)
        if asked is not None:
            least, most = asked
            if least is not None and most is not None:
                return column.is_between(least, most)
            return column >= least if least is not None else column <= most
        if name == "interests":
            return pl.col("id").is_in(self._who[numbers[0]].implode())
        if name in BOOLEANS:
            return column if numbers == [2] else ~column
        return column.is_in(numbers) if len(numbers) > 1 else column == numbers[0]


_ORDER: Final = (
    *("channel", "country", "city", "age", "newsletter", "app", "member"),
    *("orders", "revenue", "first_seen", "last_seen"),
)
_SLICE: Final = 500_000
_CREATE: Final = """
CREATE UNLOGGED TABLE people (
    id BIGINT, channel SMALLINT, country SMALLINT, city SMALLINT, age BIGINT, newsletter BOOLEAN, app BOOLEAN,
    member BOOLEAN, orders BIGINT, revenue BIGINT, first_seen BIGINT, last_seen BIGINT
);
CREATE UNLOGGED TABLE posting (member SMALLINT, id BIGINT)
"""


class PostgreSQL:
    """The benchmarks' own server, two parallel workers, everything in its buffers or the system's."""

    name = "PostgreSQL, parallel workers"

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def load(self, table: Table) -> None:
        """Copy everybody in, index the set and the key, and let it know its statistics."""
        await self.connection.execute("DROP TABLE IF EXISTS people; DROP TABLE IF EXISTS posting;" + _CREATE)
        await self._copy("people", table.frame().select("id", *_ORDER))
        await self._copy("posting", pl.DataFrame({"member": table.member, "id": table.who}))
        await self.connection.execute(
            "CREATE INDEX ON posting (member, id); CREATE UNIQUE INDEX ON people (id);"
            "SET max_parallel_workers_per_gather = 2; SET work_mem = '256MB'; SET jit = off"
        )
        await self.connection.execute("VACUUM ANALYZE people")
        await self.connection.execute("VACUUM ANALYZE posting")

    async def singly(self) -> None:
        """Set everybody beside their members, as one would to ask of one person and not to count."""
        await self.connection.execute(
            "DROP TABLE IF EXISTS person; CREATE UNLOGGED TABLE person AS "
            "SELECT p.*, coalesce(s.interests, '{}') AS interests FROM people AS p LEFT JOIN "
            "(SELECT id, array_agg(member) AS interests FROM posting GROUP BY id) AS s USING (id);"
            "CREATE UNIQUE INDEX ON person (id)"
        )
        await self.connection.execute("VACUUM ANALYZE person")

    async def count(self, rule: Rule) -> int:
        """Return how many."""
        said = sql(rule, member="(id IN (SELECT p.id FROM posting AS p WHERE p.member = {}))")
        return int(await self.connection.fetchval(f"SELECT count(*) FROM people WHERE {said}"))

    async def _copy(self, table: str, frame: pl.DataFrame) -> None:
        for part in frame.iter_slices(_SLICE):
            lines = BytesIO()
            part.write_csv(lines, include_header=False)
            lines.seek(0)
            await self.connection.copy_to_table(table, source=lines, format="csv")


def postgres_of_one(rules: Iterable[Rule]) -> dict[str, str]:
    """Return statements that ask rules of one person: of what is counted, and of a table apart; of many."""
    looked_up = "EXISTS (SELECT FROM posting AS p WHERE p.member = {} AND p.id = people.id)"
    asked = list(rules)
    counted, beside = (
        f"SELECT {', '.join(f'({sql(rule, member=member)}) IS TRUE' for rule in asked)} FROM {table} WHERE id"
        for table, member in (("people", looked_up), ("person", "({} = ANY (interests))"))
    )
    return {"counted": f"{counted} = $1", "beside": f"{beside} = $1", "together": f"{beside} = ANY ($1)"}
