-- name: derived_features
-- The derived features that are asked for now, by number, each with the entry that asked for it. The live
-- ones, in a rebuild too: what is kept for them is a function of all the content there is.
SELECT
    d.feature_id,
    d.definition,
    d.entry_index
FROM projection.derived_feature AS d
WHERE
    d.controller_id = $1
    AND d.definition <> ''
ORDER BY d.feature_id;

-- name: derived_folded
-- The derived features that the entries folded so far ask for.
SELECT
    d.feature_id,
    d.definition
FROM derived_feature AS d
WHERE
    d.controller_id = $1
    AND d.definition <> ''
ORDER BY d.feature_id;

-- name: derived_count
-- How many numbers were given to derived features, those that were dropped included.
SELECT count(*) AS given
FROM derived_feature AS d
WHERE d.controller_id = $1;

-- name: insert_derived
-- When every number was given once, those of dropped features are given again.
INSERT INTO derived_feature (controller_id, feature_id, definition, entry_index)
SELECT
    $1,
    n.feature_id,
    n.definition,
    n.entry_index
FROM unnest($2::smallint[], $3::text[], $4::bigint[]) AS n (feature_id, definition, entry_index)
ON CONFLICT (controller_id, feature_id) DO UPDATE
    SET
        definition = excluded.definition,
        entry_index = excluded.entry_index;

-- name: drop_derived
UPDATE derived_feature AS d
SET definition = ''
WHERE
    d.controller_id = $1
    AND d.feature_id = any($2::smallint[]);

-- name: delete_derived_items
-- What is kept for features that are dropped.
DELETE FROM feature_item AS t
WHERE
    t.controller_id = $1
    AND t.feature_id = any($2::smallint[]);

-- name: delete_derived_items_of
-- What is kept for these features of these contents: an erasure may have made it anew meanwhile.
DELETE FROM feature_item AS t
USING unnest($3::bigint[], $4::bigint[]) AS n (identifier_id, entry_index)
WHERE
    t.controller_id = $1
    AND t.feature_id = any($2::smallint[])
    AND t.identifier_id = n.identifier_id
    AND t.entry_index = n.entry_index;

-- name: delete_derived_items_until
-- The same, of identifiers up to one.
DELETE FROM feature_item AS t
WHERE
    t.controller_id = $1
    AND t.feature_id = any($2::smallint[])
    AND t.identifier_id > $3
    AND t.identifier_id <= $4;

-- name: identifier_after
-- The last of the next $3 identifiers after one; null when there is none.
SELECT max(n.identifier_id) AS last_one
FROM (
    SELECT i.identifier_id
    FROM identifier AS i
    WHERE
        i.controller_id = $1
        AND i.identifier_id > $2
    ORDER BY i.identifier_id
    LIMIT $3
) AS n;

-- name: begin_dropping
-- Mark derived features as deleted halfway: a row of their own, below all entries, that is not ready.
INSERT INTO ledger.backfill AS b (controller_id, entry_index, identifier_id, content_index, part, ready)
SELECT
    $1,
    -n.feature_id,
    -1,
    -1,
    -1,
    FALSE
FROM unnest($2::smallint[]) AS n (feature_id)
ON CONFLICT (controller_id, entry_index) DO UPDATE
    SET ready = FALSE;

-- name: end_dropping
UPDATE ledger.backfill AS b
SET ready = TRUE
FROM unnest($2::smallint[]) AS n (feature_id)
WHERE
    b.controller_id = $1
    AND b.entry_index = -n.feature_id;

-- name: dropping
-- Those of these derived features that are deleted halfway.
SELECT n.feature_id
FROM unnest($2::smallint[]) AS n (feature_id)
INNER JOIN ledger.backfill AS b ON n.feature_id = -b.entry_index
WHERE
    b.controller_id = $1
    AND NOT b.ready
ORDER BY n.feature_id;

-- name: begin_backfill
INSERT INTO ledger.backfill (controller_id, entry_index, identifier_id, content_index, part, ready)
SELECT
    $1,
    n.entry_index,
    -1,
    -1,
    -1,
    FALSE
FROM unnest($2::bigint[]) AS n (entry_index);

-- name: backfill
-- How far what came before an entry has been read.
SELECT
    b.identifier_id,
    b.content_index,
    b.part,
    b.ready
FROM ledger.backfill AS b
WHERE
    b.controller_id = $1
    AND b.entry_index = $2;

-- name: unready
-- Those of these entries before which not everything has been read.
SELECT b.entry_index
FROM ledger.backfill AS b
WHERE
    b.controller_id = $1
    AND b.entry_index = any($2::bigint[])
    AND NOT b.ready
ORDER BY b.entry_index;

-- name: move_backfill
UPDATE ledger.backfill AS b
SET
    identifier_id = $3,
    content_index = $4,
    part = $5,
    ready = $6
WHERE
    b.controller_id = $1
    AND b.entry_index = $2;

-- name: move_catalogue
-- Tell who keeps the catalogue at hand that it changed.
UPDATE ledger.head AS h
SET catalogue = h.catalogue + 1
WHERE h.controller_id = $1;

-- name: contents_after
-- The next $7 contents of categories $2 after a place, from before entry $6, in order of person and entry.
SELECT
    c.identifier_id,
    c.entry_index,
    c.part,
    c.category_id,
    c.basis,
    c.at,
    c.sealed
FROM ledger.kept_content AS c
WHERE
    c.controller_id = $1
    AND (c.identifier_id, c.entry_index, c.part) > ($3, $4, $5)
    AND c.category_id = any($2::smallint[])
    AND c.entry_index < $6
ORDER BY c.identifier_id, c.entry_index, c.part
LIMIT $7;
