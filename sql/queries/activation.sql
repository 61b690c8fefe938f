-- name: try_activating
-- Whether this session is now the only one that activates a policy of this controller.
SELECT pg_try_advisory_lock(hashtextextended('assent/activation', h.controller_id)) AS alone
FROM ledger.head AS h
WHERE h.controller_id = $1;

-- name: stop_activating
SELECT pg_advisory_unlock(hashtextextended('assent/activation', h.controller_id)) AS unlocked
FROM ledger.head AS h
WHERE h.controller_id = $1;

-- name: is_activating
-- Whether some session activates a policy of this controller.
SELECT NOT pg_try_advisory_xact_lock(hashtextextended('assent/activation', $1)) AS is_under_way;

-- name: count_identifiers
-- How many identifiers a controller holds.
SELECT count(*) AS identifiers
FROM identifier AS i
WHERE i.controller_id = $1;

-- name: is_larger
-- A row when the controller holds more than $2 identifiers.
SELECT i.identifier_id
FROM identifier AS i
WHERE i.controller_id = $1
ORDER BY i.identifier_id
LIMIT 1 OFFSET $2;

-- name: preparation
-- What is being prepared, or was when its process ended. No row: nothing.
SELECT
    p.policy_version,
    p.digest,
    p.as_of,
    p.prepared_to,
    p.last_identifier,
    p.tally,
    p.identifiers,
    p.done,
    p.moved_at
FROM ledger.preparation AS p
WHERE p.controller_id = $1;

-- name: begin_preparing
-- From here on every commit notes whom it changes.
WITH begun AS (
    INSERT INTO ledger.preparation (
        controller_id,
        policy_version,
        digest,
        as_of,
        prepared_to,
        last_identifier,
        tally,
        identifiers,
        moved_at
    )
    VALUES ($1, $2, $3, $4, -1, $5, $6, $7, $8)
)

UPDATE ledger.head
SET preparing = $2
WHERE controller_id = $1;

-- name: prepare_lazily
-- This transaction need not be on disk when it ends: lost with the server, it was not done and is done again.
-- Whatever is committed after it, the flip too, takes it along.
SELECT set_config('synchronous_commit', 'off', TRUE) AS was_set;

-- name: move_preparation
-- How far it has come.
UPDATE ledger.preparation
SET
    prepared_to = $2,
    tally = $3,
    done = $4,
    moved_at = $5
WHERE controller_id = $1;

-- name: end_preparing
-- Nothing is prepared any longer: commits note nobody.
WITH ended AS (
    DELETE FROM ledger.preparation
    WHERE controller_id = $1
)

UPDATE ledger.head
SET preparing = NULL
WHERE controller_id = $1;

-- name: components_between
-- The lowest identifiers of components in ($2, $3], at most $4, in order. A sub-select stays a look-up for
-- each row: joined, whoever plans may read the clusters from their beginning for every page.
SELECT
    i.identifier_id,
    i.namespace_id,
    i.lookup,
    i.denies,
    i.seen_by
FROM identifier AS i
WHERE
    i.controller_id = $1
    AND i.identifier_id > $2
    AND i.identifier_id <= $3
    AND i.identifier_id = coalesce(
        (
            SELECT c.profile_id
            FROM cluster AS c
            WHERE
                c.controller_id = $1
                AND c.view_id = 0
                AND c.identifier_id = i.identifier_id
        ),
        i.identifier_id
    )
ORDER BY i.identifier_id
LIMIT $4;

-- name: last_identifier
-- The newest identifier, or no row.
SELECT i.identifier_id
FROM identifier AS i
WHERE i.controller_id = $1
ORDER BY i.identifier_id DESC
LIMIT 1;

-- name: touch
-- Note whom a commit changed.
INSERT INTO ledger.touched (controller_id, identifier_id, revision)
SELECT
    $1,
    n.identifier_id,
    $2
FROM unnest($3::bigint[]) AS n (identifier_id);

-- name: touched
-- Whom commits changed, at most $2, lowest first.
SELECT DISTINCT t.identifier_id
FROM ledger.touched AS t
WHERE t.controller_id = $1
ORDER BY t.identifier_id
LIMIT $2;

-- name: touched_among
-- Which of these were changed by a commit.
SELECT DISTINCT t.identifier_id
FROM ledger.touched AS t
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[]);

-- name: untouch
-- These are prepared as they stand: forget the commits that this transaction sees.
DELETE FROM ledger.touched AS t
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[]);

