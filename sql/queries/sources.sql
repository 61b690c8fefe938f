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
