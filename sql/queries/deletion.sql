-- name: rows_held
-- How many rows of content and of items stand for each of these identifiers, each counted up to $3.
SELECT
    n.identifier_id,
    (
        SELECT count(*)
        FROM (
            SELECT c.part
            FROM ledger.content AS c
            WHERE
                c.controller_id = $1
                AND c.identifier_id = n.identifier_id
            ORDER BY c.entry_index, c.part
            LIMIT $3
        ) AS contents
    ) + (
        SELECT count(*)
        FROM (
            SELECT t.feature_id
            FROM feature_item AS t
            WHERE
                t.controller_id = $1
                AND t.identifier_id = n.identifier_id
            ORDER BY t.feature_id, t.entry_index
            LIMIT $3
        ) AS items
    ) AS held
FROM unnest($2::bigint[]) AS n (identifier_id);

-- name: note
-- Note what is closed of what came before entry $5, for the purposes and categories at each place of $3 and
-- $4, to be deleted by $7 at the latest. What was noted of an identifier already is begun anew.
INSERT INTO ledger.deletion AS d (controller_id, identifier_id, purposes, categories, befores, since, due)
SELECT
    $1,
    n.identifier_id,
    array_agg(n.purposes) AS purposes,
    array_agg(n.categories) AS categories,
    array_agg($5::bigint) AS befores,
    $6,
    min(n.due) AS due
FROM
    unnest($2::bigint[], $3::bigint[], $4::bigint[], $7::bigint[])
        AS n (identifier_id, purposes, categories, due)
GROUP BY n.identifier_id
ORDER BY n.identifier_id
ON CONFLICT (controller_id, identifier_id) DO UPDATE
    SET
        purposes = d.purposes || excluded.purposes,
        categories = d.categories || excluded.categories,
        befores = d.befores || excluded.befores,
        due = least(d.due, excluded.due),
        content_entry = -1,
        content_part = -1,
        contents_done = FALSE,
        item_feature = -1,
        item_entry = -1;

-- name: noted
-- Identifiers of which something waits to be deleted, after ($2, $3), the most urgent first, at most $4.
SELECT
    d.identifier_id,
    d.due
FROM ledger.deletion AS d
WHERE
    d.controller_id = $1
    AND (d.due, d.identifier_id) > ($2, $3)
ORDER BY d.due, d.identifier_id
LIMIT $4;

-- name: place
-- How far the deletion of an identifier has come; no row when it is done.
SELECT
    d.content_entry,
    d.content_part,
    d.contents_done,
    d.item_feature,
    d.item_entry
FROM ledger.deletion AS d
WHERE
    d.controller_id = $1
    AND d.identifier_id = $2;

-- name: delete_contents_page
-- Of the next $5 contents of an identifier after a place: delete what nothing carries, let the rest be
-- carried by what carries it still. Gives the last place looked at, how many were, and how many went.
WITH
page AS (
    SELECT
        c.entry_index,
        c.part,
        c.basis,
        coalesce(k.basis, 0) AS left_basis
    FROM (
        SELECT
            n.entry_index,
            n.part,
            n.basis
        FROM ledger.content AS n
        WHERE
            n.controller_id = $1
            AND n.identifier_id = $2
            AND (n.entry_index, n.part) > ($3, $4)
        ORDER BY n.entry_index, n.part
        LIMIT $5
    ) AS c
    LEFT JOIN ledger.kept_content AS k
        ON
            k.controller_id = $1
            AND k.identifier_id = $2
            AND c.entry_index = k.entry_index
            AND c.part = k.part
),

gone AS (
    DELETE FROM ledger.content AS c
    USING page AS p
    WHERE
        c.controller_id = $1
        AND c.identifier_id = $2
        AND c.entry_index = p.entry_index
        AND c.part = p.part
        AND p.left_basis = 0
        -- What the law keeps of somebody erased stays until it ends.
        AND NOT EXISTS (
            SELECT 1
            FROM ledger.retained AS r
            WHERE
                r.controller_id = $1
                AND r.entry_index = p.entry_index
                AND r.part = p.part
        )
    RETURNING c.part
),

stripped AS (
    UPDATE ledger.content AS c
    SET basis = p.left_basis
    FROM page AS p
    WHERE
        c.controller_id = $1
        AND c.identifier_id = $2
        AND c.entry_index = p.entry_index
        AND c.part = p.part
        AND p.left_basis <> 0
        AND p.left_basis <> p.basis
)

SELECT
    p.entry_index,
    p.part,
    (SELECT count(*) FROM page) AS looked_at,
    (SELECT count(*) FROM gone) AS deleted
FROM page AS p
ORDER BY p.entry_index DESC, p.part DESC
LIMIT 1;

-- name: delete_items_page
-- The same of items, in order of feature and entry.
WITH
page AS (
    SELECT
        t.feature_id,
        t.entry_index,
        t.basis,
        coalesce(k.basis, 0) AS left_basis
    FROM (
        SELECT
            n.feature_id,
            n.entry_index,
            n.basis
        FROM feature_item AS n
        WHERE
            n.controller_id = $1
            AND n.identifier_id = $2
            AND (n.feature_id, n.entry_index) > ($3, $4)
        ORDER BY n.feature_id, n.entry_index
        LIMIT $5
    ) AS t
    LEFT JOIN ledger.kept_item AS k
        ON
            k.controller_id = $1
            AND k.identifier_id = $2
            AND t.feature_id = k.feature_id
            AND t.entry_index = k.entry_index
),

gone AS (
    DELETE FROM feature_item AS t
    USING page AS p
    WHERE
        t.controller_id = $1
        AND t.identifier_id = $2
        AND t.feature_id = p.feature_id
        AND t.entry_index = p.entry_index
        AND p.left_basis = 0
    RETURNING t.feature_id
),

stripped AS (
    UPDATE feature_item AS t
    SET basis = p.left_basis
    FROM page AS p
    WHERE
        t.controller_id = $1
        AND t.identifier_id = $2
        AND t.feature_id = p.feature_id
        AND t.entry_index = p.entry_index
        AND p.left_basis <> 0
        AND p.left_basis <> p.basis
)

SELECT
    p.feature_id,
    p.entry_index,
    (SELECT count(*) FROM page) AS looked_at,
    (SELECT count(*) FROM gone) AS deleted
FROM page AS p
ORDER BY p.feature_id DESC, p.entry_index DESC
LIMIT 1;

-- name: move_contents
-- Contents are looked at up to a place, and up to the last when $5.
UPDATE ledger.deletion AS d
SET
    content_entry = $3,
    content_part = $4,
    contents_done = $5
WHERE
    d.controller_id = $1
    AND d.identifier_id = $2;

-- name: move_items
UPDATE ledger.deletion AS d
SET
    item_feature = $3,
    item_entry = $4
WHERE
    d.controller_id = $1
    AND d.identifier_id = $2;

-- name: finish
-- Nothing of these identifiers waits any more.
DELETE FROM ledger.deletion AS d
WHERE
    d.controller_id = $1
    AND d.identifier_id = any($2::bigint[]);

-- name: waiting
-- How many identifiers have something that waits to be deleted, since when, and by when the first is due.
SELECT
    count(*) AS identifiers,
    min(d.since) AS since,
    min(d.due) AS due
FROM ledger.deletion AS d
WHERE d.controller_id = $1;
