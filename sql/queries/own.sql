-- name: releases_sized
-- As `release_page` says, those that knew entry $11 and say who was in them: how long each is.
SELECT
    r.release_id,
    octet_length(r.sealed) AS size
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
    AND r.revision > $11
    AND r.number > 0
    AND r.sealed IS NOT NULL
ORDER BY r.release_id
LIMIT $8;

-- name: releases_sealed
-- These answers, with who was in them, sealed, in order.
SELECT
    r.release_id,
    r.reference,
    r.at,
    r.kind,
    r.consumer,
    r.purpose_id,
    r.purpose_seq,
    r.revision,
    r.policy_version,
    r.rules,
    r.number,
    r.commitment,
    r.leaf_index,
    r.sealed
FROM ledger.release AS r
WHERE
    r.controller_id = $1
    AND r.release_id = any($2::bigint[])
ORDER BY r.release_id;

-- name: owned_entries
-- Entries about these identifiers after entry $3, in order, at most $4: the leaf, and the payload, sealed.
SELECT
    p.entry_index,
    p.identifier_id,
    p.sealed,
    e.leaf
FROM ledger.kept_payload AS p
INNER JOIN ledger.entry AS e
    ON e.controller_id = $1 AND p.entry_index = e.entry_index
WHERE
    p.controller_id = $1
    AND p.identifier_id = any($2::bigint[])
    AND p.entry_index > $3
ORDER BY p.entry_index
LIMIT $4;

-- name: contents_of
-- What these entries said about these identifiers, as far as it is kept, sealed, in order.
SELECT
    c.entry_index,
    c.part,
    c.category_id,
    c.basis,
    c.at,
    c.sealed
FROM ledger.kept_content AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND c.entry_index = any($3::bigint[])
ORDER BY c.entry_index, c.part;
