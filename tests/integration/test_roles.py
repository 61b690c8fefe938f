"""Nobody serves as a role that could do more than it should, or on a server that may lose what it took."""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from assent.config import Secret
from assent.core.errors import StartupRefused
from assent.database import embedded, roles
from assent.database.embedded import EmbeddedPostgres, embedded_postgres
from assent.database.migrate import migrate
from assent.database.roles import Role, create_roles, refuse_unsafe_role, scram_verifier
from assent.database.types import Connection
from tests.support.database import TestDatabase, ask, run

EVERYTHING_GRANTED = """
SELECT array_agg(kind || ' ' || replace(name, '"', ''))
FROM (
    SELECT 'table' AS kind, c.oid::regclass::text AS name
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND c.relnamespace::regnamespace::text NOT LIKE 'pg\\_toast%'
        AND CASE c.relkind
            WHEN 'S' THEN has_sequence_privilege('{role}', c.oid, 'USAGE, SELECT, UPDATE')
            ELSE has_any_column_privilege('{role}', c.oid, 'SELECT, INSERT, UPDATE')
                OR has_table_privilege('{role}', c.oid, 'DELETE, TRUNCATE, TRIGGER')
        END
    UNION ALL
    SELECT 'function', p.oid::regproc::text
    FROM pg_proc AS p
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND has_function_privilege('{role}', p.oid, 'EXECUTE')
) AS granted
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own: roles belong to a whole server, and these tests change them."""
    folder = Path(tempfile.mkdtemp(prefix="assent-test-"))
    with embedded_postgres(folder) as started:
        asyncio.run(migrate(started.dsn()))
        yield started
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def connected(server: EmbeddedPostgres, user: str = "postgres") -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(server.dsn(user=user))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("role", Role)
async def test_each_role_is_fit_to_serve_as_migrations_leave_it(server: EmbeddedPostgres, role: Role) -> None:
    async with connected(server, role) as connection:
        await refuse_unsafe_role(connection, role)


@pytest.mark.parametrize(
    ("change", "back", "why"),
    [
        ("ALTER ROLE assent_reader SUPERUSER", "ALTER ROLE assent_reader NOSUPERUSER", "SUPERUSER"),
        ("ALTER ROLE assent_reader BYPASSRLS", "ALTER ROLE assent_reader NOBYPASSRLS", "BYPASSRLS"),
        ("ALTER ROLE assent_reader CREATEROLE", "ALTER ROLE assent_reader NOCREATEROLE", "CREATEROLE"),
        ("ALTER ROLE assent_reader REPLICATION", "ALTER ROLE assent_reader NOREPLICATION", "REPLICATION"),
        ("GRANT assent_owner TO assent_reader", "REVOKE assent_owner FROM assent_reader", "assent_owner"),
        ("GRANT assent_writer TO assent_reader", "REVOKE assent_writer FROM assent_reader", "assent_writer"),
        (
            "GRANT pg_read_all_data TO assent_reader",
            "REVOKE pg_read_all_data FROM assent_reader",
            "pg_read_all",
        ),
        ("CREATE SCHEMA own AUTHORIZATION assent_reader", "DROP SCHEMA own", "owns"),
        (
            "CREATE TABLE public.own (); ALTER TABLE public.own OWNER TO assent_reader",
            "DROP TABLE public.own",
            "owns",
        ),
    ],
)
async def test_a_role_mightier_than_the_reader_is_refused(
    server: EmbeddedPostgres, change: str, back: str, why: str
) -> None:
    async with connected(server) as admin:
        await admin.execute(change)
        try:
            async with connected(server, Role.READER) as connection:
                with pytest.raises(StartupRefused, match=why):
                    await refuse_unsafe_role(connection, Role.READER)
        finally:
            await admin.execute(back)


@pytest.mark.parametrize("user", ["postgres", "assent_writer"])
async def test_another_role_than_the_expected_one_is_refused(server: EmbeddedPostgres, user: str) -> None:
    async with connected(server, user) as connection:
        with pytest.raises(StartupRefused, match="another role"):
            await refuse_unsafe_role(connection, Role.READER)


async def test_a_superuser_that_puts_on_the_role_is_refused(server: EmbeddedPostgres) -> None:
    async with connected(server) as connection:
        await connection.execute("SET ROLE assent_reader")
        with pytest.raises(StartupRefused, match="another role"):
            await refuse_unsafe_role(connection, Role.READER)


