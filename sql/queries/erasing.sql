-- name: begin
INSERT INTO ledger.erasing (controller_id, erasing_id, began_at, identifiers)
VALUES ($1, $2, $3, $4);

-- name: stage
-- Keep what the payloads of some entries become.
INSERT INTO ledger.erasing_entry (
    controller_id, entry_index, erasing_id, remain, owner_id, is_retained, parts, untils
)
SELECT
    $1,
    n.entry_index,
    $2,
    n.remain,
    n.owner_id,
    n.is_retained,
    coalesce(
        (
            SELECT array_agg(r.part ORDER BY r.part)
            FROM unnest($7::bigint[], $8::smallint[]) AS r (entry_index, part)
            WHERE r.entry_index = n.entry_index
        ),
        '{}'
    ) AS parts,
    coalesce(
        (
            SELECT array_agg(r.until ORDER BY r.part)
            FROM unnest($7::bigint[], $8::smallint[], $9::bigint[]) AS r (entry_index, part, until)
            WHERE r.entry_index = n.entry_index
        ),
        '{}'
    ) AS untils
FROM
    unnest($3::bigint[], $4::bytea[], $5::bigint[], $6::boolean[])
        AS n (entry_index, remain, owner_id, is_retained);

-- name: close
-- One row: from here on everything of it counts as done.
UPDATE ledger.erasing
SET erased_by = $3
WHERE
    controller_id = $1
    AND erasing_id = $2
    AND erased_by IS NULL
RETURNING erased_by;

-- name: closed
-- The erasures that are closed and not done, the oldest first.
SELECT
    e.erasing_id,
    e.identifiers,
    e.erased_by
FROM ledger.erasing AS e
WHERE
    e.controller_id = $1
    AND e.erased_by IS NOT NULL
ORDER BY e.erased_by;

-- name: staged
-- The next $3 entries of an erasure, in order.
SELECT
    s.entry_index,
    s.remain,
    s.owner_id,
    s.is_retained,
    s.parts,
    s.untils
FROM ledger.erasing_entry AS s
WHERE
    s.controller_id = $1
    AND s.erasing_id = $2
ORDER BY s.entry_index
LIMIT $3;

-- name: unstage
-- These entries of an erasure are done.
DELETE FROM ledger.erasing_entry AS s
WHERE
    s.controller_id = $1
    AND s.erasing_id = $2
    AND s.entry_index = any($3::bigint[]);

-- name: end
-- All of an erasure is done.
DELETE FROM ledger.erasing AS e
WHERE
    e.controller_id = $1
    AND e.erasing_id = $2;

-- name: drop_unclosed
-- Nothing of an erasure shall be done, unless it is closed.
WITH gone AS (
    DELETE FROM ledger.erasing AS e
    WHERE
        e.controller_id = $1
        AND e.erasing_id = $2
        AND e.erased_by IS NULL
    RETURNING e.erasing_id
)

DELETE FROM ledger.erasing_entry AS s
USING gone AS g
WHERE
    s.controller_id = $1
    AND s.erasing_id = g.erasing_id;

-- name: left_behind
-- Erasures begun before $2 whose entry never came.
SELECT e.erasing_id
FROM ledger.erasing AS e
WHERE
    e.controller_id = $1
    AND e.erased_by IS NULL
    AND e.began_at < $2
ORDER BY e.began_at;

-- name: erasures_waiting
-- How many erasures are closed and not done.
SELECT count(*) AS erasures
FROM ledger.erasing AS e
WHERE
    e.controller_id = $1
    AND e.erased_by IS NOT NULL;
