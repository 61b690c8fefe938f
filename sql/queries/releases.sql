-- name: release_leaves_from
-- The leaves of the release log from index $2 to before $3, in order.
SELECT e.leaf
FROM ledger.release_entry AS e
WHERE
    e.controller_id = $1
    AND e.entry_index >= $2
    AND e.entry_index < $3
ORDER BY e.entry_index;

-- name: lock_release_head
-- The head of the release log, locked.
SELECT
    h.size,
    h.frontier
FROM ledger.release_head AS h
WHERE h.controller_id = $1
FOR UPDATE;

-- name: controllers_unsealed
-- Controllers with releases that are not in their tree yet.
SELECT DISTINCT r.controller_id
FROM ledger.release AS r
WHERE r.leaf_index IS NULL;

-- name: unsealed
-- The oldest releases that are not in the tree yet, at most $2.
SELECT
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
FROM ledger.release AS r
WHERE
    r.controller_id = $1
    AND r.leaf_index IS NULL
ORDER BY r.release_id
LIMIT $2;

-- name: seal
-- Say where releases stand in the tree.
UPDATE ledger.release AS r
SET leaf_index = n.leaf_index
FROM unnest($2::bigint[], $3::bigint[]) AS n (release_id, leaf_index)
WHERE
    r.controller_id = $1
    AND r.release_id = n.release_id;

-- name: note_asked
-- Note when audiences $2 were asked for last.
INSERT INTO ledger.asked AS a (controller_id, audience_id, at)
SELECT
    $1,
    n.audience_id,
    n.at
FROM unnest($2::text[], $3::bigint[]) AS n (audience_id, at)
ON CONFLICT (controller_id, audience_id) DO UPDATE
    SET at = greatest(a.at, excluded.at);

-- name: insert_release_entries
INSERT INTO ledger.release_entry (controller_id, entry_index, leaf)
SELECT
    $1,
    n.entry_index,
    n.leaf
FROM unnest($2::bigint[], $3::bytea[]) AS n (entry_index, leaf);

-- name: move_release_head
UPDATE ledger.release_head
SET
    size = $2,
    frontier = $3,
    checkpoint = $4
WHERE controller_id = $1;

-- name: record_access
-- Say that somebody who is no engine read personal data, before the answer leaves; of no purpose (0).
INSERT INTO ledger.release (
    controller_id,
    at,
    kind,
    consumer,
    purpose_id,
    purpose_seq,
    revision,
    policy_version,
    rules,
    number,
    commitment,
    sealed
)
VALUES ($1, $2, 'access', $3, 0, 0, $4, $5, $6, $7, $8, $9)
RETURNING release_id;

-- name: release_page
-- What was released (or, for $2 true, read as access) after release $3, in order, at most $8: for purposes $4
-- (null: every one), consumer $5 (null: everybody) and reference $9 (null: any), from $6 to before $7, up to
-- release $10.
SELECT
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
    r.commitment,
    r.leaf_index
FROM ledger.release AS r
WHERE
    r.controller_id = $1
    AND (r.kind = 'access') = $2
    AND r.release_id > $3
    AND ($4::smallint IS NULL OR r.purpose_id = $4)
    AND ($5::text IS NULL OR r.consumer = $5)
    AND r.at >= $6
    AND r.at < $7
    AND ($9::bigint IS NULL OR r.reference = $9)
    AND r.release_id <= $10
ORDER BY r.release_id
LIMIT $8;

-- name: newest_release
-- The newest record of the release log; 0 before the first.
SELECT coalesce(max(r.release_id), 0) AS release_id
FROM ledger.release AS r
WHERE r.controller_id = $1;

-- name: reserve_references
-- The last of $4 numbers that nobody else gives out, for a consumer's ($2) releases of a purpose ($3).
INSERT INTO ledger.release_reference AS n (controller_id, consumer, purpose_id, reserved)
VALUES ($1, $2, $3, $4)
ON CONFLICT (controller_id, consumer, purpose_id) DO UPDATE
    SET reserved = n.reserved + excluded.reserved
RETURNING n.reserved;
