-- name: lock_head
-- The controller's head, locked: until the transaction ends nobody else writes. No row: no such controller.
SELECT
    h.revision,
    h.at,
    h.policy_version,
    h.frontier,
    h.preparing
FROM ledger.head AS h
WHERE h.controller_id = $1
FOR UPDATE;

-- name: head
-- Where a controller stands.
SELECT
    h.revision,
    h.at,
    h.policy_version,
    h.frontier,
    h.checkpoint,
    h.catalogue
FROM ledger.head AS h
WHERE h.controller_id = $1;

-- name: sequences
-- The sequence of every purpose that ever had one.
SELECT
    p.purpose_id,
    p.seq
FROM ledger.purpose_head AS p
WHERE p.controller_id = $1;

-- name: insert_changes
-- What changed for each purpose, of a profile or of an account, and with it how far its sequence has come.
WITH changes AS (
    INSERT INTO ledger.change (controller_id, purpose_id, seq, profile_id, narrowing)
    SELECT
        $1,
        n.purpose_id,
        n.seq,
        n.profile_id,
        n.narrowing
    FROM
        unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::boolean[])
            AS n (purpose_id, seq, profile_id, narrowing)
    WHERE n.profile_id IS NOT NULL
),

accounts AS (
    INSERT INTO ledger.account_change (controller_id, purpose_id, seq, account, narrowing)
    SELECT
        $1,
        n.purpose_id,
        n.seq,
        n.account,
        n.narrowing
    FROM
        unnest($2::smallint[], $3::bigint[], $6::bytea[], $5::boolean[])
            AS n (purpose_id, seq, account, narrowing)
    WHERE n.account IS NOT NULL
)

INSERT INTO ledger.purpose_head (controller_id, purpose_id, seq)
SELECT
    $1,
    n.purpose_id,
    max(n.seq) AS seq
FROM unnest($2::smallint[], $3::bigint[]) AS n (purpose_id, seq)
GROUP BY n.purpose_id
ORDER BY n.purpose_id
ON CONFLICT (controller_id, purpose_id) DO UPDATE
    SET seq = excluded.seq;

-- name: messages_seen
-- Which of these messages were taken since $3, and the entry that each became.
SELECT
    m.message_key,
    m.entry_index
FROM ledger.message AS m
WHERE
    m.controller_id = $1
    AND m.message_key = any($2::bytea[])
    AND m.seen_at >= $3;

-- name: append
-- What every commit writes, in one round trip: entries and their payloads, the messages they came by, the
-- batch, the head. A message that was taken before is here again because that was too long ago to be
-- recognised.
WITH
entries AS (
    INSERT INTO ledger.entry (controller_id, entry_index, leaf)
    SELECT
        $1,
        n.entry_index,
        n.leaf
    FROM unnest($2::bigint[], $3::bytea[]) AS n (entry_index, leaf)
),

payloads AS (
    INSERT INTO ledger.payload (controller_id, entry_index, identifier_id, sealed)
    SELECT
        $1,
        n.entry_index,
        n.identifier_id,
        n.sealed
    FROM unnest($2::bigint[], $4::bigint[], $5::bytea[]) AS n (entry_index, identifier_id, sealed)
),

messages AS (
    INSERT INTO ledger.message (controller_id, message_key, seen_at, entry_index)
    SELECT
        $1,
        n.message_key,
        $11,
        n.entry_index
    FROM unnest($6::bytea[], $7::bigint[]) AS n (message_key, entry_index)
    ON CONFLICT (controller_id, message_key) DO UPDATE
        SET
            seen_at = excluded.seen_at,
            entry_index = excluded.entry_index
),

batch AS (
    INSERT INTO ledger.batch (controller_id, first_index, size, batch_id, at)
    VALUES ($1, $8, $9, $10, $11)
)

UPDATE ledger.head
SET
    revision = $8 + $9,
    at = $11,
    policy_version = $12,
    frontier = $13,
    checkpoint = $14
WHERE controller_id = $1;

-- name: insert_contents
INSERT INTO ledger.content (
    controller_id, identifier_id, entry_index, part, category_id, basis, sealed, at, slot
)
SELECT
    $1,
    n.identifier_id,
    n.entry_index,
    n.part,
    n.category_id,
    n.basis,
    n.sealed,
    n.at,
    n.slot
FROM
    unnest(
        $2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[], $6::bigint[], $7::bytea[], $8::bigint[],
        $9::bytea[]
    ) AS n (identifier_id, entry_index, part, category_id, basis, sealed, at, slot);

