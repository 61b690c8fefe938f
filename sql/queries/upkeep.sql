-- name: controllers
SELECT c.controller_id
FROM ledger.controller AS c
ORDER BY c.controller_id;

-- name: take_lease
-- One row when nobody else deletes for the controller at $2; then until $3 it is us.
INSERT INTO ledger.upkeep (controller_id, task, done_until)
VALUES ($1, 'lease', $3)
ON CONFLICT (controller_id, task) DO UPDATE
    SET done_until = excluded.done_until
    WHERE upkeep.done_until <= $2
RETURNING done_until;

-- name: set_progress
INSERT INTO ledger.upkeep (controller_id, task, done_until)
VALUES ($1, $2, $3)
ON CONFLICT (controller_id, task) DO UPDATE
    SET done_until = excluded.done_until;

-- name: progress
-- How far a kind of work has come.
SELECT u.done_until
FROM ledger.upkeep AS u
WHERE
    u.controller_id = $1
    AND u.task = $2;

-- name: move_time
-- Whoever writes moves the head: what others keep of the controller is no longer true.
UPDATE ledger.head
SET at = $2
WHERE controller_id = $1;

-- name: lapsed
-- Identifiers after $5 with a permit that ended after $3 and by $4, at most $6, in order.
SELECT DISTINCT p.identifier_id
FROM permit AS p
WHERE
    p.controller_id = $1
    AND p.policy_version = $2
    AND p.until > $3
    AND p.until <= $4
    AND p.until < 4611686018427387904
    AND p.identifier_id > $5
ORDER BY p.identifier_id
LIMIT $6;

-- name: uncovered
-- Identifiers after $4 with a state that a purpose carries beyond those of $3 for each category of $2, or in
-- a category that is not there, at most $5, in order.
SELECT DISTINCT s.identifier_id
FROM feature_state AS s
LEFT JOIN unnest($2::smallint[], $3::bigint[]) AS n (category_id, purposes) ON s.category_id = n.category_id
WHERE
    s.controller_id = $1
    AND s.identifier_id > $4
    AND s.basis & ~coalesce(n.purposes, 0) <> 0
ORDER BY s.identifier_id
LIMIT $5;

-- name: outlived
-- Identifiers after $4 with content of a category from before $3, at most $5, in order.
SELECT DISTINCT c.identifier_id
FROM ledger.content AS c
INNER JOIN identifier AS i
    ON i.controller_id = $1 AND c.identifier_id = i.identifier_id
WHERE
    c.controller_id = $1
    AND c.category_id = $2
    AND c.at < $3
    AND c.identifier_id > $4
ORDER BY c.identifier_id
LIMIT $5;

-- name: delete_old_contents
-- Content of a category from before $4; gives whose it was.
DELETE FROM ledger.content AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND c.category_id = $3
    AND c.at < $4
RETURNING c.identifier_id;

-- name: delete_old_items
-- Gives what was told of accounts in them.
DELETE FROM feature_item AS t
WHERE
    t.controller_id = $1
    AND t.identifier_id = any($2::bigint[])
    AND t.category_id = $3
    AND t.at < $4
RETURNING
    t.identifier_id,
    t.account,
    t.category_id,
    t.basis;

-- name: delete_old_messages
-- At most $3 of the message keys that are no longer recognised; gives one row for each.
DELETE FROM ledger.message AS m
WHERE
    m.controller_id = $1
    AND m.message_key = any(
        array(
            SELECT o.message_key
            FROM ledger.message AS o
            WHERE
                o.controller_id = $1
                AND o.seen_at < $2
            ORDER BY o.seen_at
            LIMIT $3
        )
    )
RETURNING m.entry_index;

-- name: retained_ended
-- At most $3 parts that the law kept until $2.
SELECT
    r.entry_index,
    r.part,
    r.identifier_id,
    r.erased_by
FROM ledger.retained AS r
WHERE
    r.controller_id = $1
    AND r.until <= $2
ORDER BY r.until, r.entry_index, r.part
LIMIT $3;

-- name: delete_retained
-- Parts whose time is over; gives the entries of which nothing is retained any more, and what they become.
WITH gone AS (
    DELETE FROM ledger.retained AS r
    USING unnest($2::bigint[], $3::smallint[]) AS n (entry_index, part)
    WHERE
        r.controller_id = $1
        AND r.entry_index = n.entry_index
        AND r.part = n.part
    RETURNING r.entry_index, r.part, r.erased_by, r.remain, r.owner_id
)

SELECT DISTINCT
    g.entry_index,
    g.erased_by,
    g.remain,
    g.owner_id
FROM gone AS g
WHERE
    NOT EXISTS (
        SELECT 1
        FROM ledger.retained AS r
        WHERE
            r.controller_id = $1
            AND r.entry_index = g.entry_index
            AND NOT EXISTS (
                SELECT 1
                FROM gone AS o
                WHERE o.entry_index = r.entry_index AND o.part = r.part
            )
    )
ORDER BY g.entry_index;

-- name: delete_parts
DELETE FROM ledger.content AS c
USING unnest($2::bigint[], $3::bigint[], $4::smallint[]) AS n (identifier_id, entry_index, part)
WHERE
    c.controller_id = $1
    AND c.identifier_id = n.identifier_id
    AND c.entry_index = n.entry_index
    AND c.part = n.part;

-- name: policy_in_force
-- The version of the policy in force, 0 before the first.
SELECT h.policy_version
FROM ledger.head AS h
WHERE h.controller_id = $1;

-- name: aged
-- Links of namespace $2 seen last by $3, after the place ($4, $5, $6), at most $7, in order of that place.
SELECT
    l.low_id,
    l.high_id,
    l.last_at
FROM link AS l
INNER JOIN identifier AS low
    ON low.controller_id = $1 AND l.low_id = low.identifier_id
INNER JOIN identifier AS high
    ON high.controller_id = $1 AND l.high_id = high.identifier_id
WHERE
    l.controller_id = $1
    AND l.last_at <= $3
    AND (l.last_at, l.low_id, l.high_id) > ($4, $5, $6)
    AND $2 IN (low.namespace_id, high.namespace_id)
ORDER BY l.last_at, l.low_id, l.high_id
LIMIT $7;
