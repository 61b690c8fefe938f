-- The roles of the service, and what they may do in this database before any migration.
-- Run by the service at each start, as the user of ASSENT_DATABASE_URL; a DBA may run it by hand instead,
-- with psql, as a role that has CREATEROLE and owns the database. It may run twice, and twice at once.
--
--   assent_owner    owns every schema, cannot log in; migrations run as it
--   assent_writer   the committer: appends entries, writes projections
--   assent_reader   serves engines: the gate's view and the release function, nothing else
--   assent_auditor  answers people and DPOs
--   assent_eraser   deletes what erasure and retention delete
DO $$
DECLARE
    wanted text;
    since_16 boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOREACH wanted IN ARRAY
        ARRAY['assent_owner', 'assent_writer', 'assent_reader', 'assent_auditor', 'assent_eraser']
    LOOP
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE ROLE %I %s NOINHERIT NOCREATEDB NOCREATEROLE',
                    wanted,
                    CASE wanted WHEN 'assent_owner' THEN 'NOLOGIN' ELSE 'LOGIN' END
                );
            EXCEPTION
                -- Roles belong to the whole server: another database's service was faster.
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT has_database_privilege(wanted, current_database(), 'CONNECT') THEN
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), wanted);
        END IF;
    END LOOP;

    IF NOT has_database_privilege('assent_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO assent_owner', current_database());
    END IF;

    -- Temporary objects come before all others in a search path; no role of ours makes any.
    IF has_database_privilege('assent_reader', current_database(), 'TEMPORARY') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM public', current_database());
    END IF;

    -- From PostgreSQL 16 on, who made a role may grant it but not become it without saying so.
    IF NOT pg_has_role(current_user, 'assent_owner', CASE WHEN since_16 THEN 'SET' ELSE 'MEMBER' END) THEN
        EXECUTE format('GRANT assent_owner TO %I', current_user);
    END IF;
END
$$;