-- name: settle_contents
-- Of the contents that take the same place ($2) each keeps the purposes that no newer one carries, as the
-- items made of them do (`settle_items`). What the law retains of who was erased takes no place.
WITH settled AS (
    SELECT
        c.identifier_id,
        c.entry_index,
        c.part,
        c.basis,
        c.basis & ~coalesce(bit_or(c.basis & ~closed.purposes) OVER newer, 0) AS kept
    FROM ledger.content AS c
    LEFT JOIN ledger.deletion AS d
        ON d.controller_id = $1 AND c.identifier_id = d.identifier_id
    CROSS JOIN
        LATERAL (
            SELECT coalesce(bit_or(n.purposes), 0) AS purposes
            FROM unnest(d.purposes, d.categories, d.befores) AS n (purposes, categories, before_entry)
            WHERE
                (n.categories >> c.category_id) & 1 = 1
                AND c.entry_index < n.before_entry
        ) AS closed
    WHERE
        c.controller_id = $1
        AND c.slot = any($2::bytea[])
        AND NOT EXISTS (
            SELECT 1
            FROM ledger.retained AS r
            WHERE
                r.controller_id = $1
                AND r.entry_index = c.entry_index
                AND r.part = c.part
        )
    WINDOW newer AS (
        PARTITION BY c.slot
        ORDER BY c.at DESC, c.entry_index DESC
        GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),

gone AS (
    DELETE FROM ledger.content AS c
    USING settled AS s
    WHERE
        c.controller_id = $1
        AND c.identifier_id = s.identifier_id
        AND c.entry_index = s.entry_index
        AND c.part = s.part
        AND s.kept = 0
)

UPDATE ledger.content AS c
SET basis = s.kept
FROM settled AS s
WHERE
    c.controller_id = $1
    AND c.identifier_id = s.identifier_id
    AND c.entry_index = s.entry_index
    AND c.part = s.part
    AND s.kept <> 0
    AND s.kept <> s.basis;

-- name: delete_contents
-- Content of these identifiers, in categories $3, that nothing carries once the purposes of $4 are gone.
DELETE FROM ledger.content AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND ($3::bigint >> c.category_id) & 1 = 1
    AND c.basis & ~$4::bigint = 0;

-- name: strip_contents
-- Take the purposes of $4 from what carries the content that stays.
UPDATE ledger.content AS c
SET basis = c.basis & ~$4::bigint
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND ($3::bigint >> c.category_id) & 1 = 1
    AND c.basis & $4::bigint <> 0;

-- name: batch_committed
-- One row when the batch was committed, for a committer that lost its connection.
SELECT b.first_index
FROM ledger.batch AS b
WHERE
    b.controller_id = $1
    AND b.batch_id = $2;

-- name: count_refusals
INSERT INTO ledger.refusal (controller_id, source, day, code, refused)
SELECT
    $1,
    n.source,
    $2,
    n.code,
    n.refused
FROM unnest($3::text[], $4::text[], $5::bigint[]) AS n (source, code, refused)
ON CONFLICT (controller_id, source, day, code) DO UPDATE
    SET refused = refusal.refused + excluded.refused;

-- name: insert_tiles
INSERT INTO ledger.tile (controller_id, log, level, tile_index, digests, root)
SELECT
    $1,
    $2,
    n.level,
    n.tile_index,
    n.digests,
    n.root
FROM unnest($3::smallint[], $4::bigint[], $5::bytea[], $6::bytea[]) AS n (level, tile_index, digests, root);

-- name: leaves_from
-- The leaves from index $2 to before $3, in order.
SELECT e.leaf
FROM ledger.entry AS e
WHERE
    e.controller_id = $1
    AND e.entry_index >= $2
    AND e.entry_index < $3
ORDER BY e.entry_index;

-- name: tile_roots
-- The roots of complete tiles of one level, from tile $4 to before $5, in order.
SELECT t.root
FROM ledger.tile AS t
WHERE
    t.controller_id = $1
    AND t.log = $2
    AND t.level = $3
    AND t.tile_index >= $4
    AND t.tile_index < $5
ORDER BY t.tile_index;

-- name: tiles
-- The hashes of these complete tiles.
SELECT
    t.level,
    t.tile_index,
    t.digests
FROM unnest($3::smallint[], $4::bigint[]) AS n (level, tile_index)
INNER JOIN ledger.tile AS t
    ON
        t.controller_id = $1
        AND t.log = $2
        AND n.level = t.level
        AND n.tile_index = t.tile_index
ORDER BY t.level, t.tile_index;

-- name: release_head
-- Where a controller's release log stands.
SELECT
    h.size,
    h.checkpoint
FROM ledger.release_head AS h
WHERE h.controller_id = $1;

-- name: create_controller
INSERT INTO ledger.controller (controller_id, name, created_at, key_checks)
SELECT
    coalesce(max(c.controller_id), 0) + 1,
    $1,
    $2,
    $3::jsonb
FROM ledger.controller AS c
RETURNING controller_id;

-- name: create_head
INSERT INTO ledger.head (controller_id, revision, at, policy_version, frontier, checkpoint)
VALUES ($1, 0, $2, 0, $3, $4);

-- name: create_release_head
INSERT INTO ledger.release_head (controller_id, size, frontier, checkpoint)
VALUES ($1, 0, $2, $3);

-- name: controllers
-- Every controller with the check values of its key ring and where its logs stand.
SELECT
    c.controller_id,
    c.name,
    c.key_checks,
    h.revision,
    h.checkpoint,
    r.size AS release_size,
    r.checkpoint AS release_checkpoint
FROM ledger.controller AS c
INNER JOIN ledger.head AS h ON c.controller_id = h.controller_id
INNER JOIN ledger.release_head AS r ON c.controller_id = r.controller_id
ORDER BY c.controller_id;

-- name: controller_name
SELECT c.name
FROM ledger.controller AS c
WHERE c.controller_id = $1;

-- name: payloads_of
-- The sealed payloads of these entries; an erased one is missing.
SELECT
    p.entry_index,
    p.sealed
FROM ledger.kept_payload AS p
WHERE
    p.controller_id = $1
    AND p.entry_index = any($2::bigint[]);

-- name: told_contents
-- What is kept of what these identifiers said of accounts, sealed, in order of event time.
SELECT
    c.identifier_id,
    c.at,
    c.sealed
FROM ledger.kept_content AS c
WHERE
    c.controller_id = $1
    AND c.identifier_id = any($2::bigint[])
    AND c.slot IS NOT NULL
ORDER BY c.at, c.entry_index, c.part;

-- name: leaves_at
-- The leaves of these entries.
SELECT
    e.entry_index,
    e.leaf
FROM ledger.entry AS e
WHERE
    e.controller_id = $1
    AND e.entry_index = any($2::bigint[]);

-- name: refresh_statistics
-- Let the tables be looked at anew, for plans that hold now that they have grown.
SELECT ledger.refresh_statistics() AS refreshed;
