-- name: key_by_digest
-- The key of a digest, revoked or not.
SELECT
    k.controller_id,
    k.key_id,
    k.role,
    k.consumer,
    k.purposes,
    k.trust,
    k.members,
    k.source,
    k.channel,
    k.revoked_at
FROM ledger.api_key AS k
WHERE k.digest = $1;

-- name: insert_key
INSERT INTO ledger.api_key (
    controller_id, digest, role, consumer, purposes, trust, members, created_at, source, channel
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING key_id;

-- name: revoke_key
-- One row when a key of this consumer was in force.
UPDATE ledger.api_key
SET revoked_at = $3
WHERE
    controller_id = $1
    AND key_id = $2
    AND revoked_at IS NULL
RETURNING key_id;

-- name: keys_of
-- Every key of a controller: what it may do, never what it is.
SELECT
    k.key_id,
    k.role,
    k.consumer,
    k.purposes,
    k.trust,
    k.members,
    k.source,
    k.channel,
    k.created_at,
    k.revoked_at
FROM ledger.api_key AS k
WHERE k.controller_id = $1
ORDER BY k.key_id;

-- name: claim
-- One row when the key is new, or was last used before $5: it is this request's now.
INSERT INTO ledger.idempotency (controller_id, idempotency_key, digest, at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (controller_id, idempotency_key) DO UPDATE
    SET
        digest = excluded.digest,
        status = NULL,
        body = NULL,
        entries = '{}',
        at = excluded.at
    WHERE idempotency.at < $5
RETURNING at;

-- name: claimed
-- For which request a key was claimed, and the answer if it was given: a status of 0 is an interrupted one's.
SELECT
    i.digest,
    i.status,
    i.body,
    i.at
FROM ledger.idempotency AS i
WHERE
    i.controller_id = $1
    AND i.idempotency_key = $2;

-- name: settle
-- Keep the answer of a claim; of two that acted under it, the later is kept and says the same.
UPDATE ledger.idempotency
SET
    status = $4,
    body = $5
WHERE
    controller_id = $1
    AND idempotency_key = $2
    AND at = $3;

-- name: hold_head
-- Let no commit end while the caller's transaction lasts.
SELECT h.revision
FROM ledger.head AS h
WHERE h.controller_id = $1
FOR SHARE;

-- name: settle_with
-- Keep the answer of a claim that tells of these entries. Was one of them erased since, it is not kept and
-- the claim refused from now on; was another erased that may be beside somebody in one, it is not kept.
WITH found AS (
    SELECT
        (
            SELECT count(*)
            FROM unnest($6::bigint[]) AS n (entry_index)
            WHERE
                NOT EXISTS (
                    SELECT 1
                    FROM ledger.kept_payload AS p
                    WHERE
                        p.controller_id = $1
                        AND p.entry_index = n.entry_index
                )
        ) > 0 AS is_gone,
        (
            SELECT count(*)
            FROM ledger.entry AS e
            WHERE
                e.controller_id = $1
                AND e.entry_index > (SELECT min(n.entry_index) FROM unnest($6::bigint[]) AS n (entry_index))
                AND e.entry_index <> all($6::bigint[])
                AND substr(e.leaf, 1, 23) = convert_to('assent/entry@1 erasure ', 'UTF8')
        ) > 0 AS is_doubtful
)

UPDATE ledger.idempotency AS i
SET
    status = CASE WHEN f.is_gone THEN 410 WHEN f.is_doubtful THEN 0 ELSE $4::smallint END,
    body = CASE WHEN f.is_gone OR f.is_doubtful THEN NULL ELSE $5::bytea END,
    entries = $6::bigint[]
FROM found AS f
WHERE
    i.controller_id = $1
    AND i.idempotency_key = $2
    AND i.at = $3;

-- name: give_up
-- Take a claim back whose request was refused.
DELETE FROM ledger.idempotency
WHERE
    controller_id = $1
    AND idempotency_key = $2
    AND at = $3
    AND status IS NULL;

-- name: forget_answers
-- Answers that nobody may ask for any more.
DELETE FROM ledger.idempotency
WHERE
    controller_id = $1
    AND at < $2;
