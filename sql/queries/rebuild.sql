-- name: projection_tables
-- The tables that are folds, by name.
SELECT t.tablename AS table_name
FROM pg_catalog.pg_tables AS t
WHERE t.schemaname = 'projection'
ORDER BY t.tablename;

-- name: batches
-- Every commit of a controller, in order.
SELECT
    b.first_index,
    b.size,
    b.at
FROM ledger.batch AS b
WHERE b.controller_id = $1
ORDER BY b.first_index;

-- name: entries_between
-- Entries from index $2 to before $3 with their payloads, in order.
SELECT
    e.entry_index,
    e.leaf,
    p.sealed
FROM ledger.entry AS e
INNER JOIN ledger.payload AS p
    ON e.controller_id = p.controller_id AND e.entry_index = p.entry_index
WHERE
    e.controller_id = $1
    AND e.entry_index >= $2
    AND e.entry_index < $3
ORDER BY e.entry_index;

-- name: contents_between
-- What is still kept of the content of entries from index $2 to before $3, in order.
SELECT
    c.entry_index,
    c.category_id,
    c.sealed
FROM ledger.content AS c
WHERE
    c.controller_id = $1
    AND c.entry_index >= $2
    AND c.entry_index < $3
ORDER BY c.entry_index, c.part;

-- name: folded_policy
-- The newest policy version folded so far, 0 before the first.
SELECT coalesce(max(p.policy_version), 0) AS policy_version
FROM policy AS p
WHERE p.controller_id = $1;
