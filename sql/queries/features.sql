-- name: states_of
-- The packed states of these identifiers.
SELECT
    s.identifier_id,
    s.category_id,
    s.basis,
    s.state
FROM feature_state AS s
WHERE
    s.controller_id = $1
    AND s.identifier_id = any($2::bigint[]);

-- name: upsert_states
INSERT INTO feature_state (controller_id, identifier_id, category_id, basis, state)
SELECT
    $1,
    n.identifier_id,
    n.category_id,
    n.basis,
    n.state
FROM
    unnest($2::bigint[], $3::smallint[], $4::bigint[], $5::bytea[])
        AS n (identifier_id, category_id, basis, state)
ON CONFLICT (controller_id, identifier_id, category_id, basis) DO UPDATE
    SET state = excluded.state;

-- name: delete_states
DELETE FROM feature_state AS s
USING unnest($2::bigint[], $3::smallint[], $4::bigint[]) AS n (identifier_id, category_id, basis)
WHERE
    s.controller_id = $1
    AND s.identifier_id = n.identifier_id
    AND s.category_id = n.category_id
    AND s.basis = n.basis;

-- name: insert_items
INSERT INTO feature_item (
    controller_id, identifier_id, feature_id, entry_index, category_id, basis, at, value
)
SELECT
    $1,
    n.identifier_id,
    n.feature_id,
    n.entry_index,
    n.category_id,
    n.basis,
    n.at,
    n.value
FROM
    unnest(
        $2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bytea[]
    ) AS n (identifier_id, feature_id, entry_index, category_id, basis, at, value);

-- name: delete_items
-- Items of these identifiers, in categories $3, that nothing carries once the purposes of $4 are taken away.
DELETE FROM feature_item AS t
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[])
    AND ($3::bigint >> t.category_id) & 1 = 1
    AND t.basis & ~$4::bigint = 0;

-- name: strip_items
-- Take the purposes of $4 from what carries the items that stay.
UPDATE feature_item AS t
SET basis = t.basis & ~$4::bigint
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[])
    AND ($3::bigint >> t.category_id) & 1 = 1
    AND t.basis & $4::bigint <> 0;
