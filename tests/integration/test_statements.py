"""The schema is what migrations make; each named statement runs on it, as some role, and has a caller."""

import ast
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from assent.app import open_service
from assent.database.migrate import migrate
from assent.database.pool import SEARCH_PATHS
from assent.database.roles import Role
from assent.database.statements import load
from assent.database.types import Connection
from assent.resources import sql_folder
from tests.support.database import TestDatabase, ask
from tests.support.service import set_up, settings_for

CHECKOUT = Path(__file__).resolve().parents[2]

AREAS = sorted(path.stem for path in (sql_folder() / "queries").glob("*.sql"))

BY_OWNER = {"database", "rebuild"}
"""Areas of what runs as whoever migrates, before there are roles, and as the owner of the schemas."""

Named = tuple[str, str]
"""An area and a statement of it."""

SCHEMA = """
SELECT 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || ' ' || a.attnotnull::text || ' ' || a.attidentity::text
    || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute AS a
INNER JOIN pg_class AS c ON a.attrelid = c.oid
LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'table ' || c.oid::regclass || ' ' || c.relkind::text || ' ' || c.relowner::regrole
    || ' ' || coalesce(c.reloptions::text, '') || ' ' || coalesce(c.relacl::text, '')
FROM pg_class AS c WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'view ' || c.oid::regclass || ' ' || pg_get_viewdef(c.oid)
FROM pg_class AS c WHERE c.relkind = 'v' AND c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'constraint ' || o.conrelid::regclass || ' ' || o.conname || ' ' || pg_get_constraintdef(o.oid)
FROM pg_constraint AS o WHERE o.connamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'index ' || pg_get_indexdef(i.indexrelid)
FROM pg_index AS i INNER JOIN pg_class AS c ON i.indexrelid = c.oid
WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'function ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
FROM pg_proc AS p WHERE p.pronamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'trigger ' || t.tgrelid::regclass || ' ' || t.tgname
FROM pg_trigger AS t WHERE NOT t.tgisinternal
UNION ALL
SELECT 'schema ' || n.nspname || ' ' || n.nspowner::regrole || ' ' || coalesce(n.nspacl::text, '')
FROM pg_namespace AS n WHERE n.oid IN (SELECT oid FROM ours)
"""
"""One line for everything in the database that is not PostgreSQL's own."""

OURS = """
WITH ours AS (
    SELECT n.oid FROM pg_namespace AS n
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
)
"""


@asynccontextmanager
async def connected(dsn: str, search_path: str = '""') -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, server_settings={"search_path": search_path})
    try:
        yield connection
    finally:
        await connection.close()


async def schema(connection: Connection) -> set[str]:
    return {line for (line,) in await connection.fetch(OURS + SCHEMA)}


async def test_a_service_leaves_the_schema_as_migrations_make_it(
    fresh_database: TestDatabase, empty_database: TestDatabase, folder: Path
) -> None:
    async with open_service(settings_for(folder, fresh_database.dsn())) as service:
        await set_up(service)
    await migrate(empty_database.dsn())
    async with connected(fresh_database.dsn()) as used, connected(empty_database.dsn()) as migrated:
        assert await schema(used) == await schema(migrated)


CHANGES = (
    "ALTER TABLE projection.permit ADD COLUMN more integer",
    "ALTER TABLE ledger.content DROP CONSTRAINT content_basis_check",
    "DROP INDEX projection.cluster_profile",
    """DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW gate.question AS '
        || replace(pg_get_viewdef('gate.question'), 'IS NOT NULL', '> 0'); END $$""",
    "ALTER VIEW gate.released RESET (security_barrier)",
    "ALTER FUNCTION gate.setting(text) VOLATILE",
    "ALTER TABLE ledger.head OWNER TO postgres",
    "CREATE TABLE public.more ()",
    "GRANT SELECT ON ledger.entry TO public",
)


async def test_a_schema_changed_by_hand_is_found(fresh_database: TestDatabase) -> None:
    async with connected(fresh_database.dsn()) as connection:
        before = await schema(connection)
        for change in CHANGES:
            undone = connection.transaction()
            await undone.start()
            await connection.execute(change)
            assert await schema(connection) != before, change
            await undone.rollback()


async def test_every_statement_prepares_on_the_migrated_schema(fresh_database: TestDatabase) -> None:
    async with connected(fresh_database.dsn(), SEARCH_PATHS[Role.WRITER]) as connection:
        for area in AREAS:
            for text in load(area).values():
                await connection.prepare(text)


async def test_a_statement_that_the_schema_outgrew_does_not_prepare(fresh_database: TestDatabase) -> None:
    await ask(fresh_database.dsn(), "ALTER TABLE projection.statement RENAME COLUMN terms TO conditions")
    async with connected(fresh_database.dsn(), SEARCH_PATHS[Role.WRITER]) as connection:
        with pytest.raises(asyncpg.UndefinedColumnError):
            await connection.prepare(load("consent").statements_of)


