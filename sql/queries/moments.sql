-- name: policy_before
-- The version of the policy that was in force before entry $2; null before the first.
SELECT max(p.policy_version) AS policy_version
FROM projection.policy AS p
WHERE
    p.controller_id = $1
    AND p.entry_index < $2;

-- name: audiences_before
-- Every audience as it was before entry $2; without a rule it was deleted.
SELECT DISTINCT ON (a.audience_id)
    a.audience_id,
    a.version,
    a.title,
    a.purposes,
    a.rule,
    a.holdout,
    a.goals
FROM projection.audience AS a
WHERE
    a.controller_id = $1
    AND a.entry_index < $2
ORDER BY a.audience_id ASC, a.version DESC;

-- name: entries_lacking
-- Entries of these identifiers before $3 that commit to more content than is kept of it.
SELECT
    p.identifier_id,
    p.sealed,
    e.leaf
FROM ledger.kept_payload AS p
INNER JOIN ledger.entry AS e
    ON e.controller_id = $1 AND p.entry_index = e.entry_index
WHERE
    p.controller_id = $1
    AND p.identifier_id = any($2::bigint[])
    AND p.entry_index < $3
    AND (octet_length(e.leaf) - position('\x0a'::bytea IN e.leaf)) / 32 - 1 > (
        SELECT count(*)
        FROM ledger.kept_content AS c
        WHERE
            c.controller_id = $1
            AND c.identifier_id = p.identifier_id
            AND c.entry_index = p.entry_index
    )
ORDER BY p.entry_index;

-- name: erasures_from
-- The erasures from entry $2 on, with their payloads, sealed.
SELECT p.sealed
FROM ledger.entry AS e
INNER JOIN ledger.kept_payload AS p
    ON e.controller_id = p.controller_id AND e.entry_index = p.entry_index
WHERE
    e.controller_id = $1
    AND e.entry_index >= $2
    AND substr(e.leaf, 1, 23) = convert_to('assent/entry@1 erasure ', 'UTF8')
ORDER BY e.entry_index;
