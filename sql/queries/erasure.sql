-- name: newest_of
-- The newest entry that one of these identifiers owns, or -1.
SELECT coalesce(max(p.entry_index), -1) AS newest
FROM ledger.payload AS p
WHERE
    p.controller_id = $1
    AND p.identifier_id = any($2::bigint[]);

-- name: delete_identifiers
DELETE FROM identifier AS i
WHERE
    i.controller_id = $1
    AND i.identifier_id = any($2::bigint[]);

-- name: delete_links_of
-- Evidence about these identifiers, whichever end they are.
DELETE FROM link AS l
WHERE
    l.controller_id = $1
    AND l.low_id = any($3::bigint[])
    AND (l.low_id = any($2::bigint[]) OR l.high_id = any($2::bigint[]));

-- name: delete_denied_of
DELETE FROM denied_link AS d
WHERE
    d.controller_id = $1
    AND d.low_id = any($3::bigint[])
    AND (d.low_id = any($2::bigint[]) OR d.high_id = any($2::bigint[]));

-- name: delete_clusters_of
DELETE FROM cluster AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[]);

-- name: delete_statements_of
-- What these identifiers stated, and what anybody stated for them as addresses.
DELETE FROM statement AS s
WHERE
    s.controller_id = $1
    AND (s.identifier_id = any($2::bigint[]) OR s.terms ->> 'address' = any($3::text[]));

-- name: delete_permits_of
DELETE FROM permit AS p
WHERE
    p.controller_id = $1
    AND p.policy_version = any($3::integer[])
    AND p.purpose_id = any($4::smallint[])
    AND p.identifier_id = any($2::bigint[]);

-- name: delete_states_of
DELETE FROM feature_state AS s
WHERE
    s.controller_id = $1
    AND s.identifier_id = any($2::bigint[]);

-- name: delete_items_of
DELETE FROM feature_item AS t
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[]);

-- name: insert_suppressions
INSERT INTO suppression (controller_id, namespace_id, token, at)
SELECT
    $1,
    n.namespace_id,
    n.token,
    $4
FROM unnest($2::smallint[], $3::bytea[]) AS n (namespace_id, token)
ON CONFLICT (controller_id, namespace_id, token) DO UPDATE
    SET at = excluded.at;

-- name: any_suppression
-- One row when anybody objected to direct marketing and was erased.
SELECT s.at
FROM suppression AS s
WHERE s.controller_id = $1
ORDER BY s.namespace_id
LIMIT 1;

-- name: suppressions
-- Which of these tokens are kept, and since when.
SELECT
    s.namespace_id,
    s.token,
    s.at
FROM suppression AS s
WHERE
    s.controller_id = $1
    AND s.token = any($2::bytea[]);

-- name: insert_retained
INSERT INTO ledger.retained (
    controller_id, entry_index, part, identifier_id, category_id, erased_by, until, remain, owner_id
)
SELECT
    $1,
    n.entry_index,
    n.part,
    c.identifier_id,
    c.category_id,
    $5,
    n.until,
    n.remain,
    n.owner_id
FROM
    unnest($2::bigint[], $3::smallint[], $4::bigint[], $7::bytea[], $8::bigint[])
        AS n (entry_index, part, until, remain, owner_id)
INNER JOIN ledger.content AS c
    ON
        c.controller_id = $1
        AND c.identifier_id = any($6::bigint[])
        AND n.entry_index = c.entry_index
        AND n.part = c.part;

-- name: delete_contents_of
-- The content of these identifiers, except what is retained.
DELETE FROM ledger.content AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND NOT EXISTS (
        SELECT 1
        FROM ledger.retained AS r
        WHERE
            r.controller_id = $1
            AND r.entry_index = c.entry_index
            AND r.part = c.part
    );

-- name: delete_messages
-- Message keys of these entries.
DELETE FROM ledger.message AS m
WHERE
    m.controller_id = $1
    AND m.entry_index = any($2::bigint[]);

-- name: oldest_answered
-- The oldest entry that an answer is kept of; null when there is none.
SELECT min(n.entry_index) AS oldest
FROM ledger.idempotency AS i
CROSS JOIN unnest(i.entries) AS n (entry_index)
WHERE i.controller_id = $1;