-- name: unprepare_permits
-- What was prepared of these identifiers for version $2, purposes $4, is of the past.
DELETE FROM permit AS p
WHERE
    p.controller_id = $1
    AND p.policy_version = $2
    AND p.identifier_id = any($3::bigint[])
    AND p.purpose_id = any($4::smallint[]);

-- name: unprepare_views
-- Their clusters in views that are not in force yet.
DELETE FROM cluster AS c
WHERE
    c.controller_id = $1
    AND c.view_id = any($2::smallint[])
    AND c.identifier_id = any($3::bigint[]);

-- name: unprepare_waiting
-- And what waits for the flip.
WITH clusters AS (
    DELETE FROM ledger.prepared_cluster AS c
    WHERE
        c.controller_id = $1
        AND c.identifier_id = any($2::bigint[])
)

DELETE FROM ledger.prepared_denies AS d
WHERE
    d.controller_id = $1
    AND d.identifier_id = any($2::bigint[]);

-- name: insert_prepared_clusters
INSERT INTO ledger.prepared_cluster (controller_id, view_id, identifier_id, profile_id)
SELECT
    $1,
    n.view_id,
    n.identifier_id,
    n.profile_id
FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS n (view_id, identifier_id, profile_id);

-- name: insert_prepared_denies
INSERT INTO ledger.prepared_denies (controller_id, identifier_id, denies)
SELECT
    $1,
    n.identifier_id,
    n.denies
FROM unnest($2::bigint[], $3::bigint[]) AS n (identifier_id, denies);

-- name: flip_gone_clusters
-- The flip: rows of views in force that the next policy does not have.
DELETE FROM cluster AS c
USING ledger.prepared_cluster AS n
WHERE
    c.controller_id = $1
    AND n.controller_id = $1
    AND n.profile_id IS NULL
    AND c.view_id = n.view_id
    AND c.identifier_id = n.identifier_id;

-- name: flip_clusters
-- The flip: rows of views in force as the next policy has them.
INSERT INTO cluster (controller_id, view_id, identifier_id, profile_id)
SELECT
    $1,
    n.view_id,
    n.identifier_id,
    n.profile_id
FROM ledger.prepared_cluster AS n
WHERE
    n.controller_id = $1
    AND n.profile_id IS NOT NULL
ON CONFLICT (controller_id, view_id, identifier_id) DO UPDATE
    SET profile_id = excluded.profile_id;

-- name: flip_denies
-- The flip: what identifiers deny under the next policy.
UPDATE identifier AS i
SET denies = n.denies
FROM ledger.prepared_denies AS n
WHERE
    i.controller_id = $1
    AND n.controller_id = $1
    AND i.identifier_id = n.identifier_id;

-- name: forget_waiting
-- Nothing waits for a flip any longer.
WITH
clusters AS (
    DELETE FROM ledger.prepared_cluster AS c
    WHERE c.controller_id = $1
),

denies AS (
    DELETE FROM ledger.prepared_denies AS d
    WHERE d.controller_id = $1
)

DELETE FROM ledger.touched AS t
WHERE t.controller_id = $1;

-- name: sweep_permits
-- Remove at most $4 permits of versions in [$2, $3): none of them is in force.
DELETE FROM permit AS p
USING (
    SELECT
        o.policy_version,
        o.purpose_id,
        o.identifier_id,
        o.since,
        o.categories
    FROM permit AS o
    WHERE
        o.controller_id = $1
        AND o.policy_version >= $2
        AND o.policy_version < $3
    ORDER BY o.policy_version, o.purpose_id, o.identifier_id, o.since, o.categories
    LIMIT $4
) AS n
WHERE
    p.controller_id = $1
    AND p.policy_version = n.policy_version
    AND p.purpose_id = n.purpose_id
    AND p.identifier_id = n.identifier_id
    AND p.since = n.since
    AND p.categories = n.categories;

-- name: sweep_clusters
-- Remove at most $3 clusters of views $2, which no purpose in force has.
DELETE FROM cluster AS c
USING (
    SELECT
        o.view_id,
        o.identifier_id
    FROM cluster AS o
    WHERE
        o.controller_id = $1
        AND o.view_id = any($2::smallint[])
    ORDER BY o.view_id, o.identifier_id
    LIMIT $3
) AS n
WHERE
    c.controller_id = $1
    AND c.view_id = n.view_id
    AND c.identifier_id = n.identifier_id;
