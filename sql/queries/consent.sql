-- name: statements_of
-- What these identifiers stated, in the order it became known.
SELECT
    s.identifier_id,
    s.entry_index,
    s.position,
    s.purpose_id,
    s.state,
    s.acted_at,
    s.known_at,
    s.authenticated,
    s.terms
FROM statement AS s
WHERE
    s.controller_id = $1
    AND s.identifier_id = any($2::bigint[])
ORDER BY s.entry_index, s.position;

-- name: statements_before
-- The newest statements of these identifiers, in one of the states $3, before entry $4, with their entries.
-- One whose payload is gone is gone; one that hangs on an address belongs to who holds that address too.
SELECT
    s.identifier_id,
    s.entry_index,
    s.position,
    s.purpose_id,
    s.state,
    s.acted_at,
    s.known_at,
    s.authenticated,
    s.terms,
    e.leaf,
    p.sealed
FROM statement AS s
INNER JOIN ledger.entry AS e
    ON s.controller_id = e.controller_id AND s.entry_index = e.entry_index
INNER JOIN ledger.kept_payload AS p
    ON s.controller_id = p.controller_id AND s.entry_index = p.entry_index
WHERE
    s.controller_id = $1
    AND s.identifier_id = any($2::bigint[])
    AND s.state = any($3::text[])
    AND s.entry_index < $4
    AND coalesce((s.terms ->> 'address')::bigint, s.identifier_id) = any($2::bigint[])
ORDER BY s.entry_index DESC, s.position DESC
LIMIT $5;

-- name: permits_of
-- The permits of these identifiers under policy version $2, for purposes $3.
SELECT
    p.identifier_id,
    p.purpose_id,
    p.categories,
    p.since,
    p.until,
    p.entry_index
FROM permit AS p
WHERE
    p.controller_id = $1
    AND p.policy_version = $2
    AND p.purpose_id = any($3::smallint[])
    AND p.identifier_id = any($4::bigint[])
ORDER BY p.identifier_id, p.purpose_id, p.since, p.categories;

-- name: insert_statements
INSERT INTO statement (
    controller_id,
    identifier_id,
    entry_index,
    position,
    purpose_id,
    state,
    acted_at,
    known_at,
    authenticated,
    terms
)
SELECT
    $1,
    n.identifier_id,
    n.entry_index,
    n.place,
    n.purpose_id,
    n.state,
    n.acted_at,
    n.known_at,
    n.authenticated,
    n.terms::jsonb
FROM
    unnest(
        $2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[], $6::text[], $7::bigint[], $8::bigint[],
        $9::boolean[], $10::text[]
    ) AS n (
        identifier_id, entry_index, place, purpose_id, state, acted_at, known_at, authenticated, terms
    );

-- name: insert_permits
INSERT INTO permit (
    controller_id, policy_version, purpose_id, identifier_id, since, categories, until, entry_index
)
SELECT
    $1,
    $2,
    n.purpose_id,
    n.identifier_id,
    n.since,
    n.categories,
    n.until,
    n.entry_index
FROM
    unnest($3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
        AS n (purpose_id, identifier_id, since, categories, until, entry_index);

-- name: delete_permits
DELETE FROM permit AS p
USING
    unnest($3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS n (purpose_id, identifier_id, since, categories)
WHERE
    p.controller_id = $1
    AND p.policy_version = $2
    AND p.purpose_id = n.purpose_id
    AND p.identifier_id = n.identifier_id
    AND p.since = n.since
    AND p.categories = n.categories;

-- name: delete_permits_before
-- Permits of policy versions that are no longer in force.
DELETE FROM permit AS p
WHERE
    p.controller_id = $1
    AND p.policy_version < $2;

-- name: policy_version
-- The documents and the numbers of one policy version.
SELECT
    p.documents,
    p.names
FROM policy AS p
WHERE
    p.controller_id = $1
    AND p.policy_version = $2;

-- name: insert_policy
INSERT INTO policy (controller_id, policy_version, entry_index, documents, names)
VALUES ($1, $2, $3, $4, $5);

-- name: insert_purposes
INSERT INTO purpose (controller_id, policy_version, purpose_id, name, view_id, retroactive)
SELECT
    $1,
    $2,
    n.purpose_id,
    n.purpose_name,
    n.view_id,
    n.retroactive
FROM
    unnest($3::smallint[], $4::text[], $5::smallint[], $6::bigint[])
        AS n (purpose_id, purpose_name, view_id, retroactive);

-- name: insert_audiences
INSERT INTO audience (
    controller_id, audience_id, version, entry_index, title, purposes, rule, holdout, goals
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: audience_versions
-- The newest version of each of these audiences.
SELECT
    a.audience_id,
    max(a.version) AS version
FROM audience AS a
WHERE
    a.controller_id = $1
    AND a.audience_id = any($2::text[])
GROUP BY a.audience_id;