async def test_a_version_nobody_tested_is_refused(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "_SUPPORTED", range(15, 18))
    async with connected(server, Role.READER) as connection:
        with pytest.raises(StartupRefused, match="got 18"):
            await refuse_unsafe_role(connection, Role.READER)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_what_it_took_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setitem(embedded._SETTINGS, setting, "off")

    async def asked(server: EmbeddedPostgres) -> None:
        async with connected(server) as admin:
            await create_roles(admin)
        async with connected(server, Role.WRITER) as connection:
            await refuse_unsafe_role(connection, Role.WRITER)

    with embedded_postgres(folder) as server, pytest.raises(StartupRefused, match=f"with {setting} off"):
        asyncio.run(asked(server))


async def test_roles_get_the_password_that_a_setting_names(server: EmbeddedPostgres) -> None:
    async with connected(server) as admin:
        await create_roles(admin, Secret("correct horse"))
        for role in Role:
            kept = await admin.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role.value)
            salt = kept.split(":")[1].split("$")[0]
            assert scram_verifier("correct horse", base64.b64decode(salt)) == kept


async def test_our_verifier_is_the_one_postgresql_makes(server: EmbeddedPostgres) -> None:
    async with connected(server) as admin:
        await admin.execute("CREATE ROLE somebody PASSWORD 'correct horse'")
        theirs = await admin.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'")
        await admin.execute("DROP ROLE somebody")
    salt = theirs.split(":")[1].split("$")[0]
    assert scram_verifier("correct horse", base64.b64decode(salt)) == theirs


def granted(database: TestDatabase, role: Role) -> set[str]:
    (found,) = run(database.dsn(), EVERYTHING_GRANTED.format(role=role))
    return set(found)


READERS_OWN = {
    "function gate.anchors",
    "function gate.changes",
    "function gate.exported",
    "function gate.extent",
    "function gate.feed",
    "function gate.feed_deliver",
    "function gate.feed_page",
    "function gate.opened",
    "function gate.position",
    "function gate.record",
    "function gate.setting",
    "function gate.catalogue",
    "function gate.derived",
    "function gate.subjects",
    "function gate.usable",
    "table gate.released",
}


def test_the_reader_may_read_the_gates_view_and_call_its_functions_and_nothing_else(
    fresh_database: TestDatabase,
) -> None:
    assert granted(fresh_database, Role.READER) == READERS_OWN


def test_one_column_granted_too_many_is_found(fresh_database: TestDatabase) -> None:
    run(fresh_database.dsn(), "GRANT SELECT (controller_id) ON projection.permit TO assent_reader")
    assert granted(fresh_database, Role.READER) == READERS_OWN | {"table projection.permit"}


@pytest.mark.parametrize("role", Role)
def test_no_role_may_change_or_delete_an_entry(fresh_database: TestDatabase, role: Role) -> None:
    question = f"SELECT has_table_privilege('{role}', 'ledger.entry', 'UPDATE, DELETE, TRUNCATE')"
    assert run(fresh_database.dsn(), question) == [False]


PRIVILEGES = """
assent_meta.migration       -                       -  -  -
gate.member                 -                       -  -  -
gate.permitted              -                       -  -  -
gate.question               -                       -  -  -
gate.released               -                       s  -  -
ledger.account_change       si                      -  s  si
ledger.api_key              si u(revoked_at)        -  s  -
ledger.asked                siu                     -  s  -
ledger.batch                si                      -  s  -
ledger.change               sid                     -  s  si
ledger.content              sid u(basis)            -  s  sd u(basis)
ledger.controller           si                      -  s  s
ledger.deletion             siud                    -  s  siud
ledger.entry                si                      -  s  s
ledger.erasing              siud                    -  s  sd
ledger.erasing_entry        siud                    -  s  sd
ledger.feed                 siud                    -  s  -
ledger.feed_change          siud                    -  s  -
ledger.feed_subject         siud                    -  s  -
ledger.head                 siu                     -  s  su
ledger.idempotency          siud                    -  s  -
ledger.import_progress      siu                     -  s  -
ledger.intake               siu                     -  s  -
ledger.kept_content         s                       -  s  s
ledger.kept_item            s                       -  s  s
ledger.kept_payload         s                       -  s  s
ledger.message              sid u(entry_index,seen_at)  -  s  sd
ledger.payload              si                      -  s  sd
ledger.preparation          siud                    -  s  sd
ledger.prepared_cluster     siud                    -  s  sd
ledger.prepared_denies      siud                    -  s  sd
ledger.ping                 siud                    -  s  -
ledger.purpose_head         siu                     -  s  siu
ledger.refusal              siu                     -  s  -
ledger.release              si u(leaf_index)        -  s  -
ledger.release_entry        si                      -  s  -
ledger.release_head         siu                     -  s  -
ledger.release_reference    siu                     -  s  -
ledger.backfill             siu                     -  s  -
ledger.retained             si                      -  s  sid
ledger.tile                 si                      -  s  -
ledger.touched              siud                    -  s  sd
ledger.upkeep               -                       -  s  siu
ledger.webhook              siud                    -  s  -
projection.audience         siud                    -  s  sud
projection.cluster          siud                    -  s  sud
projection.denied_link      siud                    -  s  sud
projection.feature_item     siud                    -  s  sud
projection.feature_state    siud                    -  s  siud
projection.former_link      siud                    -  s  sd
projection.identifier       siud                    -  s  sud
projection.link             siud                    -  s  sud
projection.parted           siud                    -  s  sud
projection.permit           siud                    -  s  sud
projection.policy           siud                    -  s  sud
projection.purpose          siud                    -  s  sud
projection.statement        siud                    -  s  sud
projection.derived_feature  siud                    -  s  s
projection.suppression      siud                    -  s  sud
"""
"""Writer, reader, auditor, eraser: (s)elect, (i)nsert, (u)pdate, (d)elete; of single columns in brackets.

Nobody changes or deletes an entry, a tile, a batch or a release; nobody but the writer and the eraser changes
anything.
"""

