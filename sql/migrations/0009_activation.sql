-- The next policy is prepared beside the one in force, in chunks, while the service goes on. What is prepared
-- and kept apart already (permits of the next version, clusters of its new views) stands where it will be
-- read; what would replace rows in force waits here for the commit that flips the version.

-- The version being prepared, or null. While it is set every commit notes whom it changed.
ALTER TABLE ledger.head ADD COLUMN preparing integer;

CREATE TABLE ledger.preparation (
    controller_id bigint PRIMARY KEY,
    policy_version integer NOT NULL,
    -- SHA-256 of the documents: who asks for the same again goes on where this one stopped.
    digest bytea NOT NULL,
    -- The instant as of which permits are derived, unless somebody spoke later.
    as_of bigint NOT NULL,
    -- Components whose lowest identifier lies in (prepared_to, last_identifier] are still to come; whoever
    -- came later was noted when they came.
    prepared_to bigint NOT NULL,
    last_identifier bigint NOT NULL,
    -- How many people gained and lost, by purpose, as far as it has come.
    tally text NOT NULL
) WITH (fillfactor = 50);

-- Whom commits changed since the preparation began, a row per commit.
CREATE TABLE ledger.touched (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (controller_id, identifier_id, revision)
);

-- Clusters of views that both policies have and that differ; without a profile the row goes.
CREATE TABLE ledger.prepared_cluster (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    view_id smallint NOT NULL,
    profile_id bigint,
    PRIMARY KEY (controller_id, identifier_id, view_id)
);

-- What identifiers' own statements deny under the next policy, where that differs.
CREATE TABLE ledger.prepared_denies (
    controller_id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    denies bigint NOT NULL,
    PRIMARY KEY (controller_id, identifier_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON
ledger.preparation, ledger.touched, ledger.prepared_cluster, ledger.prepared_denies
TO assent_writer;
GRANT SELECT ON
ledger.preparation, ledger.touched, ledger.prepared_cluster, ledger.prepared_denies
TO assent_auditor;
GRANT SELECT, DELETE ON
ledger.preparation, ledger.touched, ledger.prepared_cluster, ledger.prepared_denies
TO assent_eraser;