-- name: erase_answers
-- Answers about these entries are not given again: their request is known, and refused (410).
UPDATE ledger.idempotency AS i
SET
    status = 410,
    body = NULL
WHERE
    i.controller_id = $1
    AND i.idempotency_key IN (
        SELECT o.idempotency_key
        FROM ledger.idempotency AS o
        CROSS JOIN unnest(o.entries) AS n (entry_index)
        INNER JOIN unnest($2::bigint[]) AS e (entry_index) ON n.entry_index = e.entry_index
        WHERE o.controller_id = $1
    );

-- name: erase
-- Let payloads go, or become what is left of them.
SELECT ledger.erase($1, $2, $3::bigint[], $4::bytea[], $5::bigint[]) AS erased;

-- name: payloads_owned
-- The payloads that these identifiers own, a page of $4 after entry $3, in order.
SELECT
    p.entry_index,
    p.sealed
FROM ledger.kept_payload AS p
WHERE
    p.controller_id = $1
    AND p.identifier_id = any($2::bigint[])
    AND p.entry_index > $3
    AND NOT EXISTS (
        SELECT 1
        FROM ledger.retained AS r
        WHERE
            r.controller_id = $1
            AND r.entry_index = p.entry_index
    )
ORDER BY p.entry_index
LIMIT $4;

-- name: denied_around
-- Everybody whom a denied link parts from one of these, or to whom evidence linked them once.
SELECT
    d.low_id,
    d.high_id
FROM denied_link AS d
WHERE
    d.controller_id = $1
    AND (d.low_id = any($2::bigint[]) OR d.high_id = any($2::bigint[]))
UNION
SELECT
    r.low_id,
    r.high_id
FROM parted AS r
WHERE
    r.controller_id = $1
    AND (r.low_id = any($2::bigint[]) OR r.high_id = any($2::bigint[]));

-- name: insert_parted
INSERT INTO parted (controller_id, low_id, high_id)
SELECT
    $1,
    n.low_id,
    n.high_id
FROM unnest($2::bigint[], $3::bigint[]) AS n (low_id, high_id)
ON CONFLICT (controller_id, low_id, high_id) DO NOTHING;

-- name: delete_parted_of
DELETE FROM parted AS r
WHERE
    r.controller_id = $1
    AND r.low_id = any($3::bigint[])
    AND (r.low_id = any($2::bigint[]) OR r.high_id = any($2::bigint[]));

-- name: delete_former_of
-- What linked these identifiers once.
DELETE FROM former_link AS f
WHERE
    f.controller_id = $1
    AND (f.low_id = any($2::bigint[]) OR f.high_id = any($2::bigint[]));

-- name: delete_prepared_clusters_of
DELETE FROM ledger.prepared_cluster AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[]);

-- name: delete_prepared_denies_of
DELETE FROM ledger.prepared_denies AS d
WHERE
    d.controller_id = $1
    AND d.identifier_id = any($2::bigint[]);

-- name: addressed
-- Everybody who stated something for one of these addresses.
SELECT DISTINCT s.identifier_id
FROM statement AS s
WHERE
    s.controller_id = $1
    AND s.terms ->> 'address' = any($2::text[]);

-- name: contents_owned
-- What is kept of the content of these identifiers in categories $3, in order.
SELECT
    c.identifier_id,
    c.entry_index,
    c.part,
    c.category_id,
    c.basis,
    c.at,
    c.slot IS NOT NULL AS of_account
FROM ledger.kept_content AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND c.category_id = any($3::smallint[])
ORDER BY c.entry_index, c.part;

-- name: contents_folded
-- The content of these identifiers from before entry $3, sealed, each with its entry's leaf.
SELECT
    c.identifier_id,
    c.entry_index,
    c.category_id,
    c.basis,
    c.at,
    c.sealed,
    e.leaf
FROM ledger.kept_content AS c
INNER JOIN ledger.entry AS e
    ON e.controller_id = $1 AND c.entry_index = e.entry_index
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND c.entry_index < $3
ORDER BY c.entry_index, c.part;