EVERY_PRIVILEGE = """
WITH relation AS (
    SELECT c.oid, c.oid::regclass::text AS name
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND c.relnamespace::regnamespace::text IN ('assent_meta', 'gate', 'ledger', 'projection', 'public')
)
SELECT r.name, p.role, k.kind, NULL AS attname
FROM relation AS r
CROSS JOIN unnest($1::text []) AS p (role)
CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text []) AS k (kind)
WHERE has_table_privilege(p.role, r.oid, k.kind)
UNION ALL
SELECT r.name, p.role, k.kind, a.attname
FROM relation AS r
INNER JOIN pg_attribute AS a ON r.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped
CROSS JOIN unnest($1::text []) AS p (role)
CROSS JOIN unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text []) AS k (kind)
WHERE has_column_privilege(p.role, r.oid, a.attnum, k.kind) AND NOT has_table_privilege(p.role, r.oid, k.kind)
UNION ALL
SELECT r.name, NULL, NULL, NULL FROM relation AS r
"""

LETTERS = {"SELECT": "s", "INSERT": "i", "UPDATE": "u", "DELETE": "d"}


async def privileges(dsn: str) -> dict[str, tuple[str, ...]]:
    """Return what each role may do with each table, as `PRIVILEGES` says it."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(EVERY_PRIVILEGE, [role.value for role in Role])
    await connection.close()
    whole: dict[tuple[str, str], set[str]] = {}
    partly: dict[tuple[str, str, str], set[str]] = {}
    for name, role, kind, column in rows:
        if column is not None:
            partly.setdefault((name, role, LETTERS.get(kind, kind)), set()).add(column)
        elif kind is not None:
            whole.setdefault((name, role), set()).add(LETTERS.get(kind, kind))
    return {
        name: tuple(
            " ".join(
                [
                    "".join(sorted(whole.get((name, role), ()), key="siud".find)),
                    *(
                        f"{kind}({','.join(sorted(columns))})"
                        for (where, who, kind), columns in sorted(partly.items())
                        if (where, who) == (name, role)
                    ),
                ]
            ).strip()
            or "-"
            for role in Role
        )
        for name in {row[0] for row in rows}
    }


def expected_privileges() -> dict[str, tuple[str, ...]]:
    lines = [line.split("  ") for line in PRIVILEGES.strip().splitlines()]
    return {line[0]: tuple(part.strip() for part in line[1:] if part.strip()) for line in lines}


async def test_each_role_may_do_with_each_table_exactly_what_is_written_down(
    fresh_database: TestDatabase,
) -> None:
    assert await privileges(fresh_database.dsn()) == expected_privileges()


@pytest.mark.parametrize(
    "fault",
    [
        "GRANT DELETE ON ledger.entry TO assent_writer",
        "GRANT UPDATE (leaf) ON ledger.entry TO assent_eraser",
        "GRANT SELECT ON gate.member TO assent_auditor",
        "GRANT TRUNCATE ON projection.permit TO assent_writer",
        "GRANT SELECT ON assent_meta.migration TO public",
        "REVOKE DELETE ON ledger.payload FROM assent_eraser",
        "CREATE TABLE ledger.more ()",
    ],
)
async def test_a_privilege_more_or_less_is_found(fresh_database: TestDatabase, fault: str) -> None:
    await ask(fresh_database.dsn(), fault)
    assert await privileges(fresh_database.dsn()) != expected_privileges()


@pytest.mark.parametrize("role", Role)
def test_no_role_may_make_anything(fresh_database: TestDatabase, role: Role) -> None:
    question = f"SELECT count(*) FROM pg_namespace WHERE has_schema_privilege('{role}', oid, 'CREATE')"
    assert run(fresh_database.dsn(), question) == [0]
    assert run(fresh_database.dsn(), "GRANT CREATE ON SCHEMA gate TO public", question)[1] == 1