async def may_run(database: TestDatabase, role: Role) -> set[Named]:
    """Return the statements that the role's grants let it run: planning one as it runs asks for them."""
    allowed = set()
    async with connected(database.dsn(role), SEARCH_PATHS[role]) as connection:
        for area in AREAS:
            for name, text in load(area).items():
                if area in BY_OWNER:
                    continue
                try:
                    await connection.execute(f"EXPLAIN (GENERIC_PLAN) {text}")
                except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError):
                    continue
                allowed.add((area, name))
    return allowed


async def test_some_role_may_run_each_statement_and_the_reader_those_of_the_gate_alone(
    fresh_database: TestDatabase,
) -> None:
    by_role = {role: await may_run(fresh_database, role) for role in Role}
    assert by_role[Role.READER] - OF_NO_TABLE == {("gate", name) for name in load("gate")}
    asked = {(area, name) for area in AREAS if area not in BY_OWNER for name in load(area)}
    assert set().union(*by_role.values()) == asked


async def test_a_grant_that_a_statement_lacks_is_found(fresh_database: TestDatabase) -> None:
    await ask(fresh_database.dsn(), "REVOKE INSERT ON ledger.batch FROM assent_writer")
    assert ("ledger", "insert_batch") not in await may_run(fresh_database, Role.WRITER)


def called(folder: Path) -> set[Named]:
    """Return the statements that the code under a folder names, by their area."""
    return {named for path in folder.rglob("*.py") for named in _called(ast.parse(path.read_text()))}


def _called(module: ast.Module) -> Iterator[Named]:
    loaded: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and (area := _area(node.value)) is not None:
            loaded |= {target.id: area for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            of = loaded.get(node.value.id) if isinstance(node.value, ast.Name) else _area(node.value)
            if of is not None:
                yield of, node.attr


def _area(node: ast.expr) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="load"), args=[ast.Constant(value=str(area))]):
            return area
        case _:
            return None


def uncalled(statements: Mapping[str, Mapping[str, str]], folder: Path) -> set[Named]:
    return {(area, name) for area, named in statements.items() for name in named} - called(folder)


def test_every_statement_has_a_caller() -> None:
    statements = {area: load(area) for area in AREAS}
    assert uncalled(statements, CHECKOUT / "src") == set()


def test_a_statement_without_a_caller_is_found(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(
        '_SQL = load("shop")\n\ndef f():\n    return _SQL.visits, load("x").other'
    )
    statements = {"shop": {"visits": "", "sales": ""}, "x": {"other": "", "visits": ""}}
    assert uncalled(statements, tmp_path) == {("shop", "sales"), ("x", "visits")}


ACROSS = {
    ("access", "key_by_digest"): "a key says whose it is",
    ("feed", "controllers_followed"): "which controllers have feeds",
    ("ledger", "controllers"): "which controllers there are, and where each stands",
    ("ledger", "create_controller"): "a new one's number",
    ("ledger", "refresh_statistics"): "the planner's",
    ("releases", "controllers_unsealed"): "which controllers have releases to seal",
    ("upkeep", "controllers"): "which controllers there are",
    ("webhooks", "controllers_due"): "which controllers have something to say",
}
"""Statements of more than one controller, and what for: to find out which one to go on with."""

OF_NO_TABLE = {
    *(("activation", "is_activating"), ("activation", "prepare_lazily")),
    ("audiences", "try_changing_audiences"),
}
"""Statements that ask no table: they are of the transaction, and any role may run them."""

OF_ONE = re.compile(r"controller_id = \$1\b|\b(?:VALUES \(|SELECT\s+)\$1,|\(\$1[,)]")


def across(statements: Mapping[str, Mapping[str, str]]) -> set[Named]:
    """Return the statements that do not say, first of all, of which controller they are.

    Those of the gate do so by the settings of their transaction; a function takes the controller first.
    """
    return {
        (area, name)
        for area, named in statements.items()
        for name, text in named.items()
        if area not in BY_OWNER | {"gate"} and not OF_ONE.search(text)
    }


def test_a_statement_is_of_one_controller() -> None:
    statements = {area: load(area) for area in AREAS}
    assert across(statements) - OF_NO_TABLE == set(ACROSS)


def test_a_statement_of_all_controllers_is_found() -> None:
    of_all = "UPDATE ledger.feed SET held_until = 0 WHERE holder = $1"
    of_one = "UPDATE ledger.feed SET held_until = 0 WHERE controller_id = $1 AND holder = $2"
    assert across({"feed": {"all": of_all, "one": of_one}}) == {("feed", "all")}
