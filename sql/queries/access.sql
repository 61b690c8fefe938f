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
    k.revoked_at
FROM ledger.api_key AS k
WHERE k.digest = $1;

-- name: insert_key
INSERT INTO ledger.api_key (controller_id, digest, role, consumer, purposes, trust, members, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
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

-- name: keys
-- Every key of a controller: what it may do, never what it is.
SELECT
    k.key_id,
    k.role,
    k.consumer,
    k.purposes,
    k.trust,
    k.members,
    k.created_at,
    k.revoked_at
FROM ledger.api_key AS k
WHERE k.controller_id = $1
ORDER BY k.key_id;
