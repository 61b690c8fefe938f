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
