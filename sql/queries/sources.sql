-- name: count_taken
INSERT INTO ledger.intake (controller_id, source, day, within_s, accepted, repeated)
SELECT
    $1,
    n.source,
    n.day,
    n.within_s,
    n.accepted,
    n.repeated
FROM
    unnest($2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::bigint[])
        AS n (source, day, within_s, accepted, repeated)
ON CONFLICT (controller_id, source, day, within_s) DO UPDATE
    SET
        accepted = intake.accepted + excluded.accepted,
        repeated = intake.repeated + excluded.repeated;

-- name: taken
-- What each source sent from day $2 to day $3, by how late it came.
SELECT
    i.source,
    i.within_s,
    sum(i.accepted)::bigint AS accepted,
    sum(i.repeated)::bigint AS repeated
FROM ledger.intake AS i
WHERE
    i.controller_id = $1
    AND i.day BETWEEN $2 AND $3
GROUP BY i.source, i.within_s
ORDER BY i.source, i.within_s;

-- name: refused
-- What was not taken of each source from day $2 to day $3, by the reason.
SELECT
    r.source,
    r.code,
    sum(r.refused)::bigint AS refused
FROM ledger.refusal AS r
WHERE
    r.controller_id = $1
    AND r.day BETWEEN $2 AND $3
GROUP BY r.source, r.code
ORDER BY r.source, r.code;

-- name: named
-- The sources that a name stands for: keys and imports by the names under which they are counted, and keys by
-- the system that they are for.
SELECT 'key:' || k.key_id AS source
FROM ledger.api_key AS k
WHERE
    k.controller_id = $1
    AND k.role = 'collector'
    AND (k.source = $2 OR 'key:' || k.key_id = $2)
UNION
SELECT $2
FROM ledger.import_progress AS p
WHERE
    p.controller_id = $1
    AND 'import:' || substr(encode(p.file_digest, 'hex'), 1, 12) = $2
ORDER BY source;
