-- name: projection_tables
-- The tables that are folds, by name.
SELECT t.tablename AS table_name
FROM pg_catalog.pg_tables AS t
WHERE t.schemaname = 'projection'
ORDER BY t.tablename;

-- name: heads
-- Every controller, and where its logs stand; a head that is gone is null.
SELECT
    c.controller_id,
    h.revision,
    h.policy_version,
    h.frontier,
    r.size AS release_size,
    r.frontier AS release_frontier
FROM ledger.controller AS c
LEFT JOIN ledger.head AS h ON c.controller_id = h.controller_id
LEFT JOIN ledger.release_head AS r ON c.controller_id = r.controller_id
ORDER BY c.controller_id;

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
-- Entries from index $2 to before $3 with their payloads, in order; a payload that is gone is null.
SELECT
    e.entry_index,
    e.leaf,
    p.sealed
FROM ledger.entry AS e
LEFT JOIN ledger.kept_payload AS p
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
    c.part,
    c.category_id,
    c.sealed,
    c.identifier_id,
    c.basis
FROM ledger.kept_content AS c
WHERE
    c.controller_id = $1
    AND c.entry_index >= $2
    AND c.entry_index < $3
ORDER BY c.entry_index, c.part;

-- name: erasures
-- Every entry that says somebody was erased, with its payload, in order.
SELECT
    e.entry_index,
    p.sealed
FROM ledger.entry AS e
LEFT JOIN ledger.payload AS p
    ON e.controller_id = p.controller_id AND e.entry_index = p.entry_index
WHERE
    e.controller_id = $1
    AND substr(e.leaf, 1, 23) = convert_to('assent/entry@1 erasure ', 'UTF8')
ORDER BY e.entry_index;

-- name: folded_policy
-- The newest policy version folded so far, 0 before the first.
SELECT coalesce(max(p.policy_version), 0) AS policy_version
FROM policy AS p
WHERE p.controller_id = $1;

-- name: releases_from
-- Leaves of the release log from index $2, at most $3, each with the release that it says; in order.
SELECT
    e.entry_index,
    e.leaf,
    r.release_id,
    r.at,
    r.kind,
    r.consumer,
    r.purpose_id,
    r.purpose_seq,
    r.revision,
    r.policy_version,
    r.rules,
    r.number,
    r.reference,
    r.commitment
FROM ledger.release_entry AS e
LEFT JOIN ledger.release AS r
    ON e.controller_id = r.controller_id AND e.entry_index = r.leaf_index
WHERE
    e.controller_id = $1
    AND e.entry_index >= $2
ORDER BY e.entry_index
LIMIT $3;

-- name: releases_astray
-- Where releases say they stand outside a release log of $2 leaves.
SELECT r.leaf_index
FROM ledger.release AS r
WHERE
    r.controller_id = $1
    AND (r.leaf_index < 0 OR r.leaf_index >= $2)
ORDER BY r.leaf_index;

-- name: nodes_in_order
-- Every identifier in order, with the head of its keyed hash, which ranks as the whole does.
SELECT
    i.identifier_id,
    i.namespace_id,
    substr(i.lookup, 1, 16) AS lookup
FROM identifier AS i
WHERE i.controller_id = $1
ORDER BY i.identifier_id;

-- name: links_in_order
-- All evidence, each link once, by its ends.
SELECT
    l.low_id,
    l.high_id,
    l.kind,
    l.first_at,
    l.last_at,
    l.weight
FROM link AS l
WHERE l.controller_id = $1
ORDER BY l.low_id, l.high_id, l.kind;

-- name: denied_in_order
-- The pairs that are denied.
SELECT
    d.low_id,
    d.high_id
FROM denied_link AS d
WHERE d.controller_id = $1
ORDER BY d.low_id, d.high_id;

-- name: clusters_in_order
-- Who is in a cluster of two or more in view $2, with its profile.
SELECT
    c.identifier_id,
    c.profile_id
FROM cluster AS c
WHERE
    c.controller_id = $1
    AND c.view_id = $2
ORDER BY c.identifier_id;

-- name: expired_until
-- Until when links that are over were looked for under the policy in force, and the time of the newest entry.
SELECT
    coalesce(u.done_until, -4611686018427387904) AS since,
    h.at AS now
FROM ledger.head AS h
LEFT JOIN ledger.upkeep AS u
    ON
        u.controller_id = $1
        AND u.task = 'expiry:' || h.policy_version
WHERE h.controller_id = $1;

-- name: identifier_stands
-- Identifiers as they stand, beside those of the rebuild that the search path names. What a purpose knows of
-- somebody by data that is closed is looked up when that is deleted: until then, whom such data may name may
-- be known to more.
WITH
linked AS (
    SELECT
        l.controller_id,
        l.low_id,
        l.high_id
    FROM projection.link AS l
    UNION ALL
    SELECT
        p.controller_id,
        p.low_id,
        p.high_id
    FROM projection.parted AS p
    UNION ALL
    SELECT
        k.controller_id,
        k.low_id,
        k.high_id
    FROM projection.denied_link AS k
),

waits AS (
    SELECT
        d.controller_id,
        d.identifier_id
    FROM ledger.deletion AS d
    UNION
    SELECT
        d.controller_id,
        l.high_id
    FROM ledger.deletion AS d
    INNER JOIN linked AS l ON d.controller_id = l.controller_id AND d.identifier_id = l.low_id
    UNION
    SELECT
        d.controller_id,
        l.low_id
    FROM ledger.deletion AS d
    INNER JOIN linked AS l ON d.controller_id = l.controller_id AND d.identifier_id = l.high_id
)

SELECT
    i.controller_id,
    i.identifier_id,
    i.namespace_id,
    i.lookup,
    i.denies,
    CASE
        WHEN w.identifier_id IS NULL THEN i.seen_by
        ELSE i.seen_by & coalesce(r.seen_by, 0)
    END AS seen_by
FROM projection.identifier AS i
LEFT JOIN identifier AS r
    ON i.controller_id = r.controller_id AND i.identifier_id = r.identifier_id
LEFT JOIN waits AS w
    ON i.controller_id = w.controller_id AND i.identifier_id = w.identifier_id;
