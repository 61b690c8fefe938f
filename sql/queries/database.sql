-- What the service asks about roles, settings and the schema's versions before it serves.

-- name: try_lock
-- True if the lock was free and is now this session's. Polled, never waited for: waiting in pg_advisory_lock
-- deadlocks with an index being built concurrently.
SELECT pg_try_advisory_lock($1) AS locked;

-- name: unlock
-- True if the lock was held and is free again.
SELECT pg_advisory_unlock($1) AS unlocked;

-- name: become_owner
-- For this transaction, act as the owner of the schemas; every name is written in full.
SELECT
    set_config('role', 'assent_owner', TRUE) AS role,
    set_config('search_path', '', TRUE) AS search_path;

-- name: create_meta_schema
-- Where the applied migrations are kept.
CREATE SCHEMA IF NOT EXISTS assent_meta;

-- name: create_migration_table
-- One row per applied migration.
CREATE TABLE IF NOT EXISTS assent_meta.migration (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: meta_schema_exists
-- True once any migration was prepared in this database.
SELECT to_regclass('assent_meta.migration') IS NOT NULL AS found;

-- name: applied_migrations
-- Every applied migration, oldest first.
SELECT
    m.version,
    m.name,
    m.sha256
FROM assent_meta.migration AS m
ORDER BY m.version;

-- name: record_migration
-- Written in the transaction of the migration itself: both or neither.
INSERT INTO assent_meta.migration (version, name, sha256)
VALUES ($1, $2, $3);

-- name: password_statement
-- The statement that gives a role its password; the second value is a verifier, never the password.
SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text) AS statement;

-- name: session_role
-- Who this session is, what that role could do beside what it was granted, and how the server keeps its word.
-- `owned` and `powers` name what must not be there.
SELECT
    session_user::text AS session_role,
    current_user::text AS current_role_name,
    current_setting('server_version_num')::integer / 10000 AS server_version,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    array_remove(
        ARRAY[
            CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
            CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
            CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
            CASE WHEN r.rolreplication THEN 'REPLICATION' END
        ],
        NULL
    ) AS powers,
    array(
        SELECT g.rolname::text
        FROM pg_roles AS g
        WHERE
            g.oid <> r.oid
            AND pg_has_role(r.oid, g.oid, 'MEMBER')
            AND (
                g.rolname LIKE 'assent\_%' OR g.rolname LIKE 'pg\_%'
                OR g.rolsuper OR g.rolbypassrls OR g.rolcreaterole OR g.rolreplication
            )
        ORDER BY g.rolname
    ) AS memberships,
    EXISTS (SELECT 1 FROM pg_namespace AS n WHERE n.nspowner = r.oid)
    OR EXISTS (SELECT 1 FROM pg_class AS c WHERE c.relowner = r.oid)
    OR EXISTS (SELECT 1 FROM pg_proc AS p WHERE p.proowner = r.oid) AS owns
FROM pg_roles AS r
WHERE r.rolname = session_user;
