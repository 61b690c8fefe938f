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
    controller_id, identifier_id, feature_id, entry_index, category_id, basis, at, value, account, slot
)
SELECT
    $1,
    n.identifier_id,
    n.feature_id,
    n.entry_index,
    n.category_id,
    n.basis,
    n.at,
    n.value,
    n.account,
    n.slot
FROM
    unnest(
        $2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bytea[],
        $9::bytea[], $10::bytea[]
    ) AS n (identifier_id, feature_id, entry_index, category_id, basis, at, value, account, slot);

-- name: settle_items
-- Of the items that take the same place ($2) each keeps the purposes that no newer one carries; one that
-- keeps none goes. What is closed, and waits to be deleted, takes over nothing.
WITH settled AS (
    SELECT
        t.identifier_id,
        t.feature_id,
        t.entry_index,
        t.basis,
        t.basis & ~coalesce(bit_or(t.basis & ~closed.purposes) OVER newer, 0) AS kept
    FROM feature_item AS t
    LEFT JOIN ledger.deletion AS d
        ON d.controller_id = $1 AND t.identifier_id = d.identifier_id
    CROSS JOIN
        LATERAL (
            SELECT coalesce(bit_or(n.purposes), 0) AS purposes
            FROM unnest(d.purposes, d.categories, d.befores) AS n (purposes, categories, before_entry)
            WHERE
                (n.categories >> t.category_id) & 1 = 1
                AND t.entry_index < n.before_entry
        ) AS closed
    WHERE
        t.controller_id = $1
        AND t.slot = any($2::bytea[])
    WINDOW newer AS (
        PARTITION BY t.slot
        ORDER BY t.at DESC, t.entry_index DESC
        GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),

gone AS (
    DELETE FROM feature_item AS t
    USING settled AS s
    WHERE
        t.controller_id = $1
        AND t.identifier_id = s.identifier_id
        AND t.feature_id = s.feature_id
        AND t.entry_index = s.entry_index
        AND s.kept = 0
)

UPDATE feature_item AS t
SET basis = s.kept
FROM settled AS s
WHERE
    t.controller_id = $1
    AND t.identifier_id = s.identifier_id
    AND t.feature_id = s.feature_id
    AND t.entry_index = s.entry_index
    AND s.kept <> 0
    AND s.kept <> s.basis;

-- name: told_of
-- What these identifiers told of accounts; asked for as the index `feature_item_told` has it.
SELECT DISTINCT
    t.identifier_id,
    t.account,
    t.category_id,
    t.basis
FROM feature_item AS t
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[])
    AND length(t.account) > 0
    AND t.feature_id > 0;

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
